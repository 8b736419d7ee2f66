"""The figures of `roundings` for float64: running error analysis of the steps, over all intervals of reduced arguments.

Those of float32 are what `make functions` finds over every float32, rounded up.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import mpmath
import numpy as np
import pytest

from lr_export.program.functions import _DTYPES, Steps, append, roundings
from lr_export.program.program import Builder
from tests.export.program.running_error import Enclosed, enclosed

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from numpy.typing import NDArray

    from lr_export.program.program import Program
    from lr_runtime.contract.contract import Dtype

DTYPES: tuple[Dtype, ...] = ("float32", "float64")
DIGITS = 60
U = 2.0**-53


def of_log(z: Any) -> Any:
    return (2 * mpmath.atanh(mpmath.sqrt(z)) / mpmath.sqrt(z) - 2) / z


def of_exp(z: Any) -> Any:
    return (mpmath.sqrt(z) * mpmath.coth(mpmath.sqrt(z) / 2) - 2) / z


def polynomials(dtype: Dtype) -> list[tuple[str, Callable[[Any], Any], Any, str]]:
    """Return the name, the function, the end of its interval from 0, and the coefficients of both polynomials."""
    of = _DTYPES[dtype]
    return [("l", of_log, mpmath.mpf(1) / 25, of.of_log), ("e", of_exp, mpmath.log(2) ** 2, of.of_exp)]


def chebyshev_points(count: int) -> list[Any]:
    return [mpmath.cos(mpmath.pi * (2 * place + 1) / (2 * count)) for place in range(count)]


@pytest.mark.parametrize("dtype", DTYPES)
def test_the_coefficients_are_those_of_the_polynomials_through_chebyshevs_points(dtype: Dtype) -> None:
    with mpmath.workdps(DIGITS):
        for _, function, end, said in polynomials(dtype):
            count = len(said.split())
            points = [(t + 1) * end / 2 for t in chebyshev_points(count)]
            powers = mpmath.matrix([[z**power for power in range(count)] for z in points])
            found = mpmath.lu_solve(powers, mpmath.matrix([function(z) for z in points]))
            kind = np.dtype(dtype).type
            assert [kind(float(each)) for each in found] == [kind(each) for each in said.split()]


def truncation(function: Callable[[Any], Any], end: Any, coefficients: list[float]) -> float:
    """Return what a polynomial is from a function, at most, from 0 to 0.2 % beyond an end.

    It is the sum of the sizes of the difference's coefficients in Chebyshev polynomials, which are at most 1 in size.
    The poles of both functions are so far away that the 40th is below 1e-75.
    """
    count, end = 40, end * mpmath.mpf("1.002")
    points = chebyshev_points(count)
    given = [mpmath.mpf(each) for each in reversed(coefficients)]
    differences = [mpmath.polyval(given, z) - function(z) for z in ((t + 1) * end / 2 for t in points)]
    found = [
        sum(each * mpmath.cos(order * mpmath.acos(t)) for each, t in zip(differences, points, strict=True))
        for order in range(count)
    ]
    return float(sum(map(abs, found)) * 2 / count)


def errors(program: Program) -> dict[str, float]:
    """Return how far constants are from what they stand for; a polynomial's error is that of its first coefficient."""
    with mpmath.workdps(DIGITS):
        parts = [mpmath.mpf(float(program.constants.get(f"ln2_{place}_64", [0.0])[0])) for place in (0, 1)]
        found = {"ln2_1_64": float(abs(mpmath.log(2) - sum(parts)))}
        for name, function, most, said in polynomials("float64"):
            found[f"{name}0_64"] = truncation(function, most, [float(each) for each in said.split()])
    return found


def in_u(program: Program, x: Enclosed) -> NDArray[np.float64]:
    """Return the relative errors of y over intervals, in u."""
    y = enclosed(program, x, errors(program))
    found: NDArray[np.float64] = (y.error / y.least)[:, 0] / U
    return found


def cells(low: float, high: float, count: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    ends = np.linspace(low, high, count + 1)
    return ends[:-1], ends[1:]


def log_error(low: NDArray[np.float64], high: NDArray[np.float64], k: NDArray[np.float64]) -> float:
    """Return the largest error of k log 2 + log(1 + f), in u, for f in some intervals and the integers k."""
    build = Builder(2, "float64")
    f, integer = build.select(build.x, [0]), build.select(build.x, [1])
    build.result("y", Steps(build, "float64").log_near_1(f, integer))
    rows = [np.stack([np.repeat(end, len(k)), np.tile(k, len(end))], axis=1) for end in (low, high)]
    return float(in_u(build.program(), Enclosed.of(*rows)).max())


def log_errors() -> float:
    """Return the largest error of log, in u, for exact f from -1/4 to 1/2 and every k.

    Where k is 0, an f nearer to 0 than 2^-60 is its own logarithm, to more digits than there are.
    """
    near, few = 2.0 ** -np.arange(0, 60, 1 / 32), np.array([-2.0, -1.0, 1.0, 2.0])
    others = np.setdiff1d(np.arange(-1075, 1025.0), [*few, 0.0])
    return max(
        log_error(-near[:-1] / 4, -near[1:] / 4, np.zeros(1)),
        log_error(near[1:] / 2, near[:-1] / 2, np.zeros(1)),
        log_error(*cells(-0.25, 0.5001, 512), few),
        log_error(*cells(-0.25, 0.5001, 24), others),
    )


def test_log_and_log1p() -> None:
    found = log_errors()
    assert found < roundings("log", "float64")
    # The f of log1p is rounded once more: an error of u |f|, of u |f| / (1 + f) in log(1 + f). Where x is 2^53 or
    # more, what its sum lost has an error of up to 2 u itself, and log(1 + x) is above 36.
    f = np.array([-0.25, 0.5])
    of_one = np.abs(f / (1 + f) / np.log1p(f)).max()
    of_others = (np.abs(f) / (1 + f)).max() / (math.log(2) + math.log(0.75))
    assert max(of_one, of_others) < 1.16
    assert found + 1.16 + 2 / 36 < roundings("log1p", "float64")


def test_exp() -> None:
    build = Builder(1, "float64")
    build.result("y", Steps(build, "float64").exp_near_0(build.x))
    low, high = cells(-0.6935, 0.6935, 2000)
    near = float(in_u(build.program(), Enclosed.of(low[:, None], high[:, None])).max())
    # x - k ln2_0 is exact: a multiple of 2^-53 below 1, as x is, or k = 0. Then k ln2_1, and the difference from it,
    # which is below 1, are rounded, as ln2_1 itself is.
    build = Builder(1, "float64")
    build.result("y", append(build, "exp", build.x))
    program, most_k = build.program(), 1078
    shift = most_k * float(program.constants["ln2_1_64"][0])
    assert math.log(2) + 2 * shift < 0.6935
    of_r = 0.5 + shift + most_k * errors(program)["ln2_1_64"] / U
    assert near + of_r < roundings("exp", "float64")


@pytest.mark.parametrize("dtype", DTYPES)
def test_sqrt(dtype: Dtype) -> None:
    """Newton's step makes of s = (1 + d) sqrt(y) one of d^2 / 2 / (1 + d), and is rounded twice."""
    u = 2.0 ** -_DTYPES[dtype].digits
    # y is 3/4 to 3/2 of a power of two, and s^2 is 1 or 2 (11/16)^2 of it.
    starts = [math.sqrt(start / share) - 1 for start in (1.0, 2 * (11 / 16) ** 2) for share in (0.75, 1.5)]
    for error in starts:
        for _ in range(_DTYPES[dtype].newton - 1):
            error = error**2 / 2 / (1 + error) + 1.6 * u  # noqa: PLW2901
        assert 1.5 + error**2 / 2 / u + 3 * u < roundings("sqrt", dtype)
