"""A frame that a model was fitted to, given to its file: the same cells are the same categories."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from lr_export import export
from lr_runtime import Predictor
from lr_runtime.errors import InputError, MissingColumnError
from lr_runtime.prediction.inputs import given
from lr_trainer import fit, update
from lr_trainer.sklearn import LinearModelRegressor

if TYPE_CHECKING:
    from pathlib import Path


CATEGORIES = {
    "integers, some missing": lambda: pd.array([1, 2, None, 4] * 5, dtype="Int64"),
    "integers that float64 rounds, one missing": lambda: pd.array([2**53, 2**53 + 1, 7, None] * 5, dtype="Int64"),
    "categories that are integers, some missing": lambda: pd.Categorical([1, 2, None, 4] * 5),
    "integers of pyarrow, some missing": lambda: pd.array([1, None, 3, 3] * 5, dtype="int32[pyarrow]"),
    "text that numpy writes for missing values": lambda: pd.array(["None", "nan", "NaT", "<NA>"] * 5, dtype="string"),
    "dates": lambda: np.array(["2026-01-01", "2026-01-02 03:04:05.25", "1969-07-20", "NaT"] * 5, "M8[us]"),
}


class Stream:
    """A frame of a package that nobody knows, as a relation of DuckDB."""

    def __init__(self, table: Any) -> None:
        self.columns, self.table = table.column_names, table

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        return self.table.__arrow_c_stream__(requested_schema)


FRAMES = {
    "pandas": lambda frame: frame,
    "polars": pl.DataFrame,
    "a table": pa.Table.from_pandas,
    "a batch": pa.RecordBatch.from_pandas,
    "a lazy frame": pl.LazyFrame,
    "what has a stream": lambda frame: Stream(pa.Table.from_pandas(frame)),
}


@pytest.mark.parametrize("make", FRAMES.values(), ids=FRAMES)
@pytest.mark.parametrize("cells", CATEGORIES.values(), ids=CATEGORIES)
def test_a_frame_of_categories_is_predicted_as_it_was_fitted(tmp_path: Path, cells: Any, make: Any) -> None:
    y = np.array([0.0, 3.0, 7.0, 20.0] * 5) + np.arange(20) / 100
    group = cells()
    frame = make(pd.DataFrame({"group": group, "y": y}))
    model = fit(frame, target="y", category=["group"], missing="indicator")
    export(model, tmp_path / "m.onnx")
    means = pd.Series(y).groupby(pd.Series(group).astype(object), dropna=False).transform("mean")  # least squares
    found = Predictor.load(tmp_path / "m.onnx").predict(frame).values[:, 0]
    np.testing.assert_allclose(found, means, rtol=1e-5)


@pytest.mark.parametrize("level", [float("nan"), None])
def test_a_level_that_is_no_value_is_a_missing_one(level: float | None) -> None:
    levels = pa.array([1.0, level, 2.0], from_pandas=False)
    group = pa.DictionaryArray.from_arrays(pa.array([0, 1, 2, 1] * 5, pa.int8()), levels)
    frame = pa.table({"group": group, "y": np.arange(20.0)})
    model = fit(frame, target="y", missing="indicator")
    assert model.contract.columns[0].categories == ("1.0", "2.0")
    plain = {"group": group.to_pylist(), "y": np.arange(20.0)}
    assert model.weight.tolist() == fit(plain, target="y", category=["group"], missing="indicator").weight.tolist()


@pytest.mark.parametrize("levels", [pd.interval_range(0, 4), pd.period_range("2026-01", periods=4, freq="M")])
def test_intervals_and_periods_are_named_as_pandas_writes_them(levels: Any) -> None:
    frame = pd.DataFrame({"group": pd.Categorical(levels.repeat(5)), "y": np.arange(20.0) ** 2})
    for given_as in (frame, pa.Table.from_pandas(frame), pa.Table.from_pandas(frame).to_reader()):
        assert fit(given_as, target="y").contract.columns[0].categories == tuple(map(str, levels))
    model = LinearModelRegressor().fit(frame[["group"]], frame["y"])
    means = frame["y"].groupby(frame["group"], observed=True).transform("mean")  # least squares
    np.testing.assert_allclose(model.predict(frame[["group"]]), means)


@pytest.mark.parametrize("names", [(1, "1"), ("\u00e9", "e\u0301"), (None, "None"), (("a", 1), "('a', 1)")])
def test_names_that_are_alike_as_text_stand_twice(names: tuple[object, object]) -> None:
    columns: dict[Any, Any] = dict(zip([*names, "y"], np.random.default_rng(0).normal(size=(3, 20)), strict=True))
    for frame in (
        columns,
        pd.DataFrame(list(zip(*columns.values(), strict=True)), columns=pd.Index([*names, "y"], dtype=object)),
    ):
        with pytest.raises(InputError, match="a name stands twice"):
            fit(frame, target="y")
        with pytest.raises(InputError, match="a name stands twice"):
            given(frame, ["y"])


def test_a_column_that_is_not_there_is_named_once() -> None:
    before = fit({"g": ["a", "b"] * 5, "y": np.arange(10.0)}, target="y")
    with pytest.raises(MissingColumnError, match='has no column "g"; it has'):
        update(before, {"y": np.arange(10.0), "x": np.arange(10.0)})
