"""Fits in bounds, held against every free set in exact fractions, and against scipy's `lsq_linear`."""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from itertools import product
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import lsq_linear

from lr_runtime.errors import FitError
from lr_trainer import fit
from lr_trainer.errors import CollinearError
from lr_trainer.solvers import bounded

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from lr_trainer import Checkpoint

    Array = NDArray[np.float64]
    Ends = tuple[float | None, float | None]
    Exact = list[Fraction]

OPTIMALITY = 1e-12
"""By so much of the lengths of a column and of the target's parts may a condition of the optimum be missed."""

OPEN: Ends = (None, None)


@dataclass
class Problem:
    """A table: x (rows, columns), y (rows, targets), weights (rows,), the ends of each column's coefficient."""

    x: Array
    y: Array
    weights: Array
    ends: list[Ends]
    intercept: bool

    @property
    def names(self) -> list[str]:
        return [f"x{column}" for column in range(self.x.shape[1])]

    @property
    def targets(self) -> list[str]:
        return [f"y{output}" for output in range(self.y.shape[1])]

    def fit(self) -> Checkpoint:
        table = dict(zip([*self.names, *self.targets, "w"], [*self.x.T, *self.y.T, self.weights], strict=True))
        bounds = {name: ends for name, ends in zip(self.names, self.ends, strict=True) if ends != OPEN}
        return fit(table, target=self.targets, weight="w", intercept=self.intercept, bounds=bounds)

    def products(self, output: int) -> list[Exact]:
        """Return the exact sums of products of the columns and a target, about their means with an intercept."""
        weights = [Fraction(value) for value in self.weights.tolist()]
        columns = [[Fraction(value) for value in each] for each in [*self.x.T.tolist(), self.y[:, output].tolist()]]
        means = [_dot(weights, each) / sum(weights) if self.intercept else Fraction(0) for each in columns]
        away = [[value - mean for value in each] for each, mean in zip(columns, means, strict=True)]
        return [[_dot(weights, one, other) for other in away] for one in away]


def _dot(*factors: Sequence[Fraction]) -> Fraction:
    return sum((Fraction(math.prod(each)) for each in zip(*factors, strict=True)), Fraction(0))


def eliminated(matrix: Sequence[Exact]) -> tuple[list[Exact], list[int]]:
    """Return the reduced row echelon form, and the columns of its pivots."""
    rows, pivots = [list(row) for row in matrix], list[int]()
    for column in range(len(rows[0]) if rows else 0):
        place = len(pivots)
        pivot = next((each for each in range(place, len(rows)) if rows[each][column]), None)
        if pivot is None:
            continue
        rows[place], rows[pivot] = rows[pivot], rows[place]
        rows[place] = [value / rows[place][column] for value in rows[place]]
        for other in set(range(len(rows))) - {place}:
            rows[other] = [a - rows[other][column] * b for a, b in zip(rows[other], rows[place], strict=True)]
        pivots.append(column)
    return rows, pivots


def slopes(products: list[Exact], weights: Exact) -> Exact:
    return [row[-1] - _dot(row[:-1], weights) for row in products[:-1]]


def are_optimal(weights: Exact, slope: Exact, ends: list[Ends]) -> bool:
    return all(
        (low is None or weight >= low)
        and (high is None or weight <= high)
        and (pull <= 0 or weight == high)
        and (pull >= 0 or weight == low)
        for weight, pull, (low, high) in zip(weights, slope, ends, strict=True)
    )


def exact_optimum(products: list[Exact], ends: list[Ends]) -> Exact | None:
    """Return the optimum, from all ways to hold some weights at their ends; None of several optima."""
    found: set[tuple[Fraction, ...]] = set()
    for held in product(*([None, *(end for end in each if end is not None)] for each in ends)):
        free = [place for place, end in enumerate(held) if end is None]
        start = [Fraction(0) if end is None else Fraction(end) for end in held]
        left = slopes(products, start)
        rows, pivots = eliminated([[*(products[row][place] for place in free), left[row]] for row in free])
        if pivots != list(range(len(free))):
            continue
        for place, row in zip(free, rows, strict=True):
            start[place] = row[-1]
        if are_optimal(start, slopes(products, start), ends):
            found.add(tuple(start))
    return list(*found) if len(found) == 1 and _is_only(list(*found), products, ends) else None


def _is_only(weights: Exact, products: list[Exact], ends: list[Ends]) -> bool:
    """Whether no way along columns without a slope leads from an optimum to others within the ends."""
    slope = slopes(products, weights)
    loose = [place for place, (low, high) in enumerate(ends) if not slope[place] and (low is None or low != high)]
    rows, pivots = eliminated([[products[row][place] for place in loose] for row in loose])
    others = [place for place in range(len(loose)) if place not in pivots]
    if len(others) != 1:  # several ways are those of a fit without residuals, and some mixture stays within the ends
        return not others
    away = {loose[others[0]]: Fraction(1)} | {loose[p]: -row[others[0]] for p, row in zip(pivots, rows, strict=False)}
    return not any(all(_may_go(weights[p], sign * step, ends[p]) for p, step in away.items()) for sign in (1, -1))


def _may_go(weight: Fraction, step: Fraction, ends: Ends) -> bool:
    return not step or weight != ends[0 if step < 0 else 1]


@st.composite
def problems(draw: st.DrawFn) -> Problem:
    rows, columns, targets = draw(st.integers(2, 11)), draw(st.integers(1, 4)), draw(st.integers(1, 2))
    random = np.random.default_rng(draw(st.integers(0, 2**32)))
    x = random.normal(size=(rows, columns))
    kind = draw(st.sampled_from(["plain", "whole", "doubled", "summed", "far"]))
    if kind == "whole":
        x = np.round(2 * x)
    elif kind == "doubled":
        x[:, -1] = 2 * x[:, 0]
    elif kind == "summed":
        x = np.round(1024 * x) / 1024
        x[:, -1] = x[:, :-1].sum(axis=1)
    elif kind == "far":
        x = x + 1e6 * random.integers(-1, 2, columns)
    noise = draw(st.sampled_from([0.0, 1e-8, 1e-2, 1.0, 1e4]))
    y = x @ random.normal(size=(columns, targets)) + noise * random.normal(size=(rows, targets))
    weights = random.integers(1, 4, rows).astype(float) if draw(st.booleans()) else np.ones(rows)
    low, high = sorted(random.normal(size=2).tolist())
    kinds: list[Ends] = [OPEN, (0.0, None), (None, 0.0), (low, high), (low, None), (high, high)]
    ends = draw(st.lists(st.sampled_from(kinds), min_size=columns, max_size=columns))
    return Problem(x, y, weights, [(0.0, None), *ends[1:]] if set(ends) == {OPEN} else ends, draw(st.booleans()))


def nothing_free(box: bounded._Box) -> tuple[Array, NDArray[np.bool_]]:
    """A start from which the active-set method has all to do, in place of one that mostly is the optimum."""
    return np.clip(np.zeros_like(box.low), box.low, box.high), np.zeros(len(box.low), np.bool_)


@given(problem=problems(), is_alone=st.booleans())
@settings(max_examples=100, deadline=None)
def test_it_is_the_exact_optimum_or_says_that_there_are_several(problem: Problem, is_alone: bool) -> None:
    products = [problem.products(output) for output in range(problem.y.shape[1])]
    exact = [exact_optimum(each, problem.ends) for each in products]
    try:
        with pytest.MonkeyPatch.context() as patch:
            if is_alone:
                patch.setattr(bounded._Box, "_start", nothing_free)
            checkpoint = problem.fit()
    except CollinearError:
        assert None in exact
        return
    except FitError:  # a column that does not vary, or that is the target
        return
    assert None not in exact or not all(row[place] for place, row in enumerate(products[0]))
    rows = iter(each for each in checkpoint.report.coefficients if each.term != "intercept")
    for gram, optimum in zip(products, exact, strict=True):
        found = [next(rows) for _ in problem.names]
        weights = [Fraction(each.estimate or 0.0) for each in found]
        sizes = [math.sqrt(gram[place][place]) for place in range(len(gram))]
        reach = sizes[-1] + sum(abs(float(weight)) * size for weight, size in zip(weights, sizes, strict=False))
        near = [
            Fraction(0) if abs(s) <= OPTIMALITY * size * reach else s
            for s, size in zip(slopes(gram, weights), sizes, strict=False)
        ]
        assert are_optimal(weights, near, problem.ends)
        for place, (row, ends) in enumerate(zip(found, problem.ends, strict=True)):
            assert row.at_bound == (row.estimate in ends)
            assert not row.at_bound or (row.digits is not None and row.digits > 15)
            assert (row.stderror, row.t, row.p, row.lower, row.upper) == (None,) * 5
            if optimum is not None and gram[place][place] and row.digits is not None and row.digits >= 6:
                assert row.at_bound == (optimum[place] in ends)
                off = abs(weights[place] - optimum[place])
                assert off <= abs(optimum[place]) * Fraction(10) ** -math.floor(row.digits) * Fraction(11, 10)


@given(problem=problems())
@settings(max_examples=40, deadline=None)
def test_quality_is_that_of_the_weights(problem: Problem) -> None:
    try:
        report = problem.fit().report
    except FitError:
        return
    columns = len(problem.names)
    rows = [each for each in report.coefficients if each.term != "intercept"]
    free = sum(
        problem.products(0)[place][place] > 0 and any(row.at_bound is False for row in rows[place::columns])
        for place in range(columns)
    )
    degrees = len(problem.x) - free - problem.intercept
    assert report.df_resid == degrees
    for output, quality in enumerate(report.quality):
        gram = problem.products(output)
        weights = [Fraction(row.estimate or 0.0) for row in rows[output * columns : (output + 1) * columns]]
        explained = _dot(
            weights, [a + b for a, b in zip(slopes(gram, weights), (row[-1] for row in gram), strict=False)]
        )
        residual = float(gram[-1][-1] - explained)
        if quality.r2 is not None:
            assert quality.r2 == pytest.approx(float(explained / gram[-1][-1]), rel=1e-6)
        if quality.residual_sd is not None:
            assert degrees * quality.residual_sd**2 == pytest.approx(residual, rel=1e-6)
        assert (quality.f, quality.loglikelihood) == (None, None)


@pytest.mark.parametrize("columns", [12, 60])
def test_many_columns_are_those_of_scipy(columns: int) -> None:
    random = np.random.default_rng(columns)
    x = random.normal(size=(400, columns)) + 2 * random.normal(size=(400, 1)) + 1e4
    y = x @ random.normal(size=columns) + 10 * random.normal(size=400)
    names = [f"x{place + 1}" for place in range(columns)]
    bounds: dict[str, Ends] = dict.fromkeys(names[: columns // 3], (-0.5, 0.25))
    found = fit(x, y, nonnegative=names[columns // 3 : columns // 2], nonpositive=names[-2:], bounds=bounds)
    ends = {
        **bounds,
        **dict.fromkeys(names[columns // 3 : columns // 2], (0, None)),
        **dict.fromkeys(names[-2:], (None, 0)),
    }
    low = [-math.inf if (end := ends.get(name, OPEN)[0]) is None else end for name in names]
    high = [math.inf if (end := ends.get(name, OPEN)[1]) is None else end for name in names]
    expected = lsq_linear(x - x.mean(axis=0), y - y.mean(), (low, high), method="bvls", tol=1e-15, max_iter=1000)
    assert expected.success
    np.testing.assert_allclose(found.weight[0], expected.x, rtol=1e-8, atol=1e-10)
    at_bounds = [row.at_bound for row in found.report.coefficients]
    assert at_bounds == [False, *(expected.active_mask != 0)]


def test_bounds_may_determine_what_the_columns_do_not() -> None:
    x, noise = np.arange(9.0), np.array([1.0, -1.0, 0.0] * 3)
    table = {"a": x, "b": -x, "y": 3 * x + noise}
    found = fit(table, target="y", nonnegative=["a"], nonpositive=["b"], bounds={"a": (None, 1), "b": (-1.5, None)})
    assert found.weight.tolist() == [[1.0, -1.5]]
    with pytest.raises(CollinearError, match="collinear"):
        fit(table, target="y", nonnegative=["a"])


@pytest.mark.parametrize("share", [1e-4, 1e-8, 1e-11, -1e-11])
def test_a_slope_that_is_small_beside_the_residuals_is_one(share: float, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounded._Box, "_start", nothing_free)
    one, two, rest = np.array([[1, 1, -1, -1], [1, -1, 1, -1], [1, -1, -1, 1]]) * 1.0  # orthogonal, also to 1
    table = {"a": one, "b": two, "y": one + share * two + rest}
    found = fit(table, target="y", nonnegative=["b"])
    assert found.weight[0].tolist() == pytest.approx([1.0, max(share, 0.0)], rel=1e-4)


def test_twins_are_not_told_apart_by_their_signs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounded._Box, "_start", nothing_free)
    x = np.arange(9.0) + 1e6
    with pytest.raises(CollinearError):
        fit({"a": x, "b": x, "y": 3 * x + [1, -1, 0] * 3}, target="y", nonnegative=["a", "b"])
    found = fit({"a": x, "b": x, "y": [1, -1, 0] * 3 - 3 * x}, target="y", nonnegative=["a", "b"])
    assert found.weight.tolist() == [[0.0, 0.0]]


def test_a_constant_column_keeps_to_its_bounds() -> None:
    table = {"a": [1.0, 2.0, 4.0], "b": [5.0, 5.0, 5.0], "y": [1.0, 2.0, 4.5]}
    assert fit(table, target="y", nonnegative=["a", "b"]).report.constant == ("b",)
    with pytest.raises(FitError, match='"b" does not vary: its coefficient is 0, out of its bounds'):
        fit(table, target="y", bounds={"b": (1, None)})
