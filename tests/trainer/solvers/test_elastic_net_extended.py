"""Penalised and minimum-norm fits from a table: the penalty's own tests are in test_elastic_net.py."""

from __future__ import annotations

from decimal import Decimal, localcontext
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from sklearn.linear_model import Lasso, Ridge

from lr_runtime.contract.fit_report import Penalty
from lr_runtime.errors import FitError
from lr_trainer import fit
from lr_trainer.errors import WeakPenaltyError
from lr_trainer.rows.holdout import Parts
from lr_trainer.solvers import elastic_net_extended
from lr_trainer.solvers.elastic_net import penalised_weights
from lr_trainer.solvers.elastic_net_extended import extended as active_set
from tests.trainer.fitting.test_fit import sample
from tests.trainer.solvers.test_elastic_net import moments, normal
from tests.trainer.solvers.test_least_squares import extended


def numbers(rows: int = 400) -> dict[str, Any]:
    return {key: value for key, value in sample(rows).items() if key in "aby"}


def standardised(columns: dict[str, Any]) -> tuple[Any, Any]:
    x = np.column_stack([columns["a"], columns["b"]])
    return (x - x.mean(axis=0)) / x.std(axis=0), x.std(axis=0)


def test_ridge_and_lasso_are_those_of_scikit_learn() -> None:
    columns = numbers()
    unit, sd = standardised(columns)
    ridge = Ridge(alpha=0.3 * 400).fit(unit, columns["y"]).coef_ / sd
    np.testing.assert_allclose(fit(columns, target="y", l2=0.3).weight[0], ridge, rtol=1e-9)
    lasso = Lasso(alpha=0.2, tol=1e-14, max_iter=100_000).fit(unit, columns["y"]).coef_ / sd
    np.testing.assert_allclose(fit(columns, target="y", l1=0.2).weight[0], lasso, rtol=1e-8)


def test_there_are_no_false_standard_errors() -> None:
    checkpoint = fit(numbers(), target="y", l2=0.3)
    assert all(
        row[key] is None for row in checkpoint.fit["coefficients"] for key in ("standard_error", "t", "p", "lower")
    )
    assert checkpoint.fit["f"] is checkpoint.fit["aic"] is checkpoint.fit["residual_sd"] is None
    assert "no standard errors" in checkpoint.summary()


def test_collinear_columns_are_no_error_then() -> None:
    columns = numbers()
    columns["c"] = columns["a"] * 2
    for options in ({"l2": 0.1}, {"minimum_norm": True}, {"drop_collinear": True}):
        checkpoint = fit(columns, target="y", **options)
        assert np.isfinite(checkpoint.weight).all()
    assert fit(columns, target="y", drop_collinear=True).fit["collinear"] == ["c"]


def test_more_columns_than_rows_need_a_penalty() -> None:
    random = np.random.default_rng(0)
    columns: dict[str, Any] = {"x": random.normal(size=(10, 30)), "y": random.normal(size=10)}
    with pytest.raises(FitError, match="10 rows do not determine 31 coefficients"):
        fit(columns, target="y")
    assert np.isfinite(fit(columns, target="y", l2=0.1).weight).all()
    residual = fit(columns, target="y", minimum_norm=True).fit["rmse"]
    assert residual < 1e-6


@pytest.mark.parametrize("intercept", [True, False])
@pytest.mark.parametrize(("rows", "columns"), [(4, 4), (5, 4), (4, 3), (4, 5), (6, 4)])
def test_the_minimum_norm_of_as_many_rows_as_columns_is_the_pseudo_inverse(
    rows: int, columns: int, intercept: bool
) -> None:
    random = np.random.default_rng(rows)
    x, y = random.normal(size=(rows, columns)), random.normal(size=rows)
    found = fit({"x": x, "y": y}, target="y", minimum_norm=True, intercept=intercept)
    away, below = (x.mean(axis=0), y.mean()) if intercept else (np.zeros(columns), 0.0)
    sd = np.sqrt(((x - away) ** 2).mean(axis=0))
    expected = np.linalg.pinv((x - away) / sd, rcond=1e-9) @ (y - below) / sd
    np.testing.assert_allclose(found.weight[0], expected, rtol=1e-9)


def test_auto_chooses_a_penalty_by_cross_validation() -> None:
    penalty = fit(numbers(), target="y", penalty="auto").fit["penalty"]
    assert penalty["folds"] == 5
    assert list(penalty["l1"]) == [0.0]
    assert penalty["l2"][0] > 0
    assert fit(numbers(), target="y", penalty="auto", l1_ratio=1.0).fit["penalty"]["l1"][0] > 0


def test_the_conformal_interval_is_a_quantile_of_rows_held_out() -> None:
    columns = numbers()
    checkpoint = fit(columns, target="y", l2=0.1, interval=0.9)
    held = Parts(folds=1, holds_out=True).labels(0, 400) == 1
    assert (held.reshape(-1, 10).sum(axis=1) == 1).all()
    assert len(set(np.flatnonzero(held) % 10)) == 10  # not always the same of ten
    kept = {key: value[~held] for key, value in columns.items()}
    np.testing.assert_array_equal(checkpoint.weight, fit(kept, target="y", l2=0.1).weight)
    x = np.column_stack([columns["a"], columns["b"]])[held]
    residuals = np.sort(np.abs(columns["y"][held] - (x @ checkpoint.weight[0] + checkpoint.bias[0])))
    conformal = checkpoint.fit["conformal"]
    assert conformal["rows"] == 40
    np.testing.assert_allclose(conformal["half_width"], [residuals[int(np.ceil(41 * 0.9)) - 1]], rtol=1e-12)


def test_too_few_rows_held_out_are_an_error() -> None:
    with pytest.raises(FitError, match="19"):
        fit(numbers(100), target="y", l2=0.1, interval=0.95)


@pytest.mark.parametrize("folds", [1, 5])
def test_rows_are_dealt_alike_however_they_come(folds: int) -> None:
    parts = Parts(folds=folds, holds_out=True)
    whole = parts.labels(0, 50_000)
    pieces = [parts.labels(start, min(7_777, 50_000 - start)) for start in range(0, 50_000, 7_777)]
    assert (np.concatenate(pieces) == whole).all()
    assert np.count_nonzero(whole == parts.held_out) == 5_000
    counts = np.bincount(whole[whole != parts.held_out], minlength=folds)
    assert counts.max() - counts.min() <= 1


def near_copies(distance: float, noise: float, rows: int = 60) -> dict[str, Any]:
    """Two columns and one that is their sum but for `distance`, on which the target stands."""
    random = np.random.default_rng(6)
    x, z, away, more = random.normal(size=(4, rows))
    y = x + 2 * z + away / 2 + noise * more
    return {"x": x, "z": z, "t": x + z + distance * away, "y": y}


def products(columns: dict[str, Any]) -> list[list[Fraction]]:
    """Return the centred Gram matrix, in fractions."""
    rows = [[Fraction(value) for value in columns[name].tolist()] for name in columns]
    centred = [[value - sum(row, Fraction(0)) / len(row) for value in row] for row in rows]
    return [[sum((a * b for a, b in zip(u, v, strict=True)), Fraction(0)) for v in centred] for u in centred]


def solved(system: list[list[Fraction]]) -> list[Fraction]:
    """Return the solution of equations whose last column is the right-hand side."""
    for k in range(len(system)):
        system[k] = [value / system[k][k] for value in system[k]]
        for i in range(len(system)):
            if i != k:
                system[i] = [a - system[i][k] * b for a, b in zip(system[i], system[k], strict=True)]
    return [row[-1] for row in system]


def exact(columns: dict[str, Any], l2: float) -> tuple[list[float], float]:
    """Return the ridge weights and the root of the mean squared residual, from the normal equations in fractions."""
    gram = products(columns)
    system = [[value * (1 + Fraction(l2) * (i == j)) for j, value in enumerate(row)] for i, row in enumerate(gram[:-1])]
    weight = solved(system)
    return [float(value) for value in weight], rmse_of(columns, weight)


@pytest.mark.parametrize("distance", [0.1, 1e-3, 1e-5, 1e-7])
@pytest.mark.parametrize("l1", [1e-3, 1e-6, 1e-9, 1e-12])
@pytest.mark.parametrize("l2", [0.0, 1e-12])
def test_a_lasso_on_nearly_dependent_columns_is_the_exact_one(distance: float, l1: float, l2: float) -> None:
    columns = near_copies(distance, 1e-3)
    columns = {"x": columns["x"], "constant": np.full(60, 0.1), "w": columns["z"] ** 2, **columns}
    weight = fit(columns, target="y", l1=l1, l2=l2).weight[0]
    gram, support = products(columns), np.flatnonzero(weight).tolist()
    with localcontext(prec=60):
        roots = [Decimal(60 * row[i].numerator) / Decimal(row[i].denominator) for i, row in enumerate(gram)]
        bounds = [Fraction(l1) * Fraction(root.sqrt()) for root in roots]
    signs = np.sign(weight).astype(int).tolist()
    inside = [[gram[i][j] * (1 + Fraction(l2) * (i == j)) for j in support] for i in support]
    system = [[*row, gram[i][-1] - bounds[i] * signs[i]] for i, row in zip(support, inside, strict=True)]
    exactly = solved(system)
    np.testing.assert_allclose(weight[support], [float(value) for value in exactly], rtol=1e-8)
    for i in set(range(len(weight))) - set(support) - {1}:
        fitted = sum((gram[i][j] * own for j, own in zip(support, exactly, strict=True)), Fraction(0))
        assert abs(gram[i][-1] - fitted) <= bounds[i] * Fraction(1 + 1e-7)


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("copied", [False, True])
def test_a_lasso_in_double_double_gets_there_from_anywhere(seed: int, copied: bool) -> None:
    random = np.random.default_rng(seed)
    x = random.normal(size=(40, 6)) + random.normal(size=(40, 1))
    table = np.column_stack([x, x @ random.normal(size=(6, 2)) + random.normal(size=(40, 2))])
    penalty = Penalty((0.2, 0.05), (0.0, 0.1))
    expected = penalised_weights(normal(moments(table), 2), penalty)
    if copied:
        table = np.column_stack([x[:, 0], table])
    begin = random.normal(size=(2, x.shape[1] + copied)) * random.integers(0, 2, size=x.shape[1] + copied)
    equations = extended(table, 2)
    found = active_set(equations, penalty, begin).weight.rounded()
    if copied:
        found = np.column_stack([found[:, 0] + found[:, 1], found[:, 2:]])[:1]  # the second's l2 shares among copies
    np.testing.assert_allclose(found, expected[: len(found)], rtol=1e-9, atol=1e-12)


def test_a_lasso_in_double_double_starts_from_the_one_in_float64(monkeypatch: pytest.MonkeyPatch) -> None:
    columns = near_copies(1e-5, 1e-3)
    expected = fit(columns, target="y", l1=1e-6)
    assert expected.fit["arithmetic"] == "double-double"
    monkeypatch.setattr(elastic_net_extended, "_STEPS", 2 - 2 * 3)  # two in all: from zeros no column would be in yet
    np.testing.assert_array_equal(fit(columns, target="y", l1=1e-6).weight, expected.weight)


def rmse_of(columns: dict[str, Any], weight: list[Fraction]) -> float:
    """Return it for these weights and the best intercept, in fractions."""
    *inputs, target = ([Fraction(value) for value in column.tolist()] for column in columns.values())
    rest = [y - sum(map(Fraction.__mul__, weight, row), Fraction(0)) for y, *row in zip(target, *inputs, strict=True)]
    mean = sum(rest, Fraction(0)) / len(rest)
    return float(np.sqrt(float(sum(((value - mean) ** 2 for value in rest), Fraction(0)) / len(rest))))


@pytest.mark.parametrize("noise", [1.0, 1e-6])
@pytest.mark.parametrize("distance", [0.1, 1e-4, 1e-6, 1e-8, 1e-10])
@pytest.mark.parametrize("l2", [0.0, 1e-20, 1e-14, 1e-6])
def test_nearly_dependent_columns_get_the_exact_solution(distance: float, noise: float, l2: float) -> None:
    columns = near_copies(distance, noise)
    found = fit(columns, target="y", **({"l2": l2} if l2 else {"minimum_norm": True}))
    weight, rmse = exact(columns, l2)
    np.testing.assert_allclose(found.weight[0], weight, rtol=1e-8)
    # The weights' own rounding to float64 changes the predictions by this.
    np.testing.assert_allclose(found.fit["rmse"], rmse, rtol=1e-8, atol=2**-53 * np.abs(weight).max())
    for row, value in zip(found.fit["coefficients"][1:], weight, strict=True):
        assert abs(row["estimate"] - value) <= (10.0 ** -row["digits"] + 2.0**-52) * abs(value)
        assert row["digits"] > 8 or noise < 1  # what is certain of small residuals depends on them


def test_a_copy_takes_half_and_what_is_nearly_dependent_stays_as_it_is() -> None:
    columns = near_copies(1e-7, 1e-3)
    weight, rmse = exact(columns, 0.0)
    found = fit({"x": columns["x"], "double": 2 * columns["x"], **columns}, target="y", minimum_norm=True)
    assert found.fit["passes"] == 1
    np.testing.assert_allclose(found.weight[0], [weight[0] / 2, weight[0] / 4, *weight[1:]], rtol=1e-8)
    np.testing.assert_allclose(found.fit["rmse"], rmse, rtol=1e-8)


@pytest.mark.parametrize("rows", [1, 2, 60])
@pytest.mark.parametrize("options", [{"minimum_norm": True}, {"l1": 1e-9}, {"l2": 1e-14}])
def test_constant_columns_and_few_rows_have_weight_zero(options: dict[str, Any], rows: int) -> None:
    columns = {name: column[:rows] for name, column in near_copies(1e-7, 1e-3).items()}
    weight = fit({"one": np.full(rows, 0.0), **columns}, target="y", **options).weight[0]
    assert weight[0] == 0
    assert weight.any() == (rows > 1)


def test_what_only_rounding_tells_apart_is_shared() -> None:
    elapsed = np.arange(50.0) / 8
    columns = {"time": 1.7e9 + 0.1 + elapsed, "elapsed": elapsed, "y": 3 * elapsed}
    weight = fit(columns, target="y", minimum_norm=True).weight[0]
    np.testing.assert_allclose(weight, [1.5, 1.5], rtol=1e-6)


def test_well_conditioned_penalised_fits_take_one_pass() -> None:
    for options in ({"l2": 1e-9}, {"l1": 0.01}, {"minimum_norm": True}):
        report = fit(numbers(), target="y", **options).fit
        assert report["passes"] == 1


@pytest.mark.parametrize("options", [{"l2": 1e-12}, {"l1": 1e-9}, {"minimum_norm": True}, {"penalty": "auto"}])
@pytest.mark.parametrize("noise", [1e-4, 1e-7])
def test_the_error_of_a_close_fit_is_that_of_its_rows(noise: float, options: dict[str, Any]) -> None:
    random = np.random.default_rng(6)
    x = random.uniform(0, 1000, 200)
    columns = {"x": x, "y": 2 * x + 1 + noise * random.normal(size=200)}
    found = fit(columns, target="y", **options)
    np.testing.assert_allclose(found.fit["rmse"], rmse_of(columns, [Fraction(found.weight[0, 0])]), rtol=1e-6)


def test_rows_held_out_enter_no_further_pass() -> None:
    columns = near_copies(1e-7, 1e-3, 400)
    held = Parts(folds=1, holds_out=True).labels(0, 400) == 1
    kept = {name: column[~held] for name, column in columns.items()}
    found = fit(columns, target="y", minimum_norm=True, interval=0.9)
    np.testing.assert_allclose(found.weight, fit(kept, target="y", minimum_norm=True).weight, rtol=1e-10)


def test_a_ridge_penalty_lost_in_double_double_too_is_refused_and_the_one_it_names_works() -> None:
    columns = numbers()
    columns["c"] = columns["a"] + 2 * columns["b"]
    with pytest.raises(WeakPenaltyError, match="l2=") as caught:
        fit(columns, target="y", l2=1e-32)
    named = float(str(caught.value).rpartition("=")[2])
    assert named < 1e-20
    least = fit(columns, target="y", drop_collinear=True).fit["rmse"]
    np.testing.assert_allclose(fit(columns, target="y", l2=named).fit["rmse"], least, rtol=1e-9)
