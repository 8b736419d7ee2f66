"""The solution against exact fractions, statsmodels and the certified values of NIST."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING

import numpy as np
import pytest
import statsmodels.api as sm
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from lr_trainer.errors import CollinearError, TooFewRowsError
from lr_trainer.least_squares import solve
from lr_trainer.moments import block_moments

if TYPE_CHECKING:
    from collections.abc import Callable


def random_table(seed: int, rows: int = 60, columns: int = 3) -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
    random = np.random.default_rng(seed)
    x = random.normal(size=(rows, columns)) * 10.0 ** random.integers(-3, 4, size=columns) + random.normal(size=columns)
    y = x @ random.normal(size=columns) + 3 + random.normal(size=rows)
    return np.column_stack([x, y])


def names(columns: int) -> list[str]:
    return [f"x{index + 1}" for index in range(columns)]


@pytest.mark.parametrize("seed", range(5))
def test_equals_statsmodels(seed: int) -> None:
    table = random_table(seed)
    x, y = table[:, :-1], table[:, -1]
    found, expected = solve(block_moments(torch.from_numpy(table)), names(3), 1), sm.OLS(y, sm.add_constant(x)).fit()
    errors = found.intercept_error(x.mean(axis=0), len(y))
    assert found.weight_error is not None
    assert errors is not None
    assert found.residual_sd is not None
    np.testing.assert_allclose(found.weight[0], expected.params[1:], rtol=1e-9)
    np.testing.assert_allclose(found.weight_error[0], expected.bse[1:], rtol=1e-9)
    np.testing.assert_allclose(errors[0], expected.bse[0], rtol=1e-9)
    np.testing.assert_allclose(found.r2[0], expected.rsquared, rtol=1e-12)
    np.testing.assert_allclose(found.residual_sd[0] ** 2, expected.scale, rtol=1e-9)
    assert found.degrees == expected.df_resid


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(st.integers(-50, 50), st.integers(-50, 50)), min_size=3, max_size=12))
def test_one_column_equals_the_exact_solution(points: list[tuple[int, int]]) -> None:
    xs, ys = [Fraction(x) for x, _ in points], [Fraction(y) for _, y in points]
    assume(len(set(xs)) > 1)
    mean_x, mean_y = sum(xs, Fraction(0)) / len(xs), sum(ys, Fraction(0)) / len(ys)
    products = ((x - mean_x) * (y - mean_y) for x, y in zip(xs, ys, strict=True))
    slope = sum(products, Fraction(0)) / sum(((x - mean_x) ** 2 for x in xs), Fraction(0))
    table = np.array(points, dtype=np.float64)
    found = solve(block_moments(torch.from_numpy(table)), ["x"], 1)
    apart = min(abs(a - b) for (a, _) in points for (b, _) in points if a != b)
    scale = max(abs(y) for _, y in points) + 1
    assert abs(Fraction(float(found.weight[0, 0])) - slope) <= Fraction(scale, 10**12 * apart)


def test_several_targets_are_fitted_each_for_itself() -> None:
    table = random_table(1)
    twice = np.column_stack([table, table[:, -1] ** 2])
    both = solve(block_moments(torch.from_numpy(twice)), names(3), 2)
    alone = solve(block_moments(torch.from_numpy(table)), names(3), 1)
    np.testing.assert_allclose(both.weight[0], alone.weight[0], rtol=1e-12)
    assert both.weight.shape == (2, 3)


def test_condition_number_is_that_of_the_unit_columns() -> None:
    table = random_table(2)
    x = table[:, :-1] - table[:, :-1].mean(axis=0)
    expected = np.linalg.cond(x / np.linalg.norm(x, axis=0))
    np.testing.assert_allclose(
        solve(block_moments(torch.from_numpy(table)), names(3), 1).condition, expected, rtol=1e-9
    )


Column = np.ndarray[tuple[int], np.dtype[np.float64]]
DEPENDENT: dict[str, tuple[Callable[[Column, Column], Column], set[str]]] = {
    "two identical columns": (lambda a, _: a, {"x1", "x3"}),
    "a multiple": (lambda a, _: -1e6 * a, {"x1", "x3"}),
    "a sum": (lambda a, b: a + b, {"x1", "x2", "x3"}),
    "a shifted copy": (lambda _, b: b + 5, {"x2", "x3"}),
}


@pytest.mark.parametrize("case", DEPENDENT)
def test_dependent_columns_are_named(case: str) -> None:
    make, named = DEPENDENT[case]
    random = np.random.default_rng(5)
    a, b, free, y = random.normal(size=(4, 40))
    table = np.column_stack([a, b, make(a, b), free, y])
    with pytest.raises(CollinearError) as caught:
        solve(block_moments(torch.from_numpy(table)), names(4), 1)
    assert {name for name in names(4) if f'"{name}"' in str(caught.value)} == named


@pytest.mark.parametrize("value", [0.0, 1.0, 1e9, -0.1])
@pytest.mark.parametrize("noise", [0.0, 1e-13])
def test_a_constant_column_has_weight_zero(value: float, noise: float) -> None:
    table = random_table(3)
    constant = value * (1 + noise * np.random.default_rng(0).uniform(size=len(table)))
    found = solve(block_moments(torch.from_numpy(np.column_stack([constant, table]))), names(4), 1)
    without = solve(block_moments(torch.from_numpy(table)), names(3), 1)
    assert found.kept.tolist() == [False, True, True, True]
    assert found.weight[0, 0] == 0
    np.testing.assert_allclose(found.weight[0, 1:], without.weight[0], rtol=1e-12)
    assert found.degrees == without.degrees


@pytest.mark.parametrize(("rows", "columns"), [(1, 1), (2, 2), (3, 5)])
def test_fewer_rows_than_coefficients_are_refused(rows: int, columns: int) -> None:
    table = np.random.default_rng(0).normal(size=(rows, columns + 1))
    with pytest.raises(TooFewRowsError) as caught:
        solve(block_moments(torch.from_numpy(table)), names(columns), 1)
    assert f"{rows} row" in str(caught.value)
    assert f"not determine {columns + 1} coefficients" in str(caught.value)


def test_as_many_rows_as_coefficients_leave_no_standard_error() -> None:
    found = solve(block_moments(torch.tensor([[0.0, 1.0], [2.0, 5.0]], dtype=torch.float64)), ["x"], 1)
    np.testing.assert_allclose(found.weight, 2.0, rtol=2**-50)
    assert found.degrees == 0
    assert found.weight_error is None
    assert found.residual_sd is None
