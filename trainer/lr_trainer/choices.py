"""The single lists of what an option may be: types, help and checks all read them here, without importing torch."""

from __future__ import annotations

from typing import Literal, get_args

Device = Literal["cpu", "cuda", "auto"]
Optimizer = Literal["sgd", "adam", "adamw"]
Loss = Literal["squared", "huber", "absolute"]

DEVICES: tuple[Device, ...] = get_args(Device)
OPTIMIZERS: tuple[Optimizer, ...] = get_args(Optimizer)
LOSSES: tuple[Loss, ...] = get_args(Loss)

MissingPolicy = Literal["error", "drop", "mean", "indicator"]
MISSING_POLICIES: tuple[MissingPolicy, ...] = get_args(MissingPolicy)
