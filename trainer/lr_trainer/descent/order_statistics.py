"""The median of more numbers than fit in memory: a histogram of leading bits, then the numbers of the middle bin."""

from __future__ import annotations

from functools import reduce
from typing import TYPE_CHECKING

import numpy as np

from lr_trainer.rows.workers import ALONE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from numpy.typing import NDArray

    from lr_trainer.rows.workers import Workers

    Passes = Callable[[], Iterator[NDArray[np.float64]]]

_LEADING = 44
"""The bits of a float64 that the histogram leaves out: the exponent and 8 bits of the mantissa number its bins."""


def median_size(passes: Passes, outputs: int, workers: Workers = ALONE) -> NDArray[np.float64]:
    """Return float64 (outputs,), the lower medians of the absolute values of (rows, outputs), in two passes.

    Positive floats are in the order of their bits taken as integers, so a histogram of leading bits finds the bin that
    the median is in, and the second pass keeps that bin's numbers alone. Each of the workers passes over its own rows.
    """
    counts = reduce(np.add, workers.gathered("the sizes", lambda: _counted(passes, outputs)))
    ranks = (counts.sum(axis=1) - 1) // 2
    before = np.cumsum(counts, axis=1)
    bins = [int(np.searchsorted(row, rank, side="right")) for row, rank in zip(before, ranks, strict=True)]
    found = workers.gathered("the middle sizes", lambda: _inside(passes, bins))
    medians = []
    for output, place in enumerate(bins):
        rank = int(ranks[output] - (before[output, place] - counts[output, place]))
        medians.append(float(np.partition(np.concatenate([each[output] for each in found]), rank)[rank]))
    return np.array(medians)


def _counted(passes: Passes, outputs: int) -> NDArray[np.int64]:
    """Return how many numbers each bin has, int64 (outputs, bins)."""
    counts = np.zeros((outputs, 1 << (63 - _LEADING)), dtype=np.int64)
    for block in passes():
        for output, bits in enumerate(_leading(block)):
            counts[output] += np.bincount(bits, minlength=counts.shape[1])
    return counts


def _inside(passes: Passes, bins: Sequence[int]) -> list[NDArray[np.float64]]:
    """Return each output's numbers in its bin."""
    found: list[list[NDArray[np.float64]]] = [[np.empty(0)] for _ in bins]
    for block in passes():
        for output, bits in enumerate(_leading(block)):
            found[output].append(np.abs(block[bits == bins[output], output]))
    return list(map(np.concatenate, found))


def _leading(block: NDArray[np.float64]) -> Iterator[NDArray[np.int64]]:
    for column in block.T:
        yield np.abs(np.ascontiguousarray(column)).view(np.int64) >> _LEADING
