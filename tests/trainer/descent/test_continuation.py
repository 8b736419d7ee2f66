"""The parts of the quasi-Newton descent: Newton's step against a solve, its line search, and the stages' schedule."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest

from lr_trainer.descent.continuation import LBFGS_STAGES, Iterate, Minimum, backtrack, next_stage
from lr_trainer.descent.newton import line_search, newton_steps
from tests.trainer.descent.test_losses import objective_of

if TYPE_CHECKING:
    from lr_trainer.descent.objective import Objective

HESSIAN = np.array([[4.0, 1.0, 0.0], [1.0, 3.0, 1.0], [0.0, 1.0, 2.0]])
GRADIENT = np.array([1.0, -2.0, 0.5])


def test_a_newton_step_solves_for_the_gradient_and_is_no_longer_than_its_radius() -> None:
    (whole,) = newton_steps(GRADIENT[None], HESSIAN[None], 10.0)
    np.testing.assert_allclose(whole, np.linalg.solve(HESSIAN, -GRADIENT), rtol=1e-14)
    radius = np.linalg.norm(whole) / 3
    (shorter,) = newton_steps(GRADIENT[None], HESSIAN[None], float(radius))
    assert np.linalg.norm(shorter) <= radius
    assert shorter @ GRADIENT < 0
    (downhill,) = newton_steps(GRADIENT[None], np.zeros((1, 3, 3)), 1.0)  # no curvature: along the gradient
    np.testing.assert_allclose(downhill / np.linalg.norm(downhill), -GRADIENT / np.linalg.norm(GRADIENT), rtol=1e-12)


@pytest.mark.parametrize("factor", [0.01, 1.0, 100.0])
def test_a_line_search_ends_where_the_slope_is_smaller(factor: float) -> None:
    objective, softness = objective_of("quantile", "lasso"), 0.1
    at = np.random.default_rng(1).normal(size=(1, objective.coordinates.size))
    gradient, hessian, _ = objective.curvature(at, softness)
    step = factor * newton_steps(gradient, hessian, 1.0)
    share, norm = line_search(objective, at, softness, step, gradient)
    there = objective.gradient(at + share * step, softness)
    assert abs((there * step).sum()) <= 0.9 * abs((gradient * step).sum())
    assert norm == np.linalg.norm(there)


def minimised(objective: Objective, iterate: Iterate) -> Iterate:
    """Return the minimum of a stage, by Newton's steps alone."""
    at, softness = iterate.at, iterate.softness
    for _ in range(40):
        gradient, hessian, _ = objective.curvature(at, softness)
        step = newton_steps(gradient, hessian, 0.1)
        at = at + line_search(objective, at, softness, step, gradient)[0] * step
    return replace(iterate, at=at)


def stage_of(objective: Objective) -> Iterate:
    """Return the start of the first of Newton's stages."""
    iterate = Iterate(np.zeros((1, objective.coordinates.size)), 1.0)
    for _ in range(LBFGS_STAGES):
        iterate = next_stage(objective, minimised(objective, iterate))
    return iterate


def test_each_stage_is_less_smooth_and_its_minimum_lies_nearer_to_that_of_the_objective() -> None:
    objective = objective_of("quantile", "none")
    iterate, seen = Iterate(np.zeros((1, objective.coordinates.size)), 1.0), []
    while not iterate.is_done:
        seen.append(iterate.softness)
        iterate = next_stage(objective, minimised(objective, iterate))
    np.testing.assert_allclose(seen, 10.0 ** -np.arange(len(seen)), rtol=1e-12)
    assert iterate.best is not None
    # The function is convex: where no small step leads lower, none does.
    near = iterate.at + 1e-4 * np.random.default_rng(2).normal(size=(200, objective.coordinates.size))[:, None]
    assert objective.value(iterate.at)[0] <= min(objective.value(at)[0] for at in near)


def test_backtracking_starts_nearer_to_the_stage_before_until_it_is_that_stage() -> None:
    objective = objective_of("quantile", "none")
    iterate = stage_of(objective)
    origin, number = iterate.origin, iterate.stage
    assert isinstance(origin, Minimum)
    ratio = 0.1
    while (ratio := ratio**0.5) <= 0.95:
        iterate = backtrack(objective, replace(iterate, at=iterate.at + 1.0, steps=15))
        assert (iterate.stage, iterate.origin, iterate.steps) == (number, origin, 0)
        np.testing.assert_allclose(iterate.softness, ratio * origin.softness, rtol=1e-12)
        # The start is no worse than the minimum that it was predicted from.
        starts = [np.linalg.norm(objective.gradient(at, iterate.softness)) for at in (iterate.at, origin.at)]
        assert starts[0] <= starts[1]
    after = backtrack(objective, minimised(objective, iterate))
    assert after.stage == number + 1
    assert after.ratio == pytest.approx(iterate.ratio**2)
