"""The figures that a report leaves out because fewer than 6 of their digits are certain, and the lines that say why."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from lr_runtime.errors import escaped, listed
from lr_trainer.solvers.digits import FEWEST_DIGITS, digits

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from lr_trainer.solvers.solution import Solution
    from lr_trainer.statistics.statistics import Figures

_NEARLY_COLLINEAR = 1e4
"""A condition number above this is named as the reason: its square costs half of float64's 16 digits."""

_SMALL = 1e-6
"""Where the residual sum is a smaller share of the total, the small residuals are named as the reason."""

_MANY_DIGITS = 9.0
"""The summary states the certain digits of the coefficients where they are fewer than this."""

_NAMES = {
    "stderror": "standard error",
    "lower": "lower end",
    "upper": "upper end",
    "r2": "R2",
    "adjr2": "adjusted R2",
    "rmse": "root mean squared residual",
    "residual_sd": "residual standard deviation",
    "f": "F",
    "f_p": "p of F",
    "loglikelihood": "log-likelihood",
    "aic": "AIC",
    "bic": "BIC",
}


@dataclass(frozen=True)
class Certainty:
    """The certain digits of a solution's figures: those of each target, and of its coefficients by their names."""

    solution: Solution
    targets: Sequence[str]
    figures: Sequence[Figures]
    names: Sequence[str]
    coefficients: Sequence[Sequence[Figures]]

    @property
    def coefficient_digits(self) -> float | None:
        """The number of certain digits that every coefficient has; None for nine or more."""
        fewest = min((each.digits for row in self.coefficients for each in row), default=_MANY_DIGITS)
        return fewest if fewest < _MANY_DIGITS else None

    def lines(self) -> Iterator[str]:
        """Yield a line each on residuals, other figures and coefficients with too few certain digits."""
        small = [place for place, each in enumerate(self.figures) if "rmse" in each.uncertain]
        if small:
            yield self._of_residuals(small)
        if lost := self._lost(set(small)):
            condition = self.solution.condition_number
            near = f"the columns are nearly collinear (condition number {condition:.2g})"
            why = near if condition > _NEARLY_COLLINEAR else "they differ from 0 by little more than rounding"
            parts = "; ".join(f"{', '.join(figures)} of {owners}" for figures, owners in lost.items())
            yield f"fewer than {FEWEST_DIGITS} digits are certain, so left out: {parts}. The reason: {why}"
        few = [
            f"{self._owner(name, place)} ({each.digits:.1f})"
            for place, row in enumerate(self.coefficients)
            for name, each in zip(self.names, row, strict=True)
            if each.digits < FEWEST_DIGITS
        ]
        if few:
            yield f"fewer than {FEWEST_DIGITS} digits are certain of the coefficients {_some(few)}"

    def _of_residuals(self, small: Sequence[int]) -> str:
        noise, sums = self.solution.rounding.residual, self.solution.ssr
        left = min(digits(float(noise[place]), float(sums[place])) for place in small)
        is_small = all(sums[place] <= _SMALL * self.solution.tss[place] for place in small)
        why = "fitted so well" if is_small else "fitted on columns so nearly collinear"
        names = listed([self.targets[place] for place in small])
        return (
            f"{names} is {why} that rounding leaves {left:.1f} digits of its residuals, fewer than "
            f"{FEWEST_DIGITS}: no figures of them, no standard errors, no interval"
        )

    def _lost(self, small: set[int]) -> dict[tuple[str, ...], str]:
        """Return the uncertain figures with their owners, without those of targets whose residuals are uncertain."""
        lost: dict[tuple[str, ...], list[str]] = {}
        for place, (target, figures, row) in enumerate(zip(self.targets, self.figures, self.coefficients, strict=True)):
            pairs = [(self._owner(name, place), each) for name, each in zip(self.names, row, strict=True)]
            for owner, each in [(escaped(target), figures), *(() if place in small else pairs)]:
                names = tuple(_NAMES.get(name, name) for name in each.uncertain if place not in small or name == "r2")
                if names:
                    lost.setdefault(names, []).append(owner)
        return {figures: _some(owners) for figures, owners in lost.items()}

    def _owner(self, name: str, place: int) -> str:
        return f"{escaped(name)} for {escaped(self.targets[place])}" if len(self.targets) > 1 else escaped(name)


def _some(parts: Sequence[str], most: int = 12) -> str:
    more = len(parts) - most
    return ", ".join(parts[:most]) + (f" and {more} more" if more > 0 else "")
