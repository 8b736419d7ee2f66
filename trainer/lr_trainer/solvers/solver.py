"""What every solver is given, and what it answers: lineax's `init` and `compute`, and questions of capability."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar, TypeAlias

from lr_runtime.contract.fit_report import Penalty

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from lr_trainer.solvers.normal_equations import NormalEquations
    from lr_trainer.solvers.solution import Solution

_DIGITS = 14.0
"""Those of float64 sums of products: 64 roundings of 2^-53, the FLOAT64 of `lr_trainer.arithmetic.rounding`."""


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
        normal: the normal equations, in float64.
        extended: takes a further pass over the rows for those in double-double; None where the rows are gone.
        names: of the terms.
        start: the solution of the solver before, which has too few digits; None where there is none.
    """

    aim: Aim
    normal: NormalEquations
    extended: Callable[[], NormalEquations] | None
    names: Sequence[str]
    start: Solution | None = None


class Solver(ABC):
    """A way from normal equations to a solution.

    Attributes:
        aim: which solution it finds.
        passes: further passes over the rows: 0 for normal equations in float64, 1 for double-double.
    """

    aim: ClassVar[type[Aim]]
    passes = 0

    def can_solve(self, problem: Problem) -> bool:
        """Return whether this solver finds the solution that is asked for."""
        return isinstance(problem.aim, self.aim) and (problem.extended is not None or not self.passes)

    def init(self, problem: Problem) -> Problem:
        """Return the problem with the normal equations that this solver takes."""
        return replace(problem, normal=problem.extended()) if self.passes and problem.extended else problem

    @abstractmethod
    def compute(self, problem: Problem) -> Solution | None:
        """Return the solution; None where the columns are too nearly dependent for this arithmetic.

        Raises:
            FitError: the problem has no such solution, or not in any arithmetic; see `lr_trainer.solvers.strategy`.
        """

    def digits(self, problem: Problem, solution: Solution) -> float:
        """Return how many digits of weights and residual sum float64 leaves; 0 where figures made of them have few."""
        magnification = max(self.magnification(problem, solution), solution.residual_magnification)
        return _DIGITS - math.log10(magnification) if solution.is_certain else 0.0

    def magnification(self, problem: Problem, solution: Solution) -> float:  # noqa: ARG002 - penalties answer by theirs
        """Return how many times normal equations magnify rounding in the weights (Higham 2002, Accuracy, 20.4)."""
        return solution.condition_number**2
