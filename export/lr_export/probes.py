"""The rows that a file is checked on: where a wrong file, or a wrong engine, has nowhere to hide."""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from lr_export.numbers import Numbers
    from lr_runtime.checkpoint import Checkpoint

BATCH_SIZES = (0, 1, 2, 7, 1000)
GRID_STEPS = 9
_MOST_CORNERS = 2**8
_SEED = 20240229


def box(checkpoint: Checkpoint) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the training ranges' lower and upper corner, float64 (columns,)."""
    columns = checkpoint.contract.columns
    return np.array([column.minimum for column in columns]), np.array([column.maximum for column in columns])


def probe_rows(checkpoint: Checkpoint, numbers: Numbers) -> NDArray[np.floating[Any]]:
    """Return rows (at least 1000, columns) in the artefact's input dtype.

    Corners of the training box, even steps of each column's range, zeros, subnormals, rows whose terms cancel, and
    seeded rows inside the box up to 1000.
    """
    low, high = box(checkpoint)
    random = np.random.default_rng(_SEED)
    inside = random.uniform(size=(max(BATCH_SIZES), len(low)))
    # A row that cancels may lie beyond the range of the dtype; those are left out.
    with np.errstate(over="ignore", under="ignore"):
        rows = [
            *_corners(low, high, checkpoint.weight, random),
            *_grid(low, high),
            np.zeros(len(low)),
            *_subnormals(len(low), numbers.input),
            *_cancelling(low, high, checkpoint, numbers.input),
            # low + (high - low) * u would overflow for ranges near the largest float64.
            *(low * (1 - inside) + high * inside),
        ]
        array = np.array(rows).astype(numbers.input)
    usable: NDArray[np.floating[Any]] = array[np.isfinite(array).all(axis=1)]
    return usable


def _corners(
    low: NDArray[np.float64], high: NDArray[np.float64], weight: NDArray[np.float64], random: np.random.Generator
) -> Iterator[NDArray[np.float64]]:
    """Yield all corners up to 2^8, beyond that those that minimise and maximise each output and 254 seeded ones."""
    if 2 ** len(low) <= _MOST_CORNERS:
        for choice in product((False, True), repeat=len(low)):
            yield np.where(choice, high, low)
        return
    for row in weight:
        yield np.where(row > 0, high, low)
        yield np.where(row > 0, low, high)
    for choice in random.integers(0, 2, size=(_MOST_CORNERS - 2, len(low))).astype(bool):
        yield np.where(choice, high, low)


def _grid(low: NDArray[np.float64], high: NDArray[np.float64]) -> Iterator[NDArray[np.float64]]:
    middle = low / 2 + high / 2
    for column in range(len(low)):
        for share in np.linspace(0, 1, GRID_STEPS):
            row = middle.copy()
            row[column] = low[column] * (1 - share) + high[column] * share
            yield row


def _subnormals(columns: int, dtype: str) -> Iterator[NDArray[np.float64]]:
    smallest, tiny = float(np.finfo(dtype).smallest_subnormal), float(np.finfo(dtype).tiny)
    for value in (smallest, -smallest, tiny / 2, -tiny / 2, tiny):
        yield np.full(columns, value)


def _cancelling(
    low: NDArray[np.float64], high: NDArray[np.float64], checkpoint: Checkpoint, dtype: str
) -> Iterator[NDArray[np.float64]]:
    """Yield rows where y is as near to 0 as one input can bring it: the absolute error counts there, ulps do not."""
    middle = low / 2 + high / 2
    for weight, bias in zip(checkpoint.weight, checkpoint.bias, strict=True):
        folded = weight / checkpoint.scale
        column = int(np.argmax(np.abs(folded) * (high / 2 - low / 2)))
        if folded[column] == 0:
            continue
        for start in (low, middle, high):
            row = start.astype(dtype).astype(np.float64)
            others = np.delete(folded * (row - checkpoint.origin), column).sum() + bias
            row[column] = checkpoint.origin[column] - others / folded[column]
            yield row
