"""What an exact fit costs, and how many of its digits are right, over R2 and condition number: a cliff shows here."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from lr_runtime.errors import FitError
from lr_trainer import fit
from tests.benchmarks.timing import Cost, least
from tests.trainer.exact_solution import Digits, digits_of_fit, exact_solutions
from tests.trainer.ill_conditioned import design, targets

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from numpy.typing import NDArray

    from lr_runtime.contract.fit_report import FitReport
    from lr_trainer import Checkpoint
    from tests.trainer.exact_solution import Exact
    from tests.trainer.ill_conditioned import Collinear

    Array = NDArray[np.float64]

SHAPES = ((2_000_000, 10), (200_000, 100))
CONDITIONS = (1.0, 1e2, 1e4, 1e6)
UNEXPLAINED = {0.5: "0.5", 1e-2: "0.99", 1e-3: "0.999", 1e-4: "0.9999", 1e-9: "1 - 1e-9", 1e-16: "1 - 1e-16"}
"""1 - R2, and R2; the residuals of the last are 1e-8 of the target."""

HEAD = ("condition", "R2", "wall s", "CPU s", "wall", "CPU", "digits of b", "of errors", "certain", "passes")
TITLES = " ".join(f"{title:>{max(len(title), 7)}}" for title in HEAD) + "  arithmetic"


class Asked(NamedTuple):
    """A cell of the grid: a condition number and 1 - R2, and what is asked of a fit there."""

    condition: float
    unexplained: float

    @property
    def most(self) -> float:
        """How many times the cheapest it may cost."""
        flat = 1.3 if self.condition <= 1e4 else 2.2
        return flat if self.unexplained >= 1e-9 else 4.0

    @property
    def fewest(self) -> int:
        """How many digits must be right."""
        return 10 if self.condition <= 1e4 else 9


class Problem(NamedTuple):
    """Columns and a target for a cell, with the exact solution."""

    asked: Asked
    x: Array
    y: Array
    exact: Exact

    def fit(self) -> Checkpoint | None:
        """Return the fit; None where it is refused."""
        try:
            return fit({"x": self.x, "y": self.y}, target="y")
        except FitError:
            return None


class Measured(NamedTuple):
    """What a fit cost, beside the grid's first cell measured between its runs, and what it gave."""

    asked: Asked
    cost: Cost
    relative: Cost
    digits: Digits
    report: FitReport | None

    def by(self, cheapest: Cost) -> Measured:
        """Return the same beside the cheapest of all in place of the first."""
        return self._replace(relative=self.relative.by(cheapest))

    @property
    def lacks(self) -> list[str]:
        """What is asked and not kept."""
        if self.report is None:
            return ["refused"]
        right = [digits or 0.0 for digits in self.digits]
        claimed = self.report.coefficient_digits or 0.0
        return [
            *([f"over {self.asked.most} times"] if max(self.relative) > self.asked.most else []),
            *([f"under {self.asked.fewest} digits"] if min(right) < self.asked.fewest else []),
            *(["claims more digits than are right"] if claimed > right[0] else []),
        ]


def report(shapes: Sequence[tuple[int, int]] = SHAPES) -> Iterator[str]:
    """Yield the lines."""
    for rows, columns in shapes:
        yield from _of_shape(rows, columns)


def _of_shape(rows: int, columns: int) -> Iterator[str]:
    kinds: dict[Collinear, list[Measured]] = {"many": [], "few": []}
    first: Problem | None = None
    for kind, found in kinds.items():
        # Of a condition number of 1 no columns are collinear, few or many.
        for condition in CONDITIONS if kind == "many" else CONDITIONS[1:]:
            for problem in _problems(rows, columns, condition, kind):
                if first is None:
                    first = problem
                    first.fit()  # so that no measured run finds anything cold
                found.append(_measured(problem, first))
    every = [each.relative for found in kinds.values() for each in found]
    cheapest = Cost(*map(min, zip(*every, strict=True)))
    for kind, found in kinds.items():
        yield f"{rows} x {columns}, {kind} columns nearly collinear; wall and CPU: times the cheapest of all"
        yield TITLES
        yield from (_row(each.by(cheapest)) for each in found)
    yield from _summary([each.by(cheapest) for found in kinds.values() for each in found])


def _problems(rows: int, columns: int, condition: float, kind: Collinear) -> Iterator[Problem]:
    x = design(rows, columns, condition, kind)
    y = targets(x, list(UNEXPLAINED))
    for target, exact, unexplained in zip(y.T, exact_solutions(x, y), UNEXPLAINED, strict=True):
        yield Problem(Asked(condition, unexplained), x, np.ascontiguousarray(target), exact)


def _measured(problem: Problem, first: Problem) -> Measured:
    found: list[Checkpoint | None] = []
    costs = least({"first": first.fit, "this": lambda: found.append(problem.fit())}, pause=0)
    digits = Digits(None, None) if found[0] is None else digits_of_fit(found[0], problem.exact)
    said = None if found[0] is None else found[0].report
    return Measured(problem.asked, costs["this"], costs["this"].by(costs["first"]), digits, said)


def _row(measured: Measured) -> str:
    asked, cost, relative, digits, said = measured
    cells = [f"{asked.condition:.0e}", UNEXPLAINED[asked.unexplained]]
    cells += [f"{seconds:.3f}" for seconds in cost] + [f"{ratio:.2f}" for ratio in relative]
    cells += ["none" if each is None else f"{each:.1f}" for each in digits]
    if said is not None:
        certain = said.coefficient_digits  # None where there are 9 or more
        cells += ["9.0+" if certain is None else f"{certain:.1f}", str(said.rows.passes)]
    line = " ".join(f"{cell:>{max(len(title), 7)}}" for cell, title in zip(cells, HEAD, strict=False))
    return "; ".join([line if said is None else f"{line}  {said.arithmetic}", *measured.lacks])


def _summary(found: list[Measured]) -> Iterator[str]:
    """Yield what the issue of a flat fit asks, worst of all, with the number of cells that miss it."""
    groups: dict[str, Callable[[Asked], bool]] = {
        "condition up to 1e4, R2 up to 1 - 1e-9": lambda each: each.condition <= 1e4 and each.unexplained >= 1e-9,
        "condition 1e6, R2 up to 1 - 1e-9": lambda each: each.condition > 1e4 and each.unexplained >= 1e-9,
        "R2 1 - 1e-16": lambda each: each.unexplained < 1e-9,
    }
    for name, belongs in groups.items():
        group = [each for each in found if belongs(each.asked)]
        wall, cpu = (max(sizes) for sizes in zip(*(each.relative for each in group), strict=True))
        fewest = min(min(digits or 0.0 for digits in each.digits) for each in group)
        missed = sum(1 for each in group if each.lacks)
        yield (
            f"{name}: at most {wall:.2f} times the cheapest (CPU {cpu:.2f}), at least {fewest:.1f} digits; "
            f"{missed} of {len(group)} miss what is asked"
        )
