"""Epochs of torch.optim's SGD, Adam and AdamW, on all rows or on batches, with the gradient written out.

The gradient of a linear model is two products of matrices; autograd would take longer to find that out than a batch of
256 rows takes. It goes where autograd would put it, and torch.optim does the step.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import reduce
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from lr_trainer.descent.epoch import Epoch
from lr_trainer.descent.options import ADAM_LR, Descent

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from lr_trainer.arithmetic.arrays import Array
    from lr_trainer.descent.objective import Objective

TOLERANCE = 1e-12
"""The gradient norm, on columns and targets at unit deviation, at which a smooth objective has converged."""

_EPS = 1e-30
"""What Adam divides by at least: torch's default, 1e-8, is larger than the gradients near the optimum."""

_LAST = 1e-12
_LAST_OF_BATCHES = 1e-3


def learning_rate(options: Descent, objective: Objective) -> float:
    """Return the learning rate: that of the options, or the largest that the data's curvature allows.

    For gradient steps 1 / L with L the largest eigenvalue of the curvature, from the moments. For batches of b of n
    rows, half the reciprocal of the expected smoothness n (b - 1) / (b (n - 1)) L + (n - b) / (b (n - 1)) max |z|^2
    (Gower, Loizou, Qian, Sailanbayev, Shulgin and Richtarik 2019, "SGD: General Analysis and Improved Rates", prop.
    3.8), less what momentum makes of it.
    """
    if options.lr is not None:
        return options.lr
    if options.stepper != "sgd":
        return ADAM_LR
    largest, rows = objective.largest_curvature(), objective.store.rows
    batch = min((options.batch_size or rows) * objective.store.workers.count, rows)
    if batch == rows:
        return 1.0 / largest
    steepest = objective.steepest_row()
    smoothness = (rows * (batch - 1) * largest + (rows - batch) * steepest) / (batch * (rows - 1))
    return (1.0 - options.momentum) / (2.0 * smoothness)


@dataclass(frozen=True)
class Rate:
    """The learning rate along its schedule; `share` is how much of all epochs is over, from 0 to 1."""

    start: float
    schedule: str
    last: float

    @staticmethod
    def of(options: Descent, objective: Objective) -> Rate:
        """Return the schedule of the options; by default one that falls to 0 where steps of one length never settle."""
        batches = options.batch_size is not None
        settles = options.stepper != "sgd" or objective.loss.has_corner
        default = "linear" if batches else "exponential" if settles else "constant"
        last = _LAST_OF_BATCHES if batches else _LAST
        return Rate(learning_rate(options, objective), options.schedule or default, last)

    def at(self, share: float) -> float:
        """Return the rate."""
        if self.schedule == "linear":
            return self.start * (1.0 - share)
        if self.schedule == "cosine":
            return self.start * 0.5 * (1.0 + math.cos(math.pi * share))
        return self.start * self.last**share if self.schedule == "exponential" else self.start


class FirstOrder:
    """A stepper whose epoch is one step on all rows, of an optimizer of torch and of the lasso's proximal map."""

    def __init__(self, objective: Objective, options: Descent, start: Array) -> None:
        self.objective = objective
        self.options = options
        self.is_done = False
        self.rate = Rate.of(options, objective)
        self._plane = torch.from_numpy(objective.plane(start)).to(objective.store.device)
        self._slopes = torch.zeros_like(self._plane)
        size = objective.coordinates.size
        self._weights = self._plane[:, :size]
        self._gradient = self._slopes[:, :size]
        self._weights.grad = self._gradient
        self._optimizer = _optimizer(options, self._weights, self.rate.start)
        self._intercept = int(objective.coordinates.intercept)
        self._l1 = torch.from_numpy(objective.penalties.l1[:, None]).to(self._plane.device)
        self._has_l1 = bool(objective.penalties.l1.any())

    @property
    def at(self) -> Array:
        """The point, float64 (outputs, size)."""
        return self._weights.cpu().numpy().copy()

    def state(self) -> dict[str, object]:
        """Return all that decides the next steps."""
        optimizer = self._optimizer.state_dict()["state"]
        return {"plane": self._plane, "optimizer": optimizer, "is_done": self.is_done}

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from a state."""
        self._plane.copy_(state["plane"])
        put_back(self._optimizer, state["optimizer"])
        self.is_done = state["is_done"]

    def _set_rate(self, share: float) -> float:
        rate = self.rate.at(share)
        self._optimizer.param_groups[0]["lr"] = rate
        return rate

    def _step(self, rate: float) -> None:
        self._optimizer.step()
        if self._has_l1:
            self._shrink(rate)

    def _shrink(self, rate: float) -> None:
        """Take the proximal step of the lasso penalty (Daubechies, Defrise and De Mol 2004).

        As long as the optimizer's own step is for a gradient that stays: Adam divides it by the root of the mean square
        (so does the proximal step of AdaGrad, Duchi, Hazan and Singer 2011), momentum multiplies it.
        """
        weights = self._weights[:, self._intercept :]
        reach = rate / (1.0 - self.options.momentum) * self._l1
        if self.options.stepper != "sgd":
            state, group = self._optimizer.state[self._weights], self._optimizer.param_groups[0]
            corrected = state["exp_avg_sq"] / (1.0 - group["betas"][1] ** float(state["step"]))
            reach = reach / (corrected.sqrt() + group["eps"])[:, self._intercept :]
        weights.copy_(torch.sign(weights) * (weights.abs() - reach).clamp_(min=0.0))

    def epoch(self, number: int, pause: Callable[[], None]) -> Epoch:  # noqa: ARG002 - between epochs is enough
        """Take an epoch, calling `pause` wherever the state is whole."""
        at = self.at
        rate = self._set_rate(number / self.options.most_epochs)
        gradient = self.objective.gradient(at, 0.0)
        value = self.objective.value(at)
        norm = float(np.linalg.norm(self.objective.optimality(at, gradient)))
        loss = float((value * self.objective.unit).sum())
        self.is_done = not self.objective.loss.has_corner and norm <= TOLERANCE * self.objective.loss.steepest
        if not self.is_done:
            self._gradient.copy_(torch.from_numpy(gradient))
            self._step(rate)
        return Epoch(number, loss, gradient=norm, lr=rate)


class Batches(FirstOrder):
    """A stepper whose epoch goes through all rows once, in batches of a random order."""

    def __init__(self, objective: Objective, options: Descent, start: Array) -> None:
        super().__init__(objective, options, start)
        assert options.batch_size is not None
        self._batch = options.batch_size
        self._done = 0
        self._sum = 0.0
        self._buffer = self._errors = torch.empty(0)
        self._seen = 0
        ridge = objective.penalties.l2
        self._ridge = None
        if ridge.any():
            mixing = objective.coordinates.mixing
            products = [each * mixing.T @ mixing for each in ridge]
            self._ridge = torch.from_numpy(np.stack(products)).to(self._plane.device)

    def state(self) -> dict[str, object]:
        """Return all that decides the next steps; it tells how many batches of the epoch are over."""
        return {**super().state(), "done": self._done, "sum": self._summed("the loss so far")}

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from a state."""
        super().restore(state)
        self._done, self._sum = state["done"], 0.0 if self.objective.store.workers.rank else state["sum"]

    def epoch(self, number: int, pause: Callable[[], None]) -> Epoch:
        """Take an epoch, calling `pause` wherever the state is whole."""
        store, own = self.objective.store, self._batches(number)
        batches = store.steps(self._batch)
        rate = self.rate.at(number / self.options.most_epochs)
        while self._done < batches:
            rate = self._set_rate((number + self._done / batches) / self.options.most_epochs)
            self._differentiate(next(own, None))
            self._step(rate)
            self._done += 1
            pause()
        next(own, None)  # what is behind its last batch
        loss = self._summed("the loss of the epoch") / store.rows
        self._done, self._sum = 0, 0.0
        return Epoch(number, loss, lr=rate)

    def _batches(self, number: int) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        """Yield the batches of the worker's own rows in an epoch, each with room for its errors.

        A worker that has no more of them takes part in the steps of the others with none.
        """
        batch = self._batch
        for buffer in self.objective.store.shuffled(batch, self.options.seed, number, skip=self._done):
            self._buffer, self._errors = buffer, buffer.new_empty(len(buffer), len(self._plane))
            for rows, error in zip(torch.split(buffer, batch), torch.split(self._errors, batch), strict=True):
                self._seen += len(rows)
                yield rows, error
            self._sum, self._seen = self._sum + self._loss(self._seen), 0

    def _summed(self, what: str) -> float:
        """Return the losses of the epoch so far, of all workers."""
        return sum(self.objective.store.workers.gathered(what, lambda: self._sum + self._loss(self._seen)))

    def _differentiate(self, own: tuple[torch.Tensor, torch.Tensor] | None) -> None:
        """Set the gradient, of the mean over the batches of all workers: DistributedDataParallel's, by rows."""
        workers, rows = self.objective.store.workers, 0 if own is None else len(own[0])
        if own is not None:
            self._average(*own)
        if workers.count > 1:
            found = workers.gathered("a step", lambda: (rows, self._slopes.cpu().numpy().copy()))
            total = sum(count for count, _ in found)
            self._slopes.copy_(torch.from_numpy(reduce(np.add, [count / total * each for count, each in found])))
        if self._ridge is not None:
            weights = self._weights[:, self._intercept :]
            self._gradient[:, self._intercept :] += torch.einsum("ok,okl->ol", weights, self._ridge)

    def _average(self, rows: torch.Tensor, error: torch.Tensor) -> None:
        """Set the gradient of the mean over the worker's own batch, and the errors of its rows."""
        torch.mm(rows, self._plane.T, out=error)
        slopes = self.objective.loss.slope(error)
        if self.objective.coordinates.weighted:
            slopes = slopes * rows[:, -1:]
        torch.addmm(self._slopes, slopes.T, rows, beta=0, alpha=1 / len(rows), out=self._slopes)

    def _loss(self, rows: int) -> float:
        """Return the sum of the losses that the first rows of the buffer had at their steps, in the data's units."""
        if not rows:
            return 0.0
        loss, errors = self.objective.loss, self._errors[:rows]
        values = loss.value(errors, loss.slope(errors))
        if self.objective.coordinates.weighted:
            values = values * self._buffer[:rows, -1:]
        return float(values.sum(dim=0).cpu().numpy() @ self.objective.unit)


def put_back(optimizer: torch.optim.Optimizer, state: dict[str, Any]) -> None:
    """Give an optimizer the state that `state_dict()["state"]` had; as keys, JSON knows text alone."""
    groups = optimizer.state_dict()["param_groups"]
    optimizer.load_state_dict({"state": {int(key): value for key, value in state.items()}, "param_groups": groups})


def _optimizer(options: Descent, weights: torch.Tensor, lr: float) -> torch.optim.Optimizer:
    # One tensor of a few numbers: a loop over tensors is faster than a fused kernel on CPU, and slower on CUDA.
    how: dict[str, bool] = {"foreach": False} if weights.device.type == "cpu" else {"fused": True}
    if options.stepper == "sgd":
        return torch.optim.SGD([weights], lr=lr, momentum=options.momentum, nesterov=options.nesterov, **how)
    # With all rows there is no noise to average, and a long memory of gradients that were large keeps steps small.
    betas = (0.9, 0.9 if options.batch_size is None else 0.999)
    if options.stepper == "adam":
        return torch.optim.Adam([weights], lr=lr, betas=betas, eps=_EPS, **how)
    # Without a penalty there is nothing to decay: see the check on l2 in `lr_trainer.descent.table`.
    return torch.optim.AdamW([weights], lr=lr, betas=betas, eps=_EPS, weight_decay=0.0, **how)
