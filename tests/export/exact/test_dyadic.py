"""Dyadic numbers against fractions, and rounding against numpy's own and against a search."""

from __future__ import annotations

import operator
from fractions import Fraction
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from lr_export.exact.dyadic import Dyadic
from lr_runtime.contract.equation import rounded_up
from tests.export.oracle import as_array, distance_to_tie, fractions, nearest

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from lr_runtime.contract.contract import Dtype
    from tests.export.oracle import Floats

finite = st.floats(allow_nan=False, allow_infinity=False)
vectors = arrays.arrays(np.float64, 3, elements=finite)
SMALLEST = 2.0**-1074
LARGEST = float(np.finfo(np.float64).max)
FLOAT32_LARGEST = float(np.finfo(np.float32).max)

ARRAYS: dict[str, list[float]] = {
    "zeros": [0.0, -0.0, 0.0],
    "subnormals": [SMALLEST, -SMALLEST, 3 * SMALLEST],
    "the whole range": [SMALLEST, LARGEST, -1.0],
    "zero beside large": [0.0, 1e300, -1e300],
    "no number": [],
}
BINARY: dict[str, Callable[[Any, Any], Any]] = {
    "add": operator.add,
    "subtract": operator.sub,
    "multiply": operator.mul,
}


@pytest.mark.parametrize("values", ARRAYS.values(), ids=ARRAYS)
def test_named_arrays_are_exact(values: list[float]) -> None:
    assert Dyadic.of(np.array(values)).fractions() == [Fraction(value) for value in values]


@settings(max_examples=100, deadline=None)
@given(values=vectors)
def test_every_float64_is_exact(values: NDArray[np.float64]) -> None:
    assert Dyadic.of(values).fractions() == [Fraction(value) for value in values.tolist()]


@settings(max_examples=50, deadline=None)
@given(values=arrays.arrays(np.float32, 3, elements=st.floats(allow_nan=False, allow_infinity=False, width=32)))
def test_every_float32_is_exact(values: NDArray[np.float32]) -> None:
    assert Dyadic.of(values).fractions() == [Fraction(value) for value in values.tolist()]


@pytest.mark.parametrize("operation", BINARY.values(), ids=BINARY)
@settings(max_examples=50, deadline=None)
@given(left=vectors, right=vectors)
@example(left=np.array([SMALLEST, LARGEST, 0.0]), right=np.array([LARGEST, -LARGEST, SMALLEST]))
def test_arithmetic_is_that_of_fractions(
    operation: Callable[[Any, Any], Any], left: NDArray[np.float64], right: NDArray[np.float64]
) -> None:
    found = as_array(operation(Dyadic.of(left), Dyadic.of(right)))
    assert (found == operation(fractions(left), fractions(right))).all()


@settings(max_examples=50, deadline=None)
@given(left=vectors, right=vectors)
def test_comparison_and_maximum_are_those_of_fractions(left: NDArray[np.float64], right: NDArray[np.float64]) -> None:
    a, b = Dyadic.of(left), Dyadic.of(right)
    assert (a <= b).tolist() == (left <= right).tolist()
    assert a.maximum(b).fractions() == [Fraction(value) for value in np.maximum(left, right).tolist()]
    assert abs(a).fractions() == [Fraction(value) for value in np.abs(left).tolist()]


@settings(max_examples=50, deadline=None)
@given(
    left=arrays.arrays(np.float64, (2, 3), elements=finite), right=arrays.arrays(np.float64, (4, 3), elements=finite)
)
def test_products_and_sums_are_those_of_fractions(left: NDArray[np.float64], right: NDArray[np.float64]) -> None:
    assert (as_array(Dyadic.of(left) @ Dyadic.of(right).T) == fractions(left) @ fractions(right).T).all()
    assert (as_array(Dyadic.of(left).sum()) == fractions(left).sum(axis=1)).all()


NEAR_TIES = [
    Fraction(1) + Fraction(1, 2**24),
    Fraction(1) + Fraction(3, 2**24),
    Fraction(1) + Fraction(1, 2**24) + Fraction(1, 2**90),
    Fraction(-1) - Fraction(1, 2**24),
    Fraction(1, 2**149) * Fraction(3, 2),
    Fraction(-5, 2**1074),
    Fraction(0),
    Fraction(2**128 - 2**104),
]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_numbers_are_rounded_as_their_direction_says(dtype: Dtype) -> None:
    denominator = 2**1100
    exact = Dyadic(np.array([int(value * denominator) for value in NEAR_TIES], dtype=object), -1100)
    down, near, up = (exact.rounded(dtype, direction).tolist() for direction in ("down", "nearest", "up"))
    for value, below, at, above in zip(NEAR_TIES, down, near, up, strict=True):
        assert at == float(nearest(value, dtype))
        assert Fraction(below) <= value <= Fraction(above)
        assert (below == above) == (Fraction(below) == value)
        if below != above:
            assert np.nextafter(np.dtype(dtype).type(below), np.dtype(dtype).type(np.inf)) == above


def test_beyond_the_range_rounding_gives_infinity() -> None:
    exact = Dyadic(np.array([1, -1], dtype=object), 1024)
    assert exact.rounded("float64", "nearest").tolist() == [np.inf, -np.inf]


@pytest.mark.parametrize("exponent", [-1100, -1, 0, 5, 1100])
def test_a_power_of_two(exponent: int) -> None:
    assert Dyadic.power_of_two(exponent).fractions() == [Fraction(2) ** exponent]


def test_powers_of_two_beyond_the_range_of_float64() -> None:
    exponents = [1074, -1100, 0]
    assert Dyadic.power_of_two(np.array(exponents)).fractions() == [Fraction(2) ** e for e in exponents]


@settings(max_examples=100, deadline=None)
@given(value=finite)
@example(value=1 + 2.0**-24)  # midpoints of float32: to even
@example(value=1 + 3 * 2.0**-24)
@example(value=2.0**-150)
@example(value=-3 * 2.0**-150)
@example(value=FLOAT32_LARGEST)
def test_nearest_is_the_conversion_of_numpy(value: float) -> None:
    assert nearest(Fraction(value), "float64") == value
    with np.errstate(over="ignore"):
        converted = np.float32(value)
    if np.isfinite(converted):
        found = nearest(Fraction(value), "float32")
        assert found.dtype == np.float32
        assert found == converted
    else:
        with pytest.raises(OverflowError):
            nearest(Fraction(value), "float32")


@settings(max_examples=100, deadline=None)
@given(
    low=st.floats(-(2.0**126), 2.0**126, width=32),
    side=st.sampled_from([-1, 0, 1]),
    share=st.sampled_from([Fraction(1, 2), Fraction(1, 3), Fraction(0), Fraction(9, 10)]),
)
def test_nearest_float32_is_found_by_search(low: float, side: int, share: Fraction) -> None:
    # Nearer to a midpoint than float64 can tell: a float64 in between would round twice.
    start = np.float32(low)
    value = Fraction(low) + share * (Fraction(float(np.nextafter(start, np.float32(np.inf)))) - Fraction(low))
    value += side * Fraction(1, 2**300)
    candidates = [start]
    for direction in (-np.inf, np.inf):
        candidates.append(np.nextafter(start, np.float32(direction)))
    distances = [abs(Fraction(float(candidate)) - value) for candidate in candidates]
    closest = [c for c, distance in zip(candidates, distances, strict=True) if distance == min(distances)]
    even = [c for c in closest if not int(c.view(np.uint32)) & 1]
    assert nearest(value, "float32") == (closest[0] if len(closest) == 1 else even[0])


@pytest.mark.parametrize("sign", [1, -1])
def test_the_limit_of_float32_is_half_an_ulp_above_its_largest(sign: int) -> None:
    limit = Fraction(FLOAT32_LARGEST) + Fraction(float(np.spacing(np.float32(2.0**127)))) / 2
    assert nearest(sign * (limit - Fraction(1, 10**9)), "float32") == sign * np.float32(FLOAT32_LARGEST)
    with pytest.raises(OverflowError):
        nearest(sign * limit, "float32")


TIES: dict[str, tuple[Fraction, float, Literal["float32", "float64"], Fraction]] = {
    "on the number": (Fraction(1.5), 1.5, "float32", Fraction(1, 2**24)),
    "on the midpoint": (Fraction(1) + Fraction(1, 2**24), 1.0, "float32", Fraction(0)),
    "beside the midpoint": (Fraction(1) + Fraction(1, 2**24) - Fraction(1, 2**90), 1.0, "float32", Fraction(1, 2**90)),
    "under a power of two the gap is half": (Fraction(1), 1.0, "float32", Fraction(1, 2**25)),
    "zero": (Fraction(0), 0.0, "float32", Fraction(1, 2**150)),
    "float64": (Fraction(1.5), 1.5, "float64", Fraction(1, 2**53)),
    "the largest has one neighbour": (Fraction(FLOAT32_LARGEST), FLOAT32_LARGEST, "float32", Fraction(2**103)),
}


@pytest.mark.parametrize(("value", "rounded", "dtype", "distance"), TIES.values(), ids=TIES)
def test_distance_to_tie(
    value: Fraction, rounded: float, dtype: Literal["float32", "float64"], distance: Fraction
) -> None:
    assert distance_to_tie(value, np.dtype(dtype).type(rounded)) == distance


@settings(max_examples=100, deadline=None)
@given(near=st.floats(-1e300, 1e300), parts=st.integers(-1000, 1000))
def test_rounded_up_is_the_least_float_not_below(near: float, parts: int) -> None:
    value = Fraction(near) + Fraction(parts, 700) * Fraction(float(np.spacing(abs(near))))
    found = rounded_up(value)
    assert Fraction(float(np.nextafter(found, -np.inf))) < value <= Fraction(found)


def test_shapes_are_kept() -> None:
    values: Floats = np.arange(6, dtype=np.float32).reshape(2, 3)
    assert Dyadic.of(values).T.integers.shape == (3, 2)
    assert as_array(Dyadic.of(np.zeros((0, 3)))).shape == (0, 3)
