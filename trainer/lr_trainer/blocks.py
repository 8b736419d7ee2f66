"""Rows in fixed blocks, worked on by threads, taken in order: the bits of what is computed depend on the rows alone."""

from __future__ import annotations

import os
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeVar

import numpy as np
import torch

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from numpy.typing import NDArray

_MOST_ROWS = 1 << 15
_FEWEST_ROWS = 1 << 8
_NUMBERS = 1 << 22

B = TypeVar("B")
T = TypeVar("T")


def block_rows(columns: int) -> int:
    """Return how many rows a block has: fewer of a wide table, so that there are blocks for every thread."""
    return min(_MOST_ROWS, max(_FEWEST_ROWS, 1 << (_NUMBERS // columns).bit_length() - 1))


def in_blocks(batches: Iterable[NDArray[np.float64]], columns: int) -> Iterator[torch.Tensor]:
    """Cut batches of any number of rows into blocks of `block_rows`, the last one shorter."""
    rows = block_rows(max(columns, 1))
    block, filled = np.empty((rows, columns)), 0
    for batch in batches:
        start = 0
        while start < len(batch):
            taken = min(rows - filled, len(batch) - start)
            block[filled : filled + taken] = batch[start : start + taken]
            start, filled = start + taken, filled + taken
            if filled == rows:
                yield torch.from_numpy(block)
                block, filled = np.empty((rows, columns)), 0
    if filled:
        yield torch.from_numpy(block[:filled])


def over_blocks(work: Callable[[B], T], blocks: Iterable[B], threads: int | None = None) -> Iterator[T]:
    """Yield `work(block)` in the order of the blocks, a few blocks in memory; threads take blocks.

    torch's own threads split a product differently with their number, so each block has one.
    """
    threads = threads or os.cpu_count() or 1
    waiting: deque[Future[T]] = deque()
    with one_thread(), ThreadPoolExecutor(threads) as pool:
        for block in blocks:
            waiting.append(pool.submit(work, block))
            if len(waiting) >= 2 * threads:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


@contextmanager
def one_thread() -> Iterator[None]:
    """Have torch compute on one thread while the block runs: small products are slower on more."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
