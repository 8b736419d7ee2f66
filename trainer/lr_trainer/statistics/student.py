"""The distributions behind the figures of a report.

Inside of `fixed_order()` they come from integers, those of `decimal`. With I_x(a, b) the regularised incomplete beta
function, an F of n and d degrees of freedom exceeds f with probability I_x(d/2, n/2), x = d / (d + n f), and t^2 is an
F of 1 and d (Abramowitz and Stegun 1964, "Handbook of mathematical functions", 26.6.2 and 26.7).
"""

from __future__ import annotations

import math
from decimal import Context, Decimal, localcontext
from functools import cache
from itertools import count

from scipy import special

from lr_trainer.arithmetic.fixed_order import in_fixed_order

_DECIMAL, _ENOUGH = Context(prec=50), Decimal("1e-24")
"""Powers of as many as 10^15 degrees of freedom lose 15 digits, and float64 holds 17."""


def quantile(probability: float, degrees: int) -> float:
    """Return the quantile of Student's t."""
    return _quantile(probability, degrees) if in_fixed_order() else float(special.stdtrit(degrees, probability))


def two_sided(ratio: float, degrees: int) -> float:
    """Return the probability of a |t| at least that large."""
    if in_fixed_order():
        return float(_tail(_DECIMAL.power(Decimal(ratio), 2), 1, degrees))
    return float(2 * special.stdtr(degrees, -abs(ratio)))


def f_tail(f: float, numerator: int, denominator: int) -> float:
    """Return the probability of an F at least that large."""
    if in_fixed_order():
        return float(_tail(Decimal(f), numerator, denominator))
    return float(special.fdtrc(numerator, denominator, f))


@cache
def _quantile(probability: float, degrees: int) -> float:
    """Return the quantile by Newton's method from 0: the tail is convex, so that no step goes too far."""
    with localcontext(_DECIMAL):
        a, b, tail = Decimal(degrees) / 2, Decimal("0.5"), 2 * min(Decimal(probability), 1 - Decimal(probability))
        x, whole = _whole(a, b)
        at_zero = 2 / (Decimal(degrees).sqrt() * x**a * (1 - x) ** b * whole)  # the density of |t|
        t, step = Decimal(0), Decimal(1)
        while step > _ENOUGH * t:
            step = (_tail(t * t, 1, degrees) - tail) / (at_zero * (1 + t * t / degrees) ** -(a + b))
            t += step
        return math.copysign(float(t), probability - 0.5)


def _tail(f: Decimal, numerator: int, denominator: int) -> Decimal:
    with localcontext(_DECIMAL):
        return _beta(denominator / (denominator + numerator * f), Decimal(denominator) / 2, Decimal(numerator) / 2)


def _beta(x: Decimal, a: Decimal, b: Decimal) -> Decimal:
    """Return I_x(a, b), from the side where its continued fraction converges fast."""
    if x > (a + 1) / (a + b + 2):
        return 1 - _beta(1 - x, b, a)
    near, whole = _whole(a, b)
    return (x / near) ** a * ((1 - x) / (1 - near)) ** b * _fraction(x, a, b) / whole


@cache
def _whole(a: Decimal, b: Decimal) -> tuple[Decimal, Decimal]:
    """Return a number x, and B(a, b) / (x^a (1 - x)^b): what stands left and what right of x."""
    x = (a + 1) / (a + b + 2)
    return x, _fraction(x, a, b) + _fraction(1 - x, b, a)


def _fraction(x: Decimal, a: Decimal, b: Decimal) -> Decimal:
    """Return B(a, b) I_x(a, b) / (x^a (1 - x)^b), a continued fraction (ibid., 26.5.8) by Lentz's method (1976)."""
    below = found = 1 / (1 - (a + b) * x / (a + 1))
    above = Decimal(1)
    for m in count(1):
        even = m * (b - m) / ((a + 2 * m - 1) * (a + 2 * m))
        odd = -(a + m) * (a + b + m) / ((a + 2 * m) * (a + 2 * m + 1))
        for share in (even * x, odd * x):
            below, above = 1 / (1 + share * below), 1 + share / above
            found *= below * above
        if abs(below * above - 1) < _ENOUGH:
            break
    return found / a
