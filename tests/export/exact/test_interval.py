"""Intervals and leverage as an artefact gives them: against statsmodels and exact fractions, and their coverage."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import mpmath
import numpy as np
import pytest
import statsmodels.api as sm
from scipy import special, stats

from lr_export.certificate.specification import Blueprint
from lr_export.errors import UnsupportedModelError
from lr_export.formats.onnx import onnx_bytes
from lr_runtime.contract.interval import interval_of
from lr_runtime.errors import CheckpointError, OptionError
from lr_runtime.onnx_file.session import Session
from lr_trainer import fit, merge, update
from tests.conftest import DATA
from tests.export.exact_fit import ExactFit, powers
from tests.export.oracle import leverages

if TYPE_CHECKING:
    from collections.abc import Callable

    from lr_trainer import Checkpoint
    from tests.export.oracle import Floats

    Columns = dict[str, Any]


def run(checkpoint: Checkpoint, x: Floats, level: float = 0.95, **options: Any) -> dict[str, Any]:
    """Return the results of the ONNX file, each (rows, its width)."""
    blueprint = Blueprint.of(checkpoint, options.pop("precision", "float64"), interval=level, flags=True, **options)
    session = Session(onnx_bytes(blueprint.program, blueprint.contract))
    names = blueprint.contract.results
    return dict(zip(names, session.evaluate(x.astype(blueprint.contract.input_dtype), names), strict=True))


def table(rows: int = 60, seed: int = 4) -> Columns:
    random = np.random.default_rng(seed)
    a, b = 20 + 3 * random.normal(size=rows), 1e-3 * random.normal(size=rows) - 5e-3
    site = random.integers(0, 3, size=rows)
    y = 1.5 * a - 800 * b + site + random.normal(size=rows)
    z = 0.1 * a + random.normal(size=rows)
    return {"a": a, "b": b, "site": site, "w": random.uniform(0.2, 4, size=rows), "y": y, "z": z}


def dummies(site: Floats) -> Floats:
    return np.column_stack([site == 1, site == 2]).astype(np.float64)


def plain(columns: Columns) -> Floats:
    return np.column_stack([columns["a"], columns["b"]])


def curved(columns: Columns) -> Floats:
    a, b = columns["a"] - 20, columns["b"] * 1e3
    return np.column_stack([a, a**2, a**3, b, b**2, b**3])


def labelled(columns: Columns) -> Floats:
    return np.column_stack([plain(columns), dummies(columns["site"])])


CASES: dict[str, tuple[list[str], Callable[[Columns], Floats], dict[str, Any]]] = {
    "two columns": (["a", "b"], plain, {}),
    "several targets": (["a", "b"], plain, {"target": ["y", "z"]}),
    "no intercept": (["a", "b"], plain, {"intercept": False}),
    "weights": (["a", "b"], plain, {"weight": "w"}),
    "weights and no intercept": (["a", "b"], plain, {"weight": "w", "intercept": False}),
    "categories": (["a", "b", "site"], labelled, {"category": ["site"]}),
    "powers": (["a", "b"], curved, {"degree": 3}),
}


@pytest.mark.parametrize("level", [0.5, 0.95, 0.999])
@pytest.mark.parametrize("case", CASES)
def test_the_ends_are_those_of_statsmodels(case: str, level: float) -> None:
    names, design, options = CASES[case]
    columns, new = table(), table(200, seed=5)
    targets = options.get("target", ["y"])
    checkpoint = fit(columns, features=names, **{"target": "y", **options})
    found = run(checkpoint, np.column_stack([new[name] for name in names]), level)
    about: Callable[[Floats], Floats] = sm.add_constant if options.get("intercept", True) else np.asarray
    for place, target in enumerate(targets):
        weights = columns["w"] if "weight" in options else np.ones(60)
        fitted = sm.WLS(columns[target], about(design(columns)), weights=weights).fit()
        assert fitted.condition_number < 1e5
        frame = fitted.get_prediction(about(design(new))).summary_frame(alpha=1 - level)
        for end, theirs in (("y_lower", "obs_ci_lower"), ("y_upper", "obs_ci_upper")):
            np.testing.assert_allclose(found[end][:, place], frame[theirs], rtol=1e-9, atol=1e-9)
        np.testing.assert_allclose(found["leverage"][:, 0], (frame["mean_se"] ** 2 / fitted.scale), rtol=1e-9)


def test_joined_checkpoints_have_the_interval_of_all_rows() -> None:
    columns, new = table(), plain(table(20, seed=6))
    parts = [{name: columns[name][rows] for name in "aby"} for rows in (slice(25), slice(25, None))]
    whole = run(fit({name: columns[name] for name in "aby"}, target="y"), new)
    first = fit(parts[0], target="y")
    for joined in (update(first, parts[1]), merge(first, fit(parts[1], target="y"))):
        found = run(joined, new)
        for name, expected in whole.items():
            if name != "in_range":
                np.testing.assert_allclose(found[name], expected, rtol=1e-9)


def exact_halves(fitted: ExactFit, design: Any, level: float) -> Any:
    with mpmath.workdps(60):
        tail, degrees = (1 - mpmath.mpf(level)) / 2, mpmath.mpf(fitted.degrees)

        def beyond(t: Any) -> Any:
            return mpmath.betainc(degrees / 2, 0.5, 0, degrees / (degrees + t * t), regularized=True) / 2 - tail

        quantile = mpmath.findroot(beyond, mpmath.mpf(float(stats.t.isf(float(tail), fitted.degrees))))
        scaled = Fraction(int(mpmath.floor(quantile * 10**50)), 10**50)
    return fitted.half(design, 1.0) * scaled


NIST: dict[str, Any] = json.loads((DATA / "nist" / "certified.json").read_text())
NOISY = [name for name, case in NIST.items() if float(case["certified"]["residual_sd"]) > 0]


@pytest.mark.parametrize("name", NOISY)
def test_the_sets_of_nist_to_nine_digits_of_a_reference_with_sixty(name: str) -> None:
    case = NIST[name]
    with (DATA / "nist" / case["file"]).open() as lines:
        rows = list(csv.DictReader(lines))
    features = [column for column in rows[0] if column != case["response"]]
    x = np.array([[float(row[column]) for column in features] for row in rows])
    y = np.array([float(row[case["response"]]) for row in rows])
    degree = case["model"]["degree"] if case["model"]["kind"] == "poly" else 1
    intercept = case["model"]["intercept"]
    new = np.vstack([x, np.random.default_rng(1).uniform(x.min(axis=0), x.max(axis=0), size=(20, x.shape[1]))])
    fitted, design = (
        ExactFit.of(powers(x, degree, intercept=intercept), y),
        powers(new, degree, intercept=intercept),
    )
    checkpoint = fit(DATA / "nist" / case["file"], target=case["response"], degree=degree, intercept=intercept)
    assert_digits(run(checkpoint, new), fitted, design)


def assert_digits(found: dict[str, Any], fitted: ExactFit, design: Any, rtol: float = 1e-9) -> None:
    half, y = exact_halves(fitted, design, 0.95), design @ fitted.weight
    np.testing.assert_allclose(found["leverage"][:, 0], fitted.leverage(design).astype(float), rtol=rtol)
    got = (found["y_upper"] - found["y_lower"])[:, 0] / 2
    np.testing.assert_allclose(got, half.astype(float), rtol=rtol, atol=1e-13 * float(abs(y).max()))
    for end, expected in (("y_lower", y - half), ("y_upper", y + half)):
        np.testing.assert_allclose(found[end][:, 0], expected.astype(float), rtol=rtol, atol=rtol * float(max(half)))


@pytest.mark.parametrize("apart", [1e-3, 1e-5, 1e-7])
def test_nearly_collinear_columns_far_from_zero(apart: float) -> None:
    random = np.random.default_rng(7)
    a, b = 50 + 2 * random.normal(size=40), random.normal(size=40)
    x = np.column_stack([a, 3 * a + apart * b, b + 0.1 * random.normal(size=40)])
    y = a + b + random.normal(size=40)
    checkpoint = fit({"a": x[:, 0], "b": x[:, 1], "c": x[:, 2], "y": y}, target="y")
    fitted, design = ExactFit.of(powers(x, 1, intercept=True), y), powers(x, 1, intercept=True)
    # What float64 can do at these columns: each digit of kappa is one of z, whatever the numbers of the artefact are.
    rtol = max(1e-9, 16 * 2.0**-53 * 6 / apart)
    assert_digits(run(checkpoint, x), fitted, design, rtol)
    held = leverages(checkpoint, x)[:, 0]
    # The checkpoint's numbers themselves, in exact arithmetic, lose no more than their own rounding.
    np.testing.assert_allclose((held / fitted.leverage(design)).astype(float), 1.0, atol=rtol)


ROWS, FITS = 12, 20_000


def test_coverage_on_noisy_data_off_the_centre() -> None:
    """Each fit of its own, and one draw for it: 20,000 of them, so that 95 % has a standard deviation of 0.15 %."""
    random = np.random.default_rng(2024)
    x = random.normal(size=(FITS, ROWS, 2)) @ np.array([[3.0, 2.9], [0.0, 0.3]]) + np.array([1000.0, -40.0])
    y = x @ np.array([0.5, -2.0]) + 7 + 3 * random.normal(size=(FITS, ROWS))
    new = random.normal(size=(FITS, 2)) @ np.array([[3.0, 2.9], [0.0, 0.3]]) + np.array([1000.0, -40.0])
    drawn = new @ np.array([0.5, -2.0]) + 7 + 3 * random.normal(size=FITS)
    lower, upper = many(x, y, new)
    covered = np.mean((lower <= drawn) & (drawn <= upper))
    assert abs(covered - 0.95) < 0.01
    assert abs(np.mean(drawn < lower) - 0.025) < 0.005
    for index in range(5):
        checkpoint = fit({"a": x[index, :, 0], "b": x[index, :, 1], "y": y[index]}, target="y")
        found = run(checkpoint, new[[index]])
        np.testing.assert_allclose(found["y_lower"][0, 0], lower[index], rtol=1e-9)
        np.testing.assert_allclose(found["y_upper"][0, 0], upper[index], rtol=1e-9)


def many(x: Floats, y: Floats, new: Floats) -> tuple[Floats, Floats]:
    """Return the ends of the interval for many small fits at once, by the formula of `lr_runtime.contract.interval`."""
    mean, about = x.mean(axis=1), x - x.mean(axis=1, keepdims=True)
    gram = np.einsum("frc,frd->fcd", about, about)
    factor = np.linalg.inv(np.linalg.cholesky(gram)).transpose(0, 2, 1)
    target = y - y.mean(axis=1, keepdims=True)
    weight = np.einsum("fcd,fed,fre,fr->fc", factor, factor, about, target, optimize=True)
    residuals = target - np.einsum("frc,fc->fr", about, weight)
    degrees = x.shape[1] - x.shape[2] - 1
    s = np.sqrt((residuals**2).sum(axis=1) / degrees)
    z = np.einsum("fc,fcd->fd", new - mean, factor)
    leverage = 1 / x.shape[1] + (z**2).sum(axis=1)
    centre = y.mean(axis=1) + ((new - mean) * weight).sum(axis=1)
    half = stats.t.isf(0.025, degrees) * s * np.sqrt(1 + leverage)
    return centre - half, centre + half


def test_a_conformal_interval_is_the_half_width_from_the_rows_held_out() -> None:
    columns = {name: table(400)[name] for name in "abyz"}
    checkpoint = fit(columns, target=["y", "z"], l2=0.1, interval=0.9)
    blueprint = Blueprint.of(checkpoint, "float64", interval=0.9, flags=True)
    assert blueprint.contract.results == ("y", "y_lower", "y_upper", "in_range")
    assert blueprint.contract.interval_level == 0.9
    found = run(checkpoint, plain(table(30, seed=8)), 0.9)
    width = np.array(checkpoint.fit["conformal"]["half_width"])
    np.testing.assert_allclose(found["y"] - found["y_lower"], np.tile(width, (30, 1)), rtol=1e-12)
    np.testing.assert_allclose(found["y_upper"] - found["y"], np.tile(width, (30, 1)), rtol=1e-12)


def without_leverage(checkpoint: Checkpoint, **figures: Any) -> Checkpoint:
    return replace(checkpoint, leverage=None, fit={**checkpoint.fit, **figures})


def small(**options: Any) -> Checkpoint:
    return fit({name: table(400)[name] for name in "aby"}, target="y", **options)


REFUSED: dict[str, tuple[Callable[[], Checkpoint], float, type[Exception], str]] = {
    "a level of 0": (small, 0.0, OptionError, "between 0 and 1"),
    "a level of 1": (small, 1.0, OptionError, "between 0 and 1"),
    "a level in per cent": (small, 95.0, OptionError, "such as 0.95, not 95.0"),
    "no number": (small, float("nan"), OptionError, "between 0 and 1"),
    "penalised": (
        lambda: small(l2=0.1),
        0.95,
        UnsupportedModelError,
        "biased. Train it again with lr_trainer.fit",
    ),
    "of minimum norm": (
        lambda: small(minimum_norm=True),
        0.95,
        UnsupportedModelError,
        "lr_trainer.fit(interval=0.95)",
    ),
    "a descent": (
        lambda: without_leverage(small(), solver="descent"),
        0.9,
        UnsupportedModelError,
        "a descent does not say how far it is off. Train it again with lr_trainer.fit",
    ),
    "an earlier linedge": (lambda: without_leverage(small()), 0.95, UnsupportedModelError, "an earlier linedge"),
    "another level": (
        lambda: small(l2=0.1, interval=0.9),
        0.95,
        OptionError,
        "at the level 0.9 alone. Say interval=0.9, or train it again with lr_trainer.fit",
    ),
    "no degrees of freedom": (
        lambda: fit({"a": [1.0, 2.0], "y": [3.0, 5.0]}, target="y"),
        0.95,
        UnsupportedModelError,
        "as many coefficients as rows",
    ),
    "joined, of residuals below the digits of moments": (
        lambda: merge(*(fit({"a": [1.0, 2.0, k], "y": [3.0, 5.0, 2 * k + 1]}, target="y") for k in (7.0, 9.0))),
        0.95,
        UnsupportedModelError,
        "fewer than 6 of their digits",
    ),
    "a damaged report": (lambda: without_leverage(small(), conformal={"level": 0.9}), 0.9, CheckpointError, "damaged"),
    "half-widths that are no list": (
        lambda: without_leverage(small(), conformal={"level": 0.9, "half_width": 1.0}),
        0.9,
        CheckpointError,
        "its conformal interval is damaged. Train the model again",
    ),
    "a half-width below 0": (
        lambda: without_leverage(small(), conformal={"level": 0.9, "half_width": [-1.0]}),
        0.9,
        CheckpointError,
        "does not match its outputs",
    ),
    "half-widths of another model": (
        lambda: without_leverage(small(), conformal={"level": 0.9, "half_width": [1.0, 2.0]}),
        0.9,
        CheckpointError,
        "does not match its outputs",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_has_no_interval_says_how_to_get_one(case: str) -> None:
    make, level, kind, said = REFUSED[case]
    with pytest.raises(kind) as caught:
        interval_of(make(), level, special.stdtrit)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("level", [0.01, 0.5, 0.95, 0.999999])
@pytest.mark.parametrize("degrees", [1, 4, 30, 10**6])
def test_the_quantile_is_right_to_twelve_digits(level: float, degrees: int) -> None:
    fitted = small()
    checkpoint = replace(fitted, fit={**fitted.fit, "degrees_of_freedom": degrees})
    sd = checkpoint.contract.outputs[0].residual_sd
    assert sd is not None
    quantile = interval_of(checkpoint, level, special.stdtrit).width[0] / sd
    with mpmath.workdps(40):
        half = mpmath.mpf(degrees) / 2
        inside = mpmath.betainc(half, 0.5, 0, degrees / (degrees + mpmath.mpf(quantile) ** 2), regularized=True)
        slope = 2 * mpmath.gamma(half + 0.5) / mpmath.gamma(half) / mpmath.sqrt(degrees * mpmath.pi)
        slope *= (1 + mpmath.mpf(quantile) ** 2 / degrees) ** (-half - 0.5)
        assert abs((1 - inside) - mpmath.mpf(level)) / slope < 1e-12 * quantile
