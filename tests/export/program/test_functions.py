"""Functions as steps: as near as `roundings` says, NaN or infinite outside their domains, exact ones as mpmath's."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING, Any

import mpmath
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lr_export.exact.dyadic import Dyadic
from lr_export.exact.functions import exact
from lr_export.program.evaluation import evaluated
from lr_export.program.functions import roundings
from lr_runtime.contract.derived import DOMAINS, FUNCTIONS
from tests.export.program.arguments import arguments
from tests.export.program.every_float import worst
from tests.export.straight_line import function_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from lr_runtime.contract.contract import Dtype
    from lr_runtime.contract.derived import FunctionName

DTYPES: tuple[Dtype, ...] = ("float32", "float64")
IN_MPMATH: dict[FunctionName, Callable[[Any], Any]] = {
    "log": mpmath.log,
    "log1p": mpmath.log1p,
    "exp": mpmath.exp,
    "sqrt": mpmath.sqrt,
    "reciprocal": lambda x: 1 / x,
}
MARGIN = Fraction(1, 2**100)
"""The part of a bound that is left for what rounds the exact side."""


def in_domain(function: FunctionName, x: NDArray[Any]) -> NDArray[Any]:
    if function == "exp":
        return np.asarray(x[np.abs(x) < 1000])
    return np.asarray(x[DOMAINS[function].holds(x)]) if function in DOMAINS else x


def steps(function: FunctionName, x: NDArray[Any], knot: float = 0.0) -> NDArray[Any]:
    program = function_of(function, "float64" if x.dtype == np.float64 else "float32", (knot,))
    return np.asarray(evaluated(program, x[:, None])["y"][:, 0])


def assert_near(function: FunctionName, dtype: Dtype, x: NDArray[Any], knot: float = 0.0) -> None:
    """The steps are within c u |f(x)| + eta of exact values, or beyond the range where these are."""
    info = np.finfo(dtype)
    f = exact(function, Dyadic.of(x), np.array(knot)).fractions()
    share = (roundings(function, dtype) - MARGIN) * Fraction(float(info.epsneg))
    for argument, got, true in zip(x, steps(function, x, knot), f, strict=True):
        if abs(true) > Fraction(float(info.max)):
            assert abs(got) >= info.max, argument
        else:
            error = abs(Fraction(float(got)) - true)
            assert error <= share * abs(true) + Fraction(float(info.smallest_subnormal)), argument


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("function", [*IN_MPMATH])
def test_steps_are_as_near_as_is_said(function: FunctionName, dtype: Dtype) -> None:
    assert_near(function, dtype, in_domain(function, arguments(dtype, 1)[::3]))


@pytest.mark.parametrize("function", ["log", "log1p", "exp", "sqrt"])
def test_so_are_many_more_of_float32(function: FunctionName) -> None:
    found = worst(function, iter([in_domain(function, arguments("float32", 20))]))
    assert found.error < roundings(function, "float32")
    assert found.with_eta < 1


numbers = st.floats(-1e30, 1e30)


@given(st.sampled_from(DTYPES), numbers, st.lists(numbers, min_size=1, max_size=4))
def test_a_hinge_is_as_near_at_any_knot(dtype: Dtype, knot: float, x: list[float]) -> None:
    near = np.array([*x, knot, *(knot * (1 + share) for share in (1e-16, -1e-16, 1e-8, -1e-8, 1e-7, -2e-7))])
    assert_near("hinge", dtype, np.concatenate([near, np.nextafter(near, 0)]).astype(dtype), knot)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("function", DOMAINS)
def test_outside_the_domain_nothing_is_finite(function: FunctionName, dtype: Dtype) -> None:
    x = arguments(dtype)
    outside = x[~DOMAINS[function].holds(x)]
    assert len(outside) > 0
    assert not np.isfinite(steps(function, outside)).any()
    assert np.isfinite(steps(function, in_domain(function, x)) if function != "reciprocal" else 0).all()


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("function", FUNCTIONS)
def test_nan_stays_nan(function: FunctionName, dtype: Dtype) -> None:
    assert np.isnan(steps(function, np.array([np.nan], dtype))).all()


@pytest.mark.parametrize("dtype", DTYPES)
def test_a_hinge_is_never_minus_0_which_some_engines_would_lose(dtype: Dtype) -> None:
    assert not np.signbit(steps("hinge", arguments(dtype, 1), 0.0)).any()


@pytest.mark.parametrize("dtype", DTYPES)
def test_exp_beyond_the_range_is_0_or_infinite(dtype: Dtype) -> None:
    largest = float(np.finfo(dtype).max)
    assert steps("exp", np.array([-largest, -800.0, 800.0, largest], dtype)).tolist() == [0, 0, np.inf, np.inf]


@pytest.mark.parametrize("function", IN_MPMATH)
def test_exact_values_are_those_of_mpmath_to_190_digits(function: FunctionName) -> None:
    x = in_domain(function, arguments("float64", 1))[::17]
    found = exact(function, Dyadic.of(x)).fractions()
    for argument, got in zip(x, found, strict=True):
        with mpmath.workprec(1400):  # 1 + x is exact
            true = IN_MPMATH[function](mpmath.mpf(float(argument)))
            assert abs(mpmath.mpf(got.numerator) / got.denominator - true) <= abs(true) * mpmath.mpf(2) ** -190, (
                argument
            )


def test_an_exact_value_outside_the_domain_is_an_error() -> None:
    outside: dict[FunctionName, float] = {"log": -1.0, "log1p": -1.0, "sqrt": -1.0, "reciprocal": 0.0}
    for function, x in outside.items():
        with pytest.raises((ArithmeticError, ValueError)):
            exact(function, Dyadic.of(np.array([x])))
