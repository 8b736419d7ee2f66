"""Outputs that were fitted as a function come back on their own scale: medians, means and the ends of intervals."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, get_args

import mpmath
import numpy as np
import pytest

from lr_export import export
from lr_export.certificate.specification import Blueprint
from lr_export.errors import UnsupportedModelError
from lr_export.program.evaluation import evaluated
from lr_runtime import Predictor
from lr_runtime.contract.contract import PRECISIONS, TargetFunction
from lr_runtime.errors import CheckFailedError, OptionError
from lr_trainer import fit

if TYPE_CHECKING:
    from pathlib import Path

    from lr_runtime.contract.contract import Precision
    from lr_trainer import Checkpoint

FUNCTIONS = get_args(TargetFunction)
_INVERSE = {
    "log": mpmath.exp,
    "sqrt": lambda eta: max(eta, 0) ** 2,
    "reciprocal": lambda eta: 1 / eta,
    None: lambda eta: eta,
}


def fitted(functions: tuple[TargetFunction | None, ...], *, offset: float = 2.0, degree: int = 1) -> Checkpoint:
    """Return a model of two columns, whose outputs, between 1 and 3 over the training box, are these functions."""
    chance = np.random.default_rng(len(functions) + degree)
    a, b = chance.uniform(0, 1, 30), chance.uniform(100, 101, 30)
    columns = {"a": a, "b": b}
    targets = [f"y{place}" for place in range(len(functions))]
    for place, name in enumerate(targets):
        columns[name] = offset + 0.5 * a - 0.3 * (b - 100.5) * (place + 1) + chance.normal(0, 0.02, 30)
    checkpoint = fit(columns, target=targets, degree=degree)
    pairs = zip(checkpoint.contract.outputs, functions, strict=True)
    outputs = tuple(output._replace(function=function) for output, function in pairs)
    return replace(checkpoint, contract=checkpoint.contract._replace(outputs=outputs))


def eta_of(checkpoint: Checkpoint, x: np.ndarray) -> list[list[mpmath.mpf]]:
    """Return what was fitted at rows of two columns, by mpmath."""
    origin, scale = checkpoint.origin, checkpoint.scale
    found = []
    for row in x.tolist():
        u = [(mpmath.mpf(value) - o) / s for value, o, s in zip(row, origin.tolist(), scale.tolist(), strict=True)]
        values = [term.value(row, u) for term in checkpoint.terms]
        sums = zip(checkpoint.weight.tolist(), checkpoint.bias.tolist(), strict=True)
        found.append([mpmath.fsum([b, *(w * v for w, v in zip(weights, values, strict=True))]) for weights, b in sums])
    return found


@pytest.fixture(autouse=True)
def digits() -> object:
    with mpmath.workdps(60):
        yield


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize(
    "functions", [("log",), ("sqrt",), ("reciprocal",), ("log", None, "reciprocal", "sqrt", "log")]
)
def test_medians_and_ends_are_the_inverses_within_the_bound(
    functions: tuple[TargetFunction | None, ...], precision: Precision
) -> None:
    checkpoint = fitted(functions, degree=2)
    blueprint = Blueprint.of(checkpoint, precision, interval=0.9, flags=True)
    low, high = (np.array([getattr(c, end) for c in checkpoint.contract.columns]) for end in ("minimum", "maximum"))
    x = np.random.default_rng(1).uniform(low, high, (12, 2)).astype(blueprint.numbers.input)
    got, claims = evaluated(blueprint.program, x), blueprint.claims.at(x)
    half = [[float(v) for v in row] for row in _half(checkpoint, x)]
    for row, etas in enumerate(eta_of(checkpoint, x)):
        for k, (eta, function) in enumerate(zip(etas, functions, strict=True)):
            ends = sorted(_INVERSE[function](eta + sign * half[row][k]) for sign in (-1, 1))
            for name, wanted in (("y", _INVERSE[function](eta)), ("y_lower", ends[0]), ("y_upper", ends[1])):
                pair = (each.columns([k]).fractions()[row] for each in claims[name])
                exact, bound = (mpmath.mpf(each.numerator) / each.denominator for each in pair)
                # The oracle takes half the interval in float64.
                assert abs(exact - wanted) < (1e-30 if name == "y" else 1e-12) * abs(wanted)
                assert abs(float(got[name][row, k]) - exact) <= bound
                assert bound <= blueprint.claims.bounds[name][k]


def _half(checkpoint: Checkpoint, x: np.ndarray) -> np.ndarray:
    from scipy.special import stdtrit

    from lr_runtime.contract.interval import interval_of

    interval = interval_of(checkpoint, 0.9, stdtrit)
    u = (x - checkpoint.origin) / checkpoint.scale
    return interval.half(np.column_stack([term.value([*x.T], [*u.T]) for term in checkpoint.terms]))


@pytest.mark.parametrize("function", ["log", "sqrt"])
def test_means_are_those_of_normal_errors(function: TargetFunction) -> None:
    checkpoint, x = fitted((function,)), np.array([[0.5, 100.5]])
    blueprint = Blueprint.of(checkpoint, "float64", mean=True)
    ((eta,),), sd = eta_of(checkpoint, x), checkpoint.contract.outputs[0].residual_sd
    assert sd is not None

    # The expectation by quadrature over normal errors is the oracle.
    def weighted(z: mpmath.mpf) -> mpmath.mpf:
        back = mpmath.exp(eta + sd * z) if function == "log" else (eta + sd * z) ** 2
        return back * mpmath.exp(-z * z / 2) / mpmath.sqrt(2 * mpmath.pi)

    wanted = mpmath.quad(weighted, [-30, -10, 0, 10, 30])
    assert evaluated(blueprint.program, x)["y"].item() == pytest.approx(float(wanted), rel=1e-14)
    assert blueprint.contract.is_mean


def test_a_root_below_0_is_cut_at_0() -> None:
    checkpoint = fitted(("sqrt",), offset=0.02)
    got = evaluated(Blueprint.of(checkpoint, "float64", interval=0.95).program, np.array([[0.0, 101.0]]))
    assert got["y_lower"].item() == 0.0
    assert 0 <= got["y"].item() <= got["y_upper"].item()


@pytest.mark.parametrize(("offset", "interval"), [(0.0, None), (0.2, 0.999999)])
def test_a_reciprocal_that_may_be_0_is_refused(offset: float, interval: float | None) -> None:
    checkpoint = fitted(("reciprocal",), offset=offset)
    with pytest.raises(CheckFailedError, match="reaches 0 within the training ranges"):
        Blueprint.of(checkpoint, interval=interval)


def test_what_has_no_mean_is_refused() -> None:
    with pytest.raises(OptionError, match="mean is for a target with a function"):
        Blueprint.of(fitted((None,)), mean=True)
    with pytest.raises(UnsupportedModelError, match="reciprocal, which has no mean"):
        Blueprint.of(fitted(("reciprocal",)), mean=True)
    checkpoint = fitted(("log",))
    outputs = (checkpoint.contract.outputs[0]._replace(residual_sd=None),)
    with pytest.raises(UnsupportedModelError, match="takes a residual standard deviation"):
        Blueprint.of(replace(checkpoint, contract=checkpoint.contract._replace(outputs=outputs)), mean=True)


@pytest.mark.parametrize("format_name", ["onnx", "c", "js", "torchscript", "pt2"])
def test_every_format_is_certified(format_name: str, tmp_path: Path) -> None:
    suffix = {"onnx": "onnx", "c": "h", "js": "mjs", "torchscript": "pt", "pt2": "pt2"}[format_name]
    precision = "portable" if format_name in {"c", "js"} else "exact"
    more = {"interval": 0.9, "flags": True} if format_name in {"onnx", "c", "js"} else {}
    certificate = export(
        fitted(("log", "sqrt", "reciprocal")),
        tmp_path / f"model.{suffix}",
        format=format_name,  # type: ignore[arg-type]
        precision=precision,  # type: ignore[arg-type]
        **more,  # type: ignore[arg-type]
    )
    assert all(engine.worst_share <= 1 for engine in certificate.engines)


def test_a_log_beyond_float32_is_refused_and_float64_is_not(tmp_path: Path) -> None:
    checkpoint = fitted(("log",), offset=95.0)
    with pytest.raises(CheckFailedError, match="beyond the range of float32"):
        export(checkpoint, tmp_path / "model.onnx")
    assert export(checkpoint, tmp_path / "model.onnx", precision="float64").bounds["y"][0] < np.exp(97) * 1e-13


def test_the_predictor_explains_what_was_fitted(tmp_path: Path) -> None:
    checkpoint = fitted(("log",))
    export(checkpoint, tmp_path / "model.onnx", precision="float64")
    predictor = Predictor.load(tmp_path / "model.onnx")
    (explanation,) = predictor.explain([[0.5, 100.5]])
    assert explanation.fitted == "log(y0)"
    assert np.exp(explanation.total) == pytest.approx(explanation.prediction, rel=1e-14)


@pytest.mark.parametrize("function", ["log", "sqrt"])
def test_the_explanation_of_a_mean_adds_up(function: TargetFunction, tmp_path: Path) -> None:
    export(fitted((function,)), tmp_path / "model.onnx", precision="float64", mean=True)
    (explanation,) = Predictor.load(tmp_path / "model.onnx").explain([[0.5, 100.5]])
    added, total = explanation.correction, explanation.total
    assert added is not None
    whole = np.exp(total + added) if function == "log" else total**2 + added
    assert whole == pytest.approx(explanation.prediction, rel=1e-13)


def test_cut_ends_are_said(tmp_path: Path) -> None:
    certificate = export(fitted(("sqrt",)), tmp_path / "model.onnx", interval=0.9)
    assert certificate.remark == "ends of the interval of sqrt(y0) below 0 are 0"
    assert export(fitted(("sqrt",)), tmp_path / "model.onnx").remark is None
