"""The moments of one block of rows, in one pass on its device; see `lr_trainer.moments.pilot` for what they are of."""

from __future__ import annotations

import threading
from dataclasses import replace
from typing import TYPE_CHECKING, cast

import numpy as np

from lr_trainer.arithmetic.arrays import A, Array, beside, empty, host, matmul, names_of
from lr_trainer.arithmetic.double_double import Extended, two_sum
from lr_trainer.arithmetic.gram import powers_of_two, product
from lr_trainer.moments.moments import Moments
from lr_trainer.moments.pilot import GRID, Pilot, run_of

if TYPE_CHECKING:
    from collections.abc import Sequence

_NEAR = 2.0
"""How far a shift may be from the mean, in variances: the squares of deviations then lose 2 bits at most."""
_SAMPLED = 31
_WIDTH = 1024
_TILE_NUMBERS = 1 << 18
"""Numbers that stay in a core's cache of the second level, 2 MiB, while they are shifted, multiplied and squared."""
_FEWEST_ROWS = 1 << 10
_SMALLEST = 2.0**-900


def block_moments(*parts: A | tuple[A, ...], weights: A | None = None) -> Moments:
    """Return the moments of one block.

    Of deviations from the medians of some rows, then their own mean taken out, which rounds little because the medians
    are near the mean; where they are not, once more about the mean (Chan, Golub and LeVeque 1983). `parts` and
    `weights` are those of `moments_about`.
    """
    shift = np.concatenate([_middle(part if isinstance(part, tuple) else (part,)) for part in parts])
    # Of numbers that are infinite, or too large to be squared, the moments are not finite; whoever takes them looks.
    with np.errstate(over="ignore", invalid="ignore"):
        found = moments_about(Pilot.plain(shift), *parts, weights=weights)
        if not (found.weight * found.mean**2 <= _NEAR * np.diag(found.comoment)).all():
            shift = shift + found.mean
            found = moments_about(Pilot.plain(shift), *parts, weights=weights)
    mean, mean_low = two_sum(shift, found.mean)
    return replace(found, mean=mean, mean_low=mean_low)


def moments_about(pilot: Pilot, *parts: A | tuple[A, ...], low: A | None = None, weights: A | None = None) -> Moments:
    """Return the moments of a block's columns Z = (D - center) transform, with the ranges of D.

    Args:
        pilot: the center and the transform.
        parts: D, float64 (rows, columns), at least one row; the columns of several parts are side by side.
        low: float64 (rows, columns), what D rounds away of the values; None where they are exact.
        weights: float64 (rows,), positive.
    """
    strips = [part if isinstance(part, tuple) else (part,) for part in parts]
    rows, columns = sum(len(piece) for piece in strips[0]), len(pilot.center)
    total = float(rows) if weights is None else float(weights.sum())
    products: Array | None = None
    ranges = []
    is_array = isinstance(strips[0][0], np.ndarray) and not pilot.sums_exactly
    at_once = _tile_rows(columns) if is_array else rows
    for start in range(0, rows, at_once):
        inside = slice(start, min(start + at_once, rows))
        tile = [_rows(strip, inside.start, inside.stop) for strip in strips]
        ranges.append(np.concatenate([_range(strip) for strip in tile], axis=1))
        values = _columns(pilot, tile, ranges[-1], None if low is None else low[inside])
        part = _products(values, None if weights is None else weights[inside], is_exact=pilot.sums_exactly)
        products = part if products is None else np.add(products, part, out=products)
    assert products is not None
    mean = products[-1, :-1] / total
    squares = np.outer(mean, mean)
    squares *= total  # new memory of a wide table's products costs as much as their arithmetic
    return Moments(
        count=np.array(float(rows)),
        weight=np.array(total),
        log_weight=np.array(0.0 if weights is None else float(names_of(weights).log(weights).sum())),
        mean=mean,
        mean_low=np.zeros_like(mean),
        comoment=np.subtract(products[:-1, :-1], squares, out=squares),
        minimum=np.min([each[0] for each in ranges], axis=0) + 0.0,  # 0.0 for -0.0, of which any may come first
        maximum=np.max([each[1] for each in ranges], axis=0) + 0.0,
        others=np.array(rows - 1.0 if weights is None else _but_largest(weights)),
    )


def formed(pilot: Pilot, *parts: A | tuple[A, ...], low: A | None = None) -> Array:
    """Return the columns Z of `moments_about`, float64 (columns, rows), in memory that the next call overwrites."""
    strips = [part if isinstance(part, tuple) else (part,) for part in parts]
    ranges = np.concatenate([_range(strip) for strip in strips], axis=1)
    return host(_columns(pilot, strips, ranges, low).high[:-1])


def _but_largest(weights: A) -> float:
    """Return the sum of all but the largest, which may be larger than theirs by more than float64 holds."""
    largest = int(weights.argmax())
    return float(weights[:largest].sum() + weights[largest + 1 :].sum())


def _middle(block: tuple[A, ...]) -> Array:
    """Return the columns' medians over rows evenly apart: values that are there, so that equal ones deviate by 0."""
    apart = max(1, sum(map(len, block)) // _SAMPLED)
    start, sampled = 0, []
    for piece in block:
        sampled.append(piece[-start % apart :: apart])
        start += len(piece)
    values = np.concatenate([host(each) for each in sampled])
    lower = (len(values) - 1) // 2
    return np.asarray(np.partition(values, lower, axis=0)[lower])


def _tile_rows(columns: int) -> int:
    """Return how many rows are worked on while they are in the processor's cache."""
    return max(_FEWEST_ROWS, 1 << (_TILE_NUMBERS // columns).bit_length() - 1)


def _rows(block: tuple[A, ...], start: int, stop: int) -> tuple[A, ...]:
    """Return some of a block's rows, as they lie."""
    pieces = []
    for piece in block:
        if start < len(piece) and stop > 0:
            pieces.append(piece[max(start, 0) : stop])
        start, stop = start - len(piece), stop - len(piece)
    return tuple(pieces)


def _columns(pilot: Pilot, tile: Sequence[tuple[A, ...]], ranges: Array, low: A | None) -> Extended[A]:
    """Return (1 + columns, rows), the columns of Z one under the other, then ones, which give their sums.

    The low parts are those of a pilot that sums exactly; of others they are the same as the high parts, unused. Of D,
    `tile` has consecutive pieces of columns side by side, `ranges`, float64 (2, columns), the least and largest values.
    """
    first = tile[0][0]
    columns = _scratch.block(first, 1 + len(pilot.center), sum(len(piece) for piece in tile[0]))
    names, left, deviations = names_of(first), 0, columns[:-1]
    center = beside(first, pilot.center[:, None])
    taken = center * 0.0 if pilot.is_exact else center
    for strip in tile:
        top, right = 0, left + strip[0].shape[1]
        for piece in strip:
            names.subtract(piece.T, taken[left:right], out=columns[left:right, top : top + len(piece)])
            top += len(piece)
        left = right
    if not pilot.is_exact:
        if len(pilot.plainly):
            columns[run_of(pilot.plainly)] = matmul(beside(first, pilot.factors).T, deviations)
        return Extended(columns, columns)
    high, below = two_sum(deviations, -center)
    below = below if low is None else below + low.T
    deviations[:] = high
    if len(pilot.plainly):
        columns[run_of(pilot.plainly)] = matmul(beside(first, pilot.factors).T, high)
    # Of smaller deviations the slices would underflow; only a constant column's rounding is.
    farthest = np.max([np.abs(end - pilot.center) for end in ranges], axis=0)
    exact = _exactly(pilot, high, below, 2 * powers_of_two(np.maximum(farthest, _SMALLEST)))
    columns[run_of(pilot.exactly)] = exact.high
    if not pilot.sums_exactly:
        return Extended(columns, columns)
    lows = columns * 0.0
    lows[:-1] = below
    lows[run_of(pilot.exactly)] = exact.low
    return Extended(columns, lows)


def _exactly(pilot: Pilot, high: A, low: A, reach: Array) -> Extended[A]:
    """Return the columns of Z that are formed exactly, to 2^-80 of `reach`, a row each.

    Deviations from the center are high + low, float64 (columns, rows); none exceeds its power of two in `reach`.
    """
    grid = beside(high, GRID * reach[:, None])
    near = (high + grid) - grid
    rest = (high - near) + low
    # The first two products are exact, and so is their sum where it is small, as it is where much cancels.
    slices, count = [beside(near, each.T) for each in pilot.slices(reach)], len(pilot.exactly)
    parts = matmul(names_of(near).concatenate(slices), near)
    large = two_sum(parts[:count], parts[count : 2 * count])
    tail = large[1] + (parts[2 * count :] + matmul(slices[0] + slices[1] + slices[2], rest))
    return Extended(*two_sum(large[0], tail))


def _products(columns: Extended[A], weights: A | None, *, is_exact: bool) -> Array:
    """Return C W C' for columns C (columns, rows), where asked summed in double-double."""
    if is_exact:
        own = Extended(columns.high.T, columns.low.T)
        return product(own if weights is None else own * Extended.of(weights[:, None]), own).rounded()
    if weights is None:
        # NumPy takes BLAS's syrk for the product of a matrix with itself, half the work of a gemm.
        return host(matmul(columns.high, columns.high.T))
    found = host(matmul(columns.high * weights, columns.high.T))
    return (found + found.T) / 2


class _Scratch(threading.local):
    """Memory of each thread for the columns of some rows: new memory of this size costs a page fault a page."""

    def __init__(self) -> None:
        self._room: dict[tuple[object, ...], object] = {}

    def block(self, like: A, columns: int, rows: int) -> A:
        """Return float64 (columns, rows) where `like` lies, with arbitrary numbers, and ones in the last row."""
        key = columns, rows, "cpu" if isinstance(like, np.ndarray) else like.device
        if key not in self._room:
            self._room.clear()
            room = empty(like, (columns, rows))
            room[-1] = 1.0
            self._room[key] = room
        return cast("A", self._room[key])


_scratch = _Scratch()


def _range(block: tuple[A, ...]) -> tuple[Array, Array]:
    """Return the columns' minimum and maximum; NaN where a value is."""
    lows, highs = zip(*map(_range_of, block), strict=True)
    return np.minimum.reduce(lows), np.maximum.reduce(highs)


def _range_of(piece: A) -> tuple[Array, Array]:
    if not isinstance(piece, np.ndarray):
        return host(piece.amin(dim=0)), host(piece.amax(dim=0))
    # Few columns are slow, so several rows are taken as one.
    numbers, columns = piece, piece.shape[1]
    together = 1 << max(0, (_WIDTH // columns).bit_length() - 1)
    if piece.flags.c_contiguous and len(piece) % together == 0:
        numbers = numbers.reshape(-1, together * columns)
    low, high = np.minimum.reduce(numbers), np.maximum.reduce(numbers)
    return np.minimum.reduce(low.reshape(-1, columns)), np.maximum.reduce(high.reshape(-1, columns))
