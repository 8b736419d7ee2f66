"""The state of a descent in a safetensors file, from which it goes on to the same bits as if it had not been stopped.

The tensors and arrays of the state are those of the file; the records around them and all other numbers are JSON in the
file's header. There is no code in it. The header also has the options of the descent and the SHA-256 of its rows, so
that the state of another descent is refused. The random order of the rows needs no generator's state: it follows from
the seed and the epoch (`lr_trainer.descent.row_store`).

Signals end a descent at once while there is nothing to lose, at the next step afterwards.
"""

from __future__ import annotations

import json
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import safetensors.torch
import torch
from safetensors import SafetensorError

from lr_runtime.errors import CheckpointError, OptionError
from lr_runtime.system.files import read_bytes
from lr_runtime.system.replacement import replacing
from lr_runtime.system.signals import handled
from lr_trainer.errors import InterruptedFitError
from lr_trainer.rows.workers import ALONE

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from lr_trainer.arithmetic.arrays import Array
    from lr_trainer.rows.workers import Workers

_KEY = "linedge.resume.3"
"""Numbered, because a state of another layout of the steppers cannot be gone on from."""

_ARRAY, _TENSOR = "array", "tensor"


class Interruption:
    """The record of a signal that has come during a descent.

    Attributes:
        signal: its number; None while there was none.
    """

    def __init__(self) -> None:
        self.signal: int | None = None
        self._holds = False
        self._come: set[int] = set()

    def hold(self) -> None:
        """Have the descent go on after a signal from now on; it ends itself where its state is complete."""
        self._holds = True

    def _note(self, number: int, _frame: object) -> None:
        # The same a second time is meant: whoever sends it does not want to wait for the state. Another may follow the
        # first by itself: systemd and terminals that close send two.
        if not self._holds or number in self._come:
            raise SystemExit(128 + number)
        self._come.add(number)
        self.signal = self.signal or number


@contextmanager
def interruptible() -> Iterator[Interruption]:
    """Note the signals that come while the block runs."""
    interruption = Interruption()
    with handled(interruption._note):
        yield interruption


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
        self._workers: Workers = ALONE

    def begin(self, identity: Mapping[str, object], workers: Workers = ALONE) -> dict[str, Any] | None:
        """Return the state to go on from, None to start with; hold signals back from now on.

        The first of the workers reads and writes it for all of them.

        Raises:
            OptionError: the file's state is of another descent; the message has the first difference.
            CheckpointError: the file holds no state.
        """
        self._identity = json.loads(json.dumps(identity))
        self._interruption.hold()
        self._last = time.monotonic()
        self._workers = workers
        return workers.agreed("the state", lambda: self._read() if self.goes_on and self.path.exists() else None)

    def due(self) -> bool:
        """Whether it is time to write the state."""
        return any(self._workers.gathered("a pause", self._is_due))

    def _is_due(self) -> bool:
        return self._interruption.signal is not None or time.monotonic() - self._last >= self._every

    def keep(self, state: dict[str, Any]) -> None:
        """Write the state, whole or not at all.

        Raises:
            InterruptedFitError: a signal has come.
        """
        self._workers.agreed("the state", lambda: self._write(state))
        self._last = time.monotonic()
        self._workers.gathered("signals", lambda: self._end(state["number"]))

    def _write(self, state: dict[str, Any]) -> None:
        tensors: dict[str, torch.Tensor] = {}
        described = _packed({"identity": self._identity, "state": state}, tensors)
        with replacing(self.path) as part:
            part.write_bytes(safetensors.torch.save(tensors, metadata={_KEY: described}))

    def _end(self, epoch: int) -> None:
        if self._interruption.signal is not None:
            raise InterruptedFitError(self._interruption.signal, epoch, self.path)

    def _read(self) -> dict[str, Any]:
        content = read_bytes(self.path, "Leave --resume out to start at the start")
        try:
            tensors = safetensors.torch.load(content)
            header = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])  # which `load` has checked
            described = _unpacked(header["__metadata__"][_KEY], tensors)
            identity, state = described["identity"], described["state"]
        except (SafetensorError, KeyError, TypeError, ValueError) as error:
            raise CheckpointError(
                f"{self.path}: not the state of a descent ({error!r:.60}). Remove it, or leave --resume out"
            ) from error
        if difference := _difference(identity, self._identity):
            raise OptionError(
                f"--resume: {self.path} is the state of another descent: {difference}. "
                "Give the same table and options, or leave --resume out to start again"
            )
        return dict(state)


def _difference(then: Mapping[str, object], now: Mapping[str, object]) -> str | None:
    names = sorted({*then, *now}, key=lambda name: (name.startswith("sha256"), name))
    differing = [name for name in names if then.get(name) != now.get(name)]
    return f"{differing[0]}: {then.get(differing[0])} there, {now.get(differing[0])} here" if differing else None


def _packed(record: object, tensors: dict[str, torch.Tensor]) -> str:
    """Return a record in JSON, its tensors and arrays moved to `tensors` and replaced by their numbers there."""

    def moved(value: torch.Tensor | Array) -> dict[str, str]:
        name, is_tensor = str(len(tensors)), isinstance(value, torch.Tensor)
        tensors[name] = torch.as_tensor(value).detach().cpu().clone().contiguous()
        return {_TENSOR if is_tensor else _ARRAY: name}

    return json.dumps(record, default=moved)


def _unpacked(text: str, tensors: Mapping[str, torch.Tensor]) -> Any:
    def put_back(value: dict[str, Any]) -> Any:
        if _ARRAY in value:
            return tensors[value[_ARRAY]].numpy()
        return tensors[value[_TENSOR]] if _TENSOR in value else value

    return json.loads(text, object_hook=put_back)
