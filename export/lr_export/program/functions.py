"""Logarithm, exponential function and roots as steps of a program: the same bits in every engine.

The engines' own differ from each other in a quarter of their bits, and some differ between a row alone and a batch. So
these are sums, products and quotients in one order, each rounded by itself (IEEE 754). The engine's log and exp serve
to pick an integer or a power of two, where an error of 1 % changes nothing. With p digits, 24 or 53:

    power of two   t = v 2^(p-1), b = t - (t - v): v rounded to one binary digit, so that 3/4 <= v/b <= 3/2
    log            y = b (1 + f), log y = k log 2 + log(1 + f), log(1 + f) = 2 atanh s with s = f / (2 + f)
    exp            x = 2 k log 2 + r, exp x = (1 + r + r c / (2 - c)) 2^k 2^k with c = r - r^2 P(r^2)
    sqrt           Newton's (Heron's) steps s = (s + y/s) / 2 from a power of two, or 11/8 of one

The forms of log(1 + f) and exp r are those of Sun's fdlibm (e_log.c, e_exp.c, s_log1p.c), their polynomials those that
interpolate at Chebyshev's points. Arguments of log, log1p and sqrt are multiplied by a power of two first, so that
nothing is subnormal or too large: what is below 2 by 2^64 (2^512), and all else by its reciprocal.

Outside the domain and at NaN the results are NaN or infinite; exp is 0 or infinite beyond the range of the dtype.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, cast

import numpy as np

from lr_export.program.program import Constant
from lr_runtime.contract.derived import FUNCTIONS

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from lr_export.program.program import Builder, Operand, Value
    from lr_runtime.contract.contract import Dtype
    from lr_runtime.contract.derived import FunctionName


@dataclass(frozen=True)
class _Dtype:
    """What differs between the dtypes.

    Attributes:
        digits: p.
        shift: the power of two that arguments are multiplied by, or its reciprocal.
        log_parts: log 2 as a sum; the first has so few digits that its product with an integer k is exact.
        twice_parts: 2 log 2 likewise.
        least, most: where exp is 0 and infinite.
        of_log: (2 atanh(s) / s - 2) / z in z = s^2 up to 1/25.
        of_exp: P(z) = (r coth(r / 2) - 2) / z in z = r^2 up to (log 2)^2.
        newton: steps of Newton from 27 % to less than a tenth of an ulp.
    """

    digits: int
    shift: int
    log_parts: tuple[float, float]
    twice_parts: tuple[float, float]
    least: float
    most: float
    of_log: tuple[float, ...]
    of_exp: tuple[float, ...]
    newton: int


def _parts(number: float, rest: float, bits: int) -> tuple[float, float]:
    """Return a number of two floats as one of `bits` digits behind the point, and what is left."""
    first = math.floor(math.ldexp(number, bits)) / 2.0**bits
    return first, (number - first) + rest


_LOG2, _REST = math.log(2.0), 2.3190468138462996e-17
"""log 2 is the sum of both, to 106 digits."""
_DTYPES = {
    "float32": _Dtype(
        24,
        64,
        _parts(_LOG2, _REST, 12),
        _parts(2 * _LOG2, 2 * _REST, 16),
        -104.0,
        89.0,
        (0.66666716, 0.39979017, 0.29955605),
        (0.16666666, -0.002777567, 6.4962034e-05),
        4,
    ),
    "float64": _Dtype(
        53,
        512,
        _parts(_LOG2, _REST, 41),
        _parts(2 * _LOG2, 2 * _REST, 42),
        -746.0,
        710.0,
        (
            0.6666666666666666,
            0.400000000000078,
            0.2857142856733919,
            0.22222223037807243,
            0.18181738454723026,
            0.15388834677801916,
            0.1321036048513262,
            0.13604015707124079,
        ),
        (
            0.16666666666666666,
            -0.002777777777777682,
            6.613756613437963e-05,
            -1.6534391135948973e-06,
            4.175327650190284e-08,
            -1.0561101631357928e-09,
            2.565395630358567e-11,
        ),
        5,
    ),
}


def append(build: Builder, function: FunctionName, value: Value, knots: NDArray[np.float64] | None = None) -> Value:
    """Append the function of every column of a value, all at once.

    Args:
        build: the program.
        function: which.
        value: float32 or float64, (rows, width); the result has its dtype and width.
        knots: of a hinge, (width,): finite numbers.
    """
    steps = _Steps(build, cast("Dtype", value.dtype))
    match function:
        case "log":
            return steps.log(value)
        case "log1p":
            return steps.log1p(value)
        case "exp":
            return steps.exp(value)
        case "sqrt":
            return steps.sqrt(value)
        case "reciprocal":
            return build.divide(steps.number("one", 1.0), value)
        case "hinge":
            assert knots is not None
            return steps.hinge(value, knots)


def roundings(function: FunctionName, dtype: Dtype) -> Fraction:
    """Return c: steps are within c u |f(x)| + eta of f(x), for every x in the domain whose f(x) the dtype holds.

    u is 2^-24 or 2^-53, and eta the smallest subnormal number; results of log and sqrt are never subnormal.
    """
    return _ROUNDINGS[dtype][function]


_ROUNDINGS: Mapping[Dtype, Mapping[FunctionName, Fraction]] = {
    "float32": {name: Fraction(4) for name in FUNCTIONS},
    "float64": {name: Fraction(4) for name in FUNCTIONS},
}


class _Steps:
    """Steps in one dtype: each method appends some and returns their value."""

    def __init__(self, build: Builder, dtype: Dtype) -> None:
        self._build, self._dtype, self._of = build, dtype, _DTYPES[dtype]

    def number(self, name: str, value: float) -> Constant:
        """Return a constant, called after the dtype, too."""
        return self._row(name, np.array([value]))

    def log(self, x: Value) -> Value:
        """Append log x."""
        below, factor = self._moderating(x)
        return self._log(below, self._build.multiply(x, factor), None)

    def log1p(self, x: Value) -> Value:
        """Append log(1 + x), with what the sum lost: f is x itself near 0."""
        build, one = self._build, self.number("one", 1.0)
        total = build.add(x, one)
        lost = build.subtract(x, build.subtract(total, one))
        below, factor = self._moderating(total)
        return self._log(below, build.multiply(total, factor), build.multiply(lost, factor))

    def exp(self, x: Value) -> Value:
        """Append exp x."""
        build, of, one = self._build, self._of, self.number("one", 1.0)
        least, most = self.number("least", of.least), self.number("most", of.most)
        x = build.where(build.less(most, x), most, x)  # not the other way round: NaN stays NaN
        x = build.where(build.less(x, least), least, x)
        first, second = (self.number(f"twice{place}", part) for place, part in enumerate(of.twice_parts))
        magic = self._magic()
        k = build.multiply(x, self.number("inverse_twice", 0.5 / _LOG2))
        k = build.subtract(build.add(k, magic), magic)
        r = build.subtract(build.subtract(x, build.multiply(k, first)), build.multiply(k, second))
        z = build.multiply(r, r)
        c = build.subtract(r, build.multiply(z, self._polynomial("e", of.of_exp, z)))
        quotient = build.divide(build.multiply(r, c), build.subtract(self.number("two", 2.0), c))
        near = build.add(build.add(r, quotient), one)
        power = self._rounded(build.rough_exp(build.multiply(k, self.number("ln2", _LOG2))), 1)
        return build.multiply(build.multiply(near, power), power)

    def sqrt(self, x: Value) -> Value:
        """Append the square root of x."""
        build, of = self._build, self._of
        half, zero = self.number("half", 0.5), self.number("zero", 0.0)
        below, factor = self._moderating(x)
        y = build.multiply(x, factor)
        power = self._rounded(y, 1)
        # Near 1 or 1.414 times a power of two: 3 digits after the first one make 1 or 1.375 of it.
        s = self._rounded(build.rough_exp(build.multiply(build.rough_log(power), half)), 4)
        for _ in range(of.newton):
            s = build.multiply(build.add(s, build.divide(y, s)), half)
        roots = (self.number(name, 2.0**exponent) for name, exponent in (("rd", -of.shift / 2), ("ru", of.shift / 2)))
        s = build.multiply(s, build.where(below, *roots))
        return build.where(build.equal(x, zero), zero, s)

    def hinge(self, x: Value, knots: NDArray[np.float64]) -> Value:
        """Append max(x - knot, 0); a knot that the dtype does not hold is taken away in parts."""
        build, zero = self._build, self.number("zero", 0.0)
        for place, part in enumerate(_in_parts(knots, self._dtype)):
            x = build.subtract(x, self._row(f"knot{place}", part))
        return build.where(build.less(x, zero), zero, x)  # NaN stays NaN

    def _log(self, below: Value, y: Value, lost: Value | None) -> Value:
        """Append log(y + lost), where y was multiplied by 2^shift if it was below 2, or else by its reciprocal."""
        build, of, magic = self._build, self._of, self._magic()
        power = self._rounded(y, 1)
        rest = build.subtract(y, power)
        f = build.divide(rest if lost is None else build.add(rest, lost), power)
        back = (self.number(f"magic_{n}", magic.array[0] + s) for n, s in (("up", of.shift), ("down", -of.shift)))
        k = build.multiply(build.rough_log(power), self.number("inverse_ln2", 1 / _LOG2))
        k = build.subtract(build.add(k, magic), build.where(below, *back))
        s = build.divide(f, build.add(f, self.number("two", 2.0)))
        z = build.multiply(s, s)
        tail = build.multiply(z, self._polynomial("l", of.of_log, z))
        near = build.subtract(f, build.multiply(s, build.subtract(f, tail)))
        first, second = (build.multiply(k, self.number(f"ln2_{n}", part)) for n, part in enumerate(of.log_parts))
        return build.add(first, build.add(near, second))

    def _moderating(self, x: Value) -> tuple[Value, Value]:
        """Append whether x is below 2, and the power of two that leaves x neither subnormal nor too large."""
        below = self._build.less(x, self.number("two", 2.0))
        factors = (self.number(f"factor_{n}", 2.0**e) for n, e in (("up", self._of.shift), ("down", -self._of.shift)))
        return below, self._build.where(below, *factors)

    def _rounded(self, value: Value, digits: int) -> Value:
        """Append the value rounded to some binary digits."""
        shifted = self._build.multiply(value, self.number(f"shift{digits}", 2.0 ** (self._of.digits - digits)))
        return self._build.subtract(shifted, self._build.subtract(shifted, value))

    def _magic(self) -> Constant:
        """Return what rounds a number to an integer when it is added and taken away."""
        return self.number("magic", 1.5 * 2.0 ** (self._of.digits - 1))

    def _polynomial(self, name: str, coefficients: Sequence[float], z: Value) -> Value:
        """Append the polynomial with these coefficients from the constant on (Horner)."""
        *others, last = (self.number(f"{name}{place}", each) for place, each in enumerate(coefficients))
        total: Operand = last
        for coefficient in reversed(others):
            total = self._build.add(self._build.multiply(z, total), coefficient)
        return cast("Value", total)

    def _row(self, name: str, values: NDArray[np.float64]) -> Constant:
        return Constant(f"{name}_{self._dtype[-2:]}", values.astype(self._dtype))


def _in_parts(knots: NDArray[np.float64], dtype: Dtype) -> Iterator[NDArray[np.float64]]:
    """Yield rows of numbers of the dtype that add up to the knots; one that is 0 is -0, because x - -0 is never -0."""
    part, rest = knots.astype(dtype).astype(np.float64), knots
    while True:
        yield np.where(part == 0, -0.0, part)
        rest = rest - part
        part = rest.astype(dtype).astype(np.float64)
        if not part.any():
            return
