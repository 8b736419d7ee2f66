"""The rows that a file is checked on hold what they promise."""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING

import numpy as np
import pytest

from lr_export.certificate.probes import BATCH_SIZES, GRID_STEPS, probe_rows
from lr_export.exact.box import box
from lr_export.model.numbers import numbers_at
from lr_runtime.contract.contract import PRECISIONS
from tests.conftest import CHECKPOINTS, checkpoint_of
from tests.export.oracle import fractions, magnitudes, outputs

if TYPE_CHECKING:
    from lr_runtime.contract.checkpoint import Checkpoint
    from lr_runtime.contract.contract import Precision
    from tests.export.oracle import Floats

WIDE: dict[str, Checkpoint] = {
    "the whole range of float64": checkpoint_of([[1e-300, 1.0]], 0.0, low=[-1.7e308, -1.0], high=[1.7e308, 1.0]),
    "a weight so small that no input cancels": checkpoint_of([[1e-300]], 1e200, low=-1.0, high=1.0),
}


def rows_of(checkpoint: Checkpoint, precision: Precision) -> Floats:
    return probe_rows(checkpoint, numbers_at(checkpoint, precision).input)


def has(rows: Floats, row: object) -> bool:
    return bool((rows == np.asarray(row, dtype=rows.dtype)).all(axis=1).any())


@pytest.mark.parametrize("precision", PRECISIONS)
def test_rows_are_finite_and_of_the_input_dtype(checkpoint: Checkpoint, precision: Precision) -> None:
    rows = rows_of(checkpoint, precision)
    assert rows.dtype == numbers_at(checkpoint, precision).input
    assert rows.shape[1] == len(checkpoint.origin)
    assert len(rows) >= max(1000, *BATCH_SIZES)
    assert np.isfinite(rows).all()


def test_the_batch_sizes() -> None:
    assert BATCH_SIZES == (0, 1, 2, 7, 1000)


@pytest.mark.parametrize("checkpoint", WIDE.values(), ids=WIDE)
def test_wide_ranges_overflow_nowhere(checkpoint: Checkpoint) -> None:
    rows = rows_of(checkpoint, "float64")
    assert len(rows) >= 1000
    assert np.isfinite(rows).all()
    for corner in box(checkpoint.contract):
        assert has(rows, corner)


@pytest.mark.parametrize("columns", [1, 3, 8])
def test_all_corners_of_a_small_box(columns: int) -> None:
    low, high = -1.0 - np.arange(columns), 1.0 + np.arange(columns)
    rows = rows_of(checkpoint_of(np.ones((1, columns)), 0.0, low=low, high=high), "exact")
    assert all(has(rows, corner) for corner in product(*zip(low, high, strict=True)))


@pytest.mark.parametrize("columns", [9, 40])
def test_the_extreme_corners_of_a_large_box(columns: int) -> None:
    weight = np.random.default_rng(4).normal(size=(2, columns))
    low, high = -1.0 - np.arange(columns), 2.0 + np.arange(columns)
    rows = rows_of(checkpoint_of(weight, 0.0, low=low, high=high), "float64")
    for row in weight:
        assert has(rows, np.where(row > 0, high, low))
        assert has(rows, np.where(row > 0, low, high))
    at_corner = ((rows == low) | (rows == high)).all(axis=1)
    assert at_corner.sum() >= 254 + 2 * len(weight)


def test_even_steps_of_every_range() -> None:
    low, high = np.array([0.0, -8.0, 5.0]), np.array([8.0, 8.0, 5.0])
    rows = rows_of(checkpoint_of([[1.0, 2.0, 3.0]], 0.0, low=low, high=high), "float64")
    assert GRID_STEPS == 9
    for column in range(3):
        for value in np.linspace(low[column], high[column], 9):
            row = (low + high) / 2
            row[column] = value
            assert has(rows, row)


@pytest.mark.parametrize("precision", PRECISIONS)
def test_zeros_and_subnormals(checkpoint: Checkpoint, precision: Precision) -> None:
    rows = rows_of(checkpoint, precision)
    smallest = float(np.finfo(rows.dtype).smallest_subnormal)
    for value in (0.0, smallest, -smallest):
        assert has(rows, np.full(rows.shape[1], value))


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("name", CHECKPOINTS)
def test_some_row_cancels_in_every_output(name: str, precision: Precision) -> None:
    checkpoint = CHECKPOINTS[name]()
    rows = rows_of(checkpoint, precision)
    approximate = abs((rows - checkpoint.origin) / checkpoint.scale @ checkpoint.weight.T + checkpoint.bias)
    rows = np.concatenate([rows[np.argsort(column)[:40]] for column in approximate.T])
    y, of_terms = abs(outputs(checkpoint, rows)), magnitudes(checkpoint, rows)
    # As near to 0 as one input can bring it: half an ulp of that input, times its weight.
    weight = abs(fractions(checkpoint.weight) / fractions(checkpoint.scale))
    half_ulps = fractions(np.spacing(np.abs(rows))) / 2
    reachable = 2 * (half_ulps @ weight.T) + of_terms / 2**50
    nearest = [rows_near.any() for rows_near in ((y <= reachable) & (of_terms > 0)).T]
    assert all(nearest)


def test_rows_cancel_to_less_than_chance_would() -> None:
    checkpoint = checkpoint_of([[3.7, -1.3]], 0.9, low=1.0, high=5.0)
    rows = rows_of(checkpoint, "float64")
    share = abs(outputs(checkpoint, rows)) / magnitudes(checkpoint, rows)
    assert (share < 1e-14).sum() >= 3


def test_seeded_rows_lie_inside_the_box() -> None:
    low, high = np.array([2.0, -7.0]), np.array([3.0, -6.0])
    rows = rows_of(checkpoint_of([[1.0, 1.0]], 0.0, low=low, high=high), "exact")
    assert ((rows >= low) & (rows <= high)).all(axis=1).sum() >= 1000


def test_rows_are_the_same_every_time(checkpoint: Checkpoint) -> None:
    assert rows_of(checkpoint, "exact").tobytes() == rows_of(checkpoint, "exact").tobytes()
