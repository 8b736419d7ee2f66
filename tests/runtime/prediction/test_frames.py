"""Predictions of frames, as frames, and as a notebook shows them."""

from __future__ import annotations

import re
import sys
from typing import Any

import numpy as np
import pytest

from lr_runtime import Prediction, Predictor
from lr_runtime.errors import MissingExtraError
from lr_runtime.system.text import html_table
from tests.optional import needs, optional
from tests.runtime import sensor

pa, pd, pl = optional("pyarrow"), optional("pandas"), optional("polars")

COUNT = 12
VALUES = np.linspace(0, 1, 2 * COUNT, dtype=np.float32).reshape(COUNT, 2)
INSIDE = np.arange(COUNT) % 3 == 0
FULL = Prediction(("a", "b"), VALUES, VALUES - 1, VALUES + 1, INSIDE, VALUES[:, 0] * 2)
COLUMNS = ["a", "a_lower", "a_upper", "b", "b_lower", "b_upper", "in_range", "leverage"]


def rows(frame: Any) -> Any:
    frame = frame.to_pylist() if hasattr(frame, "to_pylist") else frame
    return frame.to_dicts() if hasattr(frame, "to_dicts") else frame


@needs(pa)
@needs(pd)
@needs(pl)
def test_a_prediction_becomes_a_frame_with_the_names_of_files() -> None:
    assert list(FULL.columns()) == COLUMNS
    assert rows(FULL.to_arrow()) == rows(FULL.to_polars()) == FULL.to_pandas().to_dict("records") == FULL.rows()
    assert FULL.to_arrow().schema.types == [*[pa.float32()] * 6, pa.bool_(), pa.float32()]
    assert FULL.to_polars().schema["in_range"] == pl.Boolean
    assert list(FULL.to_pandas().index) == list(range(COUNT))
    assert FULL.part(np.empty(0, np.intp)).to_arrow().num_rows == 0


@needs(pd)
@needs(pl)
def test_a_frame_of_pandas_keeps_its_index() -> None:
    predictor = Predictor(sensor.model())
    index = pd.MultiIndex.from_tuples([("p", 1), ("p", 2), ("q", 1)], names=["well", None])
    frame = pd.DataFrame({"t": [18.0, 9.0, 8.0], "site": ["south", "north", "east"], "p": [3.0, 0.0, 1.0]}, index)
    found = predictor.predict(frame)
    assert found.to_pandas().index.equals(index)
    assert found.part(np.array([2, 0])).to_pandas().index.equals(index[[2, 0]])
    assert predictor.predict(frame[:1]).to_pandas().index.equals(index[:1])
    bare = predictor.predict(pl.DataFrame(frame))
    assert bare.index is None
    assert bare.rows() == found.rows()


@pytest.mark.parametrize("package", ["pandas", "polars", "pyarrow"])
def test_a_package_that_is_missing_is_named_with_the_way_to_install_it(
    package: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    monkeypatch.delitem(sys.modules, "lr_runtime.tables.arrow.memory", raising=False)
    extra = "tables" if package == "pyarrow" else package
    with pytest.raises(
        MissingExtraError, match=rf"'{package}' is not installed. Run: pip install 'linedge\[{extra}\]'"
    ):
        getattr(FULL, f"to_{package.replace('pyarrow', 'arrow')}")()


def test_a_notebook_shows_the_first_rows() -> None:
    shown = FULL._repr_html_()
    assert shown.startswith("<table><caption>12 predictions, the first 10</caption><tr><th></th><th>a</th>")
    assert shown.count("<tr>") == 11
    assert FULL.part(np.arange(3))._repr_html_().count("<tr>") == 4


def test_nothing_in_a_table_of_html_is_a_tag() -> None:
    hostile = "<script>alert('1')</script>\n&\x00"
    table = html_table(hostile, [hostile], [[hostile], [None]])
    assert table.count("<") == len(re.findall("</?(?:table|caption|tr|th|td)>", table)) == 16
    assert "\n" not in table
    assert "\x00" not in table
    Prediction((hostile,), VALUES[:, :1])._repr_html_()
