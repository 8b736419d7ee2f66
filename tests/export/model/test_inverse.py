"""Inverses: their exact values against mpmath, Fieller's limits against published examples and by simulation."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from functools import partial
from typing import TYPE_CHECKING

import mpmath as mp
import numpy as np
import pytest
from scipy.special import stdtrit

import lr_trainer
from lr_export import export
from lr_export.certificate.inverse import inverse_blueprint
from lr_export.exact.dyadic import Dyadic
from lr_export.model.inverse import Curve, Inverse
from lr_runtime import Predictor
from lr_runtime.contract.interval import Interval, interval_of
from lr_runtime.contract.leverage import Leverage
from lr_runtime.errors import CheckFailedError, LinedgeError, OptionError, UnsupportedModelError
from tests.export.inverses import RANGES, fitted

if TYPE_CHECKING:
    from pathlib import Path

    from lr_runtime.contract.checkpoint import Checkpoint
    from lr_runtime.contract.contract import TargetFunction
    from lr_runtime.contract.derived import FunctionName

FUNCTIONS: list[FunctionName | None] = list(RANGES)
OF: dict[str | None, object] = {
    None: lambda x: x,
    "log": mp.log,
    "log1p": mp.log1p,
    "exp": mp.exp,
    "sqrt": mp.sqrt,
    "reciprocal": lambda x: 1 / x,
}


def bands(checkpoint: Checkpoint, x: mp.mpf, held: float | None, width: float | None) -> list[mp.mpf]:
    """Return what was fitted at x, and its prediction interval, from the checkpoint's own numbers."""
    given = [x, *([mp.mpf(held)] if held is not None else [])]
    v = [*given, *(OF[each.function](given[each.column]) for each in checkpoint.contract.derived)]  # type: ignore[operator]
    u = [(a - mp.mpf(b)) / mp.mpf(c) for a, b, c in zip(v, checkpoint.origin, checkpoint.scale, strict=True)]
    terms = [u[t.columns[0]] ** t.power for t in checkpoint.terms]  # type: ignore[attr-defined]
    eta = mp.fdot(map(mp.mpf, checkpoint.weight[0]), terms) + mp.mpf(checkpoint.bias[0])
    if width is None or (leverage := checkpoint.leverage) is None:
        return [eta]
    away = [t - mp.mpf(m) for t, m in zip(terms, leverage.mean, strict=True)]
    columns = zip(leverage.factor.T, leverage.shift, strict=True)
    z = [mp.fdot(away, map(mp.mpf, column)) + mp.mpf(shift) for column, shift in columns]
    half = mp.mpf(width) * mp.sqrt(1 + mp.mpf(float(leverage.constant)) + mp.fsum(each**2 for each in z))
    return [eta, eta + half, eta - half]


@pytest.mark.parametrize("function", FUNCTIONS)
@pytest.mark.parametrize(
    ("target", "bend"), [(None, 0.0), ("log", 0.0), ("sqrt", 0.0), ("reciprocal", 0.0), (None, -0.4), ("log", -0.4)]
)
def test_exact_values_are_where_the_model_and_its_interval_are_the_reading(
    function: FunctionName | None, target: TargetFunction | None, bend: float
) -> None:
    rising = 1.5 if len(str(function)) % 2 else -1.5
    made = fitted(function, target, bend=bend, held=True, noise=0.003, slope=rising)
    level = None if bend else 0.95
    blueprint = inverse_blueprint(made, "float64", column="x", at={"h": 0.25}, interval=level)
    width = None if level is None else float(interval_of(made, level, stdtrit).width[0])
    (reading,) = blueprint.contract.columns
    low, high = made.contract.columns[0].minimum, made.contract.columns[0].maximum
    y = np.array([[reading.minimum * (1 - share) + reading.maximum * share] for share in (0.03, 0.4, 0.9)])
    found = {name: values.fractions() for name, (values, _) in blueprint.claims.at(y).items()}
    with mp.workdps(60):
        for row, each in enumerate(y[:, 0].tolist()):
            eta = OF[target](mp.mpf(each))  # type: ignore[operator]
            roots = []
            for band in range(1 if width is None else 3):
                away = partial(lambda x, band, eta: bands(made, x, 0.25, width)[band] - eta, band=band, eta=eta)
                roots.append(mp.findroot(away, (mp.mpf(low), mp.mpf(high)), solver="anderson"))
            roots = roots[:1] + sorted(roots[1:])
            for name, root in zip(("y", "y_lower", "y_upper"), roots, strict=False):
                value = found[name][row]
                assert abs(mp.mpf(value.numerator) / value.denominator - root) < mp.mpf(10) ** -35 * (1 + abs(root))


THERMOSTAT = {
    "temp": np.arange(96.0, 111, 2).tolist(),
    "read": [95.71, 98.16, 99.52, 102.09, 103.79, 106.18, 108.14, 110.21],
}
CRYSTALS = {
    "time": np.arange(2.0, 29, 2).tolist(),
    "weight": [0.08, 1.12, 4.43, 4.98, 4.92, 7.18, 5.57, 8.40, 8.81, 10.81, 11.16, 10.12, 13.12, 15.04],
}


@pytest.mark.parametrize(
    ("table", "target", "reading", "level", "published"),
    [
        (THERMOSTAT, "read", 104.0, 0.95, ("103.995", "103.4", "104.6")),
        (THERMOSTAT, "read", 100.0, 0.90, ("100.1", "99.63", "100.59")),
        (CRYSTALS, "weight", 8.0, 0.95, ("15.8882", "11.0946", "20.7240")),
    ],
)
def test_limits_are_those_that_investr_has_in_its_own_tests(
    tmp_path: Path, table: dict[str, list[float]], target: str, reading: float, level: float, published: tuple[str, ...]
) -> None:
    # Examples of Graybill and Iyer 1994, Regression Analysis, 6, as investr 1.4 tests calibrate(); R is not run here.
    made = lr_trainer.fit(table, target=target)
    export(made, tmp_path / "inverse.onnx", precision="float64", inverse="", interval=level, without_eager=True)
    row = Predictor.load(tmp_path / "inverse.onnx").predict([[reading]]).rows()[0]
    assert [
        f"{value:.{len(text.partition('.')[2])}f}" for value, text in zip(row.values(), published, strict=False)
    ] == [*published]


def test_limits_hold_the_column_as_often_as_their_level_says() -> None:
    random, held, runs = np.random.default_rng(7), 0, 2000
    x = np.linspace(0, 10, 8)
    away, ends = x - x.mean(), np.array([0.0, 5.0, 10.0])
    root = np.sqrt(away @ away)
    z = Dyadic.of(((ends - x.mean()) / root)[:, None])
    none = np.zeros(1)
    leverage = Leverage(np.array(1 / len(x)), none, np.ones((1, 1)), none)
    for _ in range(runs):
        y = 1 + 0.5 * x + random.normal(0, 0.4, len(x))
        slope = away @ y / (away @ away)
        residual = np.sqrt(((y - y.mean() - slope * away) ** 2).sum() / (len(x) - 2))
        width = -stdtrit(len(x) - 2, 0.025) * residual
        eta = [Fraction(each) for each in (y.mean() + slope * (ends - x.mean())).tolist()]
        curve = Curve("x", None, tuple(map(Fraction, ends.tolist())), tuple(eta), z, is_bent=False)
        inverse = Inverse.of(curve, "float64", Interval(0.95, np.array([width]), leverage))
        assert inverse.limits is not None
        true = random.uniform(0, 10)
        d = 1 + 0.5 * true + random.normal(0, 0.4) - float(inverse.center)
        middle, pace, spread, floor = map(float, inverse.limits)
        held += abs(true - middle - pace * d) <= np.sqrt((spread * d) ** 2 + floor)
    # Four standard deviations of a binomial count: one seed in 16,000 would fail.
    assert abs(held - 0.95 * runs) < 4 * np.sqrt(runs * 0.95 * 0.05)


def test_a_conformal_interval_is_inverted_as_a_band_of_one_width(tmp_path: Path) -> None:
    random = np.random.default_rng(3)
    x = random.uniform(0, 9, 200)
    y = 2 - 0.5 * x + random.laplace(0, 0.1, 200)
    made = lr_trainer.fit({"x": x, "y": y}, target="y", l2=1e-3, interval=0.9)
    (half,) = interval_of(made, 0.9, stdtrit).width
    export(made, tmp_path / "i.onnx", precision="float64", inverse="x", interval=0.9, without_eager=True)
    row = Predictor.load(tmp_path / "i.onnx").predict([[0.7]]).rows()[0]
    assert row["x_upper"] - row["x"] == pytest.approx(half / abs(made.weight[0, 0] / made.scale[0]), rel=1e-12)
    assert row["x"] - row["x_lower"] == pytest.approx(row["x_upper"] - row["x"], rel=1e-9)


@pytest.mark.parametrize("far", [1e6, -3e9, 1e12])
def test_readings_that_float32_does_not_tell_apart_are_said_to_be(far: float) -> None:
    u, said = np.linspace(0, 1, 30), list[float | str]()
    for y in (u + 0.45 * u**2, -u - 0.45 * u**2, -u + 0.45 * u**2):
        made = lr_trainer.fit({"x": u + 1e-3 * np.sin(50 * u), "y": far + y}, target="y", degree=2)
        try:
            said.append((inverse_blueprint(made, "portable", column="x", at={}).contract.input_rounding or (0.0,))[0])
        except CheckFailedError as error:
            said.append(str(error))
        assert inverse_blueprint(made, "float64", column="x", at={}).claims.bounds["y"][0] < 1e-14
    assert all(isinstance(each, str) or each > 0.01 for each in said)


@pytest.mark.parametrize(
    ("target", "slope", "less"), [("reciprocal", 5.0, 0), ("reciprocal", 3.0, 0), ("log", 900.0, 0), ("sqrt", 1.5, 20)]
)
def test_a_model_of_what_no_reading_is_has_no_inverse(target: TargetFunction, slope: float, less: float) -> None:
    made = fitted(None, target, slope=slope, noise=1e-9)
    with pytest.raises(UnsupportedModelError, match="takes values of no reading"):
        inverse_blueprint(replace(made, bias=made.bias - less), column="x", at={})


def line(**table: list[float] | list[str]) -> Checkpoint:
    return lr_trainer.fit({"y": [1.0, 2.1, 2.9, 4.2, 5.0, 6.1], **table}, target="y")


X = {"x": [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]}
SITE = {"site": ["a", "b", "a", "b", "b", "a"]}


@pytest.mark.parametrize(
    ("table", "options", "error", "words"),
    [
        (X, {"column": "z"}, OptionError, 'inverse="z": the column that has no value is "x"'),
        (X, {"at": {"z": 1}}, OptionError, 'the model has no column "z"'),
        (
            {**X, **SITE},
            {"column": "x"},
            OptionError,
            'one numeric column: give each other one a value; left is "x", "site"',
        ),
        (
            {**X, **SITE},
            {"at": {"x": 3}},
            OptionError,
            'back to one numeric column: give each other one a value; left is "site"',
        ),
        ({**X, **SITE}, {"at": {"site": "c"}}, OptionError, 'the category "c" is unknown'),
        ({**X, "h": [1.0, 1, 0, 1, 0, 1]}, {"column": "x", "at": {"h": "q"}}, OptionError, '"q" is not a number'),
        ({"x": [3.0, 1.0, 2.0, 2.1, 1.0, 3.1]}, {"interval": 0.999}, UnsupportedModelError, "does not differ from 0"),
    ],
)
def test_what_has_no_inverse_is_one_line(
    table: dict[str, list[float]], options: dict[str, object], error: type[LinedgeError], words: str
) -> None:
    with pytest.raises(error) as caught:
        inverse_blueprint(line(**table), **{"at": {}, **options})  # type: ignore[arg-type]
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_curve_that_turns_or_that_no_file_inverts_is_refused() -> None:
    x = np.linspace(0, 3, 20)
    for y, degree, interval, words in (
        ((x - 1) ** 2, 2, None, "does not rise or fall throughout"),
        (x**2, 2, 0.9, "Fieller's limits are of models that are straight"),
        (x**3, 3, None, "straight, or of degree 2"),
    ):
        noisy = y + 0.01 * np.sin(40 * x)
        made = lr_trainer.fit({"x": x, "y": noisy}, target="y", degree=degree)
        with pytest.raises(UnsupportedModelError, match=words):
            inverse_blueprint(made, column="x", at={}, interval=interval)
    with pytest.raises(UnsupportedModelError, match="one output"):
        inverse_blueprint(lr_trainer.fit({"x": x, "y": 2 * x, "w": 3 * x}, target=["y", "w"]), column="x", at={})
