"""The single lists of what an option may be: types, help and checks all read them here, without importing torch."""

from __future__ import annotations

from typing import Literal, get_args

Device = Literal["cpu", "cuda", "auto"]
SolverName = Literal["exact", "descent"]
Optimizer = Literal["sgd", "adam", "adamw", "lbfgs"]
LossName = Literal["squared", "huber", "absolute", "quantile"]
Schedule = Literal["constant", "linear", "cosine", "exponential"]

DEVICES: tuple[Device, ...] = get_args(Device)
SOLVERS: tuple[SolverName, ...] = get_args(SolverName)
OPTIMIZERS: tuple[Optimizer, ...] = get_args(Optimizer)
LOSSES: tuple[LossName, ...] = get_args(LossName)
SCHEDULES: tuple[Schedule, ...] = get_args(Schedule)

MissingPolicy = Literal["error", "drop", "mean", "indicator"]
MISSING_POLICIES: tuple[MissingPolicy, ...] = get_args(MissingPolicy)
MissingTarget = Literal["error", "drop"]
MISSING_TARGETS: tuple[MissingTarget, ...] = get_args(MissingTarget)


def dashed(name: str) -> str:
    """Return an option as it is typed: --batch-size for batch_size."""
    return "--" + name.replace("_", "-")
