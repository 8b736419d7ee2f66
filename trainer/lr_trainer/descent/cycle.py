"""The cycle of a descent: epoch after epoch, until it has converged or must stop."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from lr_trainer.descent.options import PATIENCE, Descent
from lr_trainer.errors import DivergedError

if TYPE_CHECKING:
    from collections.abc import Callable

    from lr_trainer.arithmetic.arrays import Array
    from lr_trainer.descent.epoch import Epoch
    from lr_trainer.descent.first_order import FirstOrder
    from lr_trainer.descent.objective import Objective
    from lr_trainer.descent.quasi_newton import QuasiNewton
    from lr_trainer.descent.resume import Resume

_BLOWN_UP = 1e6
"""The ratio of the loss to that of the first epoch at which a descent has diverged: steps of a sane length never
come near it."""


@dataclass
class Cycle:
    """The cycle of a descent: epochs, the best weights on rows held out, the state to go on from.

    Attributes:
        stepper: what takes an epoch's steps; it calls `pause` wherever its `state`, from which `restore` goes on, is
            whole.
        number: how many epochs are over.
        best: the coordinates with the least validation loss; None where there are no validation rows.
    """

    stepper: FirstOrder | QuasiNewton
    options: Descent
    validation: Objective | None
    unit: Array
    memory: Resume | None
    report: Callable[[Epoch], None]
    number: int = 0
    best: Array | None = None
    best_loss: float = np.inf
    best_number: int = 0
    first: float | None = None

    def run(self) -> None:
        """Run until the stepper is done, the epochs are over, or the validation loss has not fallen for long.

        Raises:
            DivergedError: the loss left the finite numbers, or grew a million times.
        """
        while not self.is_over:
            self._pause()
            epoch = self.stepper.epoch(self.number, self._pause)
            self._check(epoch)
            self.number += 1
            if self.validation is not None:
                epoch = replace(epoch, validation=self._validate(self.validation))
            self.report(replace(epoch, number=self.number, rows=self.stepper.objective.store.rows))

    @property
    def is_over(self) -> bool:
        """Whether the cycle has ended."""
        return self.stepper.is_done or self.number >= self.options.most_epochs or self.stopped_early

    @property
    def stopped_early(self) -> bool:
        """Whether the validation loss has not fallen for `patience` epochs."""
        patience = self.options.patience or PATIENCE
        return self.validation is not None and self.number - self.best_number >= patience

    @property
    def at(self) -> Array:
        """The result, float64 (outputs, size): the point with the least validation loss, or the last one."""
        return self.stepper.at if self.best is None else self.best

    def state(self) -> dict[str, object]:
        """Return all that decides the next epochs."""
        own = {name: getattr(self, name) for name in ("number", "best", "best_loss", "best_number", "first")}
        return {**own, "stepper": self.stepper.state()}

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from a state."""
        for name in ("number", "best", "best_loss", "best_number", "first"):
            setattr(self, name, state[name])
        self.stepper.restore(state["stepper"])

    def _pause(self) -> None:
        if self.memory is not None and self.memory.due():
            self.memory.keep(self.state())

    def _check(self, epoch: Epoch) -> None:
        if self.first is None:
            self.first = epoch.loss
        finite = np.isfinite(epoch.loss) and bool(np.isfinite(self.stepper.at).all())
        if not finite or epoch.loss > _BLOWN_UP * self.first > 0:
            raise DivergedError(self.number, epoch.loss, epoch.lr)

    def _validate(self, validation: Objective) -> float:
        loss = float((validation.mean_loss(self.stepper.at) * self.unit).sum())
        if self.best is None or loss < self.best_loss:
            self.best, self.best_loss, self.best_number = self.stepper.at.copy(), loss, self.number
        return loss
