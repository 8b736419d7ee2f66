"""The predictor: every shape that rows come in, exact numbers out, and what is no model of linedge refused."""

from __future__ import annotations

import subprocess
import sys
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lr_runtime import Predictor
from lr_runtime.errors import InputError, MissingColumnError, RowError
from lr_runtime.system.files import sha256
from tests.conftest import CHECKPOINTS, DATA

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from numpy.typing import NDArray

    from lr_runtime.contract.checkpoint import Checkpoint
    from tests.runtime.conftest import Model

    Models = Callable[[str], Model]


def exact(checkpoint: Checkpoint, row: NDArray[np.floating[Any]]) -> list[Fraction]:
    """Evaluate the checkpoint at a row in rational arithmetic."""
    terms = [
        (Fraction(float(x)) - Fraction(origin)) / Fraction(scale)
        for x, origin, scale in zip(row, checkpoint.origin.tolist(), checkpoint.scale.tolist(), strict=True)
    ]
    return [
        Fraction(bias) + sum((Fraction(w) * term for w, term in zip(weights, terms, strict=True)), Fraction(0))
        for weights, bias in zip(checkpoint.weight.tolist(), checkpoint.bias.tolist(), strict=True)
    ]


def nearest_float32(value: Fraction) -> np.float32:
    """Round to the nearest float32 by looking at its neighbours; ties to the even one."""
    near = np.float32(float(value))
    around = [np.nextafter(near, np.float32(-np.inf)), near, np.nextafter(near, np.float32(np.inf))]
    return min(around, key=lambda one: (abs(Fraction(float(one)) - value), int(one.view(np.uint32)) & 1))


@pytest.mark.parametrize("name", CHECKPOINTS)
def test_predictions_are_the_exact_ones_correctly_rounded(name: str, model: Models) -> None:
    checkpoint, path = model(name)
    low, high = np.array([(column.minimum, column.maximum) for column in checkpoint.contract.columns]).T
    x = np.random.default_rng(7).uniform(low, high, size=(300, len(low))).astype(np.float32)
    values = Predictor.load(path).predict(x).values
    assert values.dtype == np.float32
    expected = [[nearest_float32(value) for value in exact(checkpoint, row)] for row in x]
    assert values.tobytes() == np.array(expected, dtype=np.float32).tobytes()


@given(st.lists(st.floats(width=32, min_value=-1e6, max_value=1e6), min_size=1, max_size=5))
@settings(deadline=None)
def test_one_column_is_exact_at_any_number(model: Models, x: list[float]) -> None:
    # Beside a bias of 1/2, a weight of 2 and 24 bits of x, float64 holds the sum unless x is tiny: no double rounding.
    checkpoint, path = model("one column")
    values = Predictor.load(path).predict(np.array(x)[:, None]).values[:, 0]
    assert values.tolist() == [float(nearest_float32(exact(checkpoint, np.array([one]))[0])) for one in x]


def test_a_row_alone_is_the_row_in_a_batch(model: Models) -> None:
    checkpoint, path = model("ten columns")
    x = np.random.default_rng(3).normal(size=(1000, len(checkpoint.origin)))
    predictor = Predictor.load(path)
    batch = predictor.predict(x).values
    alone = np.concatenate([predictor.predict(row[None, :]).values for row in x[::50]])
    assert batch[::50].tobytes() == alone.tobytes()


ROWS = [[0.5, -1.5, 2.0], [1.0, 0.0, -3.0]]
NAMES = ["rh", "temp", "p"]
BY_NAME: dict[str, Any] = {name: [row[index] for row in ROWS] for index, name in enumerate(NAMES)}
INPUTS: dict[str, Any] = {
    "lists": ROWS,
    "tuples": tuple(map(tuple, ROWS)),
    "float64": np.array(ROWS),
    "float32": np.array(ROWS, np.float32),
    "float16": np.array(ROWS, np.float16),
    "column-major": np.asfortranarray(ROWS),
    "a view": np.repeat(np.array(ROWS), 2, axis=0)[::2],
    "columns by name": BY_NAME,
    "columns in another order": dict(reversed(BY_NAME.items())),
    "columns as arrays": {name: np.array(values) for name, values in BY_NAME.items()},
    "a column too many": {"id": ["a", "b"], **BY_NAME, "other": [1, 2, 3]},
}


@pytest.mark.parametrize("case", INPUTS)
def test_rows_in_any_shape(case: str, model: Models) -> None:
    checkpoint, path = model("weather")
    prediction = Predictor.load(path).predict(INPUTS[case])
    assert prediction.names == ("ozone",)
    assert prediction.values.tolist() == [[float(exact(checkpoint, np.array(row))[0])] for row in ROWS]


@pytest.mark.parametrize("dtype", [np.int8, np.int64, np.uint64, np.bool_])
def test_integers_and_truth_values_are_numbers(dtype: type[Any], model: Models) -> None:
    _, path = model("weather")
    x = np.array([[1, 0, 1]])
    predictor = Predictor.load(path)
    assert predictor.predict(x.astype(dtype)).values.tolist() == predictor.predict(x.astype(float)).values.tolist()


def test_one_row_by_name(model: Models) -> None:
    _, path = model("weather")
    predictor = Predictor.load(path)
    one = predictor.predict({name: values[0] for name, values in BY_NAME.items()})
    assert one.values.tolist() == predictor.predict(ROWS[:1]).values.tolist()


def test_rows_are_dicts_of_floats(model: Models) -> None:
    checkpoint, path = model("two outputs")
    prediction = Predictor.load(path).predict([[1.0, 2.0, 3.0]])
    assert prediction.names == checkpoint.contract.output_names
    assert prediction.rows() == [dict(zip(prediction.names, prediction.values[0].tolist(), strict=True))]
    assert all(type(value) is float for value in prediction.rows()[0].values())


def test_rows_of_one_output_are_those_of_its_values(model: Models) -> None:
    _, path = model("weather")
    prediction = Predictor.load(path).predict(ROWS)
    (name,) = prediction.columns()
    assert prediction.rows() == [{name: value} for (value,) in prediction.values.tolist()]


def test_no_rows(model: Models) -> None:
    _, path = model("weather")
    predictor = Predictor.load(path)
    empty: list[Any] = [np.empty((0, 3)), dict.fromkeys(NAMES, ())]
    for x in empty:
        assert predictor.predict(x).values.shape == (0, 1)
        assert predictor.predict(x).rows() == []


def test_the_callers_array_is_not_touched(model: Models) -> None:
    _, path = model("an offset column")
    x = np.array([[1.7e9, 1.0]], np.float32)
    before = x.copy()
    Predictor.load(path).predict(x)
    assert x.tobytes() == before.tobytes()


WRONG: dict[str, tuple[Any, list[str]]] = {
    "one number": (4.0, ["shape ()", "(rows, 3)", '"rh", "temp", "p"']),
    "one flat row": ([1.0, 2.0, 3.0], ["shape (3,)", "(rows, 3)"]),
    "too narrow": ([[1.0, 2.0]], ["shape (1, 2)"]),
    "too wide": (np.zeros((5, 4)), ["shape (5, 4)"]),
    "too deep": (np.zeros((1, 1, 3)), ["shape (1, 1, 3)"]),
    "ragged": ([[1.0, 2.0, 3.0], [1.0]], ["the rows have different lengths"]),
    "text": ([["1", "two", "3"]], ['row 1: column "temp": "two" is not a number']),
    "dates": (np.zeros((1, 3), "M8[s]"), ["dates, not numbers"]),
    "complex": (np.zeros((1, 3), complex), ["complex numbers"]),
    "nothing for a number": ([[1.0, None, 3.0]], ['row 1: column "temp": the value is missing']),
    "an object": ([[1.0, object, 3.0]], ['row 1: column "temp"', "is not a number"]),
    "text in a column": ({**BY_NAME, "p": ["a", "b"]}, ['row 1: column "p": "a" is not a number']),
    "columns of different lengths": ({**BY_NAME, "p": [1.0]}, ["different lengths"]),
    "a column of rows": ({**BY_NAME, "p": [[1.0], [2.0]]}, ["more than one dimension"]),
    "one number beside columns": ({**BY_NAME, "p": 1.0}, ["different lengths"]),
}


@pytest.mark.parametrize("case", WRONG)
def test_wrong_input_says_what_is_expected(case: str, model: Models) -> None:
    x, said = WRONG[case]
    with pytest.raises(InputError) as caught:
        Predictor.load(model("weather")[1]).predict(x)
    for words in said:
        assert words in str(caught.value)


def test_a_missing_column_lists_what_there_is(model: Models) -> None:
    with pytest.raises(MissingColumnError, match=r'no column "temp"; it has: "rh", "p", "5"'):
        Predictor.load(model("weather")[1]).predict({"rh": [1.0], "p": [2.0], 5: [1.0]})


NOT_FINITE = {
    "NaN": (np.nan, "the value is missing. Fill it in or leave the row out"),
    "infinity": (-np.inf, "-inf is not a finite number"),
    "beyond float32": (1e39, "1e+39 is beyond the range of float32"),
}


@pytest.mark.parametrize("case", NOT_FINITE)
def test_a_number_that_is_not_finite_names_row_and_column(case: str, model: Models) -> None:
    value, said = NOT_FINITE[case]
    x = np.zeros((9, 3))
    x[4, 1] = value
    predictor = Predictor.load(model("weather")[1])
    for given_x in (x, dict(zip(NAMES, x.T, strict=True))):
        with pytest.raises(RowError) as caught:
            predictor.predict(given_x)
        assert str(caught.value) == f'row 5: column "temp": {said}'
        assert caught.value.row == 4


def test_the_largest_float32_is_still_taken(model: Models) -> None:
    largest = float(np.finfo(np.float32).max)
    predictor = Predictor.load(model("a zero weight")[1])
    assert predictor.predict([[largest, 1.0]]).values.tolist() == predictor.predict([[0.0, 1.0]]).values.tolist()


def test_a_prediction_beyond_float32_names_row_and_output(model: Models) -> None:
    with pytest.raises(RowError, match=r'row 2: "y" is beyond the range of float32 there'):
        Predictor.load(model("one column")[1]).predict([[1.0], [3e38], [3e38]])


def test_the_digest_is_that_of_the_file(model: Models) -> None:
    _, path = model("one column")
    assert Predictor.load(path).sha256 == sha256(path.read_bytes())
    assert Predictor.load(str(path)).contract == Predictor(path.read_bytes()).contract


def test_the_path_is_not_opened_again(model: Models, tmp_path: Path) -> None:
    _, path = model("one column")
    copy = tmp_path / "m.onnx"
    copy.write_bytes(path.read_bytes())
    predictor = Predictor.load(copy)
    copy.unlink()
    assert predictor.sha256 == sha256(path.read_bytes())
    assert predictor.predict([[4.0]]).values.tolist() == [[8.5]]


def test_rows_import_no_masked_arrays() -> None:
    code = f"""
import sys
import numpy
had = "numpy.ma" in sys.modules  # older versions of numpy import it themselves
from lr_runtime import Predictor
Predictor.load({str(DATA / "golden.onnx")!r}).predict([[4.0], [5.0]])
sys.exit("numpy.ma" in sys.modules and not had)
"""
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
