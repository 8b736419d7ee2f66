"""Split-conformal half-widths: their coverage by enumeration, and how many rows they need."""

from __future__ import annotations

from fractions import Fraction
from math import ceil

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from lr_trainer.errors import OutOfRangeError, TooFewHeldOutError
from lr_trainer.statistics.conformal import conformal_quantile

LEVELS = st.integers(1, 99).map(lambda percent: (percent / 100, Fraction(percent, 100)))


@given(st.lists(st.integers(0, 10**6), min_size=2, max_size=130, unique=True), LEVELS)
def test_conformal_coverage_by_enumeration(values: list[int], level: tuple[float, Fraction]) -> None:
    """Exchangeable: each of the m + 1 rows is the new one equally often. Without ties, no smaller width would do."""
    asked, exact = level
    assume(ceil(len(values) * exact) < len(values))
    residuals = np.array(values, dtype=np.float64)
    widths = [conformal_quantile(np.delete(residuals, new), asked) for new in range(len(values))]
    covered = sum(bool(value <= width) for value, width in zip(residuals, widths, strict=True))
    assert Fraction(covered, len(values)) >= exact
    assert Fraction(covered - 1, len(values)) < exact


@given(st.lists(st.integers(0, 3), min_size=2, max_size=60), LEVELS)
def test_conformal_coverage_holds_with_ties(values: list[int], level: tuple[float, Fraction]) -> None:
    assume(ceil(len(values) * level[1]) < len(values))
    residuals = np.array(values, dtype=np.float64)
    widths = [conformal_quantile(np.delete(residuals, new), level[0]) for new in range(len(values))]
    covered = sum(bool(value <= width) for value, width in zip(residuals, widths, strict=True))
    assert Fraction(covered, len(values)) >= level[1]


@given(LEVELS)
def test_the_error_names_the_fewest_rows_that_do(level: tuple[float, Fraction]) -> None:
    asked, exact = level
    needed = next(rows for rows in range(1, 200) if (rows + 1) * exact <= rows)
    residuals = np.arange(float(needed))
    assert conformal_quantile(residuals, asked) == needed - 1
    with pytest.raises(TooFewHeldOutError, match=f"needs {needed} held-out rows"):
        conformal_quantile(residuals[:-1], asked)


def test_nineteen_rows_are_enough_for_95_percent_and_eighteen_are_not() -> None:
    assert conformal_quantile(np.arange(19.0), 0.95) == 18
    with pytest.raises(TooFewHeldOutError, match="19 held-out rows or more, and 18 rows were"):
        conformal_quantile(np.arange(18.0), 0.95)


def test_each_target_has_its_half_width() -> None:
    residuals = np.random.default_rng(0).uniform(size=(40, 2))
    each = [float(conformal_quantile(residuals[:, output], 0.9)) for output in range(2)]
    np.testing.assert_array_equal(conformal_quantile(residuals, 0.9), each)


@pytest.mark.parametrize("level", [0.0, 1.0, -0.5, 95.0, float("nan")])
def test_a_level_that_is_no_probability_is_refused(level: float) -> None:
    with pytest.raises(OutOfRangeError, match="level"):
        conformal_quantile(np.arange(100.0), level)
