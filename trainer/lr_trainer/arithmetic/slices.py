"""Columns of float64 cut into integers of a few bits, whose sums of products are exact in float64.

Whatever a BLAS adds first (Ozaki, Ogita, Oishi and Rump 2012, Numerical Algorithms 59: error-free transformation of
matrix multiplication). Rows with digits below the last slice are cut by themselves, in more slices.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from lr_trainer.arithmetic.arrays import matmul
from lr_trainer.arithmetic.double_double import two_sum

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from numpy.typing import NDArray

    from lr_trainer.arithmetic.arrays import Array

BITS = 22
ROWS = 1 << 53 - 2 * (BITS - 1)
"""A slice has at most 2^21 in size, so that float64 holds the sums of products of two over 2^11 rows."""

_SAMPLED = 256
"""Rows that choose the number of slices, by what they cost for each row of which nothing is left."""

_MOST, _MOST_OF_A_ROW = 8, 200
"""Where columns take more slices, rows are halved, until some are alike; 200 slices have the range of float64."""

_ENOUGH = 0.125
"""The least share of the rows that slices are to be enough for."""

_STEP, _LEAST = 4, -970
"""Columns are cut from a power of 16 on, so that most blocks are cut alike; from 2^-970 on at least, so that float64
holds what they are multiplied by."""

_HELD = 1 << 62 - 2 * (BITS - 1)
"""So many products of two slices int64 holds the sum of."""


class Tile(NamedTuple):
    """Some rows: float64 (columns, rows), and what it rounds away; None where it is exact."""

    high: Array
    low: Array | None

    def rows(self, chosen: NDArray[np.bool_] | slice) -> Tile:
        """Return some of the rows."""
        return Tile(self.high[:, chosen], None if self.low is None else self.low[:, chosen])


class Sums(NamedTuple):
    """Sums of products of slices.

    Attributes:
        left: the exponents of the columns' first slices, as the left factors, which have the weights.
        right: the same as the right factors.
        rows: how many rows there are.
        total: int64 (left slices, columns, right slices, columns).
    """

    left: tuple[int, ...]
    right: tuple[int, ...]
    rows: int
    total: NDArray[np.int64]

    @property
    def grid(self) -> tuple[object, ...]:
        """What sums have in common that can be added."""
        return self.left, self.right, self.total.shape

    def added(self, other: Sums) -> Sums | None:
        """Return the sums of both, of the same grid; None where int64 would not hold those of equal exponents."""
        rows = self.rows + other.rows
        is_held = rows * min(len(self.total), int(self.total.shape[2])) <= _HELD
        return self._replace(rows=rows, total=self.total + other.total) if is_held else None

    def whole(self) -> tuple[NDArray[np.object_], int]:
        """Return the sums of products of each column with itself and later ones as integers times a power of two."""
        left, columns, right, _ = self.total.shape
        first, second = np.triu_indices(columns)
        whole = np.zeros(len(first), dtype=object)
        for order in range(left + right - 1):
            pairs = [(each, order - each) for each in range(max(0, order - right + 1), min(left, order + 1))]
            part = np.sum([self.total[one, first, other, second] for one, other in pairs], axis=0)
            whole = (whole << BITS) + part.astype(object)
        exponents = np.array(self.left)[first] + np.array(self.right)[second] - BITS * (left + right - 2)
        low = int(exponents.min())
        return whole << (exponents - low).astype(object), low


def sums_of_products(tiles: Iterable[Tile], *, weighted: bool) -> Iterator[Sums]:
    """Yield the sums of products of columns, from tiles of at most `ROWS` rows.

    Where rows are `weighted`, the last column has the weights.
    """
    count, odd, room = 0, list[Tile](), np.empty((0, 0, 0))
    for tile in tiles:
        tops = _tops(tile.high)
        count = count or _count(tile, tops)
        if not count:
            half = tile.high.shape[1] // 2
            yield from sums_of_products(map(tile.rows, (slice(half), slice(half, None))), weighted=weighted)
            continue
        if room.shape != (count + 1, *tile.high.shape):
            room = np.empty((count + 1, *tile.high.shape))  # new memory costs as much as the arithmetic
        is_odd = (list(_cut(tile, tops, room))[-1] != 0).any(axis=0)
        if is_odd.any():
            room[:, :, is_odd] = 0.0
            odd.append(tile.rows(is_odd))
            count = count if is_odd.mean() <= _ENOUGH else 0
        yield _products(room[:-1], tops, weighted=weighted)
    if odd:
        lows = [each.low for each in odd if each.low is not None]
        rest = Tile(np.concatenate([each.high for each in odd], axis=1), np.concatenate(lows, axis=1) if lows else None)
        parts = (rest.rows(slice(start, start + ROWS)) for start in range(0, rest.high.shape[1], ROWS))
        yield from sums_of_products(parts, weighted=weighted)


def _tops(high: Array) -> NDArray[np.int64]:
    """Return exponents (columns,) of powers of two that no value reaches."""
    exponents = np.frexp(np.maximum(high.max(axis=1), -high.min(axis=1)))[1].astype(np.int64)
    return np.asarray(np.maximum(-(-exponents // _STEP) * _STEP, _LEAST))


def _count(tile: Tile, tops: NDArray[np.int64]) -> int:
    """Return the number of slices that costs least for each row that it is enough for; 0 where it would be large."""
    rows = tile.high.shape[1]
    some = tile.rows(slice(None, None, max(1, rows // _SAMPLED)))
    room = np.empty((1 + (_MOST if rows > 1 else _MOST_OF_A_ROW), *some.high.shape))
    costs = dict[int, float]()
    for count, rest in enumerate(_cut(some, tops, room), 1):
        share = 1.0 - float((rest != 0).any(axis=0).mean())
        if share > _ENOUGH:
            costs[count] = count**2 / share
        if share == 1.0:
            break
    return min(costs, key=costs.__getitem__, default=0)


def _cut(tile: Tile, tops: NDArray[np.int64], room: Array) -> Iterator[Array]:
    """Write slice after slice (columns, rows) into `room`; yield after each what is left of the values, in its unit.

    The last place in `room` is for that.
    """
    scale = np.ldexp(1.0, BITS - 1 - tops)[:, None]
    rest, below = _scaled(tile.high, scale, room[-1]), None if tile.low is None else _scaled(tile.low, scale)
    for place, whole in enumerate(room[:-1]):
        if place:
            rest *= 2.0**BITS
        np.rint(rest, out=whole)
        np.subtract(rest, whole, out=rest)
        if below is not None:
            rest, below = two_sum(rest, below * 2.0**BITS if place else below)
        yield rest


def _scaled(values: Array, scale: Array, room: Array | None = None) -> Array:
    """Return values times powers of two, where asked in some room; NaN where that would round."""
    try:
        with np.errstate(under="raise"):
            return np.multiply(values, scale, out=room)
    except FloatingPointError:
        with np.errstate(under="ignore"):
            scaled = values * scale
        return np.where(scaled / scale == values, scaled, np.nan)


def _products(slices: Array, tops: NDArray[np.int64], *, weighted: bool) -> Sums:
    """Return the sums of products of slices (count, columns, rows)."""
    rows, right, of_right = slices.shape[2], slices, tops - (BITS - 1)
    left, of_left = right, of_right
    if weighted:
        right, of_right = slices[:, :-1].copy(), of_right[:-1]
        left, of_left = _times(right, slices[:, -1]), of_right + (tops[-1] + 1)
    total = matmul(left.reshape(-1, rows), right.reshape(-1, rows).T).astype(np.int64)
    shape = (len(left), len(of_left), len(right), len(of_right))
    return Sums(tuple(of_left.tolist()), tuple(of_right.tolist()), rows, total.reshape(shape))


def _times(slices: Array, weights: Array) -> Array:
    """Return slices of columns times weights, of slices (count, columns, rows) and (count, rows), one place higher."""
    count = len(slices)
    found = np.zeros((2 * count, *slices.shape[1:]))
    for place, weight in enumerate(weights):
        if weight.any():
            found[1 + place : 1 + place + count] += weight * slices
    for place in range(2 * count - 1, 0, -1):
        carry = np.rint(found[place] * 2.0**-BITS)
        found[place] -= carry * 2.0**BITS
        found[place - 1] += carry
    while len(found) > 1 and not found[-1].any():
        found = found[:-1]
    return found
