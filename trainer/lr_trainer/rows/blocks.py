"""Rows in fixed blocks, worked on by threads, taken in order: the bits of what is computed depend on the rows alone."""

from __future__ import annotations

from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING, TypeVar

import torch
from threadpoolctl import ThreadpoolController

from lr_runtime.system.parallel import in_order

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    import numpy as np
    from numpy.typing import NDArray

_MOST_ROWS = 1 << 16
_FEWEST_ROWS = 1 << 8
_NUMBERS = 1 << 20

B = TypeVar("B")
T = TypeVar("T")

Block = tuple[torch.Tensor, ...]
"""Consecutive rows as they lie in memory: float64 (rows, columns) each, one under the other."""


def block_rows(columns: int) -> int:
    """Return how many rows a block has: fewer of a wide table, so that there are blocks for every thread."""
    return min(_MOST_ROWS, max(_FEWEST_ROWS, 1 << (_NUMBERS // columns).bit_length() - 1))


def in_blocks(batches: Iterable[NDArray[np.float64]], columns: int) -> Iterator[Block]:
    """Cut batches of any number of rows into blocks of `block_rows`, the last shorter, without a copy."""
    rows = block_rows(max(columns, 1))
    pieces: list[torch.Tensor] = []
    filled = 0
    for batch in batches:
        start = 0
        while start < len(batch):
            taken = min(rows - filled, len(batch) - start)
            pieces.append(torch.from_numpy(batch[start : start + taken]))
            start, filled = start + taken, filled + taken
            if filled == rows:
                yield tuple(pieces)
                pieces, filled = [], 0
    if pieces:
        yield tuple(pieces)


def joined(block: Block) -> torch.Tensor:
    """Return the rows of a block as one tensor, column by column in memory."""
    if len(block) == 1 and block[0].T.is_contiguous():
        return block[0]
    return torch.cat([piece.T for piece in block], dim=1).T


def over_blocks(work: Callable[[B], T], blocks: Iterable[B], threads: int | None = None) -> Iterator[T]:
    """Yield `work(block)` in the order of the blocks, a few blocks in memory; threads take blocks.

    torch's own threads split a product differently with their number, so each block has one.
    """
    with one_thread():
        yield from in_order(work, blocks, threads)


@contextmanager
def one_thread() -> Iterator[None]:
    """Keep torch and BLAS, in this process, to one thread a call: more give other bits, or are slower."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with _blas().limit(limits=1, user_api="blas"):
            yield
    finally:
        torch.set_num_threads(before)


@cache
def _blas() -> ThreadpoolController:
    return ThreadpoolController()
