"""Centred moments of rows, in blocks: what a least-squares fit needs to know of a table of any length.

A block's moments come from one pass over it on any device; blocks merge in a fixed tree, so the bits depend neither on
how many threads took blocks nor on how the rows arrived.
"""

from __future__ import annotations

from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

import numpy as np
import torch

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from numpy.typing import NDArray

BLOCK_ROWS = 1 << 14


@dataclass(frozen=True)
class Moments:
    """Moments of `count` rows of float64 columns.

    The mean is the unevaluated sum `mean + mean_low`: a column near 1.7e9 keeps the digits that its deviations have.

    Attributes:
        count: float64 (), the number of rows.
        mean: float64 (columns,).
        mean_low: float64 (columns,), what `mean` rounds away.
        comoment: float64 (columns, columns), sum over the rows of (x - mean)(x - mean)^T: the centred Gram matrix.
        minimum: float64 (columns,).
        maximum: float64 (columns,).
    """

    count: NDArray[np.float64]
    mean: NDArray[np.float64]
    mean_low: NDArray[np.float64]
    comoment: NDArray[np.float64]
    minimum: NDArray[np.float64]
    maximum: NDArray[np.float64]

    @property
    def rows(self) -> int:
        """The number of rows."""
        return int(self.count)

    def arrays(self) -> dict[str, NDArray[np.float64]]:
        """The arrays by the names of the fields, as a checkpoint stores them."""
        return {field.name: getattr(self, field.name) for field in fields(self)}

    @staticmethod
    def from_arrays(arrays: Mapping[str, NDArray[np.float64]]) -> Moments:
        """Return the moments that a checkpoint stores."""
        return Moments(**{field.name: arrays[field.name] for field in fields(Moments)})

    def merge(self, other: Moments) -> Moments:
        """Return the moments of the rows of both (Chan, Golub and LeVeque 1983, eq. 2.1, for a mean in two parts)."""
        count = np.asarray(self.count + other.count)
        delta = (other.mean - self.mean) + (other.mean_low - self.mean_low)
        share = other.count / count
        mean, mean_low = _two_sum(self.mean, self.mean_low + delta * share)
        between = np.outer(delta, delta) * (self.count * share)
        return Moments(
            count=count,
            mean=mean,
            mean_low=mean_low,
            comoment=self.comoment + other.comoment + between,
            minimum=np.minimum(self.minimum, other.minimum),
            maximum=np.maximum(self.maximum, other.maximum),
        )


def block_moments(block: torch.Tensor) -> Moments:
    """Return the moments of one block, float64 (rows, columns) with at least one row, computed on its device.

    Two passes over a block that is in the cache: deviations from the rounded mean, then the deviations' own mean taken
    out (Chan, Golub and LeVeque 1983, the corrected two-pass algorithm).
    """
    count = block.shape[0]
    mean = block.mean(dim=0)
    deviations = block - mean
    remainder = deviations.mean(dim=0)
    comoment = deviations.T @ deviations - count * torch.outer(remainder, remainder)
    minimum, maximum = torch.aminmax(block, dim=0)
    high, low = _two_sum(_array(mean), _array(remainder))
    gram = _array(comoment)
    return Moments(
        count=np.array(float(count)),
        mean=high,
        mean_low=low,
        comoment=(gram + gram.T) / 2,
        minimum=_array(minimum),
        maximum=_array(maximum),
    )


def accumulate(blocks: Iterable[torch.Tensor], device: torch.device, threads: int) -> Moments | None:
    """Return the moments of all blocks, None of none; each block's product runs on one thread, threads take blocks."""
    blocks = (block.to(device) for block in blocks)
    tree: list[tuple[int, Moments]] = []
    with _one_thread_a_product(), ThreadPoolExecutor(threads) as pool:
        for moments in _in_order(pool, blocks, most=2 * threads):
            # A binary counter: two subtrees of equal height merge at once, so the tree depends on the count alone.
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


def in_blocks(batches: Iterable[NDArray[np.float64]], columns: int) -> Iterator[torch.Tensor]:
    """Cut batches of any number of rows into blocks of BLOCK_ROWS, the last one shorter."""
    block, filled = np.empty((BLOCK_ROWS, columns)), 0
    for batch in batches:
        start = 0
        while start < len(batch):
            taken = min(BLOCK_ROWS - filled, len(batch) - start)
            block[filled : filled + taken] = batch[start : start + taken]
            start, filled = start + taken, filled + taken
            if filled == BLOCK_ROWS:
                yield torch.from_numpy(block)
                block, filled = np.empty((BLOCK_ROWS, columns)), 0
    if filled:
        yield torch.from_numpy(block[:filled])


def _in_order(pool: ThreadPoolExecutor, blocks: Iterable[torch.Tensor], most: int) -> Iterator[Moments]:
    """Yield the blocks' moments in the blocks' order, at most `most` blocks in memory."""
    waiting: deque[Future[Moments]] = deque()
    for block in blocks:
        waiting.append(pool.submit(block_moments, block))
        if len(waiting) >= most:
            yield waiting.popleft().result()
    while waiting:
        yield waiting.popleft().result()


class _one_thread_a_product:  # noqa: N801 - reads as a phrase in the with statement
    """torch's own threads split a product differently with their number; the threads of `accumulate` do not."""

    def __enter__(self) -> None:
        self._threads = torch.get_num_threads()
        torch.set_num_threads(1)

    def __exit__(self, *_: object) -> None:
        torch.set_num_threads(self._threads)


def _two_sum(a: NDArray[np.float64], b: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return s + t = a + b exactly, s the rounded sum (Knuth, TAOCP 2, 4.2.2, theorem B)."""
    total = a + b
    part = total - a
    return total, (a - (total - part)) + (b - part)


def _array(tensor: torch.Tensor) -> NDArray[np.float64]:
    return np.asarray(tensor.cpu().numpy())
