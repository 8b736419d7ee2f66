"""The backend of a page from disk, in Node.js, against the predictor of the same model: bits and messages."""

from __future__ import annotations

import math
import re
from functools import partial
from itertools import product
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import lr_trainer
from lr_export.certificate.inverse import inverse_blueprint
from lr_runtime.errors import LinedgeError
from lr_runtime.wording import of_a_command
from tests.conftest import checkpoint_of
from tests.export.in_page import Node, Refused, both, page_and_predictor
from tests.export.inverses import fitted
from tests.export.present import runs
from tests.export.random_terms import random_model, some_rows

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from lr_runtime import Predictor
    from lr_runtime.contract.contract import TargetFunction

pytestmark = pytest.mark.skipif(not runs("html"), reason="no node on PATH")
PRECISIONS = ["exact", "portable"]


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    node = Node(tmp_path_factory.mktemp("node"))
    yield node
    node.close()


def said(ask: Callable[[], Any]) -> Any:
    """Return an answer, or the message in place of it."""
    with of_a_command():
        try:
            return ask()
        except LinedgeError as error:
            return Refused(str(error))


def plain(answer: Any) -> Any:
    """Return an answer with -0.0 told from 0.0; of a message, with its numbers in one spelling, without guesses."""
    if isinstance(answer, Refused):
        text = re.sub(r"Did you mean .*?\? |\. To take it as missing: .*|(?<=no instant) \(.*", "", answer.message)
        return Refused(re.sub(r"-?\b\d[\d.]*(?:e[+-]?\d+)?\b", lambda number: repr(float(number[0].rstrip("."))), text))
    if isinstance(answer, dict):
        return {name: plain(each) for name, each in answer.items()}
    if isinstance(answer, list | tuple):
        return [plain(each) for each in answer]
    is_number = isinstance(answer, int | float) and not isinstance(answer, bool)
    return repr(float(answer)) if is_number else answer


def cells(predictor: Predictor, x: np.ndarray[Any, Any]) -> list[dict[str, object]]:
    """Return rows by name, as the script of a page has them: categories as text."""
    columns = predictor.contract.columns

    def cell(place: int, value: float) -> object:
        if math.isnan(value):
            return None
        categories = columns[place].categories
        return categories[int(value)] if categories else value

    return [{columns[place].name: cell(place, value) for place, value in enumerate(row)} for row in x.tolist()]


STRANGE: list[object] = [None, "abc", "1e5", " 0.5 ", "NA", "", True, -5.0, 16777217.0, 1e39, 1e300, 0.0, 1e-50, "zz"]


def answered(predictor: Predictor, method: str, given: Any) -> Any:
    """Return what the predictor answers, as the backend of a page does."""
    if method == "predict":
        return said(lambda: predictor.predict(given).rows())
    return said(lambda: [each.to_json() for each in predictor.explain([given])])


@settings(max_examples=12, deadline=None)
@given(seed=st.integers(0, 10_000), draw=st.data(), precision=st.sampled_from(PRECISIONS))
def test_predictions_explanations_and_refusals(node: Node, seed: int, draw: st.DataObject, precision: str) -> None:
    model = random_model(seed)
    name, predictor = both(node, model, precision, flags=True)
    rows = cells(predictor, some_rows(model, 9, "float32", np.random.default_rng(seed)))
    for row in rows[3:]:
        row[draw.draw(st.sampled_from([*row]))] = draw.draw(st.sampled_from(STRANGE))
    calls = [("predict", rows), *(("predict", [row]) for row in rows), *(("explain", row) for row in rows)]
    by_engine = {"exp", "log", "log1p"} & {each.function for each in model.contract.derived}
    for call, got in zip(calls, node.ask(name, *calls), strict=True):
        expected = answered(predictor, *call)
        if isinstance(got, Refused) or call[0] == "predict" or not by_engine:
            assert plain(got) == plain(expected)
        else:
            assert near(got, expected)


def near(got: Any, expected: Any) -> bool:
    """Whether explanations agree but for the rounding of Math.exp and Math.log, which the engine chooses."""
    for ours, theirs in zip(got, expected, strict=True):
        sizes = [abs(share["contribution"]) for share in theirs["shares"]]
        # A power of a number near its origin on a small scale makes a thousand times more of that rounding.
        allowed = 1e-9 * max(1.0, *sizes)
        for one, other in zip(ours["shares"], theirs["shares"], strict=True):
            assert (one["term"], one["weight"]) == (other["term"], other["weight"])
            assert abs(one["contribution"] - other["contribution"]) <= allowed
        assert abs(ours["total"] - theirs["total"]) <= allowed * len(sizes)
        assert plain({**ours, "shares": 0, "total": 0}) == plain({**theirs, "shares": 0, "total": 0})
    return True


READINGS = {
    "a line": fitted(None, held=True),
    "falling": fitted("log", slope=-1.5, held=True),
    "a log target": fitted("sqrt", "log"),
    "noisy": fitted(None, noise=1.0, rows=8),
    "no one inverse": fitted(None, bend=2.0),
    "float64": fitted("reciprocal", held=True),
}


def taken_back(predictor: Predictor, reading: float, at: dict[str, object]) -> dict[str, object]:
    return predictor.invert(y=reading, at=at).to_json()


@pytest.mark.parametrize("name", READINGS)
def test_a_reading_is_taken_back(node: Node, name: str) -> None:
    options = {"input_dtype": "float64"} if name == "float64" else {}
    page, predictor = both(node, READINGS[name], interval=0.9, flags=True, **options)
    at: dict[str, object] = {"h": 0.25} if len(predictor.contract.columns) > 1 else {}
    (x, *_) = predictor.contract.columns
    shares = np.array([-0.1, 0.0, 0.125, 0.5, 1 / 3, 1.0])
    given = [{"x": each, **at} for each in (x.minimum + shares * (x.maximum - x.minimum)).clip(*x[1:3]).tolist()]
    readings = [*(predictor.predict([row]).rows()[0]["y"] for row in given), 1e9, -1.0]
    for reading, got in zip(readings, node.ask(page, *(("invert", {"y": y}, at) for y in readings)), strict=True):
        expected = said(partial(taken_back, predictor, reading, at))
        if name == "float64" and isinstance(expected, dict):
            # Between neighbours in float64, engines that sum in another order round to float32 at other numbers.
            assert got == pytest.approx(expected, rel=1e-14)
        else:
            assert plain(got) == plain(expected)
    (refused,) = node.ask(page, ("invert", {"y": 1.0}, {"x": 1.0, **at}))
    assert isinstance(refused, Refused)


@pytest.mark.parametrize("mean", [False, True])
@pytest.mark.parametrize("target", ["log", "sqrt"])
def test_a_mean_and_a_median(node: Node, target: TargetFunction, mean: bool) -> None:
    name, predictor = both(node, fitted(None, target), mean=mean)
    calls = [("predict", [{"x": x}]) for x in (-3.0, 1.25, 12.0)] + [("explain", {"x": 1.25})]
    got = node.ask(name, *calls)
    assert plain(got) == plain([answered(predictor, *call) for call in calls])
    assert (got[-1][0]["correction"] is not None) == mean


def test_an_inverse_file(node: Node) -> None:
    model = fitted("log", noise=0.4, rows=12)
    page, predictor = page_and_predictor(inverse_blueprint(model, at={}, interval=0.95, without_eager=True))
    (y,) = predictor.contract.columns
    # Far out x is within the range of float32, and then its limit no more, and then neither.
    rows = [{"y": reading} for reading in (y.minimum, 3.0, *np.linspace(30.0, 40.0, 81).tolist(), None)]
    calls = [("explain", rows[0]), *(("predict", [row]) for row in rows)]
    got = node.ask(node.backend(page), *calls)
    assert plain(got) == plain([answered(predictor, *call) for call in calls])
    assert any(math.inf in each[0].values() for each in got if not isinstance(each, Refused))


def test_a_total_is_rounded_once(node: Node) -> None:
    model = checkpoint_of([[2.0**-53, 2.0**-120]], 1.0)
    name, predictor = both(node, model)
    rows = [dict(zip(("x1", "x2"), row, strict=True)) for row in ((1.0, 1.0), (1.0, -1.0), (1.0, 0.0), (-1.0, -1.0))]
    totals = [explained["total"] for (explained,) in node.ask(name, *(("explain", row) for row in rows))]
    assert totals == [predictor.explain([row])[0].total for row in rows]
    assert len(set(totals)) > 1


INSTANTS = [
    *("2024-05-01", "2024-05-01T12", "2024-05-01 12:00:00.123456789Z", "2024-05-01T12:00+02:00", " 2024-05-01\t"),
    *("2024-02-29", "2023-02-29", "2024-13-01", "0000-01-01", "2024-05-01T24:00", "2024-05-01T12:00:61", "soon", "NA"),
    *("9999-12-31T23:59:59,999999999-11:30", "0001-01-01T00:00:00.000000001+0130", "1969-12-31T23:59:59.5"),
    *(19000.5, -3.0, None),
]


@pytest.mark.parametrize("clock", ["days", "hours since 2024-01-01T00:00:00.25", "weeks since 1999-12-31T22:30-01:00"])
def test_instants(node: Node, clock: str) -> None:
    days = np.array([f"2024-0{month}-{day:02}T06:30" for month, day in product((3, 4, 5), range(1, 29, 5))])
    table = {"t": days, "y": np.arange(len(days)) / 2 + np.arange(len(days)) % 3 / 8}
    model = lr_trainer.fit(table, target="y", time={"t": clock})
    name, predictor = both(node, model, input_dtype="float64")
    calls = [("predict", [{"t": each}]) for each in INSTANTS]
    assert plain(node.ask(name, *calls)) == plain([answered(predictor, *call) for call in calls])


def test_names_as_people_write_them(node: Node) -> None:
    table = {"größe </script>": [1.0, 2.0, 3.5, 4.0], "__proto__": [3.0, 1.0, 2.0, 2.5], "y": [1.0, 2, 4, 3]}
    model = lr_trainer.fit(table, target="y")
    name, predictor = both(node, model, interval=0.9, flags=True)
    row = {"größe </script>": 1.5, "__proto__": 2.0, "further": "x"}
    calls = [("predict", [row]), ("predict", [{**row, "__proto__": None}]), ("predict", []), ("explain", row)]
    assert plain(node.ask(name, *calls)) == plain([answered(predictor, *call) for call in calls])
    held: list[dict[str, object]] = [{"__proto__": 2.0}, {"größe </script>": 1.5}]
    for at in held:
        (got,) = node.ask(name, ("invert", {"y": 2.5}, at))
        assert plain(got) == plain(said(partial(taken_back, predictor, 2.5, at)))
