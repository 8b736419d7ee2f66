"""The design matrix: what is made of the input columns before the weights come in.

The same expansion is in the fit, in the eager model and, in double-double, in the fits that need it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from math import comb
from typing import TYPE_CHECKING

import numpy as np
import torch

from lr_trainer.arithmetic.double_double import Extended, two_sum

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from lr_runtime.contract.checkpoint import Checkpoint
    from lr_runtime.contract.terms import Term


@dataclass(frozen=True)
class Design:
    """How rows become a design matrix.

    Attributes:
        terms: its columns.
        origin: float64 (columns,), subtracted from numeric columns.
        scale: float64 (columns,), powers of two that numeric columns are divided by then.
        fill: float64 (columns,), what stands in for a missing value; NaN where it stays missing.
        levels: int64 (columns,), the number of categories of a column, 0 of a numeric one.
    """

    terms: tuple[Term, ...]
    origin: NDArray[np.float64]
    scale: NDArray[np.float64]
    fill: NDArray[np.float64]
    levels: NDArray[np.int64]

    @staticmethod
    def of(checkpoint: Checkpoint) -> Design:
        """Return the design of a fitted model."""
        columns = checkpoint.contract.columns
        has_policy = np.array([column.missing != "error" for column in columns])
        return Design(
            terms=checkpoint.terms,
            origin=checkpoint.origin,
            scale=checkpoint.scale,
            fill=np.where(has_policy, checkpoint.fill, np.nan),
            levels=np.array([len(column.categories) for column in columns]),
        )

    @property
    def is_plain(self) -> bool:
        """Whether the design matrix is the input columns as they are."""
        columns = len(self.origin)
        return (
            [(term.column, term.power, term.category, term.missing) for term in self.terms]
            == [(index, 1, None, False) for index in range(columns)]
            and not self.origin.any()
            and bool((self.scale == 1).all() and np.isnan(self.fill).all())
        )

    def expand(self, x: torch.Tensor) -> torch.Tensor:
        """Return float64 (rows, terms) for float64 x (rows, columns); NaN is a missing value."""
        if self.is_plain:
            return x
        filled = self._filled(x)
        centred = (filled - self._on(x, self.origin)) / self._on(x, self.scale)
        return torch.stack([self._value(term, x, centred[:, term.column]) for term in self.terms], dim=1)

    def expand_extended(self, x: torch.Tensor) -> Extended[torch.Tensor]:
        """Return `expand` in double-double: powers and differences without rounding to float64."""
        high, low = two_sum(self._filled(x), -self._on(x, self.origin))
        centred = Extended(high, low).scaled(1.0 / self._on(x, self.scale))
        columns = [self._extended(term, x, centred[:, term.column]) for term in self.terms]
        return Extended(torch.stack([c.high for c in columns], dim=1), torch.stack([c.low for c in columns], dim=1))

    def _filled(self, x: torch.Tensor) -> torch.Tensor:
        return torch.where(torch.isnan(x), self._on(x, self.fill), x)

    def _extended(self, term: Term, x: torch.Tensor, centred: Extended[torch.Tensor]) -> Extended[torch.Tensor]:
        if not term.is_power:
            return Extended.of(self._value(term, x, centred.high))
        value = centred
        for _ in range(term.power - 1):
            value = value * centred
        return value

    def _value(self, term: Term, x: torch.Tensor, centred: torch.Tensor) -> torch.Tensor:
        given = x[:, term.column]
        if term.category is not None:
            # An index that is none of the categories must not pass for the reference level.
            known = (given >= 0) & (given < self.levels[term.column]) & (given == given.round())
            if not np.isnan(self.fill[term.column]):
                known = known | torch.isnan(given)
            return torch.where(known, (given == term.category).to(x.dtype), torch.nan)
        if term.missing:
            return torch.isnan(given).to(x.dtype)
        return centred**term.power if term.power > 1 else centred

    @staticmethod
    def _on(x: torch.Tensor, values: NDArray[np.float64]) -> torch.Tensor:
        return torch.from_numpy(np.asarray(values)).to(x.device)


def raw_parts(design: Design) -> list[dict[int | None, Fraction]]:
    """Return, for each term, what it is on the raw columns: the weight of each term of the report, None the intercept.

    ((x - o) / s)^k = sum_j C(k, j) x^j (-o)^(k - j) / s^k, where x^j is the term of power j of the same column.
    """
    places = {(term.column, term.power): index for index, term in enumerate(design.terms) if term.is_power}
    return [_parts(design, index, term, places) for index, term in enumerate(design.terms)]


def _parts(design: Design, index: int, term: Term, places: dict[tuple[int, int], int]) -> dict[int | None, Fraction]:
    if not term.is_power:
        return {index: Fraction(1)}
    if term.power == 1 and design.origin[term.column] == 0 and design.scale[term.column] == 1:
        return {index: Fraction(1)}
    origin, scale = Fraction(design.origin[term.column]), Fraction(design.scale[term.column])
    parts: dict[int | None, Fraction] = {}
    for power in range(term.power + 1):
        value = comb(term.power, power) * (-origin) ** (term.power - power) / scale**term.power
        if value:
            parts[places[term.column, power] if power else None] = value
    return parts


def nearest_float32(value: float) -> float:
    """Return the nearest float32: exact in every precision of export, and x - origin then rounds nothing near it."""
    with np.errstate(over="ignore", under="ignore"):
        near = float(np.float32(value))
    return near if math.isfinite(near) and (near != 0 or value == 0) else float(value)
