"""What can be wrong with data for a fit, in the words that its user sees."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lr_runtime.errors import FitError, listed

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
