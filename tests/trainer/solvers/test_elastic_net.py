"""Penalised fits against scikit-learn, their optimality conditions in fractions, and a loop over rows."""

from __future__ import annotations

from decimal import Decimal, localcontext
from fractions import Fraction
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from sklearn.linear_model import ElasticNet, Lasso, Ridge

from lr_runtime.contract.fit_report import Penalty
from lr_runtime.errors import FitError, OptionError
from lr_trainer.arithmetic.double_double import Extended
from lr_trainer.errors import (
    NotConvergedError,
    OutOfRangeError,
    TooFewFoldsError,
    WeakPenaltyError,
)
from lr_trainer.moments.blocks import block_moments
from lr_trainer.moments.preconditioned import Preconditioned
from lr_trainer.solvers import elastic_net
from lr_trainer.solvers.elastic_net import PENALTIES, choose, descended, penalised_weights
from lr_trainer.solvers.normal_equations import NormalEquations

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from lr_trainer.moments.moments import Moments

Array = np.ndarray[tuple[int, ...], np.dtype[np.float64]]


def random_table(seed: int, rows: int = 60, columns: int = 6) -> Array:
    """Correlated columns of unlike units, and a target that some of them do not enter."""
    random = np.random.default_rng(seed)
    x = random.normal(size=(rows, columns)) + random.normal(size=(rows, 1))
    x = x * 10.0 ** random.integers(-3, 4, size=columns) + random.normal(size=columns)
    y = (x / x.std(axis=0)) @ (random.normal(size=columns) * (np.arange(columns) % 2)) + 3 + random.normal(size=rows)
    return np.column_stack([x, y])


def moments(table: Array) -> Moments:
    return block_moments(np.ascontiguousarray(table))


def normal(moments: Moments, outputs: int, *, intercept: bool = True) -> NormalEquations:
    return NormalEquations.of_moments(moments, len(moments.mean) - outputs, intercept=intercept)


def penalty_of(normal: NormalEquations, l1: ArrayLike, l2: ArrayLike) -> Penalty:
    l1s, l2s = (np.broadcast_to(np.asarray(each, dtype=np.float64), normal.tss.shape).tolist() for each in (l1, l2))
    return Penalty(tuple(l1s), tuple(l2s))


class Fit(NamedTuple):
    weight: Array
    ssr: Array


def solve(normal: NormalEquations, l1: ArrayLike, l2: ArrayLike) -> Fit:
    penalty = penalty_of(normal, l1, l2)
    solution, _ = descended(normal, penalty)
    if solution is None:
        penalised_weights(normal, penalty)  # says why
    assert solution is not None
    return Fit(solution.weight.rounded(), solution.ssr)


def in_folds(table: Array, sizes: tuple[int, ...]) -> list[Array]:
    return np.split(table, np.cumsum(sizes)[:-1])


def standardised(x: Array, intercept: bool) -> tuple[Array, Array, Array]:
    """Return the columns at unit standard deviation, with what was subtracted and what divided by."""
    centre = x.mean(axis=0) if intercept else np.zeros(x.shape[1])
    sd = np.sqrt(((x - centre) ** 2).mean(axis=0))
    return (x - centre) / sd, centre, sd


def reference(x: Array, y: Array, l1: float, l2: float, intercept: bool) -> tuple[Array, float]:
    """Return scikit-learn's weights per unit of each column, and its intercept, for our objective.

    Ridge minimises RSS + alpha |b|^2, so alpha = n l2. Lasso minimises RSS / (2n) + alpha |b|_1, so alpha = l1.
    ElasticNet has alpha l1_ratio = l1 and alpha (1 - l1_ratio) = l2.
    """
    z, centre, sd = standardised(x, intercept)
    stop = {"tol": 1e-14, "max_iter": 100_000, "fit_intercept": intercept}
    if l1 == 0:
        model = Ridge(alpha=len(y) * l2, solver="cholesky", fit_intercept=intercept)
    elif l2 == 0:
        model = Lasso(alpha=l1, **stop)
    else:
        model = ElasticNet(alpha=l1 + l2, l1_ratio=l1 / (l1 + l2), **stop)
    model.fit(z, y)
    weight = np.asarray(model.coef_) / sd
    return weight, float(model.intercept_) - float(centre @ weight)


PENALTY = {
    "ridge": (0.0, 0.3),
    "weak ridge": (0.0, 1e-6),
    "strong ridge": (0.0, 1e3),
    "lasso": (0.2, 0.0),
    "weak lasso": (1e-4, 0.0),
    "elastic net": (0.1, 0.2),
    "mostly ridge": (1e-3, 0.5),
}


@pytest.mark.parametrize("intercept", [True, False])
@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("case", PENALTY)
def test_equals_scikit_learn(case: str, seed: int, intercept: bool) -> None:
    l1, l2 = PENALTY[case]
    table = random_table(seed)
    x, y = table[:, :-1], table[:, -1]
    found = solve(normal(moments(table), 1, intercept=intercept), l1, l2)
    expected, offset = reference(x, y, l1, l2, intercept)
    unit = expected * standardised(x, intercept)[2]
    within = 1e-9 * np.abs(unit).max()
    np.testing.assert_allclose(found.weight[0] * standardised(x, intercept)[2], unit, rtol=1e-9, atol=within)
    np.testing.assert_allclose(found.ssr[0], np.sum((y - x @ expected - offset) ** 2), rtol=1e-9)


def test_some_weights_of_a_lasso_are_exactly_zero_and_ridge_has_none() -> None:
    equations = normal(moments(random_table(0)), 1)
    assert 0 < np.count_nonzero(solve(equations, 0.2, 0.0).weight) < 6
    assert np.count_nonzero(solve(equations, 0.0, 0.2).weight) == 6


Points = list[tuple[int, int, int, int]]
POINTS = st.lists(st.tuples(*[st.integers(-50, 50)] * 4), min_size=2, max_size=12)
DYADIC = st.integers(0, 2**12).map(lambda numerator: numerator / 2**9)


def exact_products(points: Points) -> list[list[Fraction]]:
    """Return the centred Gram matrix of all columns, in fractions."""
    columns = [[Fraction(value) for value in column] for column in zip(*points, strict=True)]
    means = [sum(column, Fraction(0)) / len(column) for column in columns]
    centred = [[value - mean for value in column] for column, mean in zip(columns, means, strict=True)]
    return [[sum((a * b for a, b in zip(u, v, strict=True)), Fraction(0)) for v in centred] for u in centred]


def root(value: Fraction) -> Fraction:
    """Return the square root to 60 digits."""
    with localcontext(prec=60):
        return Fraction((Decimal(value.numerator) / Decimal(value.denominator)).sqrt())


@settings(max_examples=200, deadline=None)
@given(POINTS, DYADIC, DYADIC)
def test_optimality_conditions_hold_in_fractions(points: Points, l1: float, l2: float) -> None:
    assume(l1 > 0 or l2 >= 2**-6)
    products, rows, terms = exact_products(points), len(points), 3
    found = solve(normal(moments(np.array(points, dtype=np.float64)), 1), l1, l2)
    weight = [Fraction(float(value)) for value in found.weight[0]]
    sd = [root(products[j][j] / rows) for j in range(terms)]
    size = [abs(w) * s for w, s in zip(weight, sd, strict=True)]
    target = root(products[terms][terms] / rows)
    allowed = (target + (1 + Fraction(l2)) * sum(size, Fraction(0))) / 10**12
    for j in range(terms):
        if sd[j] == 0:
            assert weight[j] == 0
            continue
        fitted = sum((products[j][k] * weight[k] for k in range(terms)), Fraction(0))
        slope = (products[j][terms] - fitted) / (rows * sd[j]) - Fraction(l2) * weight[j] * sd[j]
        if weight[j] == 0:
            assert abs(slope) <= Fraction(l1) + allowed
        else:
            assert abs(slope - (Fraction(l1) if weight[j] > 0 else -Fraction(l1))) <= allowed


@settings(max_examples=100, deadline=None)
@given(POINTS, DYADIC)
def test_ridge_of_two_columns_equals_cramers_rule(points: Points, l2: float) -> None:
    assume(l2 >= 2**-6)
    chosen = [(a, b, y) for a, b, y, _ in points]
    products = exact_products([(a, b, y, 0) for a, b, y in chosen])
    assume(products[0][0] > 0 and products[1][1] > 0)
    a, d = products[0][0] * (1 + Fraction(l2)), products[1][1] * (1 + Fraction(l2))
    determinant = a * d - products[0][1] ** 2
    first = (products[0][2] * d - products[0][1] * products[1][2]) / determinant
    second = (products[1][2] * a - products[0][1] * products[0][2]) / determinant
    found = solve(normal(moments(np.array(chosen, dtype=np.float64)), 1), 0.0, l2).weight[0]
    for value, exact, variance in zip(found, (first, second), (products[0][0], products[1][1]), strict=True):
        unit = root(variance / len(points))
        assert abs(Fraction(float(value)) - exact) * unit <= root(products[2][2] / len(points)) / 10**11


@settings(max_examples=50, deadline=None)
@given(
    st.integers(0, 1000),
    st.lists(st.integers(-40, 40), min_size=6, max_size=6),
    st.sampled_from(list(PENALTY.values())),
    st.booleans(),
)
def test_scaling_a_column_by_a_power_of_two_changes_its_weight_alone(
    seed: int, powers: list[int], penalty: tuple[float, float], intercept: bool
) -> None:
    table = random_table(seed)
    scale = 2.0 ** np.array([*powers, 0])
    found = solve(normal(moments(table), 1, intercept=intercept), *penalty)
    scaled = solve(normal(moments(table * scale), 1, intercept=intercept), *penalty)
    np.testing.assert_array_equal(scaled.weight * scale[:-1], found.weight)
    np.testing.assert_array_equal(scaled.ssr, found.ssr)


@settings(max_examples=20, deadline=None)
@given(
    st.integers(0, 1000),
    st.lists(st.integers(-40, 40), min_size=7, max_size=7),
    st.sampled_from([0.0, 0.5, 1.0]),
    st.booleans(),
)
def test_units_do_not_matter_to_the_chosen_penalty(
    seed: int, powers: list[int], l1_ratio: float, intercept: bool
) -> None:
    table, scale = random_table(seed), 2.0 ** np.array(powers)
    sizes, unit = (20, 15, 25), scale[-1]
    found = choose([moments(fold) for fold in in_folds(table, sizes)], 1, l1_ratio=l1_ratio, intercept=intercept)
    folds = [moments(fold) for fold in in_folds(table * scale, sizes)]
    scaled = choose(folds, 1, l1_ratio=l1_ratio, intercept=intercept)
    np.testing.assert_array_equal(scaled.l1, found.l1 * unit)
    np.testing.assert_array_equal(scaled.l2, found.l2)
    np.testing.assert_array_equal(scaled.error, found.error * unit**2)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 1000), st.integers(-40, 40), st.sampled_from(list(PENALTY.values())))
def test_scaling_the_target_and_l1_by_a_power_of_two_scales_the_weights(
    seed: int, power: int, penalty: tuple[float, float]
) -> None:
    table, unit, (l1, l2) = random_table(seed), 2.0**power, penalty
    found = solve(normal(moments(table), 1), l1, l2)
    scaled = solve(normal(moments(table * np.array([*[1.0] * 6, unit])), 1), l1 * unit, l2)
    np.testing.assert_array_equal(scaled.weight, found.weight * unit)


@pytest.mark.parametrize("case", PENALTY)
@pytest.mark.parametrize("value", [0.0, 1.0, 1e9, -0.1])
@pytest.mark.parametrize("noise", [0.0, 2.0**-51])
def test_a_constant_column_has_weight_zero(noise: float, value: float, case: str) -> None:
    table = random_table(3)
    constant = value * (1 + noise * np.random.default_rng(0).uniform(size=len(table)))
    wide = np.column_stack([table[:, :2], constant, table[:, 2:]])
    found = solve(normal(moments(wide), 1), *PENALTY[case])
    alone = solve(normal(moments(table), 1), *PENALTY[case])
    assert found.weight[0, 2] == 0
    np.testing.assert_allclose(np.delete(found.weight[0], 2), alone.weight[0], rtol=1e-9)


@pytest.mark.parametrize("l1_ratio", [0.0, 0.5, 1.0])
def test_columns_and_targets_that_are_all_constant_have_weight_zero(l1_ratio: float) -> None:
    table = np.column_stack([np.full((9, 2), 0.1), np.arange(9.0), np.full(9, 0.3)])
    for columns in ([0, 1, 2], [2, 0, 3], [0, 1, 3], [2, 2, 3]):
        folds = [moments(fold) for fold in in_folds(table[:, columns], (4, 5))]
        curve = choose(folds, 1, l1_ratio=l1_ratio)
        whole = folds[0].merge(folds[1])
        l1, l2 = curve.chosen
        np.testing.assert_array_equal(solve(normal(whole, 1), l1, l2).weight, 0)
        assert np.isfinite(curve.error).all()


def test_without_an_intercept_a_column_of_ones_is_a_column() -> None:
    table = random_table(4)
    ones = np.column_stack([np.ones(len(table)), table])
    found = solve(normal(moments(ones), 1, intercept=False), 0.0, 1e-3)
    expected, _ = reference(ones[:, :-1], ones[:, -1], 0.0, 1e-3, intercept=False)
    assert found.weight[0, 0] != 0
    np.testing.assert_allclose(found.weight[0], expected, rtol=1e-9)


def test_ridge_shares_a_weight_evenly_between_copies() -> None:
    table = random_table(5)
    found = solve(normal(moments(np.column_stack([table[:, 0], table])), 1), 0.0, 0.1)
    np.testing.assert_allclose(found.weight[0, 0], found.weight[0, 1], rtol=1e-12)


@pytest.mark.parametrize("l1", [0.5, 1e-2, 1e-5])
def test_lasso_predicts_the_same_with_copies_as_without(l1: float) -> None:
    table = random_table(6)
    alone = solve(normal(moments(table), 1), l1, 0.0)
    copied = solve(normal(moments(np.column_stack([table[:, :-1], table])), 1), l1, 0.0)
    np.testing.assert_allclose(copied.weight[0, :6] + copied.weight[0, 6:], alone.weight[0], rtol=1e-8, atol=1e-12)
    np.testing.assert_allclose(copied.ssr, alone.ssr, rtol=1e-9)


@pytest.mark.parametrize(("l1", "l2"), [(0.3, 0.0), (1e-3, 0.0), (0.1, 0.1), (0.0, 0.1)])
def test_more_columns_than_rows_equal_scikit_learn(l1: float, l2: float) -> None:
    table = random_table(7, rows=15, columns=40)
    found = solve(normal(moments(table), 1), l1, l2).weight[0]
    expected, _ = reference(table[:, :-1], table[:, -1], l1, l2, intercept=True)
    sd = table[:, :-1].std(axis=0)
    np.testing.assert_allclose(found * sd, expected * sd, rtol=1e-7, atol=1e-8)


def test_several_targets_each_with_its_penalty() -> None:
    table = random_table(8)
    twice = np.column_stack([table, table[:, -1] ** 2])
    both = solve(normal(moments(twice), 2), [0.1, 0.0], [0.0, 0.7])
    lasso = solve(normal(moments(table), 1), 0.1, 0.0)
    ridge = solve(normal(moments(np.delete(twice, 6, axis=1)), 1), 0.0, 0.7)
    np.testing.assert_allclose(both.weight, np.vstack([lasso.weight, ridge.weight]), rtol=1e-10)
    np.testing.assert_allclose(both.ssr, [lasso.ssr[0], ridge.ssr[0]], rtol=1e-10)


def errors_by_row(folds: list[Array], l1: float, l2: float, intercept: bool) -> float:
    """Return the mean squared error over all rows, each predicted by the fit to the other folds' rows."""
    squares: list[float] = []
    for index, held in enumerate(folds):
        train = np.vstack([*folds[:index], *folds[index + 1 :]])
        weight, offset = reference(train[:, :-1], train[:, -1], l1, l2, intercept)
        squares.extend((held[:, -1] - held[:, :-1] @ weight - offset) ** 2)
    return float(np.mean(squares))


@pytest.mark.parametrize("intercept", [True, False])
@pytest.mark.parametrize("l1_ratio", [0.0, 0.3, 1.0])
def test_the_chosen_penalty_is_that_of_a_loop_over_rows(l1_ratio: float, intercept: bool) -> None:
    random = np.random.default_rng(9)
    x = random.normal(size=(60, 10)) + 0.3
    y = x @ np.where(np.arange(10) < 3, 0.5, 0.0) + 2 * random.normal(size=60)
    folds = in_folds(np.column_stack([x, y]), (10, 18, 12, 20))
    curve = choose([moments(fold) for fold in folds], 1, l1_ratio=l1_ratio, intercept=intercept)
    path = zip(curve.l1[0], curve.l2[0], strict=True)
    expected = np.array([errors_by_row(folds, float(l1), float(l2), intercept) for l1, l2 in path])
    np.testing.assert_allclose(curve.error[0], expected, rtol=1e-7)
    assert curve.best[0] == np.argmin(expected)
    assert 0 < curve.best[0] < PENALTIES - 1
    l1, l2 = curve.chosen
    assert (l1[0], l2[0]) == (curve.l1[0, curve.best[0]], curve.l2[0, curve.best[0]])


@pytest.mark.parametrize("l1_ratio", [0.5, 1.0])
def test_a_target_that_no_column_correlates_with_is_its_mean(l1_ratio: float) -> None:
    x = np.array([-2.0, -1.0, 1.0, 2.0])
    folds = [moments(fold) for fold in in_folds(np.column_stack([x, x, x**2]), (2, 2))]
    curve = choose(folds, 1, l1_ratio=l1_ratio)
    assert (curve.l1 > 0).all()
    assert not solve(normal(folds[0].merge(folds[1]), 1), *curve.chosen).weight.any()


@pytest.mark.parametrize("l1", [5e-324, 1e-300, 1e-20])
def test_a_vanishing_lasso_penalty_is_least_squares(l1: float) -> None:
    equations = normal(moments(random_table(16)), 1)
    np.testing.assert_allclose(solve(equations, l1, 0.0).weight, solve(equations, 0.0, 0.0).weight, rtol=1e-9)


@pytest.mark.parametrize("l1_ratio", [0.2, 1.0])
def test_the_path_starts_at_the_smallest_penalty_without_weights(l1_ratio: float) -> None:
    table = random_table(10)
    curve = choose([moments(fold) for fold in in_folds(table, (30, 30))], 1, l1_ratio=l1_ratio)
    equations = normal(moments(table), 1)
    first, last = curve.l1[0, 0], curve.l1[0, -1]
    assert not solve(equations, first * (1 + 1e-12), curve.l2[0, 0]).weight.any()
    assert np.count_nonzero(solve(equations, first * (1 - 1e-9), curve.l2[0, 0]).weight) == 1
    np.testing.assert_allclose(last / first, 1e-4, rtol=1e-12)
    np.testing.assert_allclose(curve.l1[0, 1:] / curve.l1[0, :-1], 1e-4 ** (1 / 99), rtol=1e-12)
    ratio = curve.l2[0] * table[:, -1].std() * l1_ratio
    np.testing.assert_allclose(ratio, curve.l1[0] * (1 - l1_ratio), rtol=1e-12)


def test_the_ridge_path_runs_from_almost_nothing_to_almost_least_squares() -> None:
    table = random_table(11)
    curve = choose([moments(fold) for fold in in_folds(table, (30, 30))], 1, l1_ratio=0.0)
    equations, sd = normal(moments(table), 1), table[:, :-1].std(axis=0)
    first = solve(equations, 0.0, curve.l2[0, 0]).weight[0] * sd
    assert np.abs(first).max() < 0.01 * table[:, -1].std()
    x = np.column_stack([np.ones(len(table)), table[:, :-1]])
    least = np.linalg.lstsq(x / np.abs(x).max(axis=0), table[:, -1])[0] / np.abs(x).max(axis=0)
    np.testing.assert_allclose(solve(equations, 0.0, curve.l2[0, -1]).weight[0], least[1:], rtol=1e-5)


@pytest.mark.parametrize("columns", [1, 2, 6])
def test_the_ridge_path_of_copies_starts_below_a_hundredth_of_least_squares(columns: int) -> None:
    """Copies are the worst: their correlation matrix has the number of columns for an eigenvalue."""
    x = np.random.default_rng(13).normal(size=40)
    table = np.column_stack([*[x] * columns, 3 * x])
    curve = choose([moments(fold) for fold in in_folds(table, (20, 20))], 1, l1_ratio=0.0)
    np.testing.assert_allclose(curve.l2[0, [0, -1]], [100 * columns, 1e-8 * columns], rtol=1e-12)
    share = solve(normal(moments(table), 1), 0.0, curve.l2[0, 0]).weight.sum() / 3
    assert 0.009 < share < 0.01


def test_an_offset_beyond_the_last_digit_of_the_means_changes_no_error_held_out() -> None:
    """The folds' means differ by less than the rounded ones hold: their low parts have to be taken along."""
    random = np.random.default_rng(14)
    table = np.column_stack([random.integers(-20, 21, size=(60, 2)) / 4, random.normal(size=60)])
    folds = in_folds(table, (13, 20, 27))
    far = np.array([1.7e15, 0.0, 0.0])  # where numbers are a quarter apart
    near, found = (choose([moments(fold + offset) for fold in folds], 1, l1_ratio=0.0) for offset in (0.0, far))
    np.testing.assert_allclose(found.error, near.error, rtol=1e-9)


def test_several_targets_are_each_given_a_penalty() -> None:
    table = random_table(12)
    twice = np.column_stack([table, np.random.default_rng(0).normal(size=len(table))])
    both = choose([moments(fold) for fold in in_folds(twice, (20, 40))], 2)
    alone = choose([moments(fold) for fold in in_folds(table, (20, 40))], 1)
    np.testing.assert_allclose(both.error[0], alone.error[0], rtol=1e-9)
    assert both.best[0] == alone.best[0] != both.best[1]


def test_an_error_below_the_rounding_of_the_moments_is_not_negative() -> None:
    for seed in range(20):
        x = np.random.default_rng(seed).normal(size=40)
        folds = [moments(fold) for fold in in_folds(np.column_stack([x, 3 * x]), (20, 20))]
        curve = choose(folds, 1, l1_ratio=0.0)
        assert (curve.error >= 0).all()
        assert curve.error[0, -1] < 1e-12 * curve.error[0, 0]


@pytest.mark.parametrize("folds", [0, 1])
def test_fewer_than_two_folds_are_refused(folds: int) -> None:
    with pytest.raises(TooFewFoldsError, match=f"not {folds}") as caught:
        choose([moments(random_table(0))] * folds, 1)
    assert isinstance(caught.value, FitError)


@pytest.mark.parametrize("l1_ratio", [-0.1, 1e-3, 1.1, float("nan")])
def test_a_mix_outside_zero_to_one_is_refused(l1_ratio: float) -> None:
    with pytest.raises(OutOfRangeError, match="l1 ratio"):
        choose([moments(random_table(0))] * 2, 1, l1_ratio=l1_ratio)


@pytest.mark.parametrize("value", [-1.0, float("nan"), float("inf")])
@pytest.mark.parametrize("name", ["l1", "l2"])
def test_a_penalty_that_is_no_size_is_refused(name: str, value: float) -> None:
    l1, l2 = {"l1": (value, 0.0), "l2": (0.0, value)}[name]
    with pytest.raises(OutOfRangeError, match=f"penalty {name} is {value:g}") as caught:
        solve(normal(moments(random_table(0)), 1), l1, l2)
    assert isinstance(caught.value, OptionError)


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("l2", [0.0, 1e-18])
def test_a_ridge_penalty_lost_in_rounding_is_refused_and_the_one_it_names_works(l2: float, seed: int) -> None:
    table = random_table(seed)
    x = standardised(table[:, :-1], intercept=True)[0]
    dependent = normal(moments(np.column_stack([x, x[:, 0] + x[:, 1] + x[:, 2], table[:, -1]])), 1)
    with pytest.raises(WeakPenaltyError, match="l2=") as caught:
        solve(dependent, 0.0, l2)
    named = float(str(caught.value).rpartition("=")[2])
    without = solve(normal(moments(table), 1), 0.0, 0.0)
    np.testing.assert_allclose(solve(dependent, 0.0, named).ssr, without.ssr, rtol=1e-9)


@pytest.mark.parametrize("seed", range(6))
def test_dependent_columns_cost_a_descent_no_more_rounds(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Plain cycles crawl along the directions that change no prediction: hundreds of rounds on these tables."""
    random = np.random.default_rng(seed)
    x = random.normal(size=(20, 3)) @ random.normal(size=(3, 30))
    equations = normal(moments(np.column_stack([x, x.sum(axis=1) + random.normal(size=20)])), 1)
    monkeypatch.setattr(elastic_net, "_ROUNDS", 10)
    assert np.count_nonzero(solve(equations, 1e-6, 0.0).weight) <= 3


def test_without_a_penalty_and_without_dependent_columns_it_is_least_squares() -> None:
    table = random_table(15)
    x = np.column_stack([np.ones(len(table)), table[:, :-1]])
    least = np.linalg.lstsq(x / np.abs(x).max(axis=0), table[:, -1])[0] / np.abs(x).max(axis=0)
    np.testing.assert_allclose(solve(normal(moments(table), 1), 0.0, 0.0).weight[0], least[1:], rtol=1e-9)


def test_a_descent_that_does_not_converge_says_so_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(elastic_net, "_ROUNDS", 1)
    with pytest.raises(NotConvergedError) as caught:
        solve(normal(moments(random_table(0)), 1), 1e-3, 0.0)
    assert "\n" not in str(caught.value)
    assert "larger l1 or l2" in str(caught.value)


def test_equations_may_come_from_elsewhere() -> None:
    """The solution knows the Gram matrix alone: an orthonormal one soft-thresholds the covariances."""
    gram, ones = np.eye(4), np.ones(4)
    gram[3] = gram[:, 3] = [3.0, -0.5, -2.0, 20.0]
    normal = NormalEquations(
        gram,
        3,
        Extended.of(0 * ones),
        ones,
        ones > 0,
        1,
        1.0,
        1.0,
        intercept=True,
        lengths=ones,
        fine=Preconditioned.plain(gram, 3),
    )
    found = solve(normal, 1.0, 1.0)
    np.testing.assert_array_equal(found.weight, [[1.0, 0.0, -0.5]])
    np.testing.assert_array_equal(found.ssr, [20.0 - 2 * (3.0 + 1.0) + 1.0 + 0.25])
