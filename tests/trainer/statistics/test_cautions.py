"""What is said, or refused, about columns that are too good or too far away to be trusted."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from lr_runtime.errors import FitError
from lr_trainer import Descent, fit
from tests.trainer.fitting.test_fit import sample


def numbers() -> dict[str, Any]:
    return {key: value for key, value in sample().items() if key in "aby"}


WAYS: dict[str, dict[str, Any]] = {
    "exact": {},
    "powers": {"degree": 2},
    "a penalty": {"l2": 1.0},
    "held out": {"l2": 1.0, "interval": 0.9},
    "descent": {"descent": Descent()},
    "no intercept": {"intercept": False},
}


@pytest.mark.parametrize("way", WAYS)
def test_the_target_among_the_features_is_an_error(way: str) -> None:
    columns = numbers()
    with pytest.raises(FitError, match='"copy" holds the same values as the target "y"'):
        fit({**columns, "copy": columns["y"]}, target="y", **WAYS[way])


def test_a_column_with_the_moments_of_the_target_is_a_warning_where_its_values_differ() -> None:
    x = np.arange(9.0)
    y = x + 1e-9 * np.array([0, 0, 1, -2, 1, 0, 0, 0, 0])
    found = fit({"x": x, "y": y}, target="y").fit
    assert ["leak?" in line for line in found["cautions"] if "digits" not in line] == [True]
    assert found["passes"] == 2  # moments, the comparison
    assert found["residual_sd"] == pytest.approx(1e-9 * np.sqrt(6 / 7), rel=1e-2)


def test_a_copy_that_only_the_last_row_tells_apart_is_none() -> None:
    columns = numbers()
    copy = columns["y"].copy()
    copy[-1] = np.nextafter(copy[-1], np.inf)
    assert any("leak?" in line for line in fit({**columns, "copy": copy}, target="y").fit["cautions"])


def test_without_an_intercept_the_reference_level_is_a_warning() -> None:
    columns = {"site": sample()["site"], "y": sample()["y"]}
    (line,) = fit(columns, target="y", intercept=False).fit["cautions"]
    assert 'the reference level "blue" of "site" has no weight of its own' in line
    assert fit(columns, target="y").fit["cautions"] == []


def test_a_column_nearly_proportional_to_the_target_is_a_warning() -> None:
    columns = numbers()
    found = fit({**columns, "leak": columns["y"] * 2.54 + 1e-6 * columns["a"]}, target="y")
    assert any("leak?" in line and '"leak"' in line for line in found.fit["cautions"])
    assert fit(columns, target="y").fit["cautions"] == []


def test_a_column_far_from_zero_is_a_warning_about_float32() -> None:
    columns = numbers()
    (line,) = fit({**columns, "t": 1.7e9 + 3600 * np.random.default_rng(9).normal(size=400)}, target="y").fit[
        "cautions"
    ]
    assert '"t" lies far from 0: float32 inputs hold it in steps of 128' in line


def test_an_offset_beyond_the_digits_of_float64_is_a_warning() -> None:
    columns = numbers()
    far = 1e14 + np.random.default_rng(0).integers(0, 1000, size=400).astype(float)
    (line,) = fit({**columns, "t": far}, target="y").fit["cautions"]
    assert "varies in its last digits only" in line


def test_a_single_row_far_from_all_others_is_a_warning() -> None:
    x, noise = np.append(np.arange(40.0), 4000.0), np.random.default_rng(2).normal(size=41)
    columns = {"x": x, "z": noise, "y": noise[::-1].copy()}
    (line,) = [each for each in fit(columns, target="y").fit["cautions"] if "gross outliers" not in each]
    centred = x - x.mean()
    leverage = 1 / 41 + centred[-1] ** 2 / (centred @ centred)
    assert f'a single row at an end of "x" has a leverage of {leverage:.3g} of at most 1' in line
    # Of the rows left, none is far; of four, any may be; and the weight of a row tells more than its place.
    assert fit({name: each[:40] for name, each in columns.items()}, target="y").fit["cautions"] == []
    assert fit({name: each[:4] for name, each in columns.items()}, target="y").fit["cautions"] == []
    weighted = fit({**columns, "w": 1 / (1 + x)}, target="y", weight="w").fit["cautions"]
    assert not any("leverage" in each for each in weighted)
