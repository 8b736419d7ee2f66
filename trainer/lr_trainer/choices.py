"""The single lists of what an option may be: types, help and checks all read them here, without importing torch."""

from __future__ import annotations

from typing import Literal, get_args

Device = Literal["cpu", "cuda", "auto"]
Solver = Literal["exact", "descent"]
Optimizer = Literal["sgd", "adam", "adamw", "lbfgs"]
Loss = Literal["squared", "huber", "absolute", "quantile"]
Schedule = Literal["constant", "linear", "cosine", "exponential"]

DEVICES: tuple[Device, ...] = get_args(Device)
SOLVERS: tuple[Solver, ...] = get_args(Solver)
OPTIMIZERS: tuple[Optimizer, ...] = get_args(Optimizer)
LOSSES: tuple[Loss, ...] = get_args(Loss)
SCHEDULES: tuple[Schedule, ...] = get_args(Schedule)

MissingPolicy = Literal["error", "drop", "mean", "indicator"]
MISSING_POLICIES: tuple[MissingPolicy, ...] = get_args(MissingPolicy)
MissingTarget = Literal["error", "drop"]
MISSING_TARGETS: tuple[MissingTarget, ...] = get_args(MissingTarget)


def dashed(name: str) -> str:
    """Return an option as it is typed: --batch-size for batch_size."""
    return "--" + name.replace("_", "-")
