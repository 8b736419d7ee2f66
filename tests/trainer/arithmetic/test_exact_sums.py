"""Exact sums of products against fractions, whatever the order, the cut, the size of the numbers and the weights."""

from __future__ import annotations

from fractions import Fraction
from functools import reduce
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lr_runtime.errors import CheckpointError
from lr_trainer.arithmetic.exact_sums import Exact, ExactSums
from lr_trainer.arithmetic.slices import ROWS

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[np.float64]

NUMBERS = st.one_of(
    st.floats(allow_nan=False, allow_infinity=False),
    st.floats(-10, 10),
    st.integers(-9, 9).map(float),
    st.integers(-99, 99).map(lambda value: value * 5e-324),
)
WEIGHTS = st.floats(5e-324, 1e308)


def oracle(x: Array, low: Array | None = None, weights: Array | None = None) -> list[list[Fraction]]:
    """Return the sums of w d d' in fractions, 1 the last column."""
    rows = [[*map(Fraction, row), Fraction(1)] for row in x.tolist()]
    for row, rest in zip(rows, [] if low is None else low.tolist(), strict=False):
        row[:-1] = [high + Fraction(below) for high, below in zip(row, rest, strict=False)]
    shares = [Fraction(1)] * len(rows) if weights is None else [Fraction(each) for each in weights.tolist()]
    columns = list(zip(*rows, strict=True))
    return [
        [sum((w * a * b for w, a, b in zip(shares, one, other, strict=True)), Fraction(0)) for other in columns]
        for one in columns
    ]


def assert_exact(found: ExactSums, expected: list[list[Fraction]]) -> None:
    products = found.products()
    for row, sums in enumerate(expected):
        assert [products.fraction(row, column) for column in range(len(sums))] == sums


def stored(found: ExactSums) -> dict[str, bytes]:
    """Return the bytes that a checkpoint has."""
    return {name: array.tobytes() for name, array in found.arrays().items()}


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_any_order_and_any_cut_give_the_exact_sums_and_the_same_bytes(data: st.DataObject) -> None:
    rows = data.draw(st.integers(2, 12))
    x = np.array(data.draw(st.lists(st.tuples(NUMBERS, NUMBERS), min_size=rows, max_size=rows)))
    is_weighted = data.draw(st.booleans())
    weights = np.array(data.draw(st.lists(WEIGHTS, min_size=rows, max_size=rows))) if is_weighted else None
    whole = ExactSums.of([x], weights=weights)
    assert_exact(whole, oracle(x, weights=weights))
    order = np.array(data.draw(st.permutations(range(rows))))
    cuts = sorted(data.draw(st.sets(st.integers(1, rows - 1), max_size=3)))
    parts = [
        ExactSums.of([x[each]], weights=None if weights is None else weights[each]) for each in np.split(order, cuts)
    ]
    joined = reduce(ExactSums.merge, data.draw(st.permutations(parts)))
    assert stored(joined) == stored(whole)
    back = ExactSums.from_arrays(whole.arrays(), whole.count, whole.minimum, whole.maximum)
    assert stored(back) == stored(whole)
    assert_exact(back, oracle(x, weights=weights))


CASES: dict[str, tuple[str, int]] = {
    "normal": ("normal", 3 * ROWS + 7),
    "of heavy tails": ("standard_cauchy", ROWS + 1),
    "of many sizes": ("lognormal", 500),
}


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("kind", ["plain", "weighted", "double-double"])
def test_rows_of_several_tiles(case: str, kind: str) -> None:
    random, (name, rows) = np.random.default_rng(1), CASES[case]
    x = getattr(random, name)(size=(rows, 2))
    if name == "lognormal":
        x = x ** random.integers(-90, 90, size=x.shape)
    low = x * random.normal(size=x.shape) * 2.0**-54 if kind == "double-double" else None
    weights = random.exponential(size=rows) if kind == "weighted" else None
    assert_exact(ExactSums.of([x], low, weights), oracle(x, low, weights))


def test_double_double_of_a_wide_gap() -> None:
    x, low = np.array([[1e150, 1.0], [3.0, 1e-200]]), np.array([[1e-150, 5e-324], [0.0, 1e-300]])
    assert_exact(ExactSums.of([x], low), oracle(x, low))


def test_int64_is_left_before_it_overflows() -> None:
    x = np.full((1 << 21, 1), 1.0 - 2.0**-53)  # the largest slices there are
    found = reduce(ExactSums.merge, [ExactSums.of([part]) for part in np.split(x, 4)])
    assert found.products().fraction(0, 0) == (1 << 21) * Fraction(x[0, 0]) ** 2


def test_parts_side_by_side_and_views_of_any_layout() -> None:
    x = np.random.default_rng(2).normal(size=(40, 4))
    expected = stored(ExactSums.of([x]))
    assert stored(ExactSums.of([np.asfortranarray(x)])) == expected
    assert stored(ExactSums.of([x[::-1, :1], x[::-1, 1:]])) == expected


def test_a_matrix_of_whole_numbers_maps_the_columns() -> None:
    x = np.random.default_rng(3).normal(size=(30, 2))
    # x1, and 1 - x0 - x1.
    matrix = np.array([[0.0, -1.0, 0.0], [1.0, -1.0, 0.0], [0.0, 1.0, 1.0]])
    found = ExactSums.of([x]).mapped(matrix, np.zeros(2), np.ones(2)).products()
    rows = [[Fraction(b), 1 - Fraction(a) - Fraction(b), Fraction(1)] for a, b in x.tolist()]
    for one in range(3):
        for other in range(3):
            assert found.fraction(one, other) == sum(row[one] * row[other] for row in rows)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.fractions(max_denominator=99), min_size=4, max_size=4), st.integers(-300, 300), st.integers(1, 999))
def test_numbers_and_their_congruences_are_rounded_once(given: list[Fraction], exponent: int, divisor: int) -> None:
    integers = np.array([each.numerator for each in given], dtype=object).reshape(2, 2)
    numbers = Exact(integers, exponent, divisor)
    exact = [[numbers.fraction(row, column) for column in range(2)] for row in range(2)]
    assert numbers.rounded().tolist() == [[float(each) for each in row] for row in exact]
    matrix = np.array([[1.0, 0.1], [0.0, -3.7]])
    t = [[Fraction(each) for each in row] for row in matrix.tolist()]
    expected = [
        [float(sum(t[k][i] * exact[k][m] * t[m][j] for k in range(2) for m in range(2))) for j in range(2)]
        for i in range(2)
    ]
    assert numbers.congruent(matrix).tolist() == expected


def test_a_number_beyond_float64_is_infinite() -> None:
    beyond = Exact(np.array([1, -1], dtype=object), 1024)
    assert beyond.rounded().tolist() == [np.inf, -np.inf]


@pytest.mark.parametrize(
    ("name", "value"), [("exponent", 0.5), ("exponent", 1e9), ("exponent", np.nan), ("digits", 0.5), ("digits", 1e300)]
)
def test_damaged_sums_are_refused_in_a_line(name: str, value: float) -> None:
    found = ExactSums.of([np.ones((3, 2))])
    arrays = found.arrays()
    arrays[name] = np.full_like(arrays[name], value)
    with pytest.raises(CheckpointError, match="exact sums are damaged"):
        ExactSums.from_arrays(arrays, 3, found.minimum, found.maximum)


def test_sums_of_other_columns_are_refused_in_a_line() -> None:
    found = ExactSums.of([np.ones((3, 2))])
    with pytest.raises(CheckpointError, match="exact sums are damaged"):
        ExactSums.from_arrays(found.arrays(), 3, found.minimum[:1], found.maximum[:1])
