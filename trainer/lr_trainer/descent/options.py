"""The options of a descent."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

from lr_runtime.errors import OptionError
from lr_runtime.options import (
    AT_LEAST_1,
    CHECKPOINT,
    COUNT,
    FLAG,
    POSITIVE,
    SHARE,
    Number,
    OneOf,
    check_options,
    option,
)
from lr_trainer.choices import LOSSES, OPTIMIZERS, SCHEDULES, SEED, LessonOptions, LossName, Optimizer, Schedule

if TYPE_CHECKING:
    from lr_trainer.model.checkpoint import Checkpoint

HUBER = 1.345
"""Huber's delta in standard deviations: 95 % efficient on normal residuals (Holland and Welsch 1977)."""

MEDIAN = 0.5
"""The quantile of the loss of that name, by default."""

ADAM_LR = 0.1
"""Adam's steps have this length whatever the gradient's; the optimum lies about 1 away in these coordinates."""

PATIENCE = 10
"""The epochs without a better validation loss after which a descent stops, by default."""

_EPOCHS = 1000
_OF_BATCHES = 20
_LESSON = LessonOptions()


@dataclass(frozen=True)
class Descent:
    """The options of a descent; None is a default that depends on the others.

    Attributes:
        loss: squared, huber, absolute or quantile; see `lr_trainer.descent.losses`.
        optimizer: of torch.optim. Without batches lbfgs, which converges where the others only come near; else sgd.
        delta: Huber's, in the target's unit; by default 1.345 robust standard deviations of the residuals.
        quantile: of the loss of that name, between 0 and 1; by default 0.5.
        lr: the learning rate, in the coordinates of `coordinates.py`; by default from the curvature there.
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

    Example:
        >>> from lr_trainer import fit
        >>> table = {"x": [1.0, 2.0, 3.0, 4.0, 5.0, 6.0], "y": [2.0, 4.0, 6.0, 8.0, 10.0, 90.0]}
        >>> fit(table, target="y", descent=Descent(loss="absolute")).weight.round(6).tolist()
        [[2.0]]
    """

    loss: LossName = option("squared", OneOf(LOSSES), "The loss: averaged over a table, summed in the lesson.")
    optimizer: Optimizer | None = option(
        None, OneOf(OPTIMIZERS), f"The optimizer. [default: lbfgs; with batches, in the lesson {_LESSON.optimizer}]"
    )
    delta: float | None = option(
        None, POSITIVE, f"Huber's delta, in the target's unit. [default: {HUBER} robust deviations]"
    )
    quantile: float | None = option(None, SHARE, f"The quantile of that loss. [default: {MEDIAN}]")
    lr: float | None = option(
        None,
        POSITIVE,
        f"The learning rate. [default: from the curvature; of adam {ADAM_LR}, in the lesson {_LESSON.lr}]",
    )
    momentum: float = option(0.0, Number("0, or a number below 1", 0, 1, (True, False)), "The momentum of sgd.")
    nesterov: bool = option(False, FLAG, "Take Nesterov's momentum.")
    epochs: int | None = option(
        None, COUNT, f"The most passes. [default: {_EPOCHS}; of batches {_OF_BATCHES}, in the lesson {_LESSON.epochs}]"
    )
    batch_size: int | None = option(None, AT_LEAST_1, "The rows of a step. [default: all]")
    seed: int = option(0, SEED, "The seed of the rows' order, and of all else that is left to chance.")
    schedule: Schedule | None = option(None, OneOf(SCHEDULES), "What becomes of the learning rate.")
    validation: float | None = option(
        None, SHARE, "The share of rows held out; the weights best on them are the result."
    )
    patience: int | None = option(
        None, AT_LEAST_1, f"The epochs to wait for a better validation loss. [default: {PATIENCE}]"
    )
    init: Checkpoint | None = option(None, CHECKPOINT, "A checkpoint whose weights are the start.")

    def __post_init__(self) -> None:
        check_options(self)
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

    @property
    def stepper(self) -> Optimizer:
        """The optimizer, by default or not."""
        return self.optimizer or ("lbfgs" if self.batch_size is None else "sgd")

    @property
    def most_epochs(self) -> int:
        """The number of epochs, by default or not."""
        default = _EPOCHS if self.batch_size is None else _OF_BATCHES
        return default if self.epochs is None else self.epochs

    def described(self) -> dict[str, object]:
        """Return the options as JSON values, `init` by the SHA-256 of its file's bytes."""
        from lr_runtime.system.files import sha256

        values = {field.name: getattr(self, field.name) for field in fields(self)}
        return {**values, "init": None if self.init is None else sha256(self.init.to_bytes())}
