"""Centred moments of rows, in blocks: what a least-squares fit needs to know of a table of any length.

A block's moments come from one pass over it on any device; blocks merge in a fixed tree, so the bits depend neither on
how many threads took blocks nor on how the rows arrived.
"""

from __future__ import annotations

import math
import threading
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

import numpy as np
import torch

from lr_trainer.arithmetic.double_double import two_sum
from lr_trainer.arithmetic.rounding import varies

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from numpy.typing import NDArray

    from lr_trainer.rows.blocks import Block

    Array = NDArray[np.float64]

_NEAR = 2.0
"""How far a shift may be from the mean, in variances: the squares of deviations then lose 2 bits at most."""
_SAMPLED = 31
_WIDTH = 1024
_TILE_NUMBERS = 1 << 19
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

    def correlation(self, a: int, b: int) -> float:
        """Return the correlation of two columns; 0 where one does not vary."""
        variances = max(self.comoment[a, a], 0.0), max(self.comoment[b, b], 0.0)
        size = math.sqrt(variances[0]) * math.sqrt(variances[1])
        return float(self.comoment[a, b]) / size if size > 0 else 0.0

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


def block_moments(*parts: torch.Tensor | Block, weights: torch.Tensor | None = None) -> Moments:
    """Return the moments of one block, computed on its device.

    One pass: deviations from the medians of some rows, then their own mean taken out, which rounds little because the
    medians are near the mean; where they are not, once more about the mean (Chan, Golub and LeVeque 1983).

    Args:
        parts: float64 (rows, columns), at least one row; the columns of several parts are side by side.
        weights: float64 (rows,), positive.
    """
    strips = [(part,) if isinstance(part, torch.Tensor) else part for part in parts]
    shift = torch.cat([_middle(strip) for strip in strips])
    # Of numbers that are infinite, or too large to be squared, the moments are not finite; whoever takes them looks.
    with np.errstate(over="ignore", invalid="ignore"):
        moments, is_near = _about(shift, strips, weights)
        if not is_near:
            moments, _ = _about(torch.from_numpy(moments.mean).to(shift.device), strips, weights)
    return moments


def _about(shift: torch.Tensor, strips: Sequence[Block], weights: torch.Tensor | None) -> tuple[Moments, bool]:
    """Return the moments from deviations from `shift`, and whether it is near the mean in standard deviations."""
    rows = sum(len(piece) for piece in strips[0])
    total = float(rows) if weights is None else float(weights.sum())
    products: NDArray[np.float64] = np.zeros((1 + len(shift), 1 + len(shift)))
    lows, highs = [], []
    at_once = rows if shift.is_cuda else _tile_rows(len(shift))
    for start in range(0, rows, at_once):
        stop = min(start + at_once, rows)
        tile = [_rows(strip, start, stop) for strip in strips]
        products += _products(shift, stop - start, tile, None if weights is None else weights[start:stop])
        low, high = zip(*(_range(strip) for strip in tile), strict=True)
        lows.append(np.concatenate(low))
        highs.append(np.concatenate(high))
    gram, away = products[:-1, :-1], products[-1, :-1] / total
    comoment = gram - total * np.outer(away, away)
    mean, mean_low = two_sum(_array(shift), away)
    moments = Moments(
        count=np.array(float(rows)),
        weight=np.array(total),
        log_weight=np.array(0.0 if weights is None else float(weights.log().sum())),
        mean=mean,
        mean_low=mean_low,
        comoment=comoment,
        minimum=np.minimum.reduce(lows) + 0.0,  # 0.0 for -0.0, of which any may come first
        maximum=np.maximum.reduce(highs) + 0.0,
    )
    return moments, bool((total * away**2 <= _NEAR * np.diag(comoment)).all())


def _middle(block: Block) -> torch.Tensor:
    """Return the columns' medians over rows evenly apart: values that are there, so that equal ones deviate by 0."""
    apart = max(1, sum(map(len, block)) // _SAMPLED)
    start, sampled = 0, []
    for piece in block:
        sampled.append(piece[-start % apart :: apart])
        start += len(piece)
    return torch.cat(sampled).median(dim=0).values


def _tile_rows(columns: int) -> int:
    """Return how many rows are worked on while they are in the processor's cache."""
    return max(_FEWEST_ROWS, 1 << (_TILE_NUMBERS // columns).bit_length() - 1)


def _rows(block: Block, start: int, stop: int) -> Block:
    """Return some of a block's rows, as they lie."""
    pieces = []
    for piece in block:
        if start < len(piece) and stop > 0:
            pieces.append(piece[max(start, 0) : stop])
        start, stop = start - len(piece), stop - len(piece)
    return tuple(pieces)


def _products(
    shift: torch.Tensor, rows: int, strips: Sequence[Block], weights: torch.Tensor | None
) -> NDArray[np.float64]:
    """Return D' W D for D the deviations of the columns and a column of ones, which gives their sums."""
    deviations = _scratch.block(rows, 1 + len(shift), shift.device, by_column=not strips[0][0].is_contiguous())
    left = 0
    for strip in strips:
        top, right = 0, left + strip[0].shape[1]
        for piece in strip:
            torch.sub(piece, shift[left:right], out=deviations[top : top + len(piece), left:right])
            top += len(piece)
        left = right
    if weights is not None or shift.device.type != "cpu":
        product = _array(deviations.T @ (deviations if weights is None else deviations * weights[:, None]))
        return (product + product.T) / 2
    # numpy takes BLAS's syrk for the product of a matrix with itself, half the work of the gemm that torch takes; dot,
    # unlike matmul, lets other threads run meanwhile. The bits are the same in either order of the numbers in memory.
    array = deviations.numpy()
    return np.asarray(np.dot(array.T, array))


class _Scratch(threading.local):
    """Memory of each thread for the deviations of some rows: new memory of this size costs a page fault a page."""

    def __init__(self) -> None:
        self._room: dict[tuple[int, int, torch.device, bool], torch.Tensor] = {}

    def block(self, rows: int, columns: int, device: torch.device, *, by_column: bool) -> torch.Tensor:
        """Return float64 (rows, columns) with arbitrary numbers, and ones in the last column."""
        key = rows, columns, device, by_column
        if key not in self._room:
            self._room.clear()
            shape = (columns, rows) if by_column else (rows, columns)
            room = torch.empty(shape, dtype=torch.float64, device=device)
            self._room[key] = room.T if by_column else room
            self._room[key][:, -1] = 1.0
        return self._room[key]


_scratch = _Scratch()


def _range(block: Block) -> tuple[Array, Array]:
    """Return the columns' minimum and maximum; NaN where a value is."""
    lows, highs = zip(*map(_range_of, block), strict=True)
    return np.minimum.reduce(lows), np.maximum.reduce(highs)


def _range_of(piece: torch.Tensor) -> tuple[Array, Array]:
    if piece.is_cuda:
        return _array(piece.amin(dim=0)), _array(piece.amax(dim=0))
    # By numpy, in half the time of torch; few columns are slow in either, so several rows are taken as one.
    numbers, columns = piece.numpy(), piece.shape[1]
    together = 1 << max(0, (_WIDTH // columns).bit_length() - 1)
    if piece.is_contiguous() and len(piece) % together == 0:
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


def _array(tensor: torch.Tensor) -> NDArray[np.float64]:
    return np.asarray(tensor.cpu().numpy())
