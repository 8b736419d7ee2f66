"""What every solver is given, and what it answers."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, TypeAlias

from lr_runtime.contract.fit_report import Penalty

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lr_trainer.solvers.normal_equations import NormalEquations
    from lr_trainer.solvers.solution import Solution


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


Aim: TypeAlias = LeastSquares | MinimumNorm | Penalty
"""Which solution is asked for."""


@dataclass(frozen=True)
class Problem:
    """Normal equations, and which of their solutions is asked for.

    Attributes:
        aim: which solution.
        normal: the normal equations.
        names: of the terms.
    """

    aim: Aim
    normal: NormalEquations
    names: Sequence[str]


class Solver(ABC):
    """A way from normal equations to a solution.

    Attributes:
        aim: which solution it finds.
    """

    aim: ClassVar[type[Aim]]

    @abstractmethod
    def compute(self, problem: Problem) -> Solution | None:
        """Return the solution; None where this way keeps too few digits of it.

        Raises:
            FitError: the problem has no such solution, or not in any arithmetic; see `lr_trainer.solvers.strategy`.
        """
