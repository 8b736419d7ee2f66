"""Logarithm, exponential function and roots as steps of a program: the same bits in every engine.

The engines' own differ from each other in a quarter of their bits, and some differ between a row alone and a batch. So
these are sums, products and quotients in one order, each rounded by itself (IEEE 754). The engine's log and exp serve
to pick an integer or a power of two, where an error of 1 % changes nothing. With p digits, 24 or 53:

    power of two   t = v 2^(p-1), b = t - (t - v): v rounded to one binary digit, so that 3/4 <= v/b <= 3/2
    log            y = b (1 + f), log y = k log 2 + log(1 + f), log(1 + f) = 2 atanh s with s = f / (2 + f)
    exp            x = k log 2 + r, k even, exp x = (1 + r + r c / (2 - c)) 2^(k/2) 2^(k/2) with c = r - r^2 P(r^2)
    sqrt           Newton's (Heron's) steps s = (s + y/s) / 2 from a power of two, or 11/8 of one

The forms of log(1 + f) and exp r are those of Sun's fdlibm (e_log.c, e_exp.c, s_log1p.c), their polynomials those that
interpolate at Chebyshev's points. Arguments of log, log1p and sqrt are multiplied by a power of two first, so that
nothing is subnormal or too large: what is below 2 by 2^64 (2^512), and all else by its reciprocal.

Outside the domain and at NaN the results are NaN or infinite; exp is 0 or infinite beyond the range of the dtype.
"""

from __future__ import annotations

import math
from fractions import Fraction
from typing import TYPE_CHECKING, NamedTuple, cast

import numpy as np

from lr_export.program.program import Builder, Constant, Operand, Value

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from numpy.typing import NDArray

    from lr_runtime.contract.contract import Dtype
    from lr_runtime.contract.derived import FunctionName


class _Dtype(NamedTuple):
    """What differs between the dtypes."""

    digits: int
    shift: int  # the exponent of the power of two that arguments are multiplied by
    least: float  # where exp is 0
    most: float  # where exp is infinite
    newton: int  # steps from an error of 21 % to one of 10^-6 u, but for their rounding
    of_log: str  # (2 atanh(s) / s - 2) / z, a polynomial in z = s^2 up to 1/25, from its constant on
    of_exp: str  # P(z) = (r coth(r / 2) - 2) / z in z = r^2 up to (log 2)^2, likewise


_DTYPES: Mapping[Dtype, _Dtype] = {
    "float32": _Dtype(
        *(24, 64, -104.0, 89.0, 4),
        of_log="0.66666716 0.39979017 0.29955605",
        of_exp="0.16666666 -0.002777567 6.4962034e-05",
    ),
    "float64": _Dtype(
        *(53, 512, -746.0, 710.0, 5),
        of_log="0.6666666666666666 0.400000000000078 0.2857142856733919 0.22222223037807243 "
        "0.18181738454723026 0.15388834677801916 0.1321036048513262 0.13604015707124079",
        of_exp="0.16666666666666666 -0.002777777777777682 6.613756613437963e-05 -1.6534391135948973e-06 "
        "4.175327650190284e-08 -1.0561101631357928e-09 2.565395630358567e-11",
    ),
}
_LOG2, _REST = math.log(2.0), 2.3190468138462996e-17
"""log 2 is the sum of both, to 106 digits."""
_ROUNDINGS: Mapping[Dtype, Mapping[FunctionName, str]] = {
    "float32": {"log": "2", "log1p": "2", "exp": "2.5", "sqrt": "1.51", "reciprocal": "1.01", "hinge": "3.01"},
    "float64": {"log": "4", "log1p": "5", "exp": "4", "sqrt": "1.51", "reciprocal": "1.01", "hinge": "1.01"},
}


def roundings(function: FunctionName, dtype: Dtype) -> Fraction:
    """Return c: the steps are within c u |f(x)| + eta of every f(x) in the range of the dtype.

    u is 2^-24 or 2^-53, and eta the smallest subnormal number. `make functions` runs every float32 through log, log1p,
    exp and sqrt; for float64, tests bound the error of each step over intervals that cover all f, r and k:

        log         3.6 u, at k = -1, f = 1/2; k log 2 loses nothing, as its first part is short
        log1p       1.16 u more, for the f that is rounded
        exp         3.4 u, and 0.5 u for the r below 1 that is rounded, once: x - k log 2 loses nothing before
        sqrt        half of the quotient's rounding, and the sum's; each of Newton's steps squares what was before it
        reciprocal  one rounding
        hinge       one for each part of a knot, of which float32 has three, at most: either the first difference is
                    exact, or the others are too small to matter
    """
    return Fraction(_ROUNDINGS[dtype][function])


def append(build: Builder, function: FunctionName, value: Value, knots: NDArray[np.float64] | None = None) -> Value:
    """Append the function of every column of a value, float32 or float64 (rows, width), all at once.
    The knots (width,) are of a hinge, in the range of the dtype; all hinges of a program are appended at once.
    """
    steps = Steps(build, cast("Dtype", value.dtype))
    if function == "hinge":
        assert knots is not None
        return steps.hinge(value, knots)
    if function == "reciprocal":
        # Of 0 it is 0 / 0: of an infinity, the inverse of a target's function would make a number.
        return build.divide(build.where(build.equal(value, steps.zero), steps.zero, steps.one), value)
    return {"log": steps.log, "log1p": steps.log1p, "exp": steps.exp, "sqrt": steps.sqrt}[function](value)


class Steps:
    """Functions in one dtype: each method appends steps and returns their value."""

    def __init__(self, build: Builder, dtype: Dtype) -> None:
        self._build, self._dtype, self._of = build, dtype, _DTYPES[dtype]
        self.zero, self._half, self.one, self._two = (
            self._number(name, number) for name, number in (("zero", 0.0), ("half", 0.5), ("one", 1.0), ("two", 2.0))
        )
        self._inverse = self._number("inverse_ln2", 1 / _LOG2)
        # The first part has so few digits that its product with an integer is exact.
        first = math.floor(math.ldexp(_LOG2, self._of.digits - 12)) / 2.0 ** (self._of.digits - 12)
        self._first, self._second = self._number("ln2_0", first), self._number("ln2_1", (_LOG2 - first) + _REST)

    def hinge(self, x: Value, knots: NDArray[np.float64]) -> Value:
        """Append max(x - knot, 0); a knot that the dtype does not hold is taken away in parts."""
        for place, part in enumerate(_in_parts(knots, self._dtype)):
            x = self._build.subtract(x, self._row(f"knot{place}", part))
        return self._build.where(self._build.less(x, self.zero), self.zero, x)  # NaN stays NaN

    def log(self, x: Value) -> Value:
        """Append log x."""
        below, _, y, power = self._reduced(x)
        return self._log(below, power, self._build.subtract(y, power))

    def log1p(self, x: Value) -> Value:
        """Append log(1 + x), with what the sum lost: near 0, f is x itself."""
        build = self._build
        total = build.add(x, self.one)
        lost = build.subtract(x, build.subtract(total, self.one))
        below, factor, y, power = self._reduced(total)
        return self._log(below, power, build.add(build.subtract(y, power), build.multiply(lost, factor)))

    def sqrt(self, x: Value) -> Value:
        """Append the square root of x."""
        build, shift = self._build, self._of.shift // 2
        below, _, y, power = self._reduced(x)
        # About 1 or 1.414 times a power of two: to four digits it is 1 or 1.375 times that.
        s = self._rounded(build.rough_exp(build.multiply(build.rough_log(power), self._half)), 4)
        for _ in range(self._of.newton):
            s = build.multiply(build.add(s, build.divide(y, s)), self._half)
        back = build.where(below, self._number("root_up", 2.0**-shift), self._number("root_down", 2.0**shift))
        return build.where(build.equal(x, self.zero), self.zero, build.multiply(s, back))

    def exp(self, x: Value) -> Value:
        """Append exp x."""
        build, even = self._build, self._number("even", 3 * 2.0 ** (self._of.digits - 1))
        least, most = self._number("least", self._of.least), self._number("most", self._of.most)
        x = build.where(build.less(most, x), most, x)  # not the other way round: NaN stays NaN
        x = build.where(build.less(x, least), least, x)
        k = build.subtract(build.add(build.multiply(x, self._inverse), even), even)
        r = build.subtract(build.subtract(x, build.multiply(k, self._first)), build.multiply(k, self._second))
        power = self._rounded(build.rough_exp(build.multiply(k, self._number("half_ln2", _LOG2 / 2))), 1)
        return build.multiply(build.multiply(self.exp_near_0(r), power), power)

    def exp_near_0(self, r: Value) -> Value:
        """Append exp r, for r up to log 2."""
        build = self._build
        z = build.multiply(r, r)
        c = build.subtract(r, build.multiply(z, self._polynomial("e", self._of.of_exp, z)))
        quotient = build.divide(build.multiply(r, c), build.subtract(self._two, c))
        return build.add(build.add(r, quotient), self.one)

    def log_near_1(self, f: Value, k: Value) -> Value:
        """Append k log 2 + log(1 + f), for f from -1/4 to 1/2 and an integer k."""
        build = self._build
        s = build.divide(f, build.add(f, self._two))
        z = build.multiply(s, s)
        tail = build.multiply(z, self._polynomial("l", self._of.of_log, z))
        near = build.subtract(f, build.multiply(s, build.subtract(f, tail)))
        return build.add(build.multiply(k, self._first), build.add(near, build.multiply(k, self._second)))

    def _log(self, below: Value, power: Value, rest: Value) -> Value:
        """Append log((power + rest) / factor), with the factor of `_reduced`."""
        build, shift = self._build, self._of.shift
        integer = 1.5 * 2.0 ** (self._of.digits - 1)  # rounds to an integer what it is added to and taken from
        back = (self._number("integer_up", integer + shift), self._number("integer_down", integer - shift))
        k = build.add(build.multiply(build.rough_log(power), self._inverse), self._number("integer", integer))
        return self.log_near_1(build.divide(rest, power), build.subtract(k, build.where(below, *back)))

    def _reduced(self, x: Value) -> tuple[Value, Value, Value, Value]:
        """Append whether x is below 2, a factor, y = factor x, neither subnormal nor large, and y to one digit."""
        below = self._build.less(x, self._two)
        up, down = self._number("up", 2.0**self._of.shift), self._number("down", 2.0**-self._of.shift)
        factor = self._build.where(below, up, down)
        y = self._build.multiply(x, factor)
        return below, factor, y, self._rounded(y, 1)

    def _rounded(self, value: Value, digits: int) -> Value:
        shifted = self._build.multiply(value, self._number(f"shift{digits}", 2.0 ** (self._of.digits - digits)))
        return self._build.subtract(shifted, self._build.subtract(shifted, value))

    def _polynomial(self, name: str, coefficients: str, z: Value) -> Value:
        """Append the polynomial with these coefficients, from the constant on (Horner's scheme)."""
        *others, last = (self._number(f"{name}{n}", float(each)) for n, each in enumerate(coefficients.split()))
        total: Operand = last
        for coefficient in reversed(others):
            total = self._build.add(self._build.multiply(z, total), coefficient)
        return cast("Value", total)

    def _number(self, name: str, number: float) -> Constant:
        return self._row(name, np.array([number]))

    def _row(self, name: str, values: NDArray[np.float64]) -> Constant:
        return Constant(f"{name}_{self._dtype[-2:]}", values.astype(self._dtype))


def _in_parts(knots: NDArray[np.float64], dtype: Dtype) -> Iterator[NDArray[np.float64]]:
    """Yield rows of numbers of the dtype that add up to the knots; one that is 0 is -0, because x - -0 is never -0."""
    while True:
        part = knots.astype(dtype).astype(np.float64)
        yield np.where(part == 0, -0.0, part)
        knots = knots - part
        if not knots.astype(dtype).any():
            return
