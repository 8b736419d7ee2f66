"""The bound holds whatever the order of evaluation, is not much too large, and its closed form is the true maximum."""

from __future__ import annotations

from fractions import Fraction
from itertools import product
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from lr_export.bounds.forward import ForwardError, input_rounding
from lr_export.exact.box import box
from lr_export.exact.dyadic import Dyadic
from lr_export.model.exact import Coefficients, ExactDesign, ExactModel
from lr_export.model.numbers import numbers_at
from lr_runtime.contract.contract import PRECISIONS
from tests.conftest import CHECKPOINTS, checkpoint_of
from tests.export.oracle import as_array, bounds, fractions, magnitudes, outputs

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from lr_export.model.numbers import Numbers
    from lr_runtime.contract.checkpoint import Checkpoint
    from lr_runtime.contract.contract import Precision
    from tests.export.oracle import Exact, Floats

precisions = st.sampled_from(PRECISIONS)
# float32 numbers: origins have to be exact in every precision.
values = st.floats(-(2.0**40), 2.0**40, width=32)
normals = st.floats(-(2.0**40), 2.0**40, allow_subnormal=False).filter(lambda v: v == 0 or abs(v) > 2.0**-120)
seeds = st.integers(0, 2**32 - 1)


def in_some_order(numbers: Numbers, row: Floats, random: np.random.Generator) -> list[float]:
    """Evaluate one row as some engine might: products and bias added up in a random tree, every step rounded."""
    inputs = row.astype(numbers.compute)
    if numbers.origin is not None:
        inputs = inputs - numbers.origin
    results = []
    for weight, bias in zip(numbers.weight, numbers.bias, strict=True):
        terms = [*(weight * inputs), bias]
        while len(terms) > 1:
            random.shuffle(terms)
            terms.append(terms.pop() + terms.pop())
        results.append(float(terms[0].astype(numbers.output)))
    return results


def errors_in_some_order(
    checkpoint: Checkpoint, numbers: Numbers, x: Floats, random: np.random.Generator
) -> tuple[Exact, Exact]:
    got = np.array([in_some_order(numbers, row, random) for row in x])
    return abs(fractions(got) - outputs(checkpoint, x)), bounds(checkpoint, numbers, x)


@settings(max_examples=100, deadline=None)
@given(
    weight=arrays.arrays(np.float64, (2, 4), elements=normals),
    bias=arrays.arrays(np.float64, 2, elements=normals),
    origin=arrays.arrays(np.float64, 4, elements=values),
    x=arrays.arrays(np.float32, (3, 4), elements=values),
    precision=precisions,
    seed=seeds,
)
@example(
    weight=np.array([[1.0, -1.0, 1.0, -1.0], [0.0, 0.0, 0.0, 0.0]]),
    bias=np.zeros(2),
    origin=np.zeros(4),
    x=np.full((3, 4), 1e10, dtype=np.float32),
    precision="float32",
    seed=0,
)
@example(
    weight=np.full((2, 4), 2.0**-100),
    bias=np.zeros(2),
    origin=np.zeros(4),
    x=np.full((3, 4), 2.0**-48 + 2.0**-60, dtype=np.float32),
    precision="float32",
    seed=0,
)
def test_no_order_of_evaluation_leaves_the_bound(
    weight: NDArray[np.float64],
    bias: NDArray[np.float64],
    origin: NDArray[np.float64],
    x: Floats,
    precision: Precision,
    seed: int,
) -> None:
    checkpoint = checkpoint_of(weight, bias, origin=origin)
    numbers = numbers_at(checkpoint, precision)
    error, bound = errors_in_some_order(checkpoint, numbers, x.astype(numbers.input), np.random.default_rng(seed))
    assert (error <= bound).all()


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("name", CHECKPOINTS)
def test_the_bound_is_not_much_too_large(name: str, precision: Precision) -> None:
    checkpoint = CHECKPOINTS[name]()
    numbers = numbers_at(checkpoint, precision)
    random = np.random.default_rng(11)
    x = random.normal(size=(300, len(checkpoint.origin))).astype(numbers.input)
    error, bound = errors_in_some_order(checkpoint, numbers, x, random)
    assert (error <= bound).all()
    assert 100 * (error / bound).max() >= 1


@pytest.mark.parametrize("precision", PRECISIONS)
def test_the_bound_is_the_formula_of_its_docstring(checkpoint: Checkpoint, precision: Precision) -> None:
    numbers = numbers_at(checkpoint, precision)
    x = np.random.default_rng(3).normal(size=(5, len(checkpoint.origin))).astype(numbers.input)
    digits, smallest = {"float32": (24, -149), "float64": (53, -1074)}[numbers.compute]
    unit, columns = Fraction(1, 2**digits), len(checkpoint.origin)
    k = columns + 1 + bool(checkpoint.origin.any()) + (numbers.compute == "float32")
    of_bias = columns + (numbers.compute == "float32")
    gamma, gamma_of_bias = (Fraction(count) * unit / (1 - count * unit) for count in (k, of_bias))
    biases: Exact = abs(fractions(checkpoint.bias))
    products: Exact = magnitudes(checkpoint, x) - biases
    inner: Exact = products * gamma + biases * gamma_of_bias + columns * Fraction(2) ** smallest
    sizes: Exact = abs(outputs(checkpoint, x))
    rounding: Exact = (sizes + inner) * Fraction(1, 2**24) + Fraction(1, 2**150)
    expected = inner + rounding if precision == "exact" else inner
    found = bounds(checkpoint, numbers, x)
    assert (found >= expected).all()
    assert (found <= expected * (1 + Fraction(1, 2**50))).all()


def test_the_exact_model_is_that_of_the_checkpoint(checkpoint: Checkpoint) -> None:
    x = np.random.default_rng(2).normal(size=(20, len(checkpoint.origin)))
    exact = ExactModel.of(checkpoint)
    design = exact.design(x)
    assert (as_array(exact.outputs(design)) == outputs(checkpoint, x)).all()
    assert (as_array(abs(design) @ abs(exact.coefficients)) == magnitudes(checkpoint, x)).all()


def test_sizes_of_a_difference_of_designs_are_those_of_every_place() -> None:
    design = ExactDesign((Dyadic.of(np.array([[-1.0, 2.0]])), Dyadic.of(np.array([[-0.25, 1.0]]))))
    ones = Dyadic.of(np.ones((1, 2)))
    assert as_array(abs(design) @ Coefficients((ones, ones), Dyadic.of(np.zeros(1)))).item() == Fraction(17, 4)


@pytest.mark.parametrize("exponent", [-1074, -1030, 1023])
def test_a_scale_at_the_end_of_the_range_is_exact(exponent: int) -> None:
    checkpoint = checkpoint_of([[0.0, 3.0]], 1.0, scale=[np.ldexp(1.0, exponent), 1.0])
    x = np.array([[1.0, 2.0]])
    exact = ExactModel.of(checkpoint)
    assert (as_array(exact.outputs(exact.design(x))) == outputs(checkpoint, x)).all()


ends = arrays.arrays(np.float64, (2, 3), elements=values)


@settings(max_examples=50, deadline=None)
@given(
    weight=arrays.arrays(np.float64, (2, 3), elements=values),
    bias=arrays.arrays(np.float64, 2, elements=values),
    origin=arrays.arrays(np.float64, 3, elements=values),
    ends=ends,
)
def test_the_largest_over_the_box_is_at_a_corner(
    weight: NDArray[np.float64], bias: NDArray[np.float64], origin: NDArray[np.float64], ends: NDArray[np.float64]
) -> None:
    low, high = ends.min(axis=0), ends.max(axis=0)
    checkpoint = checkpoint_of(weight, bias, low=low, high=high, origin=origin, scale=[1.0, 0.25, 8.0])
    corners = np.array(list(product(*zip(low, high, strict=True))))
    exact = ExactModel.of(checkpoint)
    assert (as_array(exact.largest_output(low, high)) == abs(outputs(checkpoint, corners)).max(axis=0)).all()
    largest_sum = exact.largest_sum(abs(exact.coefficients), low, high)
    assert (as_array(largest_sum) == magnitudes(checkpoint, corners).max(axis=0)).all()


@pytest.mark.parametrize("precision", PRECISIONS)
def test_the_bound_of_the_box_is_that_of_its_worst_corner(checkpoint: Checkpoint, precision: Precision) -> None:
    numbers = numbers_at(checkpoint, precision)
    low, high = (corner.astype(numbers.input) for corner in box(checkpoint.contract))
    corners = np.array(list(product(*zip(low, high, strict=True))))
    of_box = as_array(ForwardError.of(checkpoint, numbers).over(low, high))
    worst = bounds(checkpoint, numbers, corners).max(axis=0)
    assert (of_box >= worst).all()
    # The largest |y| and the largest sum of magnitudes may stand at different corners.
    assert (of_box <= 2 * worst).all()


def moved_by_rounding(checkpoint: Checkpoint, rows: int) -> Exact:
    low, high = box(checkpoint.contract)
    x = np.random.default_rng(8).uniform(low, high, size=(rows, len(low)))
    exact: Exact = abs(outputs(checkpoint, x) - outputs(checkpoint, x.astype(np.float32))).max(axis=0)
    return exact


def test_rounding_the_inputs_costs_no_more_than_stated(checkpoint: Checkpoint) -> None:
    stated = input_rounding(checkpoint, *box(checkpoint.contract))
    assert (moved_by_rounding(checkpoint, 500) <= stated).all()


def test_rounding_the_inputs_costs_what_is_stated() -> None:
    # In one binade every input has the same ulp, so some row comes close to the worst case.
    checkpoint = checkpoint_of([[3.0], [-0.5]], 1.0, low=4.0, high=7.9)
    stated = input_rounding(checkpoint, *box(checkpoint.contract))
    assert stated == [Fraction(3) / 2**22, Fraction(1, 2) / 2**22]
    assert (moved_by_rounding(checkpoint, 500) > [Fraction(9, 10) * cost for cost in stated]).all()
