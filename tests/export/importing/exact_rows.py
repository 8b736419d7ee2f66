"""A checkpoint's predictions as fractions, straight from its numbers."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING

import mpmath

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lr_runtime.contract.checkpoint import Checkpoint


def function(name: str, x: float | Fraction) -> Fraction:
    """Return a function to 60 digits."""
    if name == "reciprocal":
        return 1 / Fraction(x)
    with mpmath.workdps(60):
        return Fraction(mpmath.nstr(getattr(mpmath, name)(mpmath.mpf(float(x))), 60))


def predicted(checkpoint: Checkpoint, x: Sequence[float | Fraction]) -> list[Fraction]:
    """Return the outputs at a row, categories as their index."""
    x = [*x, *(function(each.function, x[each.column]) for each in checkpoint.contract.derived)]
    basis = zip(x, checkpoint.origin.tolist(), checkpoint.scale.tolist(), strict=True)
    u = [(Fraction(value) - Fraction(origin)) / Fraction(scale) for value, origin, scale in basis]
    terms = [Fraction(term.value(x, u)) for term in checkpoint.terms]
    return [
        Fraction(bias) + sum((Fraction(w) * t for w, t in zip(weights, terms, strict=True)), Fraction(0))
        for weights, bias in zip(checkpoint.weight.tolist(), checkpoint.bias.tolist(), strict=True)
    ]


def gamma(roundings: int, unit: Fraction) -> Fraction:
    return roundings * unit / (1 - roundings * unit)
