"""Which solution is asked for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from lr_runtime.contract.fit_report import Bound, Penalty

if TYPE_CHECKING:
    from lr_trainer.choices import FitOptions


@dataclass(frozen=True)
class LeastSquares:
    """The solution with the least squared error, where it is the only one, or without dependent columns.

    Attributes:
        drop_collinear: whether columns that are combinations of those before them are left out; else they are an error.
    """

    drop_collinear: bool = False


@dataclass(frozen=True)
class MinimumNorm:
    """Of all solutions with the least squared error, the one with the smallest weights on columns at unit deviation."""


@dataclass(frozen=True)
class Bounded:
    """Of the weights whose coefficients on the raw columns lie in bounds, those with the least squared error."""

    bounds: tuple[Bound, ...]


Aim: TypeAlias = LeastSquares | MinimumNorm | Penalty | Bounded


def aim_of(asked: FitOptions, outputs: int) -> Aim:
    """Return the solution that the options ask for, of so many targets, where no rows have to choose a penalty."""
    if asked.limits:
        return Bounded(asked.limits)
    return shrinking(asked, outputs) if asked.shrinks else LeastSquares(asked.drop_collinear)


def shrinking(asked: FitOptions, outputs: int) -> MinimumNorm | Penalty:
    """Return the solution with smaller weights that the options ask for."""
    return MinimumNorm() if asked.minimum_norm else Penalty((asked.l1,) * outputs, (asked.l2,) * outputs)
