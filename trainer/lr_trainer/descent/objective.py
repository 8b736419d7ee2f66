"""The objective of a descent over all rows: value, gradient, curvature, and a bound on how far its minimum is below.

For each target, in units of its deviation, with u the coordinates and b = B u the weights on columns at unit deviation:

    F(u) = mean of w rho(z u - y) + l1 sum |b_j| + l2 / 2 sum b_j^2

Lagrange duality gives a bound from below at any slopes d within the loss's bounds (Rockafellar 1970, theorem 31.1):

    D(d) = mean of w (-d y - softness d^2 / 2) - penalty*(v),    v the mean of w d x over the columns at unit deviation,

where the intercept asks for mean w d = 0, and penalty*(v) is (|v_j| - l1)+^2 / (2 l2) summed, or with l2 = 0 asks for
|v_j| <= l1. F - D is then a distance from the optimum that needs no optimum to be known.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import reduce
from typing import TYPE_CHECKING

import numpy as np
import torch

from lr_trainer.rows.blocks import over_blocks

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import TypeVar

    from lr_trainer.arithmetic.arrays import Array
    from lr_trainer.descent.coordinates import Coordinates
    from lr_trainer.descent.losses import Loss
    from lr_trainer.descent.row_store import Store

    T = TypeVar("T")


@dataclass(frozen=True)
class Penalties:
    """The penalties l1 and l2 of each target, float64 (outputs,), on weights in units of deviations."""

    l1: Array
    l2: Array

    @property
    def are_none(self) -> bool:
        """Whether nothing is penalised."""
        return not (self.l1.any() or self.l2.any())


class Objective:
    """The objective of a descent over the rows of a store, its loss and penalties in units of deviations."""

    def __init__(self, store: Store, coordinates: Coordinates, loss: Loss, penalties: Penalties) -> None:
        self.store = store
        self.coordinates = coordinates
        self.loss = loss
        self.penalties = penalties
        self._start = int(coordinates.intercept)
        degree = 1 if loss.has_corner else 2
        self.unit = coordinates.scale**degree
        """float64 (outputs,), the unit of `value` in the units of the data."""

    @property
    def has_corners(self) -> bool:
        """Whether the loss or the penalty has no derivative somewhere."""
        return self.loss.has_corner or bool(self.penalties.l1.any())

    def largest_curvature(self) -> float:
        """Return the largest eigenvalue of the coordinates' curvature, with the ridge penalty's share."""
        start = np.zeros((self.coordinates.outputs, self.coordinates.size))
        hessians = self.coordinates.curvature + self._penalty_hessian(start, 0.0)
        return float(np.linalg.eigvalsh(hessians)[:, -1].max())

    def steepest_row(self) -> float:
        """Return the largest curvature that a single row has, with the ridge penalty's share."""
        size = self.coordinates.size

        def part(block: torch.Tensor) -> torch.Tensor:
            return self._weighted((block[:, :size] ** 2).sum(dim=1)[:, None], block).max()

        squares = self._over_all(part, lambda found: max(map(float, found), default=0.0))
        ridge = float((self.penalties.l2.max() * (self.coordinates.mixing**2).sum(axis=0)).max(initial=0.0))
        return max(squares) + ridge

    def in_corners(self, at: Array, softness: float) -> Array:
        """Return `at` (outputs, size) with the weights that lie in a smoothed corner of the lasso set to 0."""
        if not self.penalties.l1.any():
            return at
        unit = self.coordinates.unit(at)
        unit[np.abs(unit) < softness * self.penalties.l1[:, None]] = 0.0
        return self.coordinates.placed(unit, at)

    def optimality(self, at: Array, gradient: Array) -> Array:
        """Return the smallest subgradient (outputs, size) of F, from its gradient without the lasso's share.

        For uncorrelated coordinates there must be no lasso penalty.
        """
        if not self.penalties.l1.any():
            return gradient
        smallest, l1 = gradient.copy(), self.penalties.l1[:, None]
        weights, slopes = at[:, self._start :], gradient[:, self._start :]
        inside = np.sign(slopes) * np.maximum(np.abs(slopes) - l1, 0.0)
        smallest[:, self._start :] = np.where(weights != 0, slopes + l1 * np.sign(weights), inside)
        return smallest

    def gap(self, at: Array, softness: float, elsewhere: Array | None = None) -> float:
        """Return the largest duality gap of a target, as a share of its objective; infinite where that is 0 or less.

        The bound may come from the slopes at any point: `elsewhere`, if given, else `at`.
        """
        value = self.value(at)
        gaps = np.maximum(value - self.bound(at if elsewhere is None else elsewhere, softness), 0.0)
        return float(np.divide(gaps, value, out=np.where(gaps > 0, np.inf, 0.0), where=value > 0).max())

    def value(self, at: Array) -> Array:
        """Return F, float64 (outputs,), for `at` (outputs, size)."""
        unit = self.coordinates.unit(at)
        lasso, ridge = np.abs(unit).sum(axis=1), (unit**2).sum(axis=1)
        return np.asarray(self.mean_loss(at) + self.penalties.l1 * lasso + self.penalties.l2 / 2 * ridge)

    def mean_loss(self, at: Array) -> Array:
        """Return the mean loss alone, float64 (outputs,)."""
        plane, loss = self._plane(at), self.loss

        def part(block: torch.Tensor) -> torch.Tensor:
            error = block @ plane
            return self._weighted(loss.value(error, loss.slope(error)), block).sum(dim=0)

        return self._mean(part)

    def errors(self, at: Array) -> Callable[[], Iterator[Array]]:
        """Return a function whose calls yield the errors (rows, outputs) in blocks, in deviations of the targets."""
        plane = self._plane(at)
        return lambda: (np.asarray((block @ plane).cpu().numpy()) for block in self.store.blocks())

    def gradient(self, at: Array, softness: float) -> Array:
        """Return the gradient (outputs, size) of F, its corners smoothed with parameter `softness`."""
        plane, loss = self._plane(at), self.loss.softened(softness)

        def part(block: torch.Tensor) -> torch.Tensor:
            slopes = self._weighted(loss.slope(block @ plane), block)
            return slopes.T @ block[:, : self.coordinates.size]

        return self._mean(part) + self._penalty_gradient(at, softness)

    def change(self, at: Array, start: Array, softness: float) -> tuple[float, Array]:
        """Return F(at) - F(start) summed over the targets, F smoothed, and the gradient at `at`.

        The difference is taken row by row before it is summed: near the optimum, the difference of two sums is rounding
        alone, and a line search on it would stop at half the digits.
        """
        planes, loss = torch.cat([self._plane(start), self._plane(at - start, target=0.0)], dim=1), self.loss
        loss, outputs = loss.softened(softness), self.coordinates.outputs

        def part(block: torch.Tensor) -> torch.Tensor:
            errors = block @ planes
            before, step = errors[:, :outputs], errors[:, outputs:]
            now = before + step
            slopes = self._weighted(loss.slope(now), block)
            changes = self._weighted(loss.change(now, before, step), block).sum(dim=0)
            return torch.cat([slopes.T @ block[:, : self.coordinates.size], changes[:, None]], dim=1)

        both = self._mean(part)
        penalty = self._penalty_change(at, start, softness)
        return float(both[:, -1].sum() + penalty), both[:, :-1] + self._penalty_gradient(at, softness)

    def curvature(self, at: Array, softness: float) -> tuple[Array, Array, Array]:
        """Return the gradient (outputs, size) and Hessian (outputs, size, size) of F, smoothed, and the corners' share.

        That is the part (outputs, size) of the gradient that comes from errors and weights within a smoothed corner:
        divided by the smoothing parameter, it is the rate at which the gradient falls as the parameter grows.
        """
        plane, loss, size = self._plane(at), self.loss.softened(softness), self.coordinates.size

        def part(block: torch.Tensor) -> torch.Tensor:
            error, columns = block @ plane, block[:, :size]
            slopes, bends = self._weighted(loss.slope(error), block), self._weighted(loss.curvature(error), block)
            hessians = [columns.T @ (columns * bend[:, None]) for bend in bends.T]
            bent = ((bends > 0) * slopes).T @ columns
            return torch.cat([(slopes.T @ columns)[:, None], bent[:, None], torch.stack(hessians)], dim=1)

        found = self._mean(part)
        gradient = found[:, 0] + self._penalty_gradient(at, softness)
        bent = found[:, 1] if self.loss.has_corner else np.zeros_like(gradient)
        pull = self._pull(self.coordinates.unit(at), softness)
        inside = np.abs(pull) < self.penalties.l1[:, None]
        bent[:, self._start :] += (inside * pull) @ self.coordinates.mixing
        return gradient, found[:, 2:] + self._penalty_hessian(at, softness), bent

    def bound(self, at: Array, softness: float) -> Array:
        """Return D, float64 (outputs,), a lower bound of F, at the slopes of the smoothed F at `at`, made feasible."""
        plane, soft, loss = self._plane(at), self.loss.softened(softness), self.loss
        size, outputs, intercept = self.coordinates.size, self.coordinates.outputs, self._start

        def slopes_of(block: torch.Tensor) -> torch.Tensor:
            return self._weighted(soft.slope(block @ plane), block).T @ block[:, :size]

        # Taking out their projection on what must be orthogonal to them leaves slopes that are.
        away = self._mean(slopes_of)
        taken = away if self.penalties.are_none else np.where(np.arange(size) < intercept, away, 0.0)
        correction = self._plane(taken, target=0.0)

        def part(block: torch.Tensor) -> torch.Tensor:
            slopes = soft.slope(block @ plane) - block @ correction
            target = block[:, size : size + outputs]
            sums = [self._weighted(each, block).sum(dim=0) for each in (slopes * target, slopes**2)]
            columns = self._weighted(slopes, block).T @ block[:, :size]
            return torch.cat([loss.excess(slopes)[:, None], torch.stack(sums, dim=1), columns], dim=1)

        def added(found: Iterator[torch.Tensor]) -> tuple[Array, Array]:
            excess, sums = np.ones(outputs), np.zeros((outputs, 2 + size))
            for array in (each.cpu().numpy() for each in found):
                excess, sums = np.maximum(excess, array[:, 0]), sums + array[:, 1:]
            return excess, sums

        each_excess, each_sum = zip(*self._over_all(part, added), strict=True)
        excess, sums = np.maximum.reduce(each_excess), reduce(np.add, each_sum) / self.store.rows
        return self._dual(excess, sums[:, 0], sums[:, 1], self.coordinates.column_gradient(sums[:, 2:]))

    def _dual(self, excess: Array, by_target: Array, squares: Array, columns: Array) -> Array:
        pull = np.abs(columns[:, self._start :])
        l1, l2 = self.penalties.l1, self.penalties.l2
        if self.penalties.l1.any() and pull.size:
            lasso = (l1 > 0) & (l2 == 0)
            excess = np.where(lasso, np.maximum(excess, pull.max(axis=1) / np.where(lasso, l1, 1.0)), excess)
        conjugate = np.maximum(pull / excess[:, None] - l1[:, None], 0.0) ** 2
        conjugate = np.where(l2[:, None] > 0, conjugate / (2 * np.where(l2 > 0, l2, 1.0))[:, None], 0.0)
        return np.asarray(-by_target / excess - self.loss.softness / 2 * squares / excess**2 - conjugate.sum(axis=1))

    def plane(self, at: Array, target: float = -1.0) -> Array:
        """Return the matrix, float64 (outputs, width), whose product with the rows is the errors.

        With the factor 0 of the targets it is the predictions.
        """
        coordinates = self.coordinates
        weight = np.zeros((coordinates.outputs, int(coordinates.weighted)))
        return np.concatenate([at, target * np.eye(coordinates.outputs), weight], axis=1)

    def _plane(self, at: Array, target: float = -1.0) -> torch.Tensor:
        return torch.from_numpy(np.ascontiguousarray(self.plane(at, target).T)).to(self.store.device)

    def _weighted(self, values: torch.Tensor, block: torch.Tensor) -> torch.Tensor:
        return values * block[:, -1:] if self.coordinates.weighted else values

    def _mean(self, part: Callable[[torch.Tensor], torch.Tensor]) -> Array:
        found = self._over_all(part, _added)
        return np.asarray(reduce(np.add, [each for each in found if each is not None]) / self.store.rows)

    def _over_all(
        self, part: Callable[[torch.Tensor], torch.Tensor], together: Callable[[Iterator[torch.Tensor]], T]
    ) -> list[T]:
        """Return what is made of the parts of each worker's rows, of all workers."""
        return self.store.workers.gathered("the objective", lambda: together(self._parts(part)))

    def _parts(self, part: Callable[[torch.Tensor], torch.Tensor]) -> Iterator[torch.Tensor]:
        """Yield the parts of a worker's own blocks, in threads if there are several: one is done before one starts."""
        if self.store.is_small:
            yield from map(part, self.store.blocks())
        else:
            yield from over_blocks(part, self.store.blocks())

    def _pull(self, unit: Array, softness: float) -> Array:
        """Return the slopes of the smoothed lasso at weights (outputs, kept); 0 without a smoothing parameter."""
        l1 = self.penalties.l1[:, None]
        return np.clip(unit / softness, -l1, l1) if softness else np.zeros_like(unit)

    def _penalty_gradient(self, at: Array, softness: float) -> Array:
        gradient = np.zeros_like(at)
        if not self.penalties.are_none:
            unit = self.coordinates.unit(at)
            slopes = self.penalties.l2[:, None] * unit + self._pull(unit, softness)
            gradient[:, self._start :] = slopes @ self.coordinates.mixing
        return gradient

    def _penalty_change(self, at: Array, start: Array, softness: float) -> float:
        if self.penalties.are_none:
            return 0.0
        now, before, step = (self.coordinates.unit(each) for each in (at, start, at - start))
        pull, pulled = self._pull(now, softness), self._pull(before, softness)
        ridge = self.penalties.l2[:, None] / 2 * step * (now + before)
        lasso = pull * step + (pull - pulled) * (before - softness / 2 * (pull + pulled))  # as in `Loss.change`
        return float(ridge.sum()) + float(lasso.sum())

    def _penalty_hessian(self, at: Array, softness: float) -> Array:
        size, mixing = self.coordinates.size, self.coordinates.mixing
        hessian = np.zeros((len(at), size, size))
        if self.penalties.are_none:
            return hessian
        unit, l1 = self.coordinates.unit(at), self.penalties.l1[:, None]
        bends = np.broadcast_to(self.penalties.l2[:, None], unit.shape)
        if softness:
            bends = bends + (np.abs(self._pull(unit, softness)) < l1) / softness
        for output, bend in enumerate(bends):
            hessian[output, self._start :, self._start :] = mixing.T @ (bend[:, None] * mixing)
        return hessian


def _added(parts: Iterator[torch.Tensor]) -> Array | None:
    """Return the sum; None of a worker without rows."""
    first = next(parts, None)
    return None if first is None else np.asarray(reduce(torch.add, parts, first).cpu().numpy())
