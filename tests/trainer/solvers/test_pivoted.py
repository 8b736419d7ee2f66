"""The pivoted factorisation in double-double against numpy's inverse of well-conditioned matrices."""

from __future__ import annotations

import numpy as np
import pytest

from lr_trainer.arithmetic.double_double import Extended
from lr_trainer.solvers.pivoted import Factor


def test_the_norm_of_the_inverse_is_that_of_the_columns_at_unit_length() -> None:
    columns = np.random.default_rng(3).normal(size=(20, 4)) * [1.0, 1e3, 1e-2, 7.0]
    lengths = np.linalg.norm(columns, axis=0)
    factor = Factor.of(Extended.of(columns.T @ columns), range(4))
    unit = columns / lengths
    expected = np.linalg.norm(np.linalg.inv(unit.T @ unit), 2)
    assert factor.inverse_norm(lengths) == pytest.approx(expected, rel=1e-10)


def test_without_pivots_the_norm_of_the_inverse_is_one() -> None:
    assert Factor.of(Extended.of(np.eye(2)), []).inverse_norm(np.ones(2)) == 1.0
