"""Coefficients, predictions and intervals of the estimator, against exact fractions and statsmodels."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pytest
import statsmodels.api as sm
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from lr_runtime.errors import FitError, OptionError, TableError, UnsupportedModelError
from lr_trainer import Descent, fit
from lr_trainer.sklearn import LinearModelRegressor
from tests.export.exact_fit import ExactFit, powers
from tests.export.oracle import fractions

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]


class Case(NamedTuple):
    """A problem, with the parameters of its fit."""

    rows: int = 40
    offset: float = 0.0
    noise: float = 1.0
    degree: int = 1
    intercept: bool = True
    weighted: bool = False

    def table(self) -> tuple[Floats, Floats, Floats | None]:
        random = np.random.default_rng(7)
        x = random.normal(size=(self.rows, 3)) * [1.0, 30.0, 1e-3] + self.offset
        signal = (x - self.offset) @ [2.0, -0.1, 500.0]
        y = signal + self.noise * random.normal(size=self.rows)
        return x, y, random.uniform(0.1, 5, size=self.rows) if self.weighted else None

    def estimator(self) -> LinearModelRegressor:
        return LinearModelRegressor(degree=self.degree, intercept=self.intercept)


CASES = {
    "plain": Case(),
    "R2 near 0": Case(noise=1e6),
    "R2 near 1": Case(noise=1e-6),
    "far from 0, as a time": Case(offset=1.7e9, noise=1e-3),
    "one row more than columns": Case(rows=5),
    "weights": Case(weighted=True),
    "no intercept": Case(intercept=False),
    "powers": Case(degree=2),
}


@pytest.mark.parametrize("name", CASES)
def test_coefficients_are_the_exact_ones(name: str) -> None:
    case = CASES[name]
    x, y, weights = case.table()
    model = case.estimator().fit(x, y, sample_weight=weights)
    exact = ExactFit.of(powers(x, case.degree, intercept=case.intercept), y, weights)
    found = [*([model.intercept_] if case.intercept else []), *model.coef_]
    errors = [float(exact.variance * exact.inverse[place, place]) ** 0.5 for place in range(len(exact.weight))]
    for value, truth, error in zip(found, exact.weight, errors, strict=True):
        assert abs(Fraction(float(value)) - truth) <= Fraction(1e-9) * max(abs(truth), Fraction(error))
    assert model.coef_.shape == (3 * case.degree,)
    assert isinstance(model.intercept_, float)
    assert case.intercept or model.intercept_ == 0


@pytest.mark.parametrize("name", CASES)
def test_intervals_are_the_exact_ones(name: str) -> None:
    case, level = CASES[name], 0.8
    x, y, weights = case.table()
    model = case.estimator().fit(x, y, sample_weight=weights)
    exact = ExactFit.of(powers(x, case.degree, intercept=case.intercept), y, weights)
    rows = powers(x, case.degree, intercept=case.intercept)
    middle, half = rows @ exact.weight, exact.half(rows, stats.t.ppf((1 + level) / 2, exact.degrees))
    found = model.predict(x, return_interval=True, level=level)
    assert found.shape == (3, len(x))
    assert np.array_equal(found[0], model.predict(x))
    for ours, truth in zip(found, (middle, middle - half, middle + half), strict=True):
        off = np.abs(fractions(ours) - truth)
        assert (off <= Fraction(1e-8) * (half + np.abs(middle) / 10**5)).all()


def test_intervals_are_those_of_statsmodels() -> None:
    x, y, weights = CASES["weights"].table()
    ols = sm.WLS(y, sm.add_constant(x), weights=weights).fit()
    theirs = ols.get_prediction(sm.add_constant(x)).summary_frame(alpha=0.05)
    _, lower, upper = LinearModelRegressor().fit(x, y, weights).predict(x, return_interval=True)
    assert np.allclose(lower, theirs["obs_ci_lower"], rtol=1e-9)
    assert np.allclose(upper, theirs["obs_ci_upper"], rtol=1e-9)


def test_several_outputs_are_fitted_each_by_itself() -> None:
    x, y, _ = Case().table()
    both = np.column_stack([y, y[::-1]])
    model, each = LinearModelRegressor().fit(x, both), [LinearModelRegressor().fit(x, one) for one in both.T]
    assert (model.coef_.shape, model.intercept_.shape) == ((2, 3), (2,))
    assert np.array_equal(model.coef_, [one.coef_ for one in each])
    assert np.allclose(model.predict(x), np.column_stack([one.predict(x) for one in each]), rtol=1e-13)
    intervals = model.predict(x, return_interval=True)
    assert intervals.shape == (3, len(x), 2)
    assert np.allclose(intervals[..., 1], each[1].predict(x, return_interval=True), rtol=1e-13)
    assert model.score(x, both) == pytest.approx(
        np.mean([one.score(x, y) for one, y in zip(each, both.T, strict=True)])
    )
    column = LinearModelRegressor().fit(x, y[:, None])
    assert (column.coef_.shape, column.predict(x).shape) == ((1, 3), (len(x), 1))


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 4), st.booleans(), st.sampled_from([0.0, 1.7e9]))
def test_parts_give_the_fit_of_all_rows(seed: int, parts: int, is_weighted: bool, offset: float) -> None:
    random = np.random.default_rng(seed)
    x = random.normal(size=(60, 2)) + offset
    y, weights = (x - offset) @ [3.0, -1.0] + random.normal(size=60), random.uniform(0.5, 2, size=60)
    whole = LinearModelRegressor().fit(x, y, weights if is_weighted else None)
    model = LinearModelRegressor()
    for rows in np.array_split(np.arange(60), parts):
        assert model.partial_fit(x[rows], y[rows], weights[rows] if is_weighted else None) is model
    assert model.checkpoint_.contract.rows == 60
    assert np.allclose(model.coef_, whole.coef_, rtol=1e-8)
    assert np.allclose(model.predict(x, return_interval=True), whole.predict(x, return_interval=True), atol=1e-7)


def test_parts_may_bring_levels_and_outputs_of_their_own() -> None:
    x = np.array([["a", 1.0], ["b", 2.0], ["a", 4.0], ["b", 3.0], ["c", 5.0], ["c", 7.0]], dtype=object)
    y = np.array([[1.0, 2.0], [3.0, 5.0], [4.0, 1.0], [1.0, 6.0], [5.0, 9.0], [9.0, 2.0]])
    parts = LinearModelRegressor().partial_fit(x[:4], y[:4]).partial_fit(x[4:], y[4:])
    whole = LinearModelRegressor().fit(x, y)
    assert parts.term_names_.tolist() == whole.term_names_.tolist() == ["x1=b", "x1=c", "x2"]
    assert np.allclose(parts.coef_, whole.coef_, rtol=1e-9)


PARTS: dict[str, tuple[LinearModelRegressor, list[str], dict[str, object], str]] = {
    "weights too late": (LinearModelRegressor(), [], {"sample_weight": np.ones(40)}, "some have none"),
    "other outputs": (LinearModelRegressor(), ["y1", "y2"], {}, 'y is "y1", "y2"; expected "y"'),
    "a penalty": (LinearModelRegressor(l2=1.0), [], {}, "penalised"),
    "a descent": (LinearModelRegressor(descent=Descent(epochs=3)), [], {}, "a descent"),
}


@pytest.mark.parametrize("case", PARTS)
def test_rows_that_do_not_go_with_the_ones_before_are_refused(case: str) -> None:
    model, outputs, arguments, said = PARTS[case]
    x, y, _ = Case().table()
    model.partial_fit(x, y)
    before = model.checkpoint_
    with pytest.raises((FitError, TableError)) as caught:
        model.partial_fit(x, np.column_stack([y, y]) if outputs else y, **arguments)  # type: ignore[arg-type]
    assert said in str(caught.value)
    assert model.checkpoint_ is before


def test_what_has_no_interval_says_so_and_a_conformal_one_has_its_own_level() -> None:
    x, y, _ = Case(rows=400).table()
    with pytest.raises(UnsupportedModelError, match=r"biased. Train it again with lr_trainer.fit\(interval=0.95\)"):
        LinearModelRegressor(l2=0.1).fit(x, y).predict(x, return_interval=True)
    held = LinearModelRegressor(l2=0.1, interval=0.9).fit(x, y)
    middle, lower, upper = held.predict(x, return_interval=True)
    conformal = held.checkpoint_.report.conformal
    assert conformal is not None
    assert np.allclose([middle - lower, upper - middle], np.array(conformal.half_width))
    with pytest.raises(OptionError, match=r"at the level 0\.9 alone"):
        held.predict(x, return_interval=True, level=0.5)
    with pytest.raises(OptionError, match="between 0 and 1"):
        held.predict(x, return_interval=True, level=0.0)


def test_a_row_of_weight_0_is_none() -> None:
    x, y, _ = Case().table()
    weights = np.where(np.arange(40) % 3 == 0, 0.0, 2.0)
    some = weights > 0
    zeros, left = LinearModelRegressor().fit(x, y, weights), LinearModelRegressor().fit(x[some], y[some], weights[some])
    assert zeros.checkpoint_.to_bytes() == left.checkpoint_.to_bytes()


def test_the_checkpoint_is_that_of_a_fit() -> None:
    x, y, _ = Case().table()
    found = LinearModelRegressor(degree=2, units={"x1": "K", "y": "m"}).fit(x, y).checkpoint_
    assert found.to_bytes() == fit({"x": x, "y": y}, target="y", degree=2, units={"x1": "K", "y": "m"}).to_bytes()
