"""A column is constant where its values differ by rounding alone, in every solver; what varies by more is fitted."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lr_export import export
from lr_runtime import Predictor
from lr_trainer import Descent, fit
from lr_trainer.arithmetic.rounding import varies

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray


WAYS: dict[str, dict[str, Any]] = {
    "exact": {},
    "double-double": {"drop_collinear": True},
    "minimum norm": {"minimum_norm": True},
    "ridge": {"l2": 1e-12},
    "lasso": {"l1": 1e-12},
    "descent": {"descent": Descent()},
    "a penalised descent": {"descent": Descent(), "l2": 1e-12},
}


@given(st.floats(1e-290, 1e290), st.integers(0, 8), st.booleans())
def test_the_range_counts_in_units_in_the_last_place(value: float, steps: int, negative: bool) -> None:
    other = value
    for _ in range(steps):
        other = float(np.nextafter(other, 0.0))
    low, high = (-value, -other) if negative else (other, value)
    assert varies(low, high) == (Fraction(high) - Fraction(low) > 4 * Fraction(float(np.spacing(value))))


def rounded_constants(rows: int) -> NDArray[np.float64]:
    """Return what should be 0.3, summed in other orders or scaled to and fro: it differs by 3 units at most."""
    three = np.array([0.1 + 0.2, 0.3, 0.1 * 3, 1.1 * 3 - 3.0 * 1.0, np.nextafter(0.3, 0)])
    return three[[0, 1, 2, 4]][np.arange(rows) % 4]


def table(rows: int = 60) -> dict[str, NDArray[np.float64]]:
    random = np.random.default_rng(1)
    z = random.normal(size=rows)
    return {"k": rounded_constants(rows), "z": z, "y": 2 * z + 0.1 * random.normal(size=rows)}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(("degree", "unit"), [(1, 2.0**-990), (3, 1.0)])
def test_a_constant_but_for_rounding_is_dropped(way: str, degree: int, unit: float) -> None:
    columns = table()
    columns["k"] = columns["k"] * unit
    found = fit(columns, target="y", degree=degree, **WAYS[way])
    assert found.fit["constant"] == ["k"]
    assert found.fit["cautions"] == []
    alone = fit({key: columns[key] for key in "zy"}, target="y", degree=degree, **WAYS[way])
    np.testing.assert_allclose(found.weight[0, 1:], alone.weight[0], rtol=1e-7)
    assert not found.weight[0, 0]
    assert found.origin[0] == 0


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(("offset", "step"), [(-1.7e15, 3.0), (0.3, 2.0**-54), (1.7e18, 256.0)])
def test_what_varies_in_its_last_digits_is_fitted(way: str, offset: float, step: float) -> None:
    columns = table()
    random = np.random.default_rng(2)
    steps = random.integers(0, 13, size=60).astype(float)
    steps[:2] = 0, 12  # a range of 12 units in the last place in the narrowest
    columns["t"] = offset + step * steps
    columns["y"] = columns["y"] + 0.5 * steps
    found = fit({key: columns[key] for key in "tzy"}, target="y", **WAYS[way])
    plain = fit({"t": (columns["t"] - offset) / step, "z": columns["z"], "y": columns["y"]}, target="y", **WAYS[way])
    assert found.fit["constant"] == found.fit["collinear"] == []
    np.testing.assert_allclose(found.weight * [step, 1.0], plain.weight, rtol=1e-6)
    assert found.fit["r2"] == pytest.approx(plain.fit["r2"], rel=1e-9)
    assert any("last digits only" in line for line in found.fit["cautions"])


def test_powers_of_what_varies_in_its_last_digits_are_of_its_deviations() -> None:
    steps = np.random.default_rng(3).integers(0, 1000, size=200).astype(float)
    y = 1 + steps / 100 - (steps / 300) ** 2 + np.random.default_rng(4).normal(size=200)
    found = fit({"t": 1.7e15 + steps, "y": y}, target="y", degree=2)
    plain = fit({"t": steps, "y": y}, target="y", degree=2)
    assert found.fit["r2"] == pytest.approx(plain.fit["r2"], rel=1e-9)
    assert found.fit["residual_sd"] == pytest.approx(plain.fit["residual_sd"], rel=1e-9)


def test_combinations_of_columns_that_vary_in_their_last_digits_are_still_found() -> None:
    random = np.random.default_rng(5)
    a = 1e15 + 0.125 * random.integers(0, 40, size=90)
    columns = {"a": a, "b": a - 1e15, "c": random.normal(size=90), "y": random.normal(size=90)}
    found = fit(columns, target="y", drop_collinear=True)
    assert found.fit["collinear"] == ["b"]


def test_microseconds_go_the_whole_way(tmp_path: Path) -> None:
    steps = np.random.default_rng(6).integers(0, 1000, size=80)
    y = 0.25 * steps + np.random.default_rng(7).normal(size=80)
    rows = "".join(f"{1_690_000_000_000_000 + step},{value!r}\n" for step, value in zip(steps, y.tolist(), strict=True))
    (tmp_path / "t.csv").write_text("t,y\n" + rows)
    found = fit(tmp_path / "t.csv", target="y")
    slope, start = np.polyfit(steps, y, 1)
    assert found.weight[0, 0] == pytest.approx(slope, rel=1e-9)
    export(found, tmp_path / "m.onnx")
    predicted = Predictor.load(tmp_path / "m.onnx").predict([[1_690_000_000_000_500]])
    assert predicted.values[0, 0] == pytest.approx(start + 500 * slope, rel=1e-6)
