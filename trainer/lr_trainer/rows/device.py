"""The device that computes a fit."""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING

from lr_runtime.errors import OptionError
from lr_runtime.options import OneOf, check_value
from lr_runtime.system.lazy import needs_extra
from lr_trainer.choices import DEVICES, Device

if TYPE_CHECKING:
    from lr_trainer.arithmetic.arrays import Place


def device_named(name: Device) -> Place:
    """Return where to compute; "auto" is CUDA where torch is installed and finds a CUDA device, else the CPU.

    Raises:
        OptionError: the name is "cuda", and PyTorch finds no CUDA device.
        MissingExtraError: the name is "cuda", and torch is not installed.
    """
    check_value("--device", OneOf(DEVICES), name)
    if name == "cpu" or (name == "auto" and find_spec("torch") is None):
        return "cpu"
    with needs_extra("torch"):
        import torch
    if torch.cuda.is_available():
        return "cuda"
    if name == "cuda":
        raise OptionError("--device cuda: PyTorch finds no CUDA device here. Use --device cpu, or auto")
    return "cpu"
