"""Targets of which a function is fitted: the fit, what is said of it on both scales, and what keeps it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from click.testing import CliRunner

from lr_export import export
from lr_runtime import Predictor
from lr_runtime.contract.fit_report import FitReport, OwnScale
from lr_runtime.errors import FitError, OptionError, TableError
from lr_trainer import Descent, fit, merge, update
from lr_trainer.cli import main
from lr_trainer.sklearn import LinearModelRegressor
from tests.optional import needs, optional

if TYPE_CHECKING:
    from pathlib import Path

    from lr_runtime.contract.contract import TargetFunction

torch, pandas, sm = map(optional, ("torch", "pandas", "statsmodels.api"))
FORWARD: dict[str, Any] = {"log": np.log, "sqrt": np.sqrt, "reciprocal": np.reciprocal}
INVERSE: dict[str, Any] = {"log": np.exp, "sqrt": lambda eta: np.maximum(eta, 0) ** 2, "reciprocal": np.reciprocal}


def table(function: TargetFunction, rows: int = 60) -> dict[str, np.ndarray]:
    chance = np.random.default_rng(5)
    x = chance.uniform(0, 4, rows)
    eta = 2 + 0.7 * x + chance.normal(0, 0.1, rows)
    return {"x": x, "w": chance.uniform(0.5, 2, rows), "y": INVERSE[function](eta)}


@pytest.mark.parametrize("weight", [None, "w"])
@pytest.mark.parametrize("function", list(FORWARD))
def test_the_function_is_fitted_and_both_scales_are_said(function: TargetFunction, weight: str | None) -> None:
    rows = table(function)
    checkpoint = fit(rows, target="y", features=["x"], weight=weight, transforms={"y": function})
    weights = np.ones(60) if weight is None else rows["w"]
    z, design = FORWARD[function](rows["y"]), sm.add_constant(rows["x"])
    wanted = sm.WLS(z, design, weights).fit()
    (output,), (own,) = checkpoint.contract.outputs, checkpoint.report.own_scale
    assert [each.estimate for each in checkpoint.report.coefficients] == pytest.approx(wanted.params, rel=1e-10)
    assert output.r2 == pytest.approx(wanted.rsquared, rel=1e-10)
    predicted = INVERSE[function](wanted.predict(design))
    residual = np.sum(weights * (rows["y"] - predicted) ** 2)
    about = np.sum(weights * (rows["y"] - np.average(rows["y"], weights=weights)) ** 2)
    assert own.r2 == pytest.approx(1 - residual / about, rel=1e-10)
    assert own.residual_sd == pytest.approx(np.sqrt(residual / 58), rel=1e-10)


@pytest.mark.parametrize("missing", ["error", "mean"])
@pytest.mark.parametrize("offset", [1e3, 1.7e9])
@pytest.mark.parametrize("degree", [1, 2])
def test_own_scale_is_of_the_model_wherever_the_columns_lie(offset: float, degree: int, missing: Any) -> None:
    rows = table("log")
    rows["x"] = rows["x"] + offset
    moved = rows["x"] - offset
    if missing == "mean":
        rows["x"][7] = np.nan
        moved[7] = np.nanmean(np.delete(moved, 7))
    (own,) = fit(
        rows, target="y", features=["x"], degree=degree, transforms={"y": "log"}, missing=missing
    ).report.own_scale
    design = np.stack([moved**power for power in range(degree + 1)], axis=1)
    residual = np.sum((rows["y"] - np.exp(sm.OLS(np.log(rows["y"]), design).fit().fittedvalues)) ** 2)
    assert own.residual_sd == pytest.approx(np.sqrt(residual / (59 - degree)), rel=1e-6)
    assert own.r2 == pytest.approx(1 - residual / np.sum((rows["y"] - rows["y"].mean()) ** 2), rel=1e-6)


@needs(torch)
@pytest.mark.parametrize("function", list(FORWARD))
def test_module_file_and_estimator_predict_the_target(function: TargetFunction, tmp_path: Path) -> None:
    rows = table(function)
    checkpoint = fit(rows, target="y", features=["x"], transforms={"y": function})
    export(checkpoint, tmp_path / "model.onnx", precision="float64", interval=0.9)
    x = rows["x"][:7, None]
    file = Predictor.load(tmp_path / "model.onnx").predict(x)
    eager = checkpoint.model()(torch.from_numpy(x)).detach().numpy()
    assert file.values == pytest.approx(eager, rel=1e-14)
    model = LinearModelRegressor(transforms={"y": function}).fit(x_frame(rows), named(rows["y"]))
    y, lower, upper = model.predict(x_frame(rows), return_interval=True, level=0.9)
    assert y[:7] == pytest.approx(file.values[:, 0], rel=1e-13)
    assert file.lower is not None
    assert file.upper is not None
    assert lower[:7] == pytest.approx(file.lower[:, 0], rel=1e-12)
    assert upper[:7] == pytest.approx(file.upper[:, 0], rel=1e-12)


def x_frame(rows: dict[str, np.ndarray]) -> Any:
    return pandas.DataFrame({"x": rows["x"]})


@pytest.mark.parametrize("unit", [1e-20, 1e-9, 1e100])
@pytest.mark.parametrize("function", list(FORWARD))
def test_the_own_scale_is_known_in_any_unit(function: TargetFunction, unit: float) -> None:
    rows = table(function)
    wanted = fit(rows, target="y", features=["x"], transforms={"y": function}).report.own_scale[0]
    in_unit = {**rows, "y": unit * rows["y"]}
    own = fit(in_unit, target="y", features=["x"], transforms={"y": function}).report.own_scale[0]
    assert own.r2 == pytest.approx(wanted.r2, rel=1e-9)
    assert own.residual_sd == pytest.approx(unit * wanted.residual_sd, rel=1e-9)  # type: ignore[operator]


@pytest.mark.parametrize("start", [20.0, 2e4, 1.7e9])
@pytest.mark.parametrize("function", list(FORWARD))
def test_the_own_scale_is_that_of_columns_far_from_0(function: TargetFunction, start: float) -> None:
    """Such a column has an origin in the model, which it did not have in the moments."""
    rows = table(function)
    wanted = fit(rows, target="y", features=["x"], transforms={"y": function}).report.own_scale[0]
    moved = {**rows, "x": start + rows["x"]}
    own = fit(moved, target="y", features=["x"], transforms={"y": function}).report.own_scale[0]
    assert own == pytest.approx(wanted, rel=1e-5)


@pytest.mark.parametrize("options", [{"nonnegative": ["x"]}, {"l2": 1e-3}, {"descent": Descent()}])
def test_the_own_scale_is_that_of_the_rows_that_trained(options: dict[str, Any]) -> None:
    """A wild value in a row held out for the interval moves no figure of the fit, on either scale."""
    rows = table("log", 200)

    def reported(row: int, factor: float) -> FitReport:
        y = np.where(np.arange(200) == row, factor, 1) * rows["y"]
        return fit({"x": rows["x"], "y": y}, target="y", transforms={"y": "log"}, interval=0.8, **options).report

    wanted = reported(0, 1)
    others = (reported(row, 100) for row in range(60))
    assert next(each for each in others if each.quality == wanted.quality).own_scale == wanted.own_scale


@pytest.mark.parametrize("other", [None, "sqrt", "reciprocal"])
def test_a_start_is_of_the_same_function(other: TargetFunction | None) -> None:
    rows = table("log")
    init = fit(rows, target="y", features=["x"], transforms={"y": "log"})
    fit(rows, target="y", features=["x"], transforms={"y": "log"}, descent=Descent(init=init))
    with pytest.raises(OptionError, match="init: the checkpoint has other columns, targets"):
        fit(rows, target="y", features=["x"], transforms={"y": other} if other else {}, descent=Descent(init=init))


@pytest.mark.parametrize("value", [5e-324, -1e-310])
def test_what_a_function_makes_too_large_is_said_to_be(value: float) -> None:
    for name in ("x", "y"):
        rows = {"x": [1.0, 2.0, 4.0], "y": [2.0, 3.0, 1.0], name: [1.0, value, 3.0]}
        with pytest.raises(TableError, match=r"row 2.*, and reciprocal of it is beyond float64"):
            fit(rows, target="y", transforms={name: "reciprocal"})


@pytest.mark.parametrize("unit", [1e-300, 1e-161, 1e155, 1e300])
def test_squares_that_float64_does_not_hold_are_no_figures(unit: float) -> None:
    rows = {"x": table("log")["x"], "y": unit * table("log")["y"]}
    report = fit(rows, target="y", transforms={"y": "log"}).report
    assert report.own_scale == (OwnScale(None, None),)
    assert report.quality[0].residual_sd == pytest.approx(0.1, rel=0.3)


def named(y: np.ndarray) -> Any:
    return pandas.Series(y, name="y")


def test_updates_and_merges_keep_the_function() -> None:
    rows = table("log")
    first, rest = ({name: each[part] for name, each in rows.items()} for part in (slice(20), slice(20, None)))
    options = {"target": "y", "features": ["x"], "transforms": {"y": "log"}}
    whole = fit(rows, **options)  # type: ignore[arg-type]
    for joined in (update(fit(first, **options), rest), merge(fit(first, **options), fit(rest, **options))):  # type: ignore[arg-type]
        assert joined.contract.outputs[0].function == "log"
        assert joined.weight == pytest.approx(whole.weight, rel=1e-12)
        assert joined.report.own_scale == ()
    with pytest.raises(FitError, match=r"what is fitted"):
        merge(whole, fit(rest, target="y", features=["x"]))


@pytest.mark.parametrize("scale", [1.0, 1e150])
def test_squares_beyond_float64_leave_the_own_scale_unknown(scale: float) -> None:
    y = np.exp(np.append(np.linspace(0.0, 700.0, 20) + np.tile([0.1, -0.1], 10), 705.0))
    (own,) = fit(
        {"x": np.append(np.arange(20.0), 30.0), "y": y / scale}, target="y", transforms={"y": "log"}
    ).report.own_scale
    assert own == (None, None)


@pytest.mark.parametrize(
    ("function", "value", "words"),
    [("log", 0.0, "takes numbers above 0"), ("sqrt", -2.0, "0 or more"), ("reciprocal", 0.0, "other than 0")],
)
def test_a_target_outside_the_domain_is_named_with_its_row(function: TargetFunction, value: float, words: str) -> None:
    rows = table(function)
    rows["y"][17] = value
    with pytest.raises(TableError, match=rf"row 18.*{words}"):
        fit(rows, target="y", features=["x"], transforms={"y": function})


def test_a_reciprocal_of_both_signs_and_strange_functions_are_refused() -> None:
    rows = table("reciprocal")
    rows["y"][3] = -1.0
    with pytest.raises(FitError, match="both sides of 0"):
        fit(rows, target="y", features=["x"], transforms={"y": "reciprocal"})
    for strange in ("exp", "hinge:3", "log,sqrt", "linear"):
        with pytest.raises(OptionError, match="takes log or sqrt or reciprocal"):
            fit(rows, target="y", features=["x"], transforms={"y": strange})


def test_the_command_says_both_scales(tmp_path: Path) -> None:
    rows = table("sqrt")
    lines = ["x,y", *(f"{x!r},{y!r}" for x, y in zip(rows["x"].tolist(), rows["y"].tolist(), strict=True))]
    path = tmp_path / "table.csv"
    path.write_text("\n".join(lines))
    given = [str(path), "--target", "y", "--transform", "y=sqrt", "-o", str(tmp_path / "m.safetensors")]
    said = CliRunner().invoke(main, given).output
    assert "target sqrt(y)" in said
    assert "of y itself: R2 0.9" in said
    assert json.loads(CliRunner().invoke(main, [*given, "--json"]).stdout)["own_scale_r2"] > 0.9
