from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING

import numpy as np
import pytest
from mpmath import mp, mpf

from tests.trainer.exact_solution import Digits, Exact, digits_of, exact_solutions, on_grid
from tests.trainer.ill_conditioned import design, targets

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tests.trainer.ill_conditioned import Collinear


def by_fractions(x: NDArray[np.float64], y: NDArray[np.float64]) -> list[Fraction]:
    """Return the coefficients and the squares of their errors, by elimination of the normal equations' fractions."""
    terms = [[Fraction(value) for value in row] for row in x.tolist()]
    right = [Fraction(value) for value in y.tolist()]
    size = len(terms[0])
    rows = [
        [sum((row[i] * row[j] for row in terms), Fraction(0)) for j in range(size)]
        + [Fraction(int(i == j)) for j in range(size)]
        + [sum((row[i] * value for row, value in zip(terms, right, strict=True)), Fraction(0))]
        for i in range(size)
    ]
    for k in range(size):
        rows[k] = [value / rows[k][k] for value in rows[k]]
        rows = [
            row if i == k else [value - row[k] * other for value, other in zip(row, rows[k], strict=True)]
            for i, row in enumerate(rows)
        ]
    b = [row[-1] for row in rows]
    residuals = (
        value - sum(w * cell for w, cell in zip(b, row, strict=True)) for value, row in zip(right, terms, strict=True)
    )
    variance = sum((each**2 for each in residuals), Fraction(0)) / (len(terms) - size)
    return b + [variance * rows[k][size + k] for k in range(size)]


@pytest.mark.parametrize("intercept", [True, False])
@pytest.mark.parametrize("condition", [1.0, 1e6])
def test_the_exact_solution_is_that_of_fractions(condition: float, intercept: bool) -> None:
    x = design(50, 3, condition) * [1e-5, 1.0, 3e7]
    y = targets(x, [0.3, 1e-16])
    on_grid(x)
    terms = np.column_stack([np.ones(len(x)), x]) if intercept else x
    for found, target in zip(exact_solutions(x, y, intercept=intercept), y.T, strict=True):
        right = by_fractions(terms, target)
        with mp.workdps(80):
            for value, exact in zip([*found.estimates, *(s**2 for s in found.errors)], right, strict=True):
                assert abs(value * exact.denominator / exact.numerator - 1) < mpf(10) ** -60


@pytest.mark.parametrize("collinear", ["few", "many"])
@pytest.mark.parametrize("condition", [1.0, 1e2, 1e6])
def test_a_design_has_the_condition_number_that_was_asked_for(condition: float, collinear: Collinear) -> None:
    x = design(20_000, 6, condition, collinear)
    away = x - x.mean(axis=0)
    found = np.linalg.cond(away / np.linalg.norm(away, axis=0))
    assert found == pytest.approx(condition, rel=0.05)


def test_targets_have_the_r2_that_was_asked_for() -> None:
    x = design(20_000, 3, 10.0)
    unexplained = [0.5, 1e-4, 1e-12]
    away = x - x.mean(axis=0)
    for y, share in zip(targets(x, unexplained).T, unexplained, strict=True):
        left = (y - y.mean()) - away @ np.linalg.lstsq(away, y - y.mean())[0]
        assert left @ left / (y.var() * len(y)) == pytest.approx(share, rel=0.05)


def test_digits_count_against_the_larger_of_a_coefficient_and_its_error() -> None:
    exact = Exact((mpf(1), mpf("1e-8")), (mpf("1e-3"), mpf("1e-2")))
    found = digits_of([1.0 + 1e-7, 1e-8 + 1e-9], [1e-3, 1e-2 * (1 + 1e-5)], exact)
    assert found == pytest.approx(Digits(7.0, 5.0), abs=1e-6)
    assert digits_of([1.0, None], [1e-3, 1e-2], exact).coefficients is None
