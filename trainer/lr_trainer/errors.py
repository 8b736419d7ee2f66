"""What can be wrong with data for a fit, in the words that its user sees."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lr_runtime.errors import FitError, OptionError, escaped

if TYPE_CHECKING:
    from collections.abc import Mapping

_MOST_PARTS = 6


class TooFewRowsError(FitError):
    """Fewer rows than coefficients: the data leave some of them free."""

    def __init__(self, rows: int, coefficients: int, *, intercept: bool) -> None:
        come = "1 row does" if rows == 1 else f"{rows} rows do"
        each = "column, and the intercept" if intercept else "column"
        super().__init__(
            f"{come} not determine {coefficients} coefficients (one a {each}). "
            "Add rows, or name fewer columns with --features"
        )


class CollinearError(FitError):
    """The column `name` is a combination of those before it, of each by its share in `shares`; 0 of the others."""

    def __init__(self, name: str, shares: Mapping[str, float]) -> None:
        self.name, self.shares = name, shares
        parts = [(share, other) for other, share in shares.items() if share]
        relation = " + ".join(f"{share:.6g} * {escaped(other)}" for share, other in parts[:_MOST_PARTS])
        more = " + ..." if len(parts) > _MOST_PARTS else ""
        super().__init__(
            f"the columns are collinear: {escaped(name)} = {relation or '0'}{more} (but for a constant), so their "
            "weights are not determined. Leave one of them out, or use --drop-collinear, --l2 or --minimum-norm"
        )


class DivergedError(FitError):
    """A descent left the finite numbers."""

    def __init__(self, epoch: int, loss: float, lr: float | None = None) -> None:
        than = "" if lr is None else f" than {lr:.3g}"
        super().__init__(f"diverged: the loss is {loss} at epoch {epoch}. Try a smaller --lr{than}")


class InterruptedFitError(FitError):
    """A descent that was told to stop by a signal, and kept its state."""

    def __init__(self, signal: int, epoch: int, path: object) -> None:
        super().__init__(f"interrupted in epoch {epoch + 1}; its state is in {path}. Go on with --resume")
        self.exit_code = 128 + signal


class IllConditionedError(FitError):
    """Moments alone do not hold enough digits of the weights."""

    def __init__(self, digits: float) -> None:
        super().__init__(
            f"the columns are nearly collinear: moments alone leave {digits:.1f} digits of the weights, fewer than 6. "
            "Fit all rows at once, which can take another pass over them"
        )


class NotConvergedError(FitError):
    """A coordinate descent that did not reach its optimality conditions."""

    def __init__(self, l1: float, l2: float, residual: float, tolerance: float) -> None:
        super().__init__(
            f"the coordinate descent at l1 = {l1:g}, l2 = {l2:g} is {residual:.1e} from its optimum "
            f"where {tolerance:.1e} was asked for. Try a larger --l1 or --l2"
        )


class OutOfRangeError(OptionError):
    """An option's number outside the numbers that it takes."""

    def __init__(self, what: str, value: float, expected: str) -> None:
        super().__init__(f"{what} is {value:g}; expected {expected}")


class LostWorkerError(FitError):
    """One of several workers was ended."""


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


class WeakPenaltyError(FitError):
    """A ridge penalty that is lost in rounding, on columns that need it."""

    def __init__(self, l2: float, enough: float) -> None:
        super().__init__(
            f"some columns are combinations of others, and a ridge penalty of {l2:g} is too small to tell their "
            f"weights apart. Try --l2 {enough:.0e}"
        )
