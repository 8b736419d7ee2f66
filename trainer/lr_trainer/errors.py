"""What can be wrong with data for a fit, in the words that its user sees."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lr_runtime.errors import FitError, OptionError, listed

if TYPE_CHECKING:
    from collections.abc import Sequence


class TooFewRowsError(FitError):
    """Fewer rows than coefficients: the data leave some of them free."""

    def __init__(self, rows: int, coefficients: int) -> None:
        come = "1 row does" if rows == 1 else f"{rows} rows do"
        super().__init__(
            f"{come} not determine {coefficients} coefficients (one a column, and the intercept). "
            "Add rows, or name fewer columns with --features"
        )


class CollinearError(FitError):
    """Some columns are linear combinations of others."""

    def __init__(self, names: Sequence[str]) -> None:
        super().__init__(
            f"the columns {listed(names)} are linear combinations of each other, so their weights are not determined. "
            "Leave one of them out with --features"
        )


class DivergedError(FitError):
    """A descent left the finite numbers."""

    def __init__(self, epoch: int, loss: float) -> None:
        super().__init__(f"diverged: the loss is {loss} at epoch {epoch}. Try a smaller --lr")


class WeakPenaltyError(FitError):
    """A ridge penalty that is lost in the rounding of the moments, on columns that need it."""

    def __init__(self, l2: float, enough: float) -> None:
        super().__init__(
            f"some columns are combinations of others, and a ridge penalty of {l2:g} is too small for float64 to tell "
            f"their weights apart. Try --l2 {enough:.0e}"
        )


class NotConvergedError(FitError):
    """A coordinate descent that did not reach its optimality conditions."""

    def __init__(self, l1: float, l2: float, residual: float, tolerance: float) -> None:
        super().__init__(
            f"the coordinate descent at l1 = {l1:g}, l2 = {l2:g} (on a unit target) is {residual:.1e} from its optimum "
            f"where {tolerance:.1e} was asked for. Try a larger --l1 or --l2"
        )


class TooFewFoldsError(FitError):
    """Cross-validation with nothing to hold out."""

    def __init__(self, folds: int) -> None:
        super().__init__(
            f"cross-validation needs 2 folds with rows or more, not {folds}. Add rows, or name the penalty"
        )


class TooFewHeldOutError(FitError):
    """Fewer held-out rows than an interval of this level needs."""

    def __init__(self, rows: int, needed: int, level: float) -> None:
        come = "1 row was" if rows == 1 else f"{rows} rows were"
        super().__init__(
            f"an interval of level {level:g} needs {needed} held-out rows or more, and {come} held out. "
            "Add rows, or ask for a lower --interval"
        )


class OutOfRangeError(OptionError):
    """An option's number outside the numbers that it takes."""

    def __init__(self, what: str, value: float, expected: str) -> None:
        super().__init__(f"{what} is {value:g}; expected {expected}")
