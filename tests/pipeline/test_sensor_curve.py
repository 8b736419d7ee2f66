"""A sensor curve of degree 15 through its 16 points: powers of the raw column lose it, those on an origin do not."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from lr_export import export
from lr_runtime import Predictor
from lr_trainer import Checkpoint, fit

TABLE = Path(__file__).parents[2] / "examples" / "sensor_curve.csv"
VOLT, KELVIN = np.loadtxt(TABLE, delimiter=",", skiprows=1).T


@pytest.fixture(scope="module")
def checkpoint() -> Checkpoint:
    return fit(TABLE, target="kelvin", degree=15)


def horner(coefficients: list[float], x: np.ndarray) -> np.ndarray:
    total = np.zeros_like(x)
    for coefficient in reversed(coefficients):
        total = (total * x + x.dtype.type(coefficient)).astype(x.dtype)
    return total


def test_the_raw_coefficients_in_float32_miss_by_thousands_of_degrees(checkpoint: Checkpoint) -> None:
    raw = [each.estimate or 0.0 for each in checkpoint.report.coefficients]
    assert abs(horner(raw, VOLT.astype(np.float32)) - KELVIN).max() > 1000


@pytest.mark.parametrize(("precision", "within"), [("float64", 1e-9), ("exact", 2e-5), ("portable", 5e-3)])
def test_the_artefacts_go_through_the_points(
    checkpoint: Checkpoint, precision: str, within: float, tmp_path: Path
) -> None:
    certificate = export(checkpoint, tmp_path / "curve.onnx", precision=precision)  # type: ignore[arg-type]
    given = VOLT.astype(certificate.input_dtype)
    # What rounding the input moves is no error of the model.
    wanted = KELVIN + np.gradient(KELVIN, VOLT) * (given.astype(np.float64) - VOLT)
    found = Predictor.load(tmp_path / "curve.onnx").predict(given[:, None]).values[:, 0]
    assert abs(found - wanted).max() < within
