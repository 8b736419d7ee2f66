"""Bounds of inverses: certified in every format, searched for readings that leave them; limits that are infinite."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from click.testing import CliRunner

from lr_export import export
from lr_export.certificate.inverse import inverse_blueprint
from lr_export.certificate.trial import Allowed
from lr_export.exact.box import box
from lr_export.program.evaluation import evaluated
from lr_runtime import Predictor
from lr_runtime.commands.inspect import main as inspect
from lr_runtime.contract.contract import PRECISIONS, Contract
from lr_runtime.errors import CheckFailedError, InputError, OptionError, RowError
from tests.export.inverses import RANGES, fitted

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from lr_export.certificate.specification import Blueprint
    from lr_runtime.contract.contract import Precision, TargetFunction
    from lr_runtime.contract.derived import FunctionName
    from lr_runtime.contract.formats import FormatName

TARGETS: list[TargetFunction | None] = [None, "log", "sqrt", "reciprocal"]
MADE: list[tuple[FunctionName | None, TargetFunction | None, Mapping[str, float]]] = [
    (None, None, {}),
    (None, "log", {"bend": -0.4}),
    ("log", "log", {"held": True}),
    ("log1p", None, {"slope": -1.5}),
    ("exp", None, {"noise": 1e-4, "bend": 0.3}),
    ("exp", "reciprocal", {"noise": 1e-4}),
    ("sqrt", "sqrt", {"noise": 0.2}),
    ("reciprocal", None, {"negative": True}),
    ("reciprocal", "log", {"bend": 0.4, "slope": -1.5}),
]


@pytest.mark.parametrize(("function", "target", "options"), MADE)
def test_engines_stay_within_the_bound(
    tmp_path: Path, function: FunctionName | None, target: TargetFunction | None, options: dict[str, float]
) -> None:
    made, precision = fitted(function, target, **options), PRECISIONS[len(str(options)) % 4]  # type: ignore[arg-type]
    level, at = None if "bend" in options else 0.95, {"h": -1.5} if "held" in options else {}
    found = export(
        made, tmp_path / "i.onnx", precision=precision, inverse="x", at=at, interval=level, without_eager=True
    )
    assert found.rows > 1000
    assert [*found.bounds] == ["y", *([] if level is None else ["y_lower", "y_upper"]), "in_range"]
    assert all(0 < run.worst_share <= 1 for run in found.engines)


@pytest.mark.parametrize(("format", "precision"), [("c", "exact"), ("js", "portable")])
def test_source_code_gives_the_bits_of_every_engine(tmp_path: Path, format: FormatName, precision: Precision) -> None:  # noqa: A002
    made, options = fitted("log", "log", noise=0.05), {"inverse": "x", "interval": 0.9, "without_eager": True}
    found = export(made, tmp_path / "i", format=format, precision=precision, **options)  # type: ignore[arg-type]
    assert len(found.engines) == 1


def drawn(seed: int) -> Blueprint:
    chance = np.random.default_rng(seed)
    while True:
        function, target = [*RANGES][chance.integers(len(RANGES))], TARGETS[chance.integers(len(TARGETS))]
        bend, slope = float(chance.uniform(-0.7, 0.7)) * (chance.random() < 0.4), float(chance.choice([-1.5, 1.5]))
        negative = bool(chance.random() < 0.3) and function in {None, "exp", "reciprocal"}
        noise = float(10 ** chance.uniform(-6, -0.7))
        made = fitted(function, target, seed=seed, bend=bend, noise=noise, slope=slope, negative=negative)
        level = None if bend else (None, 0.5, 0.99)[chance.integers(3)]
        try:
            return inverse_blueprint(made, PRECISIONS[chance.integers(4)], column="x", at={}, interval=level)
        except CheckFailedError:  # a limit is infinite within the readings of training
            continue


def shares(blueprint: Blueprint, y: np.ndarray) -> np.ndarray:
    """Return the largest share of its bound that an error uses at each reading."""
    found, worst = evaluated(blueprint.program, y), np.zeros(len(y))
    for name, near in blueprint.claims.at(y).items():
        if name != "in_range":
            allowed = Allowed.around(*near, "float64")
            share = allowed.errors(found[name].astype(np.float64)) / allowed.bound
            worst = np.maximum(worst, share[:, 0])
            assert (allowed.bound <= blueprint.claims.bounds[name][0]).all()
        else:
            assert (found[name] == near[0].integers.astype(bool)).all()
    return worst


@pytest.mark.parametrize("seed", range(8))
def test_no_reading_that_a_search_finds_leaves_its_bound(seed: int) -> None:
    blueprint, chance = drawn(seed), np.random.default_rng(seed)
    low, high = (corner.astype(blueprint.numbers.input) for corner in box(blueprint.contract))
    y = np.linspace(low, high, 60, dtype=low.dtype).reshape(-1, 1)
    for _ in range(3):
        worst = shares(blueprint, y)
        assert worst.max() <= 1
        best = y[np.argsort(worst)[-6:]]
        steps = chance.integers(-40, 41, (8, 1, 1)) * np.spacing(best)
        y = np.clip((best + steps).reshape(-1, 1).astype(low.dtype), low, high)


def test_beyond_the_readings_of_training_a_side_without_a_limit_is_infinite(tmp_path: Path) -> None:
    made = fitted("reciprocal", noise=0.02, slope=1.5)
    path = tmp_path / "i.onnx"
    found = export(made, path, inverse="x", interval=0.95, without_eager=True)
    predictor = Predictor.load(path)
    (column,) = predictor.contract.columns
    y = column.minimum - np.linspace(0, 0.4, 200)[:, None]
    x, low, high, inside = predictor.predict(y).columns().values()
    assert np.isfinite(x).all()
    assert np.isfinite(low).any()
    assert np.isinf(high).any()
    assert (high[np.isinf(high)] > 0).all()
    assert not inside[np.isinf(high)].any()
    row = int(np.argmax(np.isinf(high)))
    assert predictor.predict([[float(y[row, 0])]]).rows()[0]["x_upper"] == np.inf
    assert found.bounds["y_upper"][0] < 1e-4


def test_an_infinite_limit_within_the_readings_of_training_is_refused() -> None:
    with pytest.raises(CheckFailedError, match='"x_upper" may be infinite or none within the readings'):
        inverse_blueprint(fitted("reciprocal", noise=0.3), column="x", at={}, interval=0.95)


def test_a_reading_that_no_x_gives_is_a_fault_of_its_row(tmp_path: Path) -> None:
    export(fitted(None, bend=-0.4, noise=1e-4), tmp_path / "i.onnx", inverse="x", without_eager=True)
    predictor = Predictor.load(tmp_path / "i.onnx")
    assert predictor.predict([[3.5]]).rows()[0]["in_range"]
    with pytest.raises(RowError, match='row 1: "x" is beyond the range'):
        predictor.predict([[9.0]])
    export(fitted(None, "log"), tmp_path / "l.onnx", inverse="x", without_eager=True)
    with pytest.raises(RowError, match="above 0"):
        Predictor.load(tmp_path / "l.onnx").predict([[-1.0]])


@pytest.mark.parametrize(("held", "said"), [(0.5, None), (40.0, 'held outside the training range: "h"'), (-3.0, '"h"')])
def test_a_column_that_is_held_outside_its_training_range_is_said(held: float, said: str | None) -> None:
    remark = inverse_blueprint(fitted(None, held=True), column="x", at={"h": held}).uncertainty.remark
    assert remark is None if said is None else said in str(remark)


@pytest.mark.parametrize("at", [{"h": [1, 2]}, {1: 2.0}, ("h",), 3])
def test_values_that_no_column_has_are_one_line(tmp_path: Path, at: Any) -> None:
    with pytest.raises(OptionError, match=r"^at takes one number or text for each name"):
        export(fitted(None, held=True), tmp_path / "i.onnx", inverse="x", at=at)


def test_an_inverse_has_no_terms_to_explain_or_compare(tmp_path: Path) -> None:
    path = tmp_path / "i.onnx"
    export(fitted(None), path, inverse="x", without_eager=True)
    with pytest.raises(InputError, match="has no terms to explain"):
        Predictor.load(path).explain([[3.0]])
    said = CliRunner().invoke(inspect, [str(path), "--against", str(path)])
    assert (said.exit_code, said.stderr.count("\n")) == (2, 1)
    assert "Compare the models that they invert" in said.stderr


def test_the_contract_says_what_an_inverse_holds(tmp_path: Path) -> None:
    export(fitted(None, held=True), tmp_path / "i.onnx", inverse="x", at={"h": 0.5}, without_eager=True)
    contract = Predictor.load(tmp_path / "i.onnx").contract
    assert contract.inverse == ("h=0.5",)
    assert (contract.column_names, contract.output_names) == (("y",), ("x",))
    assert Contract.from_json(contract.to_json()) == contract
    assert json.loads(contract.to_json())["inverse"] == ["h=0.5"]
