"""The certain digits of coefficients: never more than are right, by exact arithmetic, and `digits=13` has so many."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from lr_runtime.contract.fit_report import FitReport
from lr_runtime.errors import OptionError
from lr_trainer import Descent, fit
from lr_trainer.model.summary import summary
from tests.trainer.exact_solution import digits_of_fit, exact_gram, exact_solutions, solution_of
from tests.trainer.ill_conditioned import design, targets
from tests.trainer.statistics.random_problems import WAYS, blocks_of, claims, measured

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[np.float64]

PROBLEMS, AT_ONCE = 300, 60


@pytest.mark.parametrize("first", range(0, PROBLEMS, AT_ONCE))
def test_no_fit_claims_a_digit_that_is_wrong(first: int) -> None:
    understated = []
    for number in range(first, first + AT_ONCE):
        for way, found in measured(number, [WAYS[number % len(WAYS)]]):
            if found is not None:
                assert min(found.understated) >= 0, (number, way, found)
                understated += found.understated
    assert len(understated) > AT_ONCE
    assert np.median(understated) <= 2


@pytest.mark.parametrize(
    ("number", "way"),
    [
        pytest.param(230, "whole", id="without an intercept, means take most of a sum away"),
        pytest.param(8409, "merged", id="few rows, whose own sums are right to far below their rounding"),
        pytest.param(8604, "merged", id="the same, of several terms"),
    ],
)
def test_roundings_that_once_were_forgotten_are_counted(number: int, way: str) -> None:
    ((_, found),) = measured(number, [way])
    assert found is not None
    assert min(found.understated) >= 0


@pytest.mark.parametrize("condition", [1e2, 1e6])
@pytest.mark.parametrize("unexplained", [0.5, 1e-9])
def test_thirteen_digits_are_had_where_they_are_asked_for(condition: float, unexplained: float) -> None:
    x = design(20_000, 5, condition)
    y = targets(x, [unexplained])
    (exact,) = exact_solutions(x, y)
    with blocks_of(2048):
        found = fit({"x": x, "y": y[:, 0]}, target="y", digits=13)
        usual = fit({"x": x, "y": y[:, 0]}, target="y")
    right = digits_of_fit(found, exact)
    assert min(digits or 0 for digits in right) >= 13
    assert min(claims(found, exact).claimed) >= 12
    assert min(claims(found, exact).understated) >= 0
    assert min(claims(usual, exact).claimed) < min(claims(found, exact).claimed)


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("l2", [2.0**-20, 2.0**-6])
def test_the_digits_of_a_ridge_are_right(seed: int, l2: float) -> None:
    random = np.random.default_rng(seed)
    x, shares = np.rint(random.normal(size=(200, 4)) * 1000), random.normal(size=4)
    x[:, 3] = x[:, 2] + np.rint(x[:, 3] * 10.0 ** -random.integers(0, 3))
    x = np.concatenate([x, -x])  # means of 0: the ridge is then a share of the diagonal itself
    y = np.rint(x @ shares + random.normal(size=400) * 10)
    gram = exact_gram([x, y[:, None]])
    scale = int(1 / l2)
    gram *= scale
    for place in range(4):
        gram[place, place] += gram[place, place] // scale
    exact = solution_of(gram, [x, y[:, None]])
    (_, *rows) = fit({"x": x, "y": y}, target="y", l2=l2).report.coefficients
    for row, right in zip(rows, exact, strict=True):
        assert row.digits is not None
        assert row.digits > 6
        assert abs(row.estimate - right) <= abs(right) * 10**-row.digits


def table() -> dict[str, Array]:
    x = np.arange(12.0)
    return {"x": x, "y": x + np.sin(x)}


def test_json_has_the_digits_of_each_coefficient_and_reports_without_them_load() -> None:
    found = fit(table(), target="y")
    assert [row["digits"] for row in found.fit["coefficients"]] == [15.9, 15.9]
    for row in found.fit["coefficients"]:
        del row["digits"]
    old = FitReport.from_json(found.fit)
    assert [row.digits for row in old.coefficients] == [None, None]
    assert summary(old, found.contract) == found.summary()


def test_a_descent_has_no_certain_digits() -> None:
    assert all("digits" not in row for row in fit(table(), target="y", descent=Descent()).fit["coefficients"])


def test_the_summary_prints_no_digit_that_is_not_certain() -> None:
    x = design(20_000, 2, 1e6)
    with blocks_of(2048):
        found = fit({"x": x, "y": targets(x, [0.5])[:, 0]}, target="y")
    text = found.summary()
    fewest = min(row.digits for row in found.report.coefficients if row.digits is not None)
    assert fewest < 12
    assert f"at least {fewest:.1f} digits of each coefficient" in text
    for row, line in zip(found.report.coefficients, text.splitlines()[3:], strict=False):
        assert row.estimate is not None
        assert row.stderror is not None
        assert row.digits is not None
        name, number = line.split()[:2]
        certain = row.digits - np.log10(max(1.0, row.stderror / abs(row.estimate)))
        assert name == row.term
        assert certain - 1 < len(number.strip("-").replace(".", "")) <= certain


@pytest.mark.parametrize("more", [{"l2": 0.1}, {"minimum_norm": True}, {"descent": Descent()}])
def test_digits_are_for_least_squares(more: dict[str, Any]) -> None:
    with pytest.raises(OptionError, match="digits"):
        fit(table(), target="y", digits=13, **more)


@pytest.mark.parametrize("digits", [0, 14, 9.5])
def test_digits_are_a_whole_number_from_1_to_13(digits: Any) -> None:
    with pytest.raises(OptionError, match="1 to 13"):
        fit(table(), target="y", digits=digits)
