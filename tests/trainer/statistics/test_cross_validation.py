"""Cross-validation from moments, against scikit-learn on the very same folds and against exact fractions."""

from __future__ import annotations

import json
import math
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import ElasticNet, Lasso, LinearRegression, Ridge
from sklearn.metrics import r2_score
from sklearn.model_selection import LeaveOneOut, PredefinedSplit, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from lr_runtime.contract.fit_report import FitReport
from lr_runtime.errors import LinedgeError
from lr_trainer import fit, update
from lr_trainer.cli import main
from lr_trainer.descent.options import Descent
from lr_trainer.rows.holdout import Parts
from lr_trainer.sklearn import LinearModelRegressor

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    Array = NDArray[np.float64]
    Labels = NDArray[np.int64]

_ROWS, _FOLDS = 200, 5


def table(seed: int = 0, r2: float = 0.5, offset: float = 0.0) -> tuple[Array, Array]:
    """Return columns x and two targets that these predict about so well."""
    random = np.random.default_rng(seed)
    x = random.normal(size=(_ROWS, 3))
    y = x @ random.normal(size=(3, 2)) + math.sqrt(3 * (1 - r2) / r2) * random.normal(size=(_ROWS, 2))
    return x + offset, y


def by_scikit_learn(model: Any, x: Array, y: Array, labels: Labels, weights: Array | None = None) -> list[Any]:
    """Return R2 of each fold, that of all, and the root mean squared residual."""
    predicted, r2 = np.empty_like(y), []
    for train, held_out in PredefinedSplit(labels).split():
        given_weights = {} if weights is None else {"sample_weight": weights[train]}
        predicted[held_out] = model.fit(x[train], y[train], **given_weights).predict(x[held_out])
        own = None if weights is None else weights[held_out]
        r2.append(r2_score(y[held_out], predicted[held_out], sample_weight=own))
    mean_square = np.average((y - predicted) ** 2, weights=weights)
    return [r2, r2_score(y, predicted, sample_weight=weights), math.sqrt(mean_square)]


_TRAIN = _ROWS - _ROWS // _FOLDS
MODELS: dict[str, tuple[dict[str, Any], Any]] = {
    "least squares": ({}, LinearRegression()),
    "no intercept": ({"intercept": False}, LinearRegression(fit_intercept=False)),
    "minimum norm": ({"minimum_norm": True}, LinearRegression()),
    "ridge": ({"l2": 0.3}, make_pipeline(StandardScaler(), Ridge(0.3 * _TRAIN))),
    "lasso": ({"l1": 0.1}, make_pipeline(StandardScaler(), Lasso(0.1, tol=1e-15))),
    "elastic net": ({"l1": 0.1, "l2": 0.1}, make_pipeline(StandardScaler(), ElasticNet(0.2, tol=1e-15))),
}


@pytest.mark.parametrize("seed", [None, 7])
@pytest.mark.parametrize("case", MODELS)
def test_equals_scikit_learn_on_the_same_folds(case: str, seed: int | None) -> None:
    options, model = MODELS[case]
    x, y = table()
    found = fit(x, y, cv=_FOLDS, seed=seed, **options).report.cross_validation
    labels = Parts(_FOLDS, holds_out=False, seed=seed or 0).labels(0, _ROWS)
    for each, own in zip(found, y.T, strict=True):
        r2, pooled, rmse = by_scikit_learn(model, x, own, labels)
        assert each.r2 == pytest.approx(r2, abs=1e-9)
        assert each.mean_r2 == pytest.approx(np.mean(r2), abs=1e-9)
        assert each.pooled_r2 == pytest.approx(pooled, abs=1e-9)
        assert each.rmse == pytest.approx(rmse, rel=1e-9)


@pytest.mark.parametrize("r2", [1e-4, 0.5, 0.9999, 1 - 1e-10])
@pytest.mark.parametrize("offset", [0.0, 1.7e9])
def test_neither_offsets_nor_small_residuals_cost_digits(offset: float, r2: float) -> None:
    x, y = table(1, r2, offset)
    labels, y = Parts(_FOLDS, holds_out=False).labels(0, _ROWS), y[:, 0]
    (found,) = fit(x, y, cv=_FOLDS).report.cross_validation
    expected, pooled, rmse = by_scikit_learn(LinearRegression(), x - offset, y, labels)
    np.testing.assert_allclose(1 - np.array(found.r2, dtype=float), 1 - np.array(expected), rtol=1e-5, atol=1e-14)
    assert [*found.r2, found.mean_r2, found.pooled_r2] == pytest.approx(
        [*expected, np.mean(expected), pooled], abs=1e-9
    )
    assert found.rmse == pytest.approx(rmse, rel=1e-9)


def test_weights_are_scikit_learns_sample_weights() -> None:
    x, y = table(2)
    weights = np.random.default_rng(3).uniform(0.1, 10, _ROWS)
    columns = {"x": x, "y": y[:, 0], "w": weights}
    (found,) = fit(columns, target="y", weight="w", cv=_FOLDS).report.cross_validation
    labels = Parts(_FOLDS, holds_out=False).labels(0, _ROWS)
    r2, pooled, rmse = by_scikit_learn(LinearRegression(), x, y[:, 0], labels, weights)
    assert [*found.r2, found.pooled_r2, found.rmse] == pytest.approx([*r2, pooled, rmse], abs=1e-9)


def exact_mean_square(x: Array, y: Array, labels: Labels) -> float:
    """Return the mean squared residual of a line, each row predicted by the rows outside of its fold."""
    rows = [(Fraction(a), Fraction(b)) for a, b in zip(x.tolist(), y.tolist(), strict=True)]
    total = Fraction(0)
    for fold in set(labels.tolist()):
        train = [row for row, label in zip(rows, labels, strict=True) if label != fold]
        a, b = (sum((row[place] for row in train), Fraction(0)) / len(train) for place in (0, 1))
        slope = sum(((p - a) * (q - b) for p, q in train), Fraction(0)) / sum((p - a) ** 2 for p, _ in train)
        held_out = [row for row, label in zip(rows, labels, strict=True) if label == fold]
        total += sum(((q - b - slope * (p - a)) ** 2 for p, q in held_out), Fraction(0))
    return float(total / len(rows))


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 99), st.integers(0, 17), st.sampled_from([0.0, 1e3, 1.7e9]), st.integers(2, 6))
def test_a_residual_deviation_is_right_to_six_digits_or_left_out(
    seed: int, digits: int, offset: float, folds: int
) -> None:
    random = np.random.default_rng(seed)
    x = random.normal(size=20) + offset
    y = 3 * (x - offset) + 5 + 10.0**-digits * random.normal(size=20)
    report = fit(x, y, cv=folds).report
    rmse = report.cross_validation[0].rmse
    expected = math.sqrt(exact_mean_square(x, y, Parts(folds, holds_out=False).labels(0, 20)))
    assert (
        rmse == pytest.approx(expected, rel=1e-6)
        if rmse
        else any("cross-validation" in line for line in report.cautions)
    )
    assert rmse or digits > 11


def test_folds_do_not_meet_a_period_of_the_rows() -> None:
    """Of every fifth row, one level of the category, no fold but one would know a thing."""
    random = np.random.default_rng(0)
    level = np.tile(list("abcde"), 40)
    y = np.tile([1.0, 5.0, 2.0, 8.0, 3.0], 40) + random.normal(size=_ROWS)
    report = fit({"level": level, "y": y}, target="y", cv=5).report
    assert report.cross_validation[0].pooled_r2 == pytest.approx(report.quality[0].r2, abs=0.05)


def test_the_file_does_not_matter(tmp_path: Path) -> None:
    x, y = table()
    site = np.random.default_rng(1).integers(1, 13, _ROWS)
    columns: dict[str, Any] = {"a": x[:, 0], "b": x[:, 1], "site": site, "y": y[:, 0]}
    pq.write_table(pa.table(columns), tmp_path / "t.parquet", row_group_size=30)
    lines = [",".join(map(str, row)) for row in zip(*(each.tolist() for each in columns.values()), strict=True)]
    for name, some in (("1.csv", lines[:70]), ("2.csv", lines[70:])):
        (tmp_path / name).write_text("\n".join(["a,b,site,y", *some]) + "\n")
    sources: list[Any] = [columns, tmp_path / "t.parquet", [tmp_path / "1.csv", tmp_path / "2.csv"]]
    first, *others = (fit(each, target="y", cv=4, cv_group="site") for each in sources)
    assert first.contract.column_names == ("a", "b")
    assert first.report.cross_validation[0].group == "site"
    assert all(each.report.cross_validation == first.report.cross_validation for each in others)
    order = {name: place for place, name in enumerate(sorted(set(map(str, site.tolist()))))}
    labels = Parts(4, holds_out=False, groups=12).labels(0, _ROWS, np.array([float(order[str(each)]) for each in site]))
    r2, _, rmse = by_scikit_learn(LinearRegression(), x[:, :2], y[:, 0], labels)
    assert [*first.report.cross_validation[0].r2, first.report.cross_validation[0].rmse] == pytest.approx([*r2, rmse])


def test_a_level_of_one_fold_alone_is_said() -> None:
    x, y = table()
    columns: dict[str, Any] = {"x": x[:, 0], "level": ["a"] * (_ROWS - 1) + ["b"], "y": y[:, 0]}
    report = fit(columns, target="y", cv=3).report
    (found,) = report.cross_validation
    assert sum(each is None for each in found.r2) == 1
    assert (found.mean_r2, found.pooled_r2, found.rmse) == (None, None, None)
    assert 'do not determine the weight of "level=b"' in report.cautions[-1]
    for way in ({"drop_collinear": True}, {"l2": 0.1}):
        assert fit(columns, target="y", cv=3, **way).report.cross_validation[0].rmse


def test_one_row_a_fold_has_no_r2_of_folds_but_the_others() -> None:
    x, y = table()
    x, y = x[:20], y[:20, 0]
    (found,) = fit(x, y, cv=20).report.cross_validation
    predicted = cross_val_predict(LinearRegression(), x, y, cv=LeaveOneOut())
    assert set(found.r2) == {None}
    assert found.mean_r2 is None
    assert found.pooled_r2 == pytest.approx(r2_score(y, predicted))
    assert found.rmse == pytest.approx(math.sqrt(np.mean((y - predicted) ** 2)))


_COLUMNS: dict[str, Any] = {
    "x": [1.0, 2.0, 3.0, 4.0, 5.0, 6.0],
    "g": list("aabbcc"),
    "y": [1.0, 2.5, 2.8, 4.1, 5.3, 5.9],
}
REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "one fold": ({"cv": 1}, "whole number of folds of 2 or more, not 1"),
    "more folds than rows": ({"cv": 7}, "of 7 folds 6 have any of the 6 rows"),
    "more folds than groups": ({"cv": 4, "cv_group": "g"}, '4 folds need as many groups, and "g" has 3'),
    "no such group": ({"cv": 2, "cv_group": "h"}, 'no column "h"'),
    "the target as group": ({"cv": 2, "cv_group": "y"}, "stands twice"),
    "numbers as group and feature": ({"cv": 2, "cv_group": "x", "features": ["x"]}, "Name it in category"),
    "a group without folds": ({"cv_group": "g"}, "are for folds"),
    "a seed without folds": ({"seed": 1}, "are for folds"),
    "a chosen penalty": ({"cv": 2, "penalty": "auto"}, "chosen on folds"),
    "a descent": ({"cv": 2, "descent": Descent()}, "this is a descent"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_does_not_fit_is_refused_in_one_line(case: str) -> None:
    options, said = REFUSED[case]
    with pytest.raises(LinedgeError) as caught:
        fit(_COLUMNS, target="y", **options)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_the_command_reports_what_a_checkpoint_keeps_until_rows_are_added(tmp_path: Path) -> None:
    x, y = table()
    lines = [f"{a},{b}" for a, b in zip(x[:, 0].tolist(), y[:, 0].tolist(), strict=True)]
    (tmp_path / "t.csv").write_text("\n".join(["x,y", *lines]) + "\n")
    arguments = [
        str(tmp_path / "t.csv"),
        "--target",
        "y",
        "--cv",
        "3",
        "--seed",
        "5",
        "-o",
        str(tmp_path / "m.safetensors"),
    ]
    done = CliRunner().invoke(main, [*arguments, "--json"])
    (found,) = json.loads(done.stdout)["cross_validation"]
    checkpoint = fit(tmp_path / "t.csv", target="y", cv=3, seed=5)
    assert found == json.loads(json.dumps(checkpoint.fit))["cross_validation"][0]
    assert FitReport.from_json(json.loads(json.dumps(checkpoint.fit))) == checkpoint.report
    text = CliRunner().invoke(main, arguments).stdout
    assert "3 folds, held out in turn: R2" in text
    assert f"cross-validated root mean squared residual {found['rmse']:.12g}" in text
    assert not update(checkpoint, {"x": [1.0], "y": [2.0]}).report.cross_validation
    assert fit(tmp_path / "t.csv", target="y", cv=3).report.cross_validation != checkpoint.report.cross_validation


def test_the_estimator_takes_the_same_options() -> None:
    x, y = table()
    model = LinearModelRegressor(cv=4, seed=2).fit(x, y[:, 0])
    assert model.checkpoint_.report.cross_validation == fit(x, y[:, 0], cv=4, seed=2).report.cross_validation
