"""The options of a descent."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

import numpy as np

from lr_runtime.choices import check_choice
from lr_runtime.errors import OptionError
from lr_trainer.choices import LOSSES, OPTIMIZERS, SCHEDULES

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from lr_trainer.choices import Loss, Optimizer, Schedule
    from lr_trainer.model.checkpoint import Checkpoint

    Array = NDArray[np.float64]


_EPOCHS = 1000


_EPOCHS_OF_BATCHES = 20


_PATIENCE = 10


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
