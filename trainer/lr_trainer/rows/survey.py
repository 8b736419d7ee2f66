"""A first pass over the columns, where a fit needs one: means for origins and missing values, ranges for scales."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from lr_trainer.rows.blocks import Block, joined, over_blocks

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray


@dataclass(frozen=True)
class Survey:
    """The count, mean and range of each column's values, without the missing ones.

    Attributes:
        count: int64 (columns,), the number of values.
        mean: float64 (columns,), NaN without values.
        minimum: float64 (columns,), inf without values.
        maximum: float64 (columns,), -inf without values.
    """

    count: NDArray[np.int64]
    mean: NDArray[np.float64]
    minimum: NDArray[np.float64]
    maximum: NDArray[np.float64]


def survey(blocks: Iterable[Block], columns: int) -> Survey:
    """Return the survey of one pass over blocks (rows, columns); NaN is a missing value."""
    count, total = np.zeros(columns, dtype=np.int64), np.zeros(columns)
    minimum, maximum = np.full(columns, np.inf), np.full(columns, -np.inf)
    for part in over_blocks(_one, blocks):
        count, total = count + part[0], total + part[1]
        minimum, maximum = np.minimum(minimum, part[2]), np.maximum(maximum, part[3])
    with np.errstate(invalid="ignore"):
        return Survey(count, total / count, minimum, maximum)


def _one(block: Block) -> tuple[NDArray[Any], ...]:
    """Return each column's count, sum, minimum and maximum."""
    rows = joined(block)
    low, high = rows.min(axis=0), rows.max(axis=0)
    if not np.isnan(low).any():
        return np.full(len(low), len(rows)), rows.sum(axis=0), low, high
    missing = np.isnan(rows)
    low = np.where(missing, np.inf, rows).min(axis=0)
    high = np.where(missing, -np.inf, rows).max(axis=0)
    return (~missing).sum(axis=0), np.nansum(rows, axis=0), low, high
