"""The losses against their textbook forms, autograd and finite differences; the objective and its bound likewise."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from lr_trainer.descent.coordinates import Coordinates
from lr_trainer.descent.losses import Loss
from lr_trainer.descent.objective import Objective, Penalties
from lr_trainer.descent.order_statistics import median_size
from lr_trainer.descent.quasi_newton import QuasiNewton
from lr_trainer.descent.row_store import Store
from lr_trainer.moments.blocks import block_moments

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    Array = NDArray[np.float64]

DELTA = np.array([0.7])
LOSSES = {
    "squared": Loss.named("squared", 1),
    "huber": Loss.named("huber", 1, delta=DELTA),
    "absolute": Loss.named("absolute", 1),
    "quantile": Loss.named("quantile", 1, quantile=0.9),
}
TEXTBOOK: dict[str, Callable[[torch.Tensor], torch.Tensor]] = {
    "squared": lambda e: e**2 / 2,
    "huber": lambda e: nn.functional.huber_loss(e, torch.zeros_like(e), reduction="none", delta=0.7),
    "absolute": torch.abs,
    # e = prediction - y, so a target above the prediction costs 0.9 of their distance.
    "quantile": lambda e: torch.maximum(0.9 * -e, 0.1 * e),
}
ERRORS = st.floats(-100, 100).filter(lambda e: abs(e) > 1e-9)


@pytest.mark.parametrize("name", LOSSES)
@given(error=ERRORS)
def test_value_and_slope_are_those_of_the_textbook_and_of_autograd(name: str, error: float) -> None:
    e = torch.tensor([[error]], dtype=torch.float64, requires_grad=True)
    expected = TEXTBOOK[name](e)
    (slope,) = torch.autograd.grad(expected.sum(), e)
    found = LOSSES[name].slope(e.detach())
    np.testing.assert_allclose(found, slope, rtol=1e-13)
    np.testing.assert_allclose(LOSSES[name].value(e.detach(), found), expected.detach(), rtol=1e-13, atol=1e-300)


@pytest.mark.parametrize("name", LOSSES)
@given(error=ERRORS, step=st.floats(-1e-3, 1e-3), softness=st.sampled_from([1.0, 0.1]))
def test_the_change_is_the_difference_of_the_values(name: str, error: float, step: float, softness: float) -> None:
    loss = LOSSES[name].softened(softness)
    start = torch.tensor([[error]], dtype=torch.float64)
    moved = torch.tensor([[step]], dtype=torch.float64)
    values = [loss.value(e, loss.slope(e)) for e in (start, start + moved)]
    found = loss.change(start + moved, start, moved)
    rounding = 2.0**-52 * (values[0] + values[1]).item()
    np.testing.assert_allclose(found, values[1] - values[0], rtol=1e-9, atol=1e-12 + rounding)


@pytest.mark.parametrize("name", ["absolute", "quantile"])
@given(error=ERRORS, softness=st.floats(1e-6, 10))
def test_a_softened_loss_lies_below_it_by_at_most_its_softness(name: str, error: float, softness: float) -> None:
    loss, e = LOSSES[name], torch.tensor([[error]], dtype=torch.float64)
    soft = loss.softened(softness)
    below = float(loss.value(e, loss.slope(e)) - soft.value(e, soft.slope(e)))
    assert -1e-12 <= below <= softness / 2 * max(loss.low[0] ** 2, loss.high[0] ** 2) + 1e-12


@given(st.lists(st.floats(-1e300, 1e300), min_size=1, max_size=50), st.integers(1, 7))
def test_the_median_size_is_the_median(values: list[float], block: int) -> None:
    array = np.array(values)[:, None]
    found = median_size(lambda: iter(np.split(array, range(block, len(array), block))), 1)
    assert found[0] == np.sort(np.abs(array[:, 0]))[(len(array) - 1) // 2]


PENALTIES = {"none": (0.0, 0.0), "ridge": (0.0, 0.3), "lasso": (0.05, 0.0), "elastic net": (0.05, 0.3)}


def objective_of(name: str, penalty: str, *, weighted: bool = False, intercept: bool = True) -> Objective:
    random = np.random.default_rng(3)
    x = random.normal(size=(60, 4)) @ random.normal(size=(4, 4)) + 2
    y = x[:, :1] + random.standard_t(3, size=(60, 1))
    weights = random.uniform(0.5, 2, size=60) if weighted else None
    moments = block_moments(x, y, weights=weights)
    l1, l2 = PENALTIES[penalty]
    coordinates = Coordinates.of(moments, np.ones(4, dtype=bool), intercept=intercept, weighted=weighted, ridge=l2)
    store = Store([coordinates.rows(x, y, weights)], coordinates.width, torch.device("cpu"))
    return Objective(store, coordinates, LOSSES[name], Penalties(np.array([l1]), np.array([l2])))


def by_hand(objective: Objective, at: torch.Tensor, softness: float) -> torch.Tensor:
    """Return the softened objective with torch's own operations, for autograd."""
    coordinates, loss = objective.coordinates, objective.loss.softened(softness)
    (rows,) = objective.store.blocks()
    size = coordinates.size
    errors = rows[:, :size] @ at.T - rows[:, size : size + 1]
    low, high = float(loss.low[0]), float(loss.high[0])
    slopes = (errors / loss.softness).detach().clamp(low, high)
    values = slopes * errors - loss.softness / 2 * slopes**2
    weights = rows[:, -1:] if coordinates.weighted else torch.ones_like(values)
    unit = at[:, int(coordinates.intercept) :] @ torch.from_numpy(coordinates.mixing).T
    l1, l2 = float(objective.penalties.l1[0]), float(objective.penalties.l2[0])
    pull = (unit / softness).detach().clamp(-l1, l1)
    return (weights * values).mean() + (pull * unit - softness / 2 * pull**2).sum() + l2 / 2 * (unit**2).sum()


CASES = [(name, penalty, True, True) for name in LOSSES for penalty in PENALTIES] + [("huber", "ridge", False, False)]


@pytest.mark.parametrize(("name", "penalty", "weighted", "intercept"), CASES)
def test_the_gradient_is_that_of_autograd_and_of_finite_differences(
    name: str, penalty: str, weighted: bool, intercept: bool
) -> None:
    objective, softness = objective_of(name, penalty, weighted=weighted, intercept=intercept), 0.3
    at = np.random.default_rng(4).normal(size=(1, objective.coordinates.size))
    tensor = torch.tensor(at, requires_grad=True)
    # The slope is the envelope's: differentiating at fixed slopes gives the gradient (Danskin 1967).
    (expected,) = torch.autograd.grad(by_hand(objective, tensor, softness), tensor)
    gradient = objective.gradient(at, softness)
    np.testing.assert_allclose(gradient, expected, rtol=1e-12, atol=1e-13)
    for place, step in enumerate(1e-6 * np.eye(at.shape[1])):
        ends = [by_hand(objective, torch.tensor(at + sign * step), softness) for sign in (1, -1)]
        np.testing.assert_allclose(gradient[0, place], (ends[0] - ends[1]) / 2e-6, rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize(("name", "penalty", "weighted", "intercept"), CASES)
def test_change_and_curvature_agree_with_value_and_gradient(
    name: str, penalty: str, weighted: bool, intercept: bool
) -> None:
    objective, softness = objective_of(name, penalty, weighted=weighted, intercept=intercept), 0.3
    random = np.random.default_rng(5)
    start, step = (random.normal(size=(1, objective.coordinates.size)) for _ in range(2))
    change, gradient = objective.change(start + step, start, softness)
    difference = by_hand(objective, torch.tensor(start + step), softness) - by_hand(
        objective, torch.tensor(start), softness
    )
    np.testing.assert_allclose(change, difference, rtol=1e-12)
    np.testing.assert_allclose(gradient, objective.gradient(start + step, softness), rtol=1e-12, atol=1e-14)
    same, hessian, _ = objective.curvature(start, softness)
    np.testing.assert_allclose(same, objective.gradient(start, softness), rtol=1e-12, atol=1e-14)
    # The gradient is piecewise linear, so a step this small stays on one piece.
    tiny = 1e-7 * step
    turned = objective.gradient(start + tiny, softness) - objective.gradient(start - tiny, softness)
    np.testing.assert_allclose(turned / 2e-7, step @ hessian[0], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(("name", "penalty", "weighted", "intercept"), CASES)
def test_the_bound_lies_below_the_objective_everywhere(
    name: str, penalty: str, weighted: bool, intercept: bool
) -> None:
    objective = objective_of(name, penalty, weighted=weighted, intercept=intercept)
    random = np.random.default_rng(6)
    points = [random.normal(size=(1, objective.coordinates.size)) for _ in range(5)]
    stepper = QuasiNewton(objective, points[0])
    for number in range(300):
        if not stepper.is_done:
            stepper.epoch(number, lambda: None)
    best, least = stepper.at, objective.value(stepper.at)[0]
    near = [best + scale * step for step in points for scale in (1e-1, 1e-2, 1e-3)]
    bounds = [objective.bound(at, softness)[0] for at in (*points, *near) for softness in (1.0, 0.1, 1e-3)]
    assert max(bounds) <= least * (1 + 1e-12)
    assert least <= min(objective.value(at)[0] for at in (*points, *near))
    np.testing.assert_allclose(objective.bound(stepper.unrounded, stepper.softness)[0], least, rtol=1e-6)
    assert objective.gap(best, stepper.softness, elsewhere=stepper.unrounded) <= 1e-6


@pytest.mark.parametrize("intercept", [True, False])
def test_the_coordinates_have_the_unit_matrix_as_their_curvature(intercept: bool) -> None:
    objective = objective_of("squared", "ridge", weighted=True, intercept=intercept)
    hessian = objective.curvature(np.zeros((1, objective.coordinates.size)), 0.0)[1][0]
    np.testing.assert_allclose(hessian, np.eye(len(hessian)), atol=1e-12)
    assert objective.largest_curvature() == pytest.approx(1.0)


def test_places_and_weights_undo_each_other() -> None:
    coordinates = objective_of("squared", "none").coordinates
    at: Any = np.random.default_rng(7).normal(size=(1, coordinates.size))
    again = coordinates.place(coordinates.weights(at), coordinates.offsets(at))
    np.testing.assert_allclose(again, at, rtol=1e-12)
