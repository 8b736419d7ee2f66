"""A checkpoint's predictions as fractions, straight from its numbers."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lr_runtime.contract.checkpoint import Checkpoint


def predicted(checkpoint: Checkpoint, x: Sequence[float]) -> list[Fraction]:
    """Return the outputs at a row, categories as their index."""
    basis = zip(x, checkpoint.origin.tolist(), checkpoint.scale.tolist(), strict=True)
    u = [(Fraction(value) - Fraction(origin)) / Fraction(scale) for value, origin, scale in basis]
    terms = [Fraction(term.value(x, u)) for term in checkpoint.terms]
    return [
        Fraction(bias) + sum((Fraction(w) * t for w, t in zip(weights, terms, strict=True)), Fraction(0))
        for weights, bias in zip(checkpoint.weight.tolist(), checkpoint.bias.tolist(), strict=True)
    ]


def gamma(roundings: int, unit: Fraction) -> Fraction:
    return roundings * unit / (1 - roundings * unit)
