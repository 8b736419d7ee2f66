"""A first pass over the columns, where a fit needs one: means for origins and missing values, ranges for scales."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from lr_trainer.rows.blocks import Block, joined, over_blocks
from lr_trainer.rows.tree import Tree

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

    Sums: TypeAlias = tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]


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
    return surveyed([sums_of(blocks, 0)], columns)


def sums_of(blocks: Iterable[Block], first: int) -> Tree[Sums]:
    """Return each column's count, sum, minimum and maximum in blocks, the first of which has this number."""
    tree = Tree(_added, first)
    for part in over_blocks(_one, blocks):
        tree.push(part)
    return tree


def surveyed(trees: Sequence[Tree[Sums]], columns: int) -> Survey:
    """Return the survey of the blocks of all trees, in their order."""
    none = np.zeros(columns, dtype=np.int64), np.zeros(columns), np.full(columns, np.inf), np.full(columns, -np.inf)
    count, total, minimum, maximum = Tree.joined(trees).total() or none
    with np.errstate(invalid="ignore"):
        return Survey(count, total / count, minimum, maximum)


def _added(one: Sums, other: Sums) -> Sums:
    return one[0] + other[0], one[1] + other[1], np.minimum(one[2], other[2]), np.maximum(one[3], other[3])


def _one(block: Block) -> Sums:
    """Return each column's count, sum, minimum and maximum."""
    rows = joined(block)
    low, high = rows.min(axis=0), rows.max(axis=0)
    if not np.isnan(low).any():
        return np.full(len(low), len(rows)), rows.sum(axis=0), low, high
    missing = np.isnan(rows)
    low = np.where(missing, np.inf, rows).min(axis=0)
    high = np.where(missing, -np.inf, rows).max(axis=0)
    return (~missing).sum(axis=0), np.nansum(rows, axis=0), low, high
