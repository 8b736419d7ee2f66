"""Columns in units very large or very small: the same figures, up to where float64 ends, and a word said there."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from lr_runtime.errors import FitError
from lr_trainer import Descent, fit


@pytest.mark.parametrize("degree", [1, 2, 6])
@pytest.mark.parametrize("unit", [2.0**-430, 2.0**-100, 2.0**100, 2.0**430])
@pytest.mark.parametrize("noise", [1.0, 1e-8])
def test_the_figures_are_the_same_in_every_unit_or_none_where_float64_ends(
    degree: int, unit: float, noise: float
) -> None:
    random = np.random.default_rng(degree)
    x = random.normal(size=60)
    y = x + noise * random.normal(size=60)
    rows = fit({"x": x, "y": y}, target="y", degree=degree).fit["coefficients"]
    scaled = fit({"x": x * unit, "y": y / unit}, target="y", degree=degree).fit["coefficients"]
    for power, (row, found) in enumerate(zip(rows, scaled, strict=True)):
        assert (found["t"], found["p"]) == pytest.approx((row["t"], row["p"]), rel=1e-12)
        for figure in ("estimate", "standard_error", "lower", "upper"):
            expected = Fraction(row[figure]) / Fraction(unit) ** (power + 1)
            if 2.0**-1020 < abs(expected) < 2.0**1020:
                assert abs(Fraction(found[figure]) / expected - 1) < 1e-12, (row["term"], figure)
            else:
                assert found[figure] is None, (row["term"], figure)


@pytest.mark.parametrize("options", [{}, {"degree": 2}, {"l2": 1.0}, {"intercept": False}, {"descent": Descent()}])
@pytest.mark.parametrize("name", ["x", "y"])
@pytest.mark.parametrize("unit", [1e-310, 1e-300, 1e-160, 1e160, 1e200])
def test_values_whose_squares_float64_does_not_hold_are_refused(
    name: str, unit: float, options: dict[str, Any]
) -> None:
    random = np.random.default_rng(0)
    columns = {"x": random.normal(size=60), "y": random.normal(size=60)}
    columns[name] = columns[name] * unit
    if name == "x" and "degree" in options and unit > 1e-200:
        assert fit(columns, target="y", **options).fit["r2"] > 0
        return
    with pytest.raises(FitError, match=f'the column "{name}" reach .*Choose a unit'):
        fit(columns, target="y", **options)
