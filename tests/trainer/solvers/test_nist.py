"""The eleven NIST linear least-squares sets, from CSV through the command, against their exact solutions."""

from __future__ import annotations

import json
import math
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import pytest

from tests.conftest import DATA

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.conftest import Run

SETS: dict[str, Any] = json.loads((DATA / "nist" / "certified.json").read_text())


def digits(found: float, exact: str) -> float:
    """NIST's log relative error: the number of correct digits."""
    error = abs(Fraction(found) - Fraction(exact)) / abs(Fraction(exact))
    return math.inf if error == 0 else -math.log10(float(error))


@pytest.mark.parametrize("name", SETS)
def test_every_coefficient_has_13_digits_and_every_standard_error_12(name: str, run: Callable[..., Run]) -> None:
    case = SETS[name]
    model, exact = case["model"], case["exact"]
    options = [] if model["intercept"] else ["--no-intercept"]
    if model["kind"] == "poly":
        options += ["--degree", model["degree"]]
    table = DATA / "nist" / case["file"]
    report = json.loads(run("lr-train", table, "--target", case["response"], *options, "--json").stdout)
    assert report["rows"] == case["rows"]
    assert len(report["coefficients"]) == len(exact["estimates"])
    for found, estimate, error in zip(report["coefficients"], exact["estimates"], exact["sds"], strict=True):
        assert digits(found["estimate"], estimate) >= 13, found["term"]
        if Fraction(error):
            assert digits(found["standard_error"], error) >= 12, found["term"]
        else:
            assert found["standard_error"] in {None, 0.0}, found["term"]
    assert digits(report["r2"], exact["r_squared"]) >= 12
