"""Rows in fixed blocks, worked on by threads, taken in order: the bits of what is computed depend on the rows alone."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING, TypeAlias, TypeVar

import numpy as np
from threadpoolctl import ThreadpoolController

from lr_runtime.system.parallel import in_order
from lr_trainer.arithmetic.arrays import Array, empty

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

_MOST_ROWS, _FEWEST_ROWS = 1 << 16, 1 << 8
"""A million narrow rows still give 16 threads a block each; fewer rows cost more to hand over than to compute."""

_NUMBERS = 1 << 20
"""Values of a block, 8 MiB of float64, as several blocks are in memory at a time."""

B = TypeVar("B")
T = TypeVar("T")

Block: TypeAlias = "tuple[Array, ...]"
"""Consecutive rows as they lie in memory: float64 (rows, columns) each, one under the other."""


def block_rows(columns: int) -> int:
    """Return the number of rows of a block: fewer for a wide table, so that every thread has blocks."""
    return min(_MOST_ROWS, max(_FEWEST_ROWS, 1 << (_NUMBERS // columns).bit_length() - 1))


def in_blocks(batches: Iterable[Array], columns: int) -> Iterator[Block]:
    """Cut batches of any number of rows into blocks of `block_rows`, the last shorter, without a copy."""
    rows = block_rows(max(columns, 1))
    pieces: list[Array] = []
    filled = 0
    for batch in batches:
        start = 0
        while start < len(batch):
            taken = min(rows - filled, len(batch) - start)
            pieces.append(batch[start : start + taken])
            start, filled = start + taken, filled + taken
            if filled == rows:
                yield tuple(pieces)
                pieces, filled = [], 0
    if pieces:
        yield tuple(pieces)


def side_by_side(parts: tuple[Array, ...]) -> tuple[Array, ...]:
    """Return columns that lie apart as one array: a few calls for each of them would cost more than a copy."""
    if len(parts) == 1 or any(part.shape[1] > 1 for part in parts):
        return parts
    return (in_one(parts),)


def in_one(parts: tuple[Array, ...]) -> Array:
    """Return columns that lie apart as one column-major array."""
    room, top = empty(parts[0], (sum(part.shape[1] for part in parts), len(parts[0]))), 0
    for part in parts:
        room[top : top + part.shape[1]] = part.T
        top += part.shape[1]
    return room.T


def joined(block: Block) -> Array:
    """Return the rows of a block as one column-major array."""
    if len(block) == 1 and block[0].flags.f_contiguous:
        return block[0]
    room = np.empty((block[0].shape[1], sum(map(len, block))))
    return np.concatenate([piece.T for piece in block], axis=1, out=room).T


def over_blocks(work: Callable[[B], T], blocks: Iterable[B], threads: int | None = None) -> Iterator[T]:
    """Yield `work(block)` in the order of the blocks; threads share the blocks, a few of which are in memory.

    The bits of a product depend on the number of the library's own threads, so each block is computed by one thread.
    What is infinite or not a number there, whoever takes the results looks for; NumPy's warnings are silenced.
    """

    def quietly(block: B) -> T:
        with np.errstate(over="ignore", invalid="ignore"):
            return work(block)

    with one_thread():
        yield from in_order(quietly, blocks, threads)


@contextmanager
def one_thread() -> Iterator[None]:
    """Limit torch and BLAS in this process to one thread per call: several give other bits, or are slower."""
    torch = sys.modules.get("torch")  # where nobody has imported it, it computes nothing
    before = torch.get_num_threads() if torch else 1
    try:
        if torch:
            torch.set_num_threads(1)
        with _blas().limit(limits=1, user_api="blas"):
            yield
    finally:
        if torch:
            torch.set_num_threads(before)


@cache
def _blas() -> ThreadpoolController:
    return ThreadpoolController()
