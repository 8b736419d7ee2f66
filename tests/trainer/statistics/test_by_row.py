"""Robust errors, leverage and Cook's distances: against statsmodels, and against 100 digits where it loses them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import statsmodels.api as sm
from mpmath import matrix, mp

from lr_runtime.errors import FitError, OptionError, TableError
from lr_trainer import fit, merge, update
from lr_trainer.model.checkpoint import Checkpoint
from lr_trainer.sklearn import LinearModelRegressor
from tests.conftest import one_line

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from numpy.typing import NDArray

    from tests.conftest import Run

    Array = NDArray[np.float64]

KINDS = ("hc0", "hc1", "hc2", "hc3", "cluster:g")
ROWS = 300


def table(rows: int = ROWS) -> dict[str, Any]:
    """Return two targets with errors of unequal variance, a number, a category, weights and clusters."""
    random = np.random.default_rng(17)
    x, site = random.normal(size=rows), random.integers(0, 3, rows)
    noise = random.normal(size=(2, rows)) * (1 + np.abs(x))
    g = random.integers(0, 13, rows)
    return {
        "x": x,
        "site": np.array(["a", "b", "c"])[site],
        "w": random.uniform(0.2, 3, rows),
        "g": np.array([f"lot {each}" for each in g]),
        "y": 1 + x + x**2 + (site == 1) + noise[0] + g / 5,
        "z": 3 - x + noise[1],
    }


def expanded(columns: dict[str, Any]) -> Array:
    x, site = columns["x"], columns["site"]
    return np.stack([np.ones_like(x), x, x**2, site == "b", site == "c"], axis=1)


def fitted(columns: Any, **options: Any) -> Checkpoint:
    asked: dict[str, Any] = {"target": ["y", "z"], "features": ["x", "site"], "degree": 2}
    return fit(columns, **asked | options)


def assert_equal(ours: object, theirs: object, rtol: float = 1e-9) -> None:
    np.testing.assert_allclose(np.array(ours, dtype=np.float64), np.asarray(theirs), rtol=rtol)


def covariance_of(kind: str, groups: object) -> dict[str, Any]:
    if kind.startswith("hc"):
        return {"cov_type": kind.upper(), "use_t": True}
    return {
        "cov_type": "cluster",
        "cov_kwds": {"groups": np.unique(np.asarray(groups), return_inverse=True)[1]},
        "use_t": True,
    }


@pytest.mark.parametrize("weight", [None, "w"])
@pytest.mark.parametrize("kind", KINDS)
def test_robust_errors_are_those_of_statsmodels(kind: str, weight: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lr_trainer.rows.blocks._FEWEST_ROWS", 32)
    monkeypatch.setattr("lr_trainer.rows.blocks._NUMBERS", 64)
    columns = table()
    report = fitted(columns, errors=kind, weight=weight).report
    for target in ("y", "z"):
        weights = np.ones(ROWS) if weight is None else columns[weight]
        theirs = sm.WLS(columns[target], expanded(columns), weights=weights).fit(**covariance_of(kind, columns["g"]))
        ours = [each for each in report.coefficients if each.target == target]
        for name, values in {"stderror": theirs.bse, "t": theirs.tvalues, "p": theirs.pvalues}.items():
            assert_equal([getattr(each, name) for each in ours], values)
        assert_equal([(each.lower, each.upper) for each in ours], theirs.conf_int())


@pytest.mark.parametrize("weight", [None, "w"])
def test_influence_is_that_of_statsmodels(weight: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lr_trainer.rows.blocks._FEWEST_ROWS", 32)
    monkeypatch.setattr("lr_trainer.rows.blocks._NUMBERS", 64)
    columns = table()
    found = fitted(columns, influence=True, weight=weight, ignore=["g"]).report.influence
    # The influence of statsmodels' WLS mixes weighted and unweighted rows; that of OLS on weighted rows does not.
    roots = np.ones(ROWS) if weight is None else np.sqrt(columns[weight])
    for target in ("y", "z"):
        theirs = sm.OLS(roots * columns[target], roots[:, None] * expanded(columns)).fit().get_influence()
        rows, distances = [each for each in found if each.target == target], theirs.cooks_distance[0]
        worst, farthest = np.argsort(-distances)[:20].tolist(), int(theirs.hat_matrix_diag.argmax())
        places = [each.row - 1 for each in rows]
        assert places == (worst if farthest in worst else [*worst, farthest])
        assert_equal([each.cooks_distance for each in rows], distances[places])
        assert_equal([each.leverage for each in rows], theirs.hat_matrix_diag[places])
        assert_equal([each.residual for each in rows], (theirs.resid / roots)[places])


def exactly(columns: list[Array], y: Array, w: Array, groups: Any) -> tuple[list[Any], list[Any], list[Any]]:
    """Return the errors by hc3, or by clusters, the leverage and Cook's distances, in 200 digits."""
    rows, size = len(y), len(columns) + 1
    x = matrix([[1.0, *map(float, row)] for row in zip(*columns, strict=True)])
    weights, target = mp.diag(list(map(float, w))), matrix(list(map(float, y)))
    inverse = (x.T * weights * x) ** -1
    left = target - x * (inverse * (x.T * weights * target))
    hat = [weights[i, i] * (x[i, :] * inverse * x[i, :].T)[0] for i in range(rows)]
    scores = [
        x[i, :] * inverse * weights[i, i] * left[i] / ((1 - hat[i]) if groups is None else 1) for i in range(rows)
    ]
    factor = mp.mpf(1)
    if groups is not None:
        labels = np.unique(groups)
        scores = [sum((scores[i] for i in np.flatnonzero(groups == each).tolist()), matrix(1, size)) for each in labels]
        factor = mp.mpf(len(labels)) / (len(labels) - 1) * (rows - 1) / (rows - size)
    errors = [mp.sqrt(factor * sum(each[j] ** 2 for each in scores)) for j in range(size)]
    variance = sum(weights[i, i] * left[i] ** 2 for i in range(rows)) / (rows - size)
    cook = [weights[i, i] * left[i] ** 2 * hat[i] / (1 - hat[i]) ** 2 / size / variance for i in range(rows)]
    return errors, hat, cook


@pytest.mark.parametrize("kind", ["hc3", "cluster:g"])
@pytest.mark.parametrize("hard", ["scales", "nearly collinear"])
def test_columns_of_any_scale_have_the_exact_figures(kind: str, hard: str) -> None:
    random = np.random.default_rng(3)
    a, b, c, noise = random.normal(size=(4, 24))
    columns = [1e-30 * a, 1e30 * b, 1.7e9 + 3600 * c] if hard == "scales" else [a, a + 1e-9 * b, c]
    y, w, g = a + b + c + noise, random.uniform(0.5, 2, 24), random.integers(0, 7, 24)
    with mp.workdps(200):
        errors, hat, cook = exactly(columns, y, w, g if kind == "cluster:g" else None)
    named = {f"x{place}": column for place, column in enumerate(columns)}
    report = fit(
        {**named, "y": y, "w": w, "g": g}, target="y", features=list(named), weight="w", errors=kind, influence=True
    ).report
    for ours, theirs in zip(report.coefficients, errors, strict=True):
        assert abs(ours.stderror / theirs - 1) < 1e-12
    for each in report.influence:
        assert abs(each.leverage / hat[each.row - 1] - 1) < 1e-12
        assert abs(each.cooks_distance / cook[each.row - 1] - 1) < 1e-11


def test_equal_rows_give_equal_bytes_however_they_come(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lr_trainer.rows.blocks._FEWEST_ROWS", 32)
    monkeypatch.setattr("lr_trainer.rows.blocks._NUMBERS", 64)
    columns = table(200)
    lines = [",".join(map(str, row)) for row in zip(*(each.tolist() for each in columns.values()), strict=True)]
    paths = [tmp_path / "a.csv", tmp_path / "b.csv"]
    for path, part in zip(paths, (lines[:77], lines[77:]), strict=True):
        path.write_text("\n".join([",".join(columns), *part]) + "\n", encoding="utf-8")
    for kind in ("hc2", "cluster:g"):
        found = fitted(columns, errors=kind, influence=True).to_bytes()
        for threads in (1, 3):
            monkeypatch.setattr("os.cpu_count", lambda threads=threads: threads)
            assert fitted(columns, errors=kind, influence=True).to_bytes() == found
        assert fitted(paths, errors=kind, influence=True).to_bytes() == found


def test_rows_are_numbered_as_they_are_read_and_those_left_out_count() -> None:
    columns = table(60)
    columns["x"][[2, 40]] = np.nan
    columns["y"][50] += 1000
    report = fitted(columns, missing="drop", influence=True, errors="cluster:g").report
    assert (report.rows.rows_dropped, report.influence[0].row) == (2, 51)
    assert report.errors is not None
    count = len(set(np.delete(columns["g"], [2, 40])))
    assert (report.errors.clusters, report.errors.df_resid) == (count, count - 1)


def test_a_row_of_leverage_1_has_no_distance_and_no_hc3() -> None:
    columns = {**table(50), "rare": np.eye(50)[9]}
    report = fitted(columns, features=["x", "rare"], degree=1, errors="hc1", influence=True).report
    (alone,) = [each for each in report.influence if each.target == "y" and each.cooks_distance is None]
    assert (alone.row, alone.residual, round(alone.leverage, 9)) == (10, 0.0, 1.0)
    assert any('"rare" has a leverage of 1' in line for line in report.cautions)
    for kind in ("hc2", "hc3"):
        with pytest.raises(FitError, match=f"row 10 has a leverage of 1: .* {kind} would divide 0 by 0"):
            fitted(columns, features=["x", "rare"], degree=1, errors=kind)


def test_residuals_without_digits_have_no_distances() -> None:
    x = np.append(np.arange(8.0), 20)
    report = fit({"x": x, "y": 2 * x + 1}, target="y", errors="hc3", influence=True).report
    assert [(each.cooks_distance, each.row) for each in report.influence] == [(None, 9)]
    assert [each.stderror for each in report.coefficients] == [None, None]


def test_a_cluster_column_may_be_a_feature_of_numbers_or_text() -> None:
    columns = {**table(), "number": np.repeat(np.arange(30.0), 10)}
    for name, clusters in (("number", 30), ("site", 3)):
        report = fitted(columns, features=["x", "number", "site"], degree=1, errors=f"cluster:{name}").report
        assert report.errors is not None
        assert report.errors.clusters == clusters
        design = np.stack(
            [expanded(columns)[:, 0], columns["x"], columns["number"], *expanded(columns)[:, 3:].T], axis=1
        )
        theirs = sm.OLS(columns["y"], design).fit(**covariance_of("cluster", columns[name]))
        assert_equal([each.stderror for each in report.coefficients[:5]], theirs.bse, 1e-7)


def test_clusters_beyond_the_memory_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lr_trainer.statistics.by_row._MOST_BYTES", 8 * 5 * 2 * 12)
    monkeypatch.setattr("lr_trainer.rows.blocks._FEWEST_ROWS", 32)
    monkeypatch.setattr("lr_trainer.rows.blocks._NUMBERS", 64)
    with pytest.raises(FitError, match=r'"g" has over 12 different values.*use errors="hc1"'):
        fitted(table(), errors="cluster:g")


WRONG: dict[str, tuple[dict[str, Any], type[Exception], str]] = {
    "another kind": ({"errors": "hc4"}, OptionError, "errors takes hc0, hc1, hc2, hc3 or cluster:COLUMN"),
    "a penalty": ({"errors": "hc3", "l2": 1.0}, OptionError, "errors is for least squares"),
    "the smallest weights": ({"influence": True, "minimum_norm": True}, OptionError, "influence is for least squares"),
    "one cluster": ({"errors": "cluster:one"}, FitError, '"one" has one value in all rows'),
    "a row without": ({"errors": "cluster:gap"}, TableError, 'row 8, column "gap": the value is missing'),
}


@pytest.mark.parametrize("what", WRONG)
def test_what_cannot_be_has_one_line(what: str) -> None:
    options, kind, line = WRONG[what]
    columns = {**table(40), "one": ["same"] * 40, "gap": ["a", "b"] * 3 + ["a", None] + ["b"] * 32}
    with pytest.raises(kind, match=line):
        fitted(columns, **options)


def test_moments_that_join_have_the_usual_errors_and_say_so() -> None:
    columns = table(80)
    robust, usual = (fitted(columns, errors=kind) for kind in ("hc3", None))
    line = "usual errors in place of robust ones (hc3)"
    for joined, plain in (
        (update(robust, columns), update(usual, columns)),
        (merge(usual, robust), merge(usual, usual)),
    ):
        assert joined.report.coefficients == plain.report.coefficients
        assert joined.report.errors is None
        assert [each for each in joined.report.cautions if line in each]


def test_the_command_prints_and_keeps_them(run: Callable[..., Run], tmp_path: Path) -> None:
    columns = table(60)
    columns["x"][40] = 50.0
    rows = zip(*(columns[name].tolist() for name in "xyg"), strict=True)
    (tmp_path / "t.csv").write_text("x,y,g\n" + "".join(f"{x},{y},{g}\n" for x, y, g in rows), encoding="utf-8")
    count = len(set(columns["g"]))
    asked = ("lr-train", "t.csv", "--target", "y", "--errors", "cluster:g")
    done = run(*asked, "--influence")
    assert (
        f"robust errors of the coefficients: cluster of {count} values of g, t with {count - 1} degrees" in done.stdout
    )
    assert "Cook's distance" in done.stdout
    assert 'a single row at an end of "x" has a leverage of 0.9' in done.stderr
    kept = Checkpoint.load(tmp_path / "model.safetensors")
    report = kept.fit
    assert report["errors"] == {"kind": "cluster", "degrees_of_freedom": count - 1, "column": "g", "clusters": count}
    assert report["influence"][0]["row"] == 41
    assert report["columns"] == ["x"]
    assert [each.row for each in kept.report.influence] == [each["row"] for each in report["influence"]]
    assert "--errors takes hc0, hc1, hc2, hc3 or cluster:COLUMN" in one_line(run(*asked[:4], "--errors", "robust"), 2)


def test_the_estimator_takes_both() -> None:
    columns = table()
    numbers = np.stack([columns["x"], np.unique(columns["g"], return_inverse=True)[1]], axis=1)
    model = LinearModelRegressor(errors="cluster:x2", influence=True).fit(numbers, columns["z"])
    theirs = sm.OLS(columns["z"], sm.add_constant(columns["x"])).fit(**covariance_of("cluster", columns["g"]))
    lines = model.checkpoint_.report.coefficients
    assert_equal([each.stderror for each in lines], theirs.bse)
    assert_equal(model.predict(numbers), theirs.fittedvalues)
