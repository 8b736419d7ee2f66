"""What rounding to float64 leaves: of a value, and of a column that should be one and the same number."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    from lr_trainer.arithmetic.arrays import Array

FLOAT64 = 64 * 2.0**-53
"""The rounding of sums of products in float64, as a share of the columns' lengths: no figure of the tests came within
a seventh of the bounds that follow from it, in any order of the rows."""


_NOISE = 2.0**-50
"""Values are rounded to float64: what is below this share of a column's largest value is that rounding."""


_CONSTANT = 4.0
"""Units in the last place of the largest value: a sum or a product of a few numbers that should be one and the same is
off by half a unit a step. It is also what _NOISE takes for the rounding of values. Microseconds of today,
near 1.8e15, have a quarter of one for their unit, so whole ones differ by more."""


def rounding_of(largest: Array) -> Array:
    """Return how far values of that size at most may have been rounded, to float64."""
    return _NOISE * largest


def varies(minimum: ArrayLike, maximum: ArrayLike) -> NDArray[np.bool_]:
    """Return which ranges are wider than rounding makes a constant's: more than 4 units in the last place."""
    low, high = np.asarray(minimum, dtype=np.float64), np.asarray(maximum, dtype=np.float64)
    with np.errstate(over="ignore", invalid="ignore"):
        return np.asarray(high - low > _CONSTANT * np.spacing(np.maximum(np.abs(low), np.abs(high))))
