"""The state of a descent in a safetensors file, from which it goes on to the same bits as if it had not been stopped.

The tensors and arrays of the state are those of the file; the records around them and all other numbers are JSON in the
file's header. There is no code in it. The header also has the options of the descent and the SHA-256 of its rows, so
that the state of another descent is refused. The random order of the rows needs no generator's state: it follows from
the seed and the epoch (`lr_trainer.descent.row_store`).
"""

from __future__ import annotations

import json
import math
import time
from typing import TYPE_CHECKING, Any

import numpy as np
import safetensors.torch
import torch
from safetensors import SafetensorError

from lr_runtime.errors import CheckpointError, OptionError
from lr_runtime.system.files import read_bytes
from lr_runtime.system.replacement import replacing
from lr_trainer.errors import InterruptedFitError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from lr_trainer.descent.signals import Interruption

_KEY = "linedge.resume.2"
"""Numbered, because a state of another layout of the steppers cannot be gone on from."""

_ARRAY, _TENSOR, _FLOAT = "array", "tensor", "float"


class Resume:
    """A file for the state of a descent, written every few seconds and when the descent is interrupted.

    Args:
        path: the file.
        every: after how many seconds to write it again; 0 for every step.
        interruption: whether a signal has come.
        goes_on: whether to start from the file, where there is one.
    """

    def __init__(self, path: Path, every: float, interruption: Interruption, *, goes_on: bool) -> None:
        self.path = path
        self.goes_on = goes_on
        self._every = every
        self._interruption = interruption
        self._identity: Mapping[str, object] = {}
        self._last = time.monotonic()

    def begin(self, identity: Mapping[str, object]) -> dict[str, Any] | None:
        """Return the state to go on from, None to start with; hold signals back from now on.

        Raises:
            OptionError: the file's state is of another descent; the message has the first difference.
            CheckpointError: the file holds no state.
        """
        self._identity = json.loads(json.dumps(identity))
        self._interruption.hold()
        self._last = time.monotonic()
        return self._read() if self.goes_on and self.path.exists() else None

    def due(self) -> bool:
        """Whether it is time to write the state."""
        return self._interruption.signal is not None or time.monotonic() - self._last >= self._every

    def keep(self, state: dict[str, Any]) -> None:
        """Write the state, whole or not at all.

        Raises:
            InterruptedFitError: a signal has come.
        """
        tensors: dict[str, torch.Tensor] = {}
        described = json.dumps({"identity": self._identity, "state": _packed(state, tensors)}, allow_nan=False)
        with replacing(self.path) as part:
            part.write_bytes(safetensors.torch.save(tensors, metadata={_KEY: described}))
        self._last = time.monotonic()
        if self._interruption.signal is not None:
            raise InterruptedFitError(self._interruption.signal, state["number"], self.path)

    def _read(self) -> dict[str, Any]:
        content = read_bytes(self.path, "Leave --resume out to start at the start")
        try:
            tensors = safetensors.torch.load(content)
            header = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])  # which `load` has checked
            described = json.loads(header["__metadata__"][_KEY])
            state: dict[str, Any] = _unpacked(described["state"], tensors)
        except (SafetensorError, KeyError, TypeError, ValueError) as error:
            raise CheckpointError(
                f"{self.path}: not the state of a descent ({error!r:.60}). Remove it, or leave --resume out"
            ) from error
        if difference := _difference(described["identity"], self._identity):
            raise OptionError(
                f"--resume: {self.path} is the state of another descent: {difference}. "
                "Give the same table and options, or leave --resume out to start again"
            )
        return state


class Forgetful:
    """No place for the state of a descent: it cannot be resumed."""

    def begin(self, identity: Mapping[str, object]) -> None:
        """Return no state to go on from."""

    def due(self) -> bool:
        """Return that it is never time to write the state."""
        return False

    def keep(self, state: dict[str, Any]) -> None:
        """Write nothing."""


def _difference(then: Mapping[str, object], now: Mapping[str, object]) -> str | None:
    names = sorted({*then, *now}, key=lambda name: (name.startswith("sha256"), name))
    differing = [name for name in names if then.get(name) != now.get(name)]
    return f"{differing[0]}: {then.get(differing[0])} there, {now.get(differing[0])} here" if differing else None


def _packed(value: object, tensors: dict[str, torch.Tensor]) -> object:
    """Return the value in JSON, its tensors and arrays moved to `tensors` and replaced by their numbers there."""
    if isinstance(value, torch.Tensor | np.ndarray):
        name = str(len(tensors))
        tensor = value if isinstance(value, torch.Tensor) else torch.from_numpy(value)
        tensors[name] = tensor.detach().cpu().clone().contiguous()
        return {_TENSOR if isinstance(value, torch.Tensor) else _ARRAY: name}
    if isinstance(value, dict):
        return {"dict": {str(key): _packed(each, tensors) for key, each in value.items()}}
    if isinstance(value, list | tuple):
        return [_packed(each, tensors) for each in value]
    if isinstance(value, float) and not math.isfinite(value):
        return {_FLOAT: repr(value)}
    return value


def _unpacked(value: Any, tensors: Mapping[str, torch.Tensor]) -> Any:
    if isinstance(value, list):
        return [_unpacked(each, tensors) for each in value]
    if not isinstance(value, dict):
        return value
    ((kind, inside),) = value.items()
    if kind == _ARRAY:
        return tensors[inside].numpy()
    if kind == _TENSOR:
        return tensors[inside]
    return float(inside) if kind == _FLOAT else {key: _unpacked(each, tensors) for key, each in inside.items()}
