"""Golden rows: every engine must give them bit for bit, and a wrong model must not."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import pytest

from lr_export.bounds.forward import ForwardError
from lr_export.bounds.response import outputs_at
from lr_export.certificate.golden import GOLDEN_ROWS, golden_rows
from lr_export.exact.box import box
from lr_export.model.numbers import numbers_at
from lr_runtime.contract.contract import PRECISIONS
from tests.conftest import checkpoint_of
from tests.export.oracle import bounds_before_rounding, distance_to_tie, nearest, outputs

if TYPE_CHECKING:
    from lr_runtime.contract.checkpoint import Checkpoint
    from lr_runtime.contract.contract import GoldenRow, Precision
    from tests.export.oracle import Floats


def rows_of(checkpoint: Checkpoint, precision: Precision = "exact") -> tuple[GoldenRow, ...]:
    numbers = numbers_at(checkpoint, precision)
    return golden_rows(checkpoint.contract, numbers, partial(outputs_at, ForwardError.of(checkpoint, numbers)))


def inputs(rows: tuple[GoldenRow, ...], dtype: str = "float32") -> Floats:
    x: Floats = np.array([row.x for row in rows], dtype=dtype)
    return x


@pytest.mark.parametrize("precision", PRECISIONS)
def test_rows_are_different_and_in_the_training_ranges(checkpoint: Checkpoint, precision: Precision) -> None:
    rows = rows_of(checkpoint, precision)
    low, high = (corner.astype(numbers_at(checkpoint, precision).input) for corner in box(checkpoint.contract))
    assert len({row.x for row in rows}) == len(rows) == GOLDEN_ROWS
    x = inputs(rows, low.dtype.name)
    assert ((x >= low) & (x <= high)).all()


def test_no_row_is_near_a_tie(checkpoint: Checkpoint) -> None:
    x = inputs(rows_of(checkpoint))
    margins = bounds_before_rounding(checkpoint, numbers_at(checkpoint, "exact"), x)
    for y, margin in zip(outputs(checkpoint, x).flat, margins.flat, strict=True):
        assert distance_to_tie(y, nearest(y, "float32")) > margin


def test_a_row_at_a_tie_is_passed_over() -> None:
    # At x = 1 the output is the midpoint between 1 and the next float32.
    at_tie = checkpoint_of([[1 + 2.0**-24]], 0.0, low=1, high=1)
    assert rows_of(at_tie) == ()
    # The range has one point, and no row comes twice.
    assert len(rows_of(at_tie, "float64")) == 1
    assert len(rows_of(checkpoint_of([[2.0]], 0.0, low=1, high=1))) == 1


@pytest.mark.parametrize("columns", [2, 3, 12])
def test_swapped_columns_show(columns: int) -> None:
    weight = np.arange(1.0, columns + 1)
    checkpoint, swapped = (checkpoint_of([order], 0.0) for order in (weight, weight[[1, 0, *range(2, columns)]]))
    rows = rows_of(checkpoint)
    for row, y in zip(rows, outputs(swapped, inputs(rows)), strict=True):
        assert float(nearest(y[0], "float32")) != row.y[0]


def test_outputs_beyond_float32_make_no_golden_row() -> None:
    assert rows_of(checkpoint_of([[1e30]], 0.0, low=1e30, high=1.1e30)) == ()
