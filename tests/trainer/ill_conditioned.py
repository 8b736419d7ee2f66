"""Regressions whose condition number and R2 are chosen, on numbers that `exact_solution` can hold a fit against.

The condition number is that of the columns at unit length about their means. The samples of it, and of R2, are within
1 % of what was asked for: what a fit is held against is solved from the sample itself.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Literal

import numpy as np

from tests.trainer.exact_solution import on_grid

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Array = NDArray[np.float64]

Collinear = Literal["few", "many"]
"""Which columns are nearly combinations of others: the last one, of the first; or each, of all others."""


def design(rows: int, columns: int, condition: float, collinear: Collinear = "many", *, mean: float = 1.0) -> Array:
    """Return float64 (rows, columns) of normal numbers about a mean, row-major.

    Columns with the same correlation c have the singular values sqrt(1 + (columns - 1) c), once, and sqrt(1 - c); two
    columns alone with the correlation c have sqrt(1 + c) and sqrt(1 - c) among ones.

    Args:
        rows: the number of rows.
        columns: the number of columns, at least 2.
        condition: the largest singular value by the smallest, at least 1.
        collinear: which columns are nearly combinations of others.
        mean: the mean of every column, in standard deviations.
    """
    random = np.random.default_rng([rows, columns])
    numbers = random.standard_normal((rows, columns))
    together = columns if collinear == "many" else 2
    # (1 + (together - 1) c) / (1 - c) = condition^2, with 1 - c in a form that does not cancel.
    apart = together / (condition**2 + together - 1)
    if collinear == "many":
        numbers *= math.sqrt(apart)
        numbers += math.sqrt(1 - apart) * random.standard_normal((rows, 1))
    else:
        numbers[:, -1] *= math.sqrt(apart * (2 - apart))
        numbers[:, -1] += (1 - apart) * numbers[:, 0]
    numbers += mean
    return on_grid(numbers)


def targets(x: Array, unexplained: Sequence[float]) -> Array:
    """Return float64 (rows, targets): the same combination of the columns, and noise that is a share of each target.

    Args:
        x: float64 (rows, columns).
        unexplained: 1 - R2 of each target; residuals of 1e-8 of the target are 1e-16 of its variance.
    """
    random = np.random.default_rng([*x.shape, 1])
    signal, noise = x @ random.standard_normal(x.shape[1]), random.standard_normal(len(x))
    signal -= signal.mean()
    signal /= signal.std()
    noisy = [3 + math.sqrt(1 - share) * signal + math.sqrt(share) * noise for share in unexplained]
    return on_grid(np.stack(noisy, axis=1))
