"""What a descent is asked to do, and the cycle that does it: epoch after epoch until it has converged or must stop."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from lr_runtime.choices import check_choice
from lr_runtime.errors import OptionError
from lr_trainer.choices import LOSSES, OPTIMIZERS, SCHEDULES
from lr_trainer.errors import DivergedError

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from lr_trainer.choices import Loss, Optimizer, Schedule
    from lr_trainer.descents.objective import Objective
    from lr_trainer.model.checkpoint import Checkpoint

    Array = NDArray[np.float64]

_EPOCHS = 1000
_EPOCHS_OF_BATCHES = 20
_PATIENCE = 10

_BLOWN_UP = 1e6
"""A loss this many times its first is not coming back."""


@dataclass(frozen=True)
class Descent:
    """The options of a descent; None is a default that depends on the others.

    Attributes:
        loss: squared, huber, absolute or quantile; see `lr_trainer.descents.losses`.
        optimizer: of torch.optim. Without batches lbfgs, which converges where the others only come near; else sgd.
        delta: Huber's, in the target's unit; by default 1.345 robust standard deviations of the residuals.
        quantile: of the loss of that name, between 0 and 1; by default 0.5.
        lr: the learning rate, in the coordinates of `descents.coordinates`; by default from the curvature there.
        momentum: of sgd.
        nesterov: whether sgd's momentum is Nesterov's.
        epochs: the most passes over the rows: 1000, or with batches 20.
        batch_size: the rows of a step; None for all of them.
        seed: of the rows' order and of the validation rows.
        schedule: what becomes of the learning rate: constant, or over the epochs linearly or along a cosine to 0, or
            exponentially to a trillionth (with batches, a thousandth).
        validation: the share of rows that are held out; the weights that predict them best are kept.
        patience: after how many epochs without a better validation loss to stop.
        init: a checkpoint of the same columns to start from.
    """

    loss: Loss = "squared"
    optimizer: Optimizer | None = None
    delta: float | None = None
    quantile: float | None = None
    lr: float | None = None
    momentum: float = 0.0
    nesterov: bool = False
    epochs: int | None = None
    batch_size: int | None = None
    seed: int = 0
    schedule: Schedule | None = None
    validation: float | None = None
    patience: int | None = None
    init: Checkpoint | None = None

    def __post_init__(self) -> None:
        check_choice("--loss", self.loss, LOSSES)
        check_choice("--optimizer", self.optimizer, (None, *OPTIMIZERS))
        check_choice("--schedule", self.schedule, (None, *SCHEDULES))
        if self.delta is not None and self.loss != "huber":
            raise OptionError("--delta belongs to --loss huber")
        if self.quantile is not None and self.loss != "quantile":
            raise OptionError("--quantile belongs to --loss quantile")
        if self.batch_size is not None and self.stepper == "lbfgs":
            raise OptionError("--optimizer lbfgs takes all rows at once. Leave --batch-size out, or choose sgd or adam")
        if (self.momentum or self.nesterov) and self.stepper != "sgd":
            raise OptionError("--momentum and --nesterov belong to --optimizer sgd")
        if self.nesterov and not self.momentum:
            raise OptionError("--nesterov needs a --momentum, such as 0.9")
        if self.patience is not None and self.validation is None:
            raise OptionError("--patience needs rows to validate on: --validation 0.2")
        if self.stepper == "lbfgs" and (self.lr is not None or self.schedule is not None):
            raise OptionError("--optimizer lbfgs finds its steps by a line search. Leave --lr and --schedule out")
        self._check_ranges()

    def _check_ranges(self) -> None:
        inf, share = np.inf, "a number between 0 and 1"
        for option, value, low, high, expected in (
            ("--delta", self.delta, 0, inf, "a positive number"),
            ("--quantile", self.quantile, 0, 1, share),
            ("--validation", self.validation, 0, 1, share),
            ("--lr", self.lr, 0, inf, "a positive number"),
            ("--momentum", self.momentum or None, 0, 1, "0, or a number below 1"),
            ("--batch-size", self.batch_size, 0, inf, "1 or more"),
            ("--epochs", self.epochs, -1, inf, "0 or more"),
            ("--seed", self.seed, -1, inf, "0 or more"),
            ("--patience", self.patience, 0, inf, "1 or more"),
        ):
            if value is not None and not low < value < high:
                raise OptionError(f"{option} takes {expected}, not {value:g}")

    @property
    def stepper(self) -> Optimizer:
        """The optimizer, by default or not."""
        return self.optimizer or ("lbfgs" if self.batch_size is None else "sgd")

    @property
    def most_epochs(self) -> int:
        """The number of epochs, by default or not."""
        default = _EPOCHS if self.batch_size is None else _EPOCHS_OF_BATCHES
        return default if self.epochs is None else self.epochs

    def described(self) -> dict[str, Any]:
        """Return the options as JSON values, `init` by the SHA-256 of its file's bytes."""
        from lr_runtime.system.files import sha256

        values = {field.name: getattr(self, field.name) for field in fields(self)}
        return {**values, "init": None if self.init is None else sha256(self.init.to_bytes())}


@dataclass(frozen=True)
class Epoch:
    """What an epoch came to.

    `loss` is the objective in the units of the data, summed over the targets, at the epoch's start or, with batches, on
    its way; `validation` the mean loss on the rows held out; `gradient` the gradient's norm where all rows gave it;
    `lr` the learning rate of its last step; `rows` how many it went through.
    """

    number: int
    loss: float
    validation: float | None = None
    gradient: float | None = None
    lr: float | None = None
    rows: int = 0


class Stepper(Protocol):
    """A way to take an epoch's steps.

    Attributes:
        objective: over all rows.
        at: float64 (outputs, size), where it stands.
        is_done: whether it has converged, or can come no nearer.
    """

    objective: Objective
    is_done: bool

    @property
    def at(self) -> Array:
        """Where it stands."""
        ...

    def epoch(self, number: int, pause: Callable[[], None]) -> Epoch:
        """Take an epoch, calling `pause` wherever `state` is whole."""
        ...

    def state(self) -> dict[str, Any]:
        """Return all that decides what comes next."""
        ...

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from there."""
        ...


class Keeper(Protocol):
    """Who keeps the state of a descent that may be stopped."""

    def due(self) -> bool:
        """Whether it is time to keep the state."""
        ...

    def keep(self, state: dict[str, Any]) -> None:
        """Keep it; raises where the descent is to stop."""
        ...


@dataclass
class Cycle:
    """The cycle of a descent: epochs, the best weights on rows held out, the state to go on from.

    Attributes:
        number: how many epochs are over.
        best: the weights with the least validation loss, from 0 (the start) on.
    """

    stepper: Stepper
    options: Descent
    validation: Objective | None
    unit: Array
    keeper: Keeper
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
        """Whether there is nothing more to do."""
        return self.stepper.is_done or self.number >= self.options.most_epochs or self.stopped_early

    @property
    def stopped_early(self) -> bool:
        """Whether the validation loss has not fallen for `patience` epochs."""
        patience = self.options.patience or _PATIENCE
        return self.validation is not None and self.number - self.best_number >= patience

    @property
    def at(self) -> Array:
        """The weights that are kept."""
        return self.stepper.at if self.best is None else self.best

    def state(self) -> dict[str, Any]:
        """Return all that decides what comes next."""
        own = {name: getattr(self, name) for name in ("number", "best", "best_loss", "best_number", "first")}
        return {**own, "stepper": self.stepper.state()}

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from there."""
        for name in ("number", "best", "best_loss", "best_number", "first"):
            setattr(self, name, state[name])
        self.stepper.restore(state["stepper"])

    def _pause(self) -> None:
        if self.keeper.due():
            self.keeper.keep(self.state())

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
