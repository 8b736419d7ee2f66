"""More rows for a fitted model, and models fitted apart: equal to the fit of all rows to the digits that are stated."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from lr_runtime.errors import FitError
from lr_trainer import Checkpoint, fit, lesson, merge, update
from tests.trainer.fitting.test_fit import sample, with_gaps

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from lr_runtime.contract.leverage import Leverage


def halves(columns: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    cut = len(columns["y"]) // 3
    return {k: v[:cut] for k, v in columns.items()}, {k: v[cut:] for k, v in columns.items()}


def leverages(leverage: Leverage, terms: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return h (rows,) for rows of terms (rows, terms), as `Leverage` states it."""
    whitened = (terms - leverage.mean) @ leverage.factor + leverage.shift
    return np.asarray(leverage.constant + (whitened**2).sum(axis=1))


def assert_same_fit(joined: Checkpoint, whole: Checkpoint) -> None:
    condition = whole.fit["condition_number"]
    bound = max(1e-12, 64 * condition**2 * 2.0**-53)
    np.testing.assert_allclose(joined.weight, whole.weight, rtol=bound)
    np.testing.assert_allclose(joined.bias, whole.bias, rtol=bound * 10)
    assert joined.contract.columns == whole.contract.columns
    assert joined.leverage is not None
    assert whole.leverage is not None
    np.testing.assert_allclose(joined.leverage.constant, whole.leverage.constant, rtol=2.0**-50)
    rows = whole.leverage.mean + np.random.default_rng(0).normal(size=(20, len(whole.terms))) * whole.leverage.constant
    np.testing.assert_allclose(leverages(joined.leverage, rows), leverages(whole.leverage, rows), rtol=bound * 10)
    assert joined.fit["rows"] == whole.fit["rows"]
    np.testing.assert_allclose(joined.fit["residual_sd"], whole.fit["residual_sd"], rtol=1e-9)
    assert joined.fit["digits"] >= 6


CASES: dict[str, Callable[[], tuple[dict[str, Any], dict[str, Any]]]] = {
    "numbers": lambda: ({k: v for k, v in sample().items() if k in "aby"}, {}),
    "categories and weights": lambda: (sample(), {"weight": "w"}),
    "no intercept": lambda: ({k: v for k, v in sample().items() if k in "aby"}, {"intercept": False}),
    "an offset": lambda: (
        {"t": 1.7e9 + 3600 * sample()["a"], "b": sample()["b"], "y": sample()["y"]},
        {},
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_updated_and_merged_fits_are_the_fit_of_all_rows(case: str) -> None:
    columns, options = CASES[case]()
    first, rest = halves(columns)
    whole = fit(columns, target="y", **options)
    assert_same_fit(update(fit(first, target="y", **options), rest), whole)
    assert_same_fit(merge(fit(first, target="y", **options), fit(rest, target="y", **options)), whole)


def test_powers_and_fills_of_the_checkpoint_hold_for_new_rows() -> None:
    columns = with_gaps({k: v for k, v in sample().items() if k in "aby"})
    first, rest = halves(columns)
    start = fit(first, target="y", missing="indicator", degree=2)
    joined = update(start, rest)
    assert joined.terms == start.terms
    assert joined.fill.tolist() == start.fill.tolist()
    assert joined.origin.tolist() == start.origin.tolist()
    known = np.where(np.isnan(columns["a"]), start.fill[0], columns["a"])
    filled = np.column_stack([known, known**2, np.isnan(columns["a"]), columns["b"], columns["b"] ** 2, np.ones(400)])
    expected = np.linalg.lstsq(filled, columns["y"], rcond=None)[0]
    found = {row["term"]: row["estimate"] for row in joined.fit["coefficients"]}
    names = ["a", "a^2", "a missing", "b", "b^2", "intercept"]
    np.testing.assert_allclose([found[name] for name in names], expected, rtol=1e-8)


@pytest.mark.parametrize("degree", [2, 3, 4])
@pytest.mark.parametrize("intercept", [True, False])
def test_raw_coefficients_of_powers_have_the_figures_of_one_fit(degree: int, intercept: bool) -> None:
    random = np.random.default_rng(degree)
    x = random.uniform(900, 1100, size=200)
    columns = {"x": x, "z": random.normal(size=200), "y": 0.01 * (x - 1000) ** 2 + 40 * random.normal(size=200)}
    options: dict[str, Any] = {"degree": degree if intercept else 2, "intercept": intercept}
    first, rest = halves(columns)
    start = fit(first, target="y", **options)
    joined = update(start, rest)
    assert joined.fit["arithmetic"] == "double-double"
    assert_same_figures(joined, fit(columns, target="y", **options))
    # The origin of powers comes from the first rows, so checkpoints with one origin share some.
    twice = {name: np.append(values, first[name]) for name, values in columns.items()}
    assert_same_figures(merge(start, joined), fit(twice, target="y", **options))


def assert_same_figures(joined: Checkpoint, whole: Checkpoint) -> None:
    for found, expected in zip(joined.fit["coefficients"], whole.fit["coefficients"], strict=True):
        for figure in ("estimate", "standard_error", "t", "p", "lower", "upper"):
            assert found[figure] == pytest.approx(expected[figure], rel=1e-7), (found["term"], figure)


FIGURES = ("r2", "rmse", "adjusted_r2", "residual_sd", "f", "f_p", "log_likelihood", "aic", "bic")


@pytest.mark.parametrize("intercept", [True, False])
@pytest.mark.parametrize("noise", [1e3, 1.0, 3e-1, 1e-2, 1e-4, 1e-6, 1e-9, 0.0])
def test_figures_of_the_residuals_hold_the_digits_that_are_stated_or_are_left_out(
    noise: float, intercept: bool
) -> None:
    random = np.random.default_rng(4)
    x = random.uniform(0, 1000, size=200)
    y = 2 * x + (1 if intercept else 0) + noise * random.normal(size=200)
    columns = {"x": x, "y": y, "z": x + random.normal(size=200)}
    options: dict[str, Any] = {"features": ["x"], "intercept": intercept}
    first, rest = halves(columns)
    start, whole = fit(first, target=["y", "z"], **options), fit(columns, target=["y", "z"], **options).fit
    for joined in (update(start, rest), merge(start, fit(rest, target=["y", "z"], **options))):
        found = joined.fit
        is_lost = any("digits of its residuals" in line for line in found["cautions"])
        assert is_lost == (noise == 0)
        assert found["digits"] >= 6
        for place in range(2):
            for figure in FIGURES:
                if is_lost and place == 0 and "r2" not in figure:
                    assert found[figure][place] is None, figure
                else:
                    assert found[figure][place] == pytest.approx(whole[figure][place], rel=10 ** -found["digits"])
        errors = [row["standard_error"] for row in found["coefficients"]]
        assert [error is None for error in errors] == [is_lost] * (len(errors) // 2) + [False] * (len(errors) // 2)
        assert (joined.contract.outputs[0].residual_sd is None) == is_lost
        # A p has fewer digits than its t: one of them may be none where the residuals have barely enough.
        assert "residual standard deviation none" not in joined.summary()
        assert ("root mean squared residual none" in joined.summary()) == is_lost


def test_joined_fits_carry_the_cautions_of_a_fit() -> None:
    columns = {k: v for k, v in sample().items() if k in "aby"}
    columns["t"] = 1.7e9 + 3600 * np.random.default_rng(9).normal(size=400)
    columns["leak"] = columns["y"] * 2.54 + 1e-6 * columns["a"]
    first, rest = halves({"leak": columns["leak"], "t": columns["t"], "y": columns["y"]})
    start = fit(first, target="y")
    expected = fit({k: columns[k] for k in first}, target="y").fit["cautions"]
    assert len(expected) == 2
    assert update(start, rest).fit["cautions"][:2] == expected
    assert merge(start, fit(rest, target="y")).fit["cautions"][:2] == expected


def test_no_row_of_an_update_with_powers_lies_outside_the_ranges() -> None:
    random = np.random.default_rng(8)
    first, rest = ({"x": random.uniform(-1e-3, 1e3, size=60), "y": random.normal(size=60)} for _ in range(2))
    rest["x"] = rest["x"] * 1.01 - 0.01
    joined = update(fit(first, target="y", degree=2), rest)
    column = joined.contract.columns[0]
    x = np.append(first["x"], rest["x"])
    assert column.minimum <= x.min() <= column.minimum + 1e-12
    assert column.maximum - 1e-12 <= x.max() <= column.maximum
    parts = [fit(part, target="y", degree=2) for part in (first, first)]
    assert merge(*parts).contract.columns == parts[0].contract.columns


def test_a_joined_checkpoint_joins_again() -> None:
    columns = {k: v for k, v in sample().items() if k in "aby"}
    pieces = [{k: v[start : start + 100] for k, v in columns.items()} for start in range(0, 400, 100)]
    joined = fit(pieces[0], target="y")
    for piece in pieces[1:]:
        joined = update(joined, piece)
    assert_same_fit(joined, fit(columns, target="y"))


def plain(**options: Any) -> Checkpoint:
    columns = {k: v for k, v in sample().items() if k in "aby"}
    return fit(columns, target="y", **options)


MISMATCHED: dict[str, tuple[Callable[[], Checkpoint], str]] = {
    "other columns": (lambda: plain(features=["a"]), r"the columns are \['a', 'b'\] in the first, \['a'\] here"),
    "another target": (lambda: fit({**sample(), "z": sample()["y"]}, target="z", features=["a", "b"]), "the targets"),
    "no intercept": (lambda: plain(intercept=False), "the intercept"),
    "powers": (lambda: plain(degree=2), "the terms"),
    "weights": (lambda: fit(sample(), target="y", features=["a", "b"], weight="w"), "the weight column"),
    "a penalty": (lambda: plain(l2=1.0), "penalised"),
    "a descent": (lambda: lesson()[0], "descent"),
}


@pytest.mark.parametrize("case", MISMATCHED)
def test_what_does_not_match_is_shown(case: str) -> None:
    make, message = MISMATCHED[case]
    with pytest.raises(FitError, match=message):
        merge(plain(), make())


def test_too_few_digits_are_refused() -> None:
    random = np.random.default_rng(3)
    a = random.normal(size=200)
    columns = {"a": a, "b": a + 1e-6 * random.normal(size=200), "y": random.normal(size=200)}
    first, rest = halves(columns)
    checkpoint = fit(first, target="y")
    assert update(checkpoint, rest).weight == pytest.approx(fit(columns, target="y").weight, rel=1e-9)
    # Before version 0.3 a checkpoint had the moments of the columns alone.
    earlier = {name: array for name, array in checkpoint.moments.items() if not name.startswith("fine")}
    checkpoint = replace(checkpoint, moments=earlier)
    with pytest.raises(FitError, match=r"leave [0-5]\.[0-9] digits"):
        update(checkpoint, rest)
