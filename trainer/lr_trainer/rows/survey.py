"""A first pass over the columns, where a fit needs one: means for origins and missing values, ranges for scales."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from lr_trainer.arithmetic.exact_sums import Exact, ExactSums
from lr_trainer.rows.blocks import Block, joined, over_blocks
from lr_trainer.rows.tree import Tree

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

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


@dataclass(frozen=True)
class Sums:
    """Of each column the count, sum, minimum and maximum, and where asked the exact sum of what is finite."""

    count: NDArray[np.int64]
    total: NDArray[np.float64]
    minimum: NDArray[np.float64]
    maximum: NDArray[np.float64]
    exact: Exact | None = None

    def merge(self, other: Sums) -> Sums:
        """Return those of the rows of both."""
        return Sums(
            self.count + other.count,
            self.total + other.total,
            np.minimum(self.minimum, other.minimum),
            np.maximum(self.maximum, other.maximum),
            None if self.exact is None or other.exact is None else self.exact + other.exact,
        )

    def arrays(self) -> dict[str, NDArray[np.float64]]:
        """Return the arrays by the names of the fields, the exact sums by those of `Exact.arrays`."""
        own = {name: each.astype(np.float64) for name, each in vars(self).items() if isinstance(each, np.ndarray)}
        return own if self.exact is None else own | self.exact.arrays()

    @staticmethod
    def from_arrays(arrays: Mapping[str, NDArray[np.float64]]) -> Sums:
        """Return the sums of `arrays`."""
        total, minimum, maximum = (arrays[name] for name in ("total", "minimum", "maximum"))
        exact = Exact.from_arrays(arrays["exponent"], arrays["digits"]) if "digits" in arrays else None
        return Sums(arrays["count"].astype(np.int64), total, minimum, maximum, exact)


def survey(blocks: Iterable[Block], columns: int, *, exact_sums: bool = False) -> Survey:
    """Return the survey of one pass over blocks (rows, columns); NaN is a missing value."""
    return surveyed([sums_of(blocks, 0, exact_sums=exact_sums)], columns)


def sums_of(blocks: Iterable[Block], first: int, *, exact_sums: bool = False) -> Tree[Sums]:
    """Return the sums of each column in blocks, the first of which has this number."""
    tree = Tree(Sums.merge, first)
    for part in over_blocks(partial(_one, exact_sums=exact_sums), blocks):
        tree.push(part)
    return tree


def surveyed(trees: Sequence[Tree[Sums]], columns: int) -> Survey:
    """Return the survey of the blocks of all trees, in their order.

    With exact sums the means are those of any order of the rows, rounded once.
    """
    nothing, least = np.zeros(columns), np.full(columns, np.inf)
    none = Sums(nothing.astype(np.int64), nothing, least, -least)
    found = Tree.joined(trees).total() or none
    count, exact, ranges = found.count, found.exact, (found.minimum, found.maximum)
    if exact is not None and np.isfinite(found.total).all():
        means = [float(exact.fraction(place) / each) if each else np.nan for place, each in enumerate(count.tolist())]
        return Survey(count, np.array(means), *ranges)
    with np.errstate(invalid="ignore"):
        return Survey(count, found.total / count, *ranges)


def _one(block: Block, *, exact_sums: bool) -> Sums:
    rows = joined(block)
    exact = ExactSums.of([np.where(np.isfinite(rows), rows, 0.0)]).totals() if exact_sums else None
    low, high = rows.min(axis=0), rows.max(axis=0)
    if not np.isnan(low).any():
        return Sums(np.full(len(low), len(rows)), rows.sum(axis=0), low, high, exact)
    missing = np.isnan(rows)
    low = np.where(missing, np.inf, rows).min(axis=0)
    high = np.where(missing, -np.inf, rows).max(axis=0)
    return Sums((~missing).sum(axis=0), np.nansum(rows, axis=0), low, high, exact)
