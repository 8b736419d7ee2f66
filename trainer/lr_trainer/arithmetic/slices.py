"""Rows of float64 columns cut into integers of a few bits, whose products add up without rounding.

A matrix product of such slices is exact in float64, whatever a BLAS does first (Ozaki, Ogita, Oishi and Rump 2012,
Numerical Algorithms 59: error-free transformation of matrix multiplication). Rows with values that end below the last
slice are cut by themselves, in more slices.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

import numpy as np

from lr_trainer.arithmetic.arrays import Array, matmul
from lr_trainer.arithmetic.double_double import two_sum

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

_NARROW = 32
"""So many columns are taken more rows at a time, in slices of a bit less: a call costs more than few numbers."""

_SAMPLED = 256
"""Rows that choose the number of slices."""

_MOST_SLICES = 8
"""Slices of a column: where it takes more, rows are split, for some of a like size. A single row has what it needs."""

_MOST_OF_A_ROW = 200
"""More bits than float64 has from its largest number to its smallest."""

_ENOUGH = 0.125
"""The least share of rows that one number of slices is to be enough for."""

_STEP = 4
"""Columns are cut from a power of 16 on, so that blocks of like columns are cut alike."""

_LEAST_TOP = -970
"""Columns of smaller numbers are multiplied by 2^992, which float64 holds."""

_HELD = 62 - 44
"""Products of two slices are at most 2^44: int64 holds 2^18 of them."""


class Grid(NamedTuple):
    """What the sums of products of slices are in.

    Attributes:
        bits: of a slice.
        left: the exponent of each column's first slice as the left factor, times the weight where rows have one.
        right: the same as the right factor.
        counts: the slices of a column on the left, and on the right.
    """

    bits: int
    left: tuple[int, ...]
    right: tuple[int, ...]
    counts: tuple[int, int]

    @property
    def most_rows(self) -> int:
        """How many rows int64 holds the sums of, those of equal exponents together."""
        return (1 << _HELD) // min(self.counts)

    def whole(self, total: NDArray[np.int64]) -> tuple[NDArray[np.object_], int]:
        """Return the sums of products of each column with itself and later ones as integers times a power of two."""
        (left, right), columns = self.counts, len(self.left)
        first, second = np.triu_indices(columns)
        sums, whole = total.reshape(left, columns, right, columns), np.zeros(len(first), dtype=object)
        for order in range(left + right - 1):
            pairs = [(each, order - each) for each in range(max(0, order - right + 1), min(left, order + 1))]
            part = np.sum([sums[one, first, other, second] for one, other in pairs], axis=0)
            whole = (whole << self.bits) + part.astype(object)
        exponents = np.array(self.left)[first] + np.array(self.right)[second] - self.bits * (left + right - 2)
        low = int(exponents.min())
        return whole << (exponents - low).astype(object), low


Part: TypeAlias = "tuple[int, NDArray[np.int64]]"
"""A number of rows, and the sums of products of their slices (left slices and columns, right slices and columns)."""


def sums_of_slices(high: Array, low: Array | None, *, weighted: bool) -> Iterator[tuple[Grid, Part]]:
    """Yield the sums of products of columns high + low, float64 (columns, rows), from fewer rows than int64 holds.

    Where rows are `weighted`, the last column has the weights.
    """
    rows, odd = high.shape[1], np.zeros(high.shape[1], dtype=np.bool_)
    if not rows:
        return
    cut = _Cut.of(high)
    count = cut.count(high, low)
    if count is None:
        for half in (slice(None, rows // 2), slice(rows // 2, None)):
            yield from sums_of_slices(high[:, half], None if low is None else low[:, half], weighted=weighted)
        return
    found: tuple[Grid, Part] | None = None
    for start in range(0, rows, cut.rows):
        tile = slice(start, start + cut.rows)
        slices, odd[tile] = cut.slices(high[:, tile], None if low is None else low[:, tile], count)
        grid, part = cut.products(slices, weighted=weighted)
        if found is not None and found[0] == grid and found[1][0] + part[0] <= grid.most_rows:
            part = found[1][0] + part[0], np.add(found[1][1], part[1], out=part[1])
        elif found is not None:
            yield found
        found = grid, part
    if found is not None:
        yield found
    yield from sums_of_slices(high[:, odd], None if low is None else low[:, odd], weighted=weighted)


@dataclass(frozen=True)
class _Cut:
    """How columns are cut.

    Attributes:
        bits: of a slice.
        rows: how many rows the products of slices add up over exactly: 2 (bits - 1) + log2 rows = 53.
        tops: int64 (columns,); no value reaches 2^top.
    """

    bits: int
    rows: int
    tops: NDArray[np.int64]

    @staticmethod
    def of(high: Array) -> _Cut:
        bits = 22 if len(high) <= _NARROW else 23
        largest = np.maximum(high.max(axis=1), -high.min(axis=1))
        tops = -(-np.frexp(largest)[1].astype(np.int64) // _STEP) * _STEP
        return _Cut(bits, 1 << 53 - 2 * (bits - 1), np.maximum(tops, _LEAST_TOP))

    def _scaled(self, high: Array) -> tuple[Array, NDArray[np.bool_] | None]:
        """Return the values with their first slices before the point, and which rows lost digits."""
        scale = np.ldexp(1.0, self.bits - 1 - self.tops)[:, None]
        try:
            with np.errstate(under="raise"):
                return high * scale, None
        except FloatingPointError:
            with np.errstate(under="ignore"):
                scaled = high * scale
            return scaled, (scaled / scale != high).any(axis=0)

    def count(self, high: Array, low: Array | None) -> int | None:
        """Return the number of slices that serve some of the rows at the least cost a row; None where it is large."""
        rows = high.shape[1]
        some = slice(None, None, max(1, rows // _SAMPLED))
        most = _MOST_SLICES if rows > 1 else _MOST_OF_A_ROW
        costs = dict[int, float]()
        for count in range(1, most + 1):
            _, odd = self.slices(high[:, some], None if low is None else low[:, some], count)
            share = 1.0 - float(odd.mean())
            if share >= _ENOUGH:
                costs[count] = count**2 / share
            if share == 1.0:
                break
        return min(costs, key=costs.__getitem__) if costs else None

    def slices(self, high: Array, low: Array | None, count: int) -> tuple[Array, NDArray[np.bool_]]:
        """Return the slices (count, columns, rows), 0 of odd rows, of which something is left, and which these are."""
        room = np.empty((count, *high.shape))
        rest, odd = self._scaled(high)
        below, also = (None, None) if low is None else self._scaled(low)
        for place, whole in enumerate(room):
            if place:
                rest *= 2.0**self.bits
            np.rint(rest, out=whole)
            np.subtract(rest, whole, out=rest)
            if below is not None:
                below *= 2.0**self.bits if place else 1.0
                rest, below = two_sum(rest, below)
        left = (rest != 0).any(axis=0)
        for lost in (odd, also):
            left = left if lost is None else left | lost
        room[:, :, left] = 0.0
        return room, left

    def products(self, slices: Array, *, weighted: bool) -> tuple[Grid, Part]:
        """Return the sums of products of slices."""
        first = self.tops - (self.bits - 1)
        if not weighted:
            flat = slices.reshape(-1, slices.shape[2])
            own, counts = tuple(first.tolist()), (len(slices), len(slices))
            return Grid(self.bits, own, own, counts), (slices.shape[2], matmul(flat, flat.T).astype(np.int64))
        right = np.ascontiguousarray(slices[:, :-1])
        left = _times(right, slices[:, -1], self.bits)
        exponents = first[:-1] + first[-1] + self.bits
        grid = Grid(self.bits, tuple(exponents.tolist()), tuple(first[:-1].tolist()), (len(left), len(right)))
        total = matmul(left.reshape(-1, left.shape[2]), right.reshape(-1, right.shape[2]).T)
        return grid, (slices.shape[2], total.astype(np.int64))


def _times(slices: Array, weights: Array, bits: int) -> Array:
    """Return slices of the products of columns and weights, of slices (count, columns, rows) and (count, rows)."""
    count = len(slices)
    found = np.zeros((2 * count, *slices.shape[1:]))
    for place, weight in enumerate(weights):
        if weight.any():
            found[1 + place : 1 + place + count] += weight * slices
    for place in range(2 * count - 1, 0, -1):
        carry = np.rint(found[place] * 2.0**-bits)
        found[place] -= carry * 2.0**bits
        found[place - 1] += carry
    while len(found) > 1 and not found[-1].any():
        found = found[:-1]
    return found
