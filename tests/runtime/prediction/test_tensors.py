"""Values as other libraries hold them: each becomes the right number, or an error of linedge."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from lr_runtime import LinedgeError, Predictor
from lr_runtime.errors import InputError
from tests.conftest import DATA
from tests.optional import optional
from tests.runtime import sensor

if TYPE_CHECKING:
    from collections.abc import Callable

    import torch
else:
    torch = optional("torch")

GOLDEN = DATA / "golden.onnx"
X = [[4.0], [-0.75], [0.0]]  # in every type below, float8 too


def tensor(**options: Any) -> torch.Tensor:
    return torch.tensor(X, **options)


def objects(*cells: object) -> np.ndarray[Any, Any]:
    array = np.empty((len(cells), 1), dtype=object)
    for row, cell in enumerate(cells):
        array[row, 0] = cell
    return array


class Failing:
    """An object that offers itself as an array, and then is none."""

    def __array__(self, *_: object, **__: object) -> None:
        raise LookupError("no memory here")


TAKEN: dict[str, Callable[[], Any]] = {
    "float16": lambda: tensor(dtype=torch.float16),
    "bfloat16": lambda: tensor(dtype=torch.bfloat16),
    "float8": lambda: tensor().to(torch.float8_e4m3fn),
    "a parameter": lambda: torch.nn.Parameter(tensor()),
    "with a gradient": lambda: tensor(requires_grad=True),
    "made of one": lambda: 2 * tensor(requires_grad=True, dtype=torch.float64) / 2,
    "bfloat16 with a gradient": lambda: tensor(requires_grad=True, dtype=torch.bfloat16),
    "yet to be negated": lambda: (-1j * tensor()).conj().imag,
    "rows": lambda: list(tensor(requires_grad=True)),
    "rows of bfloat16": lambda: tuple(tensor(dtype=torch.bfloat16)),
    "single numbers": lambda: [list(row) for row in tensor(requires_grad=True)],
    "a column": lambda: {"x": tensor(requires_grad=True)[:, 0]},
    "a column of bfloat16": lambda: {"x": tensor(dtype=torch.bfloat16)[:, 0]},
    "a column of single numbers": lambda: {"x": list(tensor(requires_grad=True)[:, 0])},
    "a row each by name": lambda: [{"x": row[0]} for row in tensor(requires_grad=True)],
    "objects": lambda: objects(*(row[0] for row in tensor(requires_grad=True))),
    "text of variable width": lambda: np.array([["4"], ["-0.75"], ["0"]], dtype=np.dtypes.StringDType()),
    "numbers as objects": lambda: np.array(X, dtype=object),
    "a masked array, nothing masked": lambda: np.ma.asarray(np.array(X)),
    "long doubles": lambda: np.array(X, dtype=np.longdouble),
}


@pytest.mark.parametrize("case", TAKEN)
def test_a_number_is_the_same_wherever_it_is_held(case: str) -> None:
    predictor = Predictor.load(GOLDEN)
    assert predictor.predict(TAKEN[case]()).values.tolist() == predictor.predict(X).values.tolist()


def test_categories_beside_tensors_are_taken_by_position_and_by_name() -> None:
    predictor = Predictor(sensor.model())
    row = [torch.tensor(20.0, requires_grad=True), "south", torch.tensor(2.5, dtype=torch.bfloat16)]
    for x in ([row], dict(zip(predictor.contract.column_names, row, strict=True))):
        assert predictor.predict(x).rows() == [sensor.expected(20.0, "south", 2.5)]


REFUSED: dict[str, tuple[Callable[[], Any], str]] = {
    "no values": (lambda: torch.empty(3, 1, device="meta"), "cannot be read as an array"),
    "sparse": (lambda: tensor().to_sparse(), "to_dense()"),
    "complex": (lambda: tensor(dtype=torch.complex64), "complex numbers"),
    "conjugated": (lambda: -(1j * tensor()).conj(), "complex numbers"),
    "too many dimensions": (lambda: tensor()[:, :, None], "shape (3, 1, 1)"),
    "a single number": (lambda: torch.tensor(4.0, requires_grad=True), "shape ()"),
    "rows of other lengths": (lambda: [torch.zeros(1), torch.zeros(2)], "different lengths"),
    "an array in a cell": (lambda: objects(4.0, np.zeros(2)), "different lengths"),
    "arrays in all cells": (lambda: objects(np.zeros(2), np.zeros(2)), "values of its own"),
    "arrays of one number": (lambda: objects(np.zeros(1), np.zeros(1)), "values of its own"),
    "text": (lambda: np.array([["4"], ["x"]]), 'row 2: column "x": "x" is not a number'),
    "text of variable width": (lambda: np.array([["4"], ["x"]], dtype=np.dtypes.StringDType()), "row 2"),
    "bytes": (lambda: np.array([[b"4"]]), "bytes, not numbers"),
    "text among objects": (lambda: objects(4.0, "x"), 'row 2: column "x": "x" is not a number'),
    "nothing among objects": (lambda: objects(4.0, None), "the value is missing"),
    "a tensor among objects": (lambda: objects(4.0, object()), "is not a number"),
    "a masked value": (lambda: np.ma.masked_equal(np.array(X), -0.75), 'row 2: column "x": the value is missing'),
    "masked text": (lambda: np.ma.masked_equal(np.array([["a"]]), "a"), "the value is missing"),
    "raw memory": (lambda: np.zeros((1, 1), "V8"), "not numbers"),
    "a failing object": (Failing, "no memory here"),
    "a failing column": (lambda: {"x": Failing()}, 'column "x": its cells cannot be read'),
    "a set": (lambda: {4.0}, "shape ()"),
    "nothing": (lambda: None, "shape ()"),
    "a generator": (lambda: (row for row in X), "shape ()"),
    "a name": (lambda: "x", "shape ()"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_holds_no_such_numbers_is_refused(case: str) -> None:
    make, said = REFUSED[case]
    x = make()
    with pytest.raises(InputError) as caught:
        Predictor.load(GOLDEN).predict(x)
    assert said in str(caught.value)


@pytest.mark.parametrize("case", [case for case in TAKEN if case.startswith(("a column", "objects"))])
def test_a_fit_takes_the_same_values(case: str) -> None:
    pytest.importorskip("torch", reason="torch is not installed here")
    from lr_trainer import fit

    given = TAKEN[case]()
    x = given["x"] if isinstance(given, dict) else given[:, 0]
    y = torch.tensor([2.0, 3.0, 5.0], requires_grad=True)
    expected = fit({"x": np.array(X)[:, 0], "y": [2.0, 3.0, 5.0]}, target="y")
    assert fit({"x": x, "y": y}, target="y").to_bytes() == expected.to_bytes()


def test_a_fit_says_which_array_holds_no_values() -> None:
    pytest.importorskip("torch", reason="torch is not installed here")
    from lr_trainer import fit

    with pytest.raises(LinedgeError, match='the table, "x": the values cannot be read as an array'):
        fit({"x": torch.empty(3, device="meta"), "y": [1.0, 2.0, 4.0]}, target="y")
