"""What the trainer asks of a term, whatever its kind."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING

from lr_trainer.arithmetic.double_double import Extended

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    import numpy as np
    import torch
    from numpy.typing import NDArray

    from lr_runtime.contract.terms.term import Term

    Array = NDArray[np.float64]
    Parts = dict[int | None, Fraction]


@dataclass(frozen=True)
class Basis:
    """The input columns as terms take them.

    Attributes:
        origin: float64 (columns,), subtracted from numeric columns.
        scale: float64 (columns,), powers of two that numeric columns are divided by then.
        fill: float64 (columns,), what stands in for a missing value; NaN where it stays missing.
        levels: int64 (columns,), the number of categories of a column, 0 of a numeric one.
    """

    origin: Array
    scale: Array
    fill: Array
    levels: NDArray[np.int64]


@dataclass(frozen=True)
class Evaluation:
    """A term as the trainer evaluates it; each kind is a subclass.

    Its methods take `x`, float64 (rows, columns), NaN for a missing value, and `u`, the same rows filled in and on
    origin and scale.
    """

    term: Term

    @property
    def is_rounded(self) -> bool:
        """Whether float64 rounds the value, where it does not round x - origin."""
        return False

    def value(self, x: torch.Tensor, u: torch.Tensor, basis: Basis) -> torch.Tensor:
        """Return float64 (rows,)."""
        raise NotImplementedError

    def extended(self, x: torch.Tensor, u: Extended[torch.Tensor], basis: Basis) -> Extended[torch.Tensor]:
        """Return the value in double-double, (rows,)."""
        return Extended.of(self.value(x, u.high, basis))

    def raw_parts(self, places: Mapping[Term, int], basis: Basis) -> Parts:
        """Return the term as a sum of terms on the raw columns: the weight of each by its place, None the intercept."""
        return {places[self.term]: Fraction(1)}

    def slopes(self, ends: Array) -> Iterator[tuple[int, Array]]:
        """Yield, for each column whose rounding moves the term, its number and float64 (2,), the derivatives by u.

        Args:
            ends: float64 (2, columns), the ends of the range of u, where derivatives are largest; 0 for an end that
                need not be looked at.
        """
        yield from ()
