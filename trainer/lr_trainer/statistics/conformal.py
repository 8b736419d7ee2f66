"""The split-conformal interval, for fits whose weights have no known distribution."""

from __future__ import annotations

from fractions import Fraction
from math import ceil
from typing import TYPE_CHECKING

import numpy as np

from lr_trainer.errors import OutOfRangeError, TooFewHeldOutError

if TYPE_CHECKING:
    from numpy.typing import NDArray


def conformal_quantile(absolute_residuals: NDArray[np.float64], level: float) -> NDArray[np.float64]:
    """Return the half-width of the split-conformal interval: the ceil((m + 1) level)-th smallest of m residuals.

    The target of a new row is within the half-width of the prediction with probability `level` at least, whatever the
    distribution, if the m held-out rows and the new one are exchangeable and the fit used none of them (Vovk, Gammerman
    and Shafer 2005; Lei, G'Sell, Rinaldo, Tibshirani and Wasserman 2018, theorem 2.2). `level` is taken as a decimal.

    Args:
        absolute_residuals: float64 (m,) or (m, outputs), of rows that the fit did not use.
        level: the coverage, between 0 and 1.

    Returns:
        float64 () or (outputs,).

    Raises:
        OutOfRangeError: `level` is not between 0 and 1.
        TooFewHeldOutError: (m + 1) level > m: no residual is large enough.
    """
    if not 0 < level < 1:
        raise OutOfRangeError("the level of an interval", level, "a number between 0 and 1, such as 0.95")
    rows, share = len(absolute_residuals), Fraction(repr(float(level)))
    rank = ceil((rows + 1) * share)
    if rank > rows:
        raise TooFewHeldOutError(rows, ceil(share / (1 - share)), level)
    return np.asarray(np.partition(absolute_residuals, rank - 1, axis=0)[rank - 1])
