"""The distributions behind the figures of a report."""

from __future__ import annotations

from functools import cache

from scipy import special


@cache
def quantile(probability: float, degrees: int) -> float:
    """Return the quantile of Student's t."""
    return float(special.stdtrit(degrees, probability))


def two_sided(ratio: float, degrees: int) -> float:
    """Return the probability of a |t| at least that large."""
    return float(2 * special.stdtr(degrees, -abs(ratio)))


def f_tail(f: float, numerator: int, denominator: int) -> float:
    """Return the probability of an F at least that large."""
    return float(special.fdtrc(numerator, denominator, f))
