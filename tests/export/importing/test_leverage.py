"""Leverage from training rows against the same in fractions, where the mean of the rows is no float64."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from lr_export.importing.leverage import leverage_of


def test_the_rounding_of_the_mean_is_taken_out_again() -> None:
    t = [2.0**30 + place * 2.0**-20 for place in (0, 1, 2, 5, 7, 11, 13)]
    weights = [1.0, 2.0, 0.5, 1.0, 1.0, 3.0, 1.0]
    exact, w = list(map(Fraction, t)), list(map(Fraction, weights))
    mean = sum((a * b for a, b in zip(w, exact, strict=True)), Fraction(0)) / sum(w)
    square = sum((a * (b - mean) ** 2 for a, b in zip(w, exact, strict=True)), Fraction(0))
    assert float(mean) != mean
    found = leverage_of(np.array(t)[:, None], np.array(weights), np.eye(1), np.zeros(1), intercept=True)
    assert found is not None
    h = found.constant + ((np.array(t)[:, None] - found.mean) @ found.factor + found.shift)[:, 0] ** 2
    assert h == pytest.approx([float(1 / sum(w) + (each - mean) ** 2 / square) for each in exact], rel=1e-9)


def test_a_combination_of_columns_has_none() -> None:
    terms = np.array([[1.0], [2.0], [4.0]])
    assert leverage_of(terms, np.ones(3), np.array([[1.0, 2.0]]), np.zeros(2), intercept=True) is None
    assert leverage_of(np.ones((3, 1)), np.ones(3), np.eye(1), np.zeros(1), intercept=True) is None
