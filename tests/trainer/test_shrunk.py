"""Penalised and minimum-norm fits from a table: the penalty's own tests are in test_penalised.py."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from sklearn.linear_model import Lasso, Ridge

from lr_runtime.errors import FitError
from lr_trainer import fit
from lr_trainer.splitting import Parts
from tests.trainer.test_fit import sample


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
