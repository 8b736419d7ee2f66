"""The stages of a descent on an objective with corners: each minimises it smoothed, and less so than the one before.

The smoothing is Nesterov's (2005), the path of its minima that of Chen (2007, "A finite smoothing algorithm for
quantile regression"): piecewise smooth in the smoothing parameter, so that a predictor step from the minimum of one
stage comes near that of the next. The last stage is the one whose minimum has a small enough duality gap.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from lr_trainer.descent.newton import newton_steps

if TYPE_CHECKING:
    from lr_trainer.arithmetic.arrays import Array
    from lr_trainer.descent.objective import Objective

LBFGS_STAGES = 3
"""The stages that LBFGS takes: down to a smoothing parameter of 0.01, where it still learns the curvature quickly."""

GAP = 1e-9
"""The duality gap, as a share of the objective, at which one with corners has converged."""

_GOOD_GAP = 1e-6
"""The duality gap that is good enough to stop at where that of the next stage is no smaller."""

_RATIO = 0.1
"""The smoothing parameter of a stage as a share of that before it, unless Newton's method was slow to follow."""

_LARGEST_RATIO = 0.95
"""The ratio beyond which a stage is no longer tried again: it would hardly differ from the one before."""

_LEAST_SOFTNESS = 1e-12
"""The smoothing parameter below which the slopes within a corner are rounding."""


@dataclass(frozen=True)
class Minimum:
    """The minimum of a stage: `at` (outputs, size), the smoothing parameter there, and the duality gap of the point."""

    at: Array
    softness: float
    gap: float


@dataclass(frozen=True)
class Iterate:
    """A point on the way to the minimum, and all that decides how to go on from it, but for the memory of LBFGS.

    Attributes:
        at: float64 (outputs, size).
        softness: the smoothing parameter of its stage; 0 where the objective has no corners.
        stage: the number of its stage, from 0.
        ratio: the smoothing parameter as a share of that of the stage before.
        origin: the minimum of the stage before, where one of Newton's stages starts; None for those of LBFGS.
        steps: the steps that Newton's method has taken in this stage.
        radius: the length of the longest step that it may take next.
        best: the minimum with the smallest duality gap so far; None before there is one.
        is_done: whether there is nothing more to do.
    """

    at: Array
    softness: float
    stage: int = 0
    ratio: float = _RATIO
    origin: Minimum | None = None
    steps: int = 0
    radius: float = 1.0
    best: Minimum | None = None
    is_done: bool = False


def next_stage(objective: Objective, iterate: Iterate) -> Iterate:
    """Return the start of the stage after the one that ends at `iterate`, or the end of the descent.

    That is the best minimum, its weights in a corner of the lasso put at 0.
    """
    softness, best = iterate.softness, iterate.best
    if not objective.has_corners:
        return replace(iterate, is_done=True)
    if iterate.stage < LBFGS_STAGES - 1:
        return replace(iterate, softness=softness * _RATIO, stage=iterate.stage + 1)
    found = Minimum(iterate.at, softness, objective.gap(iterate.at, softness))
    if best is None or found.gap < best.gap:
        best = found
    if found.gap <= GAP or softness < _LEAST_SOFTNESS or (best is not found and best.gap <= _GOOD_GAP):
        end = objective.in_corners(best.at, best.softness)
        return replace(iterate, at=end, softness=best.softness, best=best, is_done=True)
    ratio = max(_RATIO, iterate.ratio**2)
    return _start(objective, Iterate(found.at, softness * ratio, iterate.stage + 1, ratio, found, best=best))


def backtrack(objective: Objective, iterate: Iterate) -> Iterate:
    """Return the start of the same stage, nearer to the one before; of the next stage, where it is near already."""
    ratio = math.sqrt(iterate.ratio)
    if iterate.origin is None or ratio > _LARGEST_RATIO:
        return next_stage(objective, iterate)
    return _start(objective, replace(iterate, softness=iterate.origin.softness * ratio, ratio=ratio, steps=0))


def _start(objective: Objective, iterate: Iterate) -> Iterate:
    """Return a stage's start: a predictor step from the minimum before it, where that leads to a smaller gradient.

    As long as the same rows lie in corners, the path of the minima is straight: their errors are the smoothing
    parameter times slopes that stay. With H the Hessian and g the corners' share of the gradient, the minimum moves by
    (ratio - 1) H^-1 g.
    """
    assert iterate.origin is not None
    at = iterate.origin.at
    _, hessian, bent = objective.curvature(at, iterate.origin.softness)
    there = at + newton_steps((1 - iterate.ratio) * bent, hessian, radius=1.0)
    ends = [np.linalg.norm(objective.gradient(each, iterate.softness)) for each in (there, at)]
    radius = max(4 * float(np.linalg.norm(there - at)), iterate.softness)
    return replace(iterate, at=there if ends[0] < ends[1] else at, radius=radius)
