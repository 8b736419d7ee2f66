"""The solutions, in float64 and in double-double, against exact fractions, numpy and statsmodels."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING

import numpy as np
import pytest
import statsmodels.api as sm
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from lr_trainer.errors import CollinearError, TooFewRowsError
from lr_trainer.moments.accuracy import preconditioned
from lr_trainer.moments.blocks import block_moments, moments_about
from lr_trainer.moments.pilot import Pilot
from lr_trainer.solvers.least_squares import least_squares
from lr_trainer.solvers.minimum_norm import minimum_norm
from lr_trainer.solvers.normal_equations import NormalEquations

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from lr_trainer.solvers.solution import Solution

    Array = NDArray[np.float64]


def names(columns: int) -> list[str]:
    return [f"x{index + 1}" for index in range(columns)]


def fast(table: Array, outputs: int = 1, *, intercept: bool = True) -> Solution:
    moments, terms = block_moments(table), table.shape[1] - outputs
    normal = NormalEquations.of_moments(moments, terms, intercept=intercept)
    solution = least_squares(normal, names(terms))
    assert solution is not None
    return solution


def extended(table: Array, outputs: int = 1, *, intercept: bool = True) -> NormalEquations:
    """Return the normal equations of a table whose products were taken about a pilot, in double-double."""
    terms, plain = table.shape[1] - outputs, np.zeros(table.shape[1], dtype=np.bool_)
    pilot = Pilot.sketched(block_moments(table), terms, 1e-9, intercept=intercept, is_whole=True)
    found = moments_about(pilot, table)
    moments, _ = preconditioned(pilot, found, terms, rounded=plain, functions=np.zeros(len(plain)), intercept=intercept)
    pilot = pilot.refined(found, moments.mean, terms, 1e-9, intercept=intercept)
    moments, _ = preconditioned(
        pilot, moments_about(pilot, table), terms, rounded=plain, functions=np.zeros(len(plain)), intercept=intercept
    )
    return NormalEquations.of_moments(moments, terms, intercept=intercept)


def slow(table: Array, outputs: int = 1, *, intercept: bool = True, drop_collinear: bool = False) -> Solution:
    equations = extended(table, outputs, intercept=intercept)
    return least_squares(equations, names(equations.terms), drop_collinear=drop_collinear)


SOLVERS: dict[str, Callable[..., Solution]] = {"float64": fast, "double-double": slow}


@pytest.fixture(params=SOLVERS)
def solver(request: pytest.FixtureRequest) -> Callable[..., Solution]:
    return SOLVERS[request.param]


def random_table(seed: int, rows: int = 60, columns: int = 3) -> Array:
    random = np.random.default_rng(seed)
    x = random.normal(size=(rows, columns)) * 10.0 ** random.integers(-3, 4, size=columns) + random.normal(size=columns)
    y = x @ random.normal(size=columns) + 3 + random.normal(size=rows)
    return np.column_stack([x, y])


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("intercept", [True, False])
def test_equals_statsmodels(seed: int, intercept: bool, solver: Callable[..., Solution]) -> None:
    table = random_table(seed)
    x, y = table[:, :-1], table[:, -1]
    found = solver(table, intercept=intercept)
    expected = sm.OLS(y, sm.add_constant(x) if intercept else x).fit()
    first = int(intercept)
    np.testing.assert_allclose(found.weight.rounded()[0], expected.params[first:], rtol=1e-10)
    variances = (found.factor**2).sum(axis=1) * found.ssr[0] / found.df_resid
    np.testing.assert_allclose(np.sqrt(variances), expected.bse[first:], rtol=1e-9)
    np.testing.assert_allclose(1 - found.ssr[0] / found.tss[0], expected.rsquared, rtol=1e-12)
    assert found.df_resid == expected.df_resid


@pytest.mark.parametrize("intercept", [True, False])
def test_the_factor_is_a_triangular_root_of_the_inverse(intercept: bool, solver: Callable[..., Solution]) -> None:
    table = random_table(4, columns=5)
    table[:, 3] = 2.0 * intercept  # left out either way: constant, or 0
    found = solver(table, intercept=intercept)
    assert not np.tril(found.factor, -1).any()
    assert not found.factor[3].any()
    assert not found.factor[:, 3].any()
    kept = np.flatnonzero(found.support)
    x = table[:, :-1] - table[:, :-1].mean(axis=0) * intercept
    # The hat matrix of an orthonormal basis: its trace is the number of columns.
    basis = x @ found.factor[:, kept]
    np.testing.assert_allclose(basis.T @ basis, np.eye(len(kept)), atol=1e-10)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(*[st.integers(-50, 50)] * 2), min_size=3, max_size=12))
def test_double_double_is_the_exact_solution_rounded(points: list[tuple[int, int]]) -> None:
    xs, ys = [Fraction(x) for x, _ in points], [Fraction(y) for _, y in points]
    assume(len(set(xs)) > 1)
    mean_x, mean_y = sum(xs, Fraction(0)) / len(xs), sum(ys, Fraction(0)) / len(ys)
    products = ((x - mean_x) * (y - mean_y) for x, y in zip(xs, ys, strict=True))
    slope = sum(products, Fraction(0)) / sum(((x - mean_x) ** 2 for x in xs), Fraction(0))
    found = slow(np.array(points, dtype=np.float64))
    assert abs(found.weight.fraction(0, 0) - slope) <= Fraction(1, 2**75) * (1 + abs(slope))


def test_several_targets_are_fitted_each_for_itself(solver: Callable[..., Solution]) -> None:
    table = random_table(1)
    both = solver(np.column_stack([table, table[:, -1] ** 2]), 2)
    np.testing.assert_allclose(both.weight.rounded()[0], solver(table).weight.rounded()[0], rtol=1e-12)
    assert both.weight.rounded().shape == (2, 3)


def test_condition_number_is_that_of_the_unit_columns(solver: Callable[..., Solution]) -> None:
    table = random_table(2)
    x = table[:, :-1] - table[:, :-1].mean(axis=0)
    np.testing.assert_allclose(solver(table).condition_number, np.linalg.cond(x / np.linalg.norm(x, axis=0)), rtol=1e-9)


@settings(max_examples=25, deadline=None)
@given(st.integers(-300, 300), st.sampled_from(sorted(SOLVERS)))
def test_scaling_a_column_changes_its_weight_alone_and_exactly(power: int, name: str) -> None:
    table = random_table(5)
    scaled = table.copy()
    scaled[:, 1] = np.ldexp(scaled[:, 1], power)
    one, other = SOLVERS[name](table), SOLVERS[name](scaled)
    expected = one.weight.rounded()[0].copy()
    expected[1] = np.ldexp(expected[1], -power)
    assert (other.weight.rounded()[0] == expected).all()
    factor = one.factor.copy()
    factor[1] = np.ldexp(factor[1], -power)
    assert (other.factor == factor).all()
    assert other.ssr[0] == one.ssr[0]
    assert other.condition_number == one.condition_number


DEPENDENT: dict[str, tuple[Callable[[Array, Array], Array], str]] = {
    "two identical columns": (lambda a, _: a, '"x3" = 1 * "x1"'),
    "a multiple": (lambda a, _: -1e6 * a, '"x3" = -1e+06 * "x1"'),
    "a tenth, rounded": (lambda a, _: 0.1 * a, '"x3" = 0.1 * "x1"'),
    "a sum": (lambda a, b: 2 * a + b, '"x3" = 2 * "x1" + 1 * "x2"'),
    "a shifted copy": (lambda _, b: b + 5, '"x3" = 1 * "x2"'),
    "a copy far away, rounded": (lambda _, b: b + 1e9, '"x3" = 1 * "x2"'),
}


@pytest.mark.parametrize("case", DEPENDENT)
def test_dependent_columns_are_named_with_their_relation(case: str) -> None:
    make, relation = DEPENDENT[case]
    a, b, free, y = np.random.default_rng(5).normal(size=(4, 40))
    table = np.column_stack([a, b, make(a, b), free, y])
    with pytest.raises(CollinearError) as caught:
        slow(table)
    assert relation in str(caught.value)
    for way in ("drop_collinear", "l2", "minimum_norm"):
        assert way in str(caught.value)
    dropped = slow(table, drop_collinear=True)
    without = slow(np.delete(table, 2, axis=1))
    assert dropped.support.tolist() == [True, True, False, True]
    np.testing.assert_array_equal(np.delete(dropped.weight.rounded(), 2, axis=1), without.weight.rounded())
    assert dropped.df_resid == without.df_resid


def test_nearly_dependent_columns_are_told_apart() -> None:
    random = np.random.default_rng(6)
    a, b = random.normal(size=(2, 50))
    table = np.column_stack([a, a + 1e-9 * b, 3 * a + 1e-9 * b])
    # y = 2 x1 + x2 but for the rounding of x2, which is 1e-7 of what tells the two columns apart.
    np.testing.assert_allclose(slow(table).weight.rounded()[0], [2, 1], rtol=1e-5)


@pytest.mark.parametrize("value", [0.0, 1.0, 1e9, -0.1])
@pytest.mark.parametrize("noise", [0.0, 2.0**-51])
def test_a_constant_column_has_weight_zero(value: float, noise: float, solver: Callable[..., Solution]) -> None:
    table = random_table(3)
    constant = value * (1 + noise * np.random.default_rng(0).uniform(size=len(table)))
    found, without = solver(np.column_stack([constant, table])), solver(table)
    assert found.support.tolist() == [False, True, True, True]
    assert found.constant.tolist() == [True, False, False, False]
    assert found.weight.rounded()[0, 0] == 0
    np.testing.assert_allclose(found.weight.rounded()[0, 1:], without.weight.rounded()[0], rtol=1e-12)
    assert found.df_resid == without.df_resid


@pytest.mark.parametrize(("rows", "columns"), [(1, 1), (2, 2), (3, 5)])
def test_fewer_rows_than_coefficients_are_refused(rows: int, columns: int, solver: Callable[..., Solution]) -> None:
    table = np.random.default_rng(0).normal(size=(rows, columns + 1))
    said = rf"{rows} row.* not determine {columns + 1} coefficients \(one a column, and the intercept\)"
    with pytest.raises(TooFewRowsError, match=said):
        solver(table)
    with pytest.raises(TooFewRowsError, match=rf"not determine {columns + 1} coefficients \(one a column\)"):
        solver(np.column_stack([table, table[:, 0]]), intercept=False)


def test_as_many_rows_as_coefficients_leave_no_degrees_of_freedom(solver: Callable[..., Solution]) -> None:
    found = solver(np.array([[0.0, 1.0], [2.0, 5.0]]))
    np.testing.assert_allclose(found.weight.rounded(), 2.0, rtol=2**-50)
    assert found.df_resid == 0


@pytest.mark.parametrize("columns", [3, 30])
def test_minimum_norm_is_the_pseudo_inverse_on_unit_columns(columns: int) -> None:
    random = np.random.default_rng(columns)
    x = random.normal(size=(12, columns)) * 10.0 ** random.integers(-3, 3, size=columns)
    x[:, 2] = x[:, 0] * 2
    y = random.normal(size=12)
    found = minimum_norm(extended(np.column_stack([x, y])))
    centred = x - x.mean(axis=0)
    lengths = np.linalg.norm(centred, axis=0)
    expected = np.linalg.pinv(centred / lengths, rcond=1e-8) @ (y - y.mean()) / lengths
    np.testing.assert_allclose(found.weight.rounded()[0], expected, rtol=1e-9)
    assert not found.is_unbiased
