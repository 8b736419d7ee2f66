"""The first PyTorch lesson: class, loss and optimizer, training cycle. float32, not standardised, loss summed.

x = 1, 2, 3 and y = 2, 4, 6 are fitted by one nn.Linear(1, 1) in 500 epochs of gradient descent; then the model is asked
for 4.
"""

from __future__ import annotations

import math
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import nn

from lr_runtime import __version__
from lr_runtime.contract.columns import Column
from lr_runtime.contract.contract import Contract, Output
from lr_runtime.contract.terms.power import Power
from lr_runtime.errors import OptionError
from lr_trainer.choices import Device, LessonOptions, LossName, Optimizer
from lr_trainer.errors import DivergedError
from lr_trainer.model.checkpoint import Checkpoint
from lr_trainer.moments.blocks import block_moments
from lr_trainer.rows.device import device_named

if TYPE_CHECKING:
    from collections.abc import Callable

    import lr_runtime.contract.checkpoint

X = ((1.0,), (2.0,), (3.0,))
Y = ((2.0,), (4.0,), (6.0,))
ASKED = 4.0

_OPTIMIZERS: dict[Optimizer, type[torch.optim.Optimizer]] = {
    "sgd": torch.optim.SGD,
    "adam": torch.optim.Adam,
    "adamw": torch.optim.AdamW,
}
_LOSSES: dict[LossName, Callable[[], nn.Module]] = {
    "squared": lambda: nn.MSELoss(reduction="sum"),
    "huber": lambda: nn.HuberLoss(reduction="sum"),
    "absolute": lambda: nn.L1Loss(reduction="sum"),
}


def lesson(
    *,
    epochs: int = 500,
    lr: float = 0.01,
    optimizer: Optimizer = "sgd",
    loss: LossName = "squared",
    seed: int = 0,
    device: Device = "cpu",
    init: lr_runtime.contract.checkpoint.Checkpoint | None = None,
    report: Callable[[int, float], None] = lambda _epoch, _loss: None,
) -> tuple[Checkpoint, float]:
    """Train the lesson's model; return its checkpoint and its float32 prediction at 4.

    Args:
        epochs: the number of full-batch steps.
        lr: the learning rate.
        optimizer: the optimizer of torch.optim.
        loss: squared, Huber (delta 1) or absolute, summed over the rows.
        seed: the seed of the initial weights.
        device: the device to train on.
        init: a checkpoint of one column and one output to start from, in place of random weights.
        report: called with the epoch and its loss before each step.

    Raises:
        DivergedError: the loss or the weights are no longer finite.
        OptionError: `init` is a model of another shape, or another argument is none of its values.

    Example:
        >>> checkpoint, prediction = lesson(epochs=500, lr=0.01, seed=0)
        >>> round(prediction, 1)
        8.0
    """
    LessonOptions(epochs, lr, optimizer, loss, seed, init)  # raises OptionError for an invalid value
    place = device_named(device)
    x, y = torch.tensor(X, device=place), torch.tensor(Y, device=place)

    # 1. The class.
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = nn.Linear(1, 1)
    if init is not None:
        _start_from(init, model)
    model.to(place)

    # 2. The loss and the optimizer.
    criterion = _LOSSES[loss]()
    stepper = _OPTIMIZERS[optimizer](model.parameters(), lr=lr)  # type: ignore[call-arg]

    # 3. The training cycle: forward, loss, backward, step.
    for epoch in range(epochs):
        predicted = model(x)
        error = criterion(predicted, y)
        _check_finite(epoch, error.item())
        report(epoch, error.item())
        stepper.zero_grad()
        error.backward()
        stepper.step()

    with torch.no_grad():
        final, asked = criterion(model(x), y).item(), model(torch.tensor([[ASKED]], device=place)).item()
    _check_finite(epochs, final + asked)
    return _checkpoint(model.cpu()), asked


def _check_finite(epoch: int, loss: float) -> None:
    if not math.isfinite(loss):
        raise DivergedError(epoch, loss)


def _start_from(init: lr_runtime.contract.checkpoint.Checkpoint, model: nn.Linear) -> None:
    if init.weight.shape != (1, 1) or init.origin[0] != 0 or init.scale[0] != 1:
        raise OptionError(
            "--init: the lesson's model has one column, one output and no origin; this checkpoint differs"
        )
    with torch.no_grad():
        model.weight.copy_(torch.from_numpy(init.weight))
        model.bias.copy_(torch.from_numpy(init.bias))


def _checkpoint(model: nn.Linear) -> Checkpoint:
    weight, bias = model.weight.detach().double().numpy(), model.bias.detach().double().numpy()
    moments = block_moments(np.column_stack([X, Y]))
    estimates = {"intercept": float(bias[0]), "x": float(weight[0, 0])}
    residual_sum = _residual_sum(estimates["x"], estimates["intercept"])
    r2 = float(1 - residual_sum / Fraction(float(moments.comoment[1, 1])))
    residual_sd = math.sqrt(residual_sum / (moments.rows - 2))
    return Checkpoint(
        contract=Contract((Column("x", 1.0, 3.0),), (Output("y", r2, residual_sd),), moments.rows, __version__),
        weight=weight,
        bias=bias,
        origin=np.zeros(1),
        scale=np.ones(1),
        fill=np.zeros(1),
        terms=(Power(0),),
        moments=moments.arrays(),
        fit=_report(estimates, moments.rows, r2, residual_sd),
    )


def _residual_sum(slope: float, start: float) -> Fraction:
    """Return the exact sum of squares: the residuals of a descent may be smaller than the rounding of float64."""
    weight, bias = Fraction(slope), Fraction(start)
    return sum(((weight * Fraction(x[0]) + bias - Fraction(y[0])) ** 2 for x, y in zip(X, Y, strict=True)), Fraction(0))


def _report(estimates: dict[str, float], rows: int, r2: float, residual_sd: float) -> dict[str, Any]:
    """Return the report as JSON, without standard errors: a descent that was stopped is no least-squares fit."""
    return {
        "solver": "descent",
        "arithmetic": "float32",
        "weight": None,
        "intercept": True,
        "passes": 1,
        "rows": rows,
        "columns": ["x"],
        "target": "y",
        "coefficients": [
            {"target": "y", "term": name, "estimate": estimate, "standard_error": None}
            for name, estimate in estimates.items()
        ],
        "r2": r2,
        "residual_sd": residual_sd,
        "degrees_of_freedom": rows - 2,
        "condition_number": 1.0,
        "constant": [],
        "collinear": [],
    }
