"""The one number of a batch that tells whether its numbers need a closer look."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from lr_runtime.tables.batch import Batch

EDGE = 2.0**53
near_the_edge = st.sampled_from([EDGE, -EDGE, EDGE - 1, 1 - EDGE, EDGE + 2, 1e153, -1e200, 5e-324, -0.0])
numbers = st.floats(width=64) | near_the_edge


def _batch(values: np.ndarray) -> Batch:
    return Batch(values, "row {}".format, len(values))


@given(arrays(np.float64, array_shapes(min_dims=2, max_dims=2, min_side=0, max_side=40), elements=numbers))
def test_what_the_sum_of_squares_rules_out_is_in_no_cell(values: np.ndarray) -> None:
    for laid_out in (values, np.asfortranarray(values), values[:, ::2], values[::-2]):
        batch = _batch(laid_out)
        assert not batch.is_full or np.isfinite(laid_out).all()
        assert not batch.square_sum < EDGE**2 or (np.abs(laid_out) < EDGE).all()


@given(arrays(np.float64, array_shapes(min_dims=2, max_dims=2, max_side=40), elements=st.floats(-1e150, 1e150)))
def test_ordinary_numbers_are_full(values: np.ndarray) -> None:
    assert _batch(values).is_full


@pytest.mark.parametrize("cell", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("order", ["C", "F"])
def test_one_cell_among_many_is_seen(cell: float, order: str) -> None:
    values = np.ones((70_000, 3), order=order)  # type: ignore[call-overload]
    values[69_999, 1] = cell
    assert not _batch(values).is_full
    assert not _batch(values).square_sum < EDGE**2
