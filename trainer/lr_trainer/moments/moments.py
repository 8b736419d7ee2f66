"""Centred moments of rows, in blocks: what a least-squares fit needs to know of a table of any length.

A block's moments come from one pass over it on any device; blocks merge in a fixed tree, so the bits depend neither on
how many threads took blocks nor on how the rows arrived.
"""

from __future__ import annotations

import math
import threading
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, cast

import numpy as np

from lr_trainer.arithmetic.arrays import beside, empty, host, matmul, names_of
from lr_trainer.arithmetic.double_double import two_sum
from lr_trainer.arithmetic.rounding import varies

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from numpy.typing import NDArray

    from lr_trainer.arithmetic.arrays import A

    Array = NDArray[np.float64]

_NEAR = 2.0
"""How far a shift may be from the mean, in variances: the squares of deviations then lose 2 bits at most."""
_SAMPLED = 31
_WIDTH = 1024
_TILE_NUMBERS = 1 << 17
"""Numbers of a tile, 1 MiB of float64, which the second-level cache of a core holds."""
_NARROW = 32
"""The most columns at which NumPy subtracts columns faster than rows, whose inner loops are then too short."""
_FEWEST_ROWS = 1 << 10


@dataclass(frozen=True)
class Moments:
    """Moments of `count` rows of float64 columns.

    The mean is the unevaluated sum `mean + mean_low`: a column near 1.7e9 keeps the digits that its deviations have.

    Attributes:
        count: float64 (), the number of rows.
        weight: float64 (), the sum of their weights; the number of rows where they have none.
        log_weight: float64 (), the sum of the weights' logarithms.
        mean: float64 (columns,), weighted.
        mean_low: float64 (columns,), what `mean` rounds away.
        comoment: float64 (columns, columns), sum of w (x - mean)(x - mean)^T: the centred Gram matrix.
        minimum: float64 (columns,).
        maximum: float64 (columns,).
    """

    count: NDArray[np.float64]
    weight: NDArray[np.float64]
    log_weight: NDArray[np.float64]
    mean: NDArray[np.float64]
    mean_low: NDArray[np.float64]
    comoment: NDArray[np.float64]
    minimum: NDArray[np.float64]
    maximum: NDArray[np.float64]

    @property
    def rows(self) -> int:
        """The number of rows."""
        return int(self.count)

    @property
    def largest(self) -> NDArray[np.float64]:
        """float64 (columns,), the largest absolute values."""
        return np.maximum(np.abs(self.minimum), np.abs(self.maximum))

    def varies(self, *, intercept: bool) -> NDArray[np.bool_]:
        """Return bool (columns,): which columns are not constant, or without an intercept not 0 throughout."""
        return varies(self.minimum, self.maximum) if intercept else np.asarray(self.largest > 0)

    def gram(self, *, intercept: bool) -> NDArray[np.float64]:
        """Return float64 (columns, columns), the sums of products about the mean, or without an intercept about 0."""
        return self.comoment if intercept else self.about(None)

    def about(self, other: Moments | None) -> NDArray[np.float64]:
        """Return float64 (columns, columns), the sums of products about the mean of `other` rows, or about 0 for None.

        A square is added to the sum about the mean, so nothing cancels. The low parts of the means count where two are
        near each other: near 1.7e15 they differ by less than `mean` holds. One mean alone is its own rounded sum.
        """
        away = self.mean + self.mean_low
        if other is not None:
            away = (self.mean - other.mean) + (self.mean_low - other.mean_low)
        products = np.outer(away, away)
        products *= self.weight
        products += self.comoment
        return products

    @property
    def own(self) -> NDArray[np.float64]:
        """float64 (columns,), the products of each column with itself."""
        return np.diag(self.comoment)

    def squares(self, *, intercept: bool) -> NDArray[np.float64]:
        """Return float64 (columns,), the sums of squares about the mean, or without an intercept about 0."""
        return self.own if intercept else self.own + self.weight * (self.mean + self.mean_low) ** 2

    def products(self, column: int, target: int) -> float:
        """Return the sum of products of two columns about their means."""
        return float(self.comoment[column, target])

    def correlation(self, column: int, target: int) -> float:
        """Return the correlation of two columns; 0 where one does not vary."""
        size = math.sqrt(max(self.own[column], 0.0)) * math.sqrt(max(self.own[target], 0.0))
        return self.products(column, target) / size if size > 0 else 0.0

    def arrays(self) -> dict[str, NDArray[np.float64]]:
        """The arrays by the names of the fields, as a checkpoint stores them."""
        return {field.name: getattr(self, field.name) for field in fields(self)}

    @staticmethod
    def from_arrays(arrays: Mapping[str, NDArray[np.float64]]) -> Moments:
        """Return the moments that a checkpoint stores."""
        return Moments(**{field.name: arrays[field.name] for field in fields(Moments)})

    def merge(self, other: Moments) -> Moments:
        """Return the moments of the rows of both (Chan, Golub and LeVeque 1983, eq. 2.1, for a mean in two parts)."""
        weight = np.asarray(self.weight + other.weight)
        delta = (other.mean - self.mean) + (other.mean_low - self.mean_low)
        share = other.weight / weight
        mean, mean_low = two_sum(self.mean, self.mean_low + delta * share)
        comoment = np.outer(delta, delta)  # with many columns, temporary arrays would cost most of the time
        comoment *= self.weight * share
        comoment += self.comoment
        comoment += other.comoment
        return Moments(
            count=np.asarray(self.count + other.count),
            weight=weight,
            log_weight=np.asarray(self.log_weight + other.log_weight),
            mean=mean,
            mean_low=mean_low,
            comoment=comoment,
            minimum=np.minimum(self.minimum, other.minimum),
            maximum=np.maximum(self.maximum, other.maximum),
        )


def block_moments(*parts: A | tuple[A, ...], weights: A | None = None) -> Moments:
    """Return the moments of one block, computed on its device.

    One pass: deviations from the medians of some rows, then their own mean taken out, which rounds little because the
    medians are near the mean; where they are not, once more about the mean (Chan, Golub and LeVeque 1983).

    Args:
        parts: float64 (rows, columns), at least one row; the columns of several parts are side by side.
        weights: float64 (rows,), positive.
    """
    strips = [part if isinstance(part, tuple) else (part,) for part in parts]
    shift = np.concatenate([_middle(strip) for strip in strips])
    # Of numbers that are infinite, or too large to be squared, the moments are not finite; whoever takes them looks.
    with np.errstate(over="ignore", invalid="ignore"):
        moments, is_near = _about(shift, strips, weights)
        if not is_near:
            moments, _ = _about(moments.mean, strips, weights)
    return moments


def _about(shift: Array, strips: Sequence[tuple[A, ...]], weights: A | None) -> tuple[Moments, bool]:
    """Return the moments from deviations from `shift`, and whether it is near the mean in standard deviations."""
    rows = sum(len(piece) for piece in strips[0])
    total = float(rows) if weights is None else float(weights.sum())
    products: NDArray[np.float64] = np.zeros((1 + len(shift), 1 + len(shift)))
    lows, highs = [], []
    at_once = _tile_rows(len(shift)) if isinstance(strips[0][0], np.ndarray) else rows
    for start in range(0, rows, at_once):
        stop = min(start + at_once, rows)
        tile = [_rows(strip, start, stop) for strip in strips]
        products += _products(shift, stop - start, tile, None if weights is None else weights[start:stop])
        low, high = zip(*(_range(strip) for strip in tile), strict=True)
        lows.append(np.concatenate(low))
        highs.append(np.concatenate(high))
    gram, away = products[:-1, :-1], products[-1, :-1] / total
    comoment = gram - total * np.outer(away, away)
    mean, mean_low = two_sum(shift, away)
    moments = Moments(
        count=np.array(float(rows)),
        weight=np.array(total),
        log_weight=np.array(0.0 if weights is None else float(names_of(weights).log(weights).sum())),
        mean=mean,
        mean_low=mean_low,
        comoment=comoment,
        minimum=np.minimum.reduce(lows) + 0.0,  # 0.0 for -0.0, of which any may come first
        maximum=np.maximum.reduce(highs) + 0.0,
    )
    return moments, bool((total * away**2 <= _NEAR * np.diag(comoment)).all())


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


def _products(shift: Array, rows: int, strips: Sequence[tuple[A, ...]], weights: A | None) -> Array:
    """Return D' W D for D the deviations of the columns and a column of ones, which gives their sums."""
    first, left = strips[0][0], 0
    deviations = _scratch.block(first, rows, 1 + len(shift))
    middle = beside(first, shift)
    for strip in strips:
        top, right = 0, left + strip[0].shape[1]
        for piece in strip:
            _subtract(piece, middle[left:right], deviations[top : top + len(piece), left:right])
            top += len(piece)
        left = right
    if weights is None:
        # NumPy takes BLAS's syrk for the product of a matrix with itself, half the work of a gemm. The bits are the
        # same in either order of the numbers in memory.
        return host(matmul(deviations.T, deviations))
    product = host(matmul(deviations.T, deviations * weights[:, None]))
    return (product + product.T) / 2


def _subtract(piece: A, shift: A, out: A) -> None:
    """Write piece - shift into `out`, column by column where NumPy's inner loop over a row would be short."""
    if not isinstance(piece, np.ndarray) or piece.shape[1] > _NARROW:
        names_of(piece).subtract(piece, shift, out=out)
        return
    for column in range(piece.shape[1]):
        np.subtract(piece[:, column], shift[column], out=out[:, column])


class _Scratch(threading.local):
    """Memory of each thread for the deviations of some rows: new memory of this size costs a page fault a page."""

    def __init__(self) -> None:
        self._room: dict[tuple[object, ...], object] = {}

    def block(self, like: A, rows: int, columns: int) -> A:
        """Return float64 (rows, columns) where `like` lies, with arbitrary numbers, and ones in the last column."""
        by_column, device = columns <= _NARROW, None
        if isinstance(like, np.ndarray):
            by_column |= not like.flags.c_contiguous
        else:
            device = like.device
        key = rows, columns, by_column, device
        if key not in self._room:
            self._room.clear()
            room = empty(like, (columns, rows)).T if by_column else empty(like, (rows, columns))
            room[:, -1] = 1.0
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


def merged(parts: Iterable[Moments]) -> Moments | None:
    """Return the moments of all parts, merged in a tree whose shape depends on their number alone; None of none."""
    tree: list[tuple[int, Moments]] = []
    for moments in parts:
        # A binary counter: two subtrees of equal height merge at once, so no more than log2 of them wait.
        height, node = 0, moments
        while tree and tree[-1][0] == height:
            node = tree.pop()[1].merge(node)
            height += 1
        tree.append((height, node))
    if not tree:
        return None
    total = tree.pop()[1]
    while tree:
        total = tree.pop()[1].merge(total)
    return total
