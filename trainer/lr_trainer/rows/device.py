"""The device that computes a fit."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from lr_runtime.errors import OptionError
from lr_runtime.options import OneOf, check_value
from lr_trainer.choices import DEVICES

if TYPE_CHECKING:
    from lr_trainer.choices import Device


def device_named(name: Device) -> torch.device:
    """Return the torch device of that name; "auto" is CUDA where PyTorch finds a CUDA device, else the CPU.

    Raises:
        OptionError: the name is "cuda", and PyTorch finds no CUDA device.
    """
    check_value("--device", OneOf(DEVICES), name)
    available = torch.cuda.is_available()
    if name == "cuda" and not available:
        raise OptionError("--device cuda: PyTorch finds no CUDA device here. Use --device cpu, or auto")
    return torch.device("cuda" if name == "cuda" or (name == "auto" and available) else "cpu")
