"""The one table of formats: the command, the documentation and the tests all read it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from onnx.reference import ReferenceEvaluator

from lr_export.graph import onnx_bytes, read_onnx
from lr_export.module import LinearModel
from lr_export.torchscript import read_torchscript, torchscript_bytes
from lr_runtime.session import ENGINE, Session

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import numpy as np
    from numpy.typing import NDArray

    from lr_export.choices import FormatName
    from lr_export.numbers import Numbers
    from lr_runtime.contract import Contract

    Array = NDArray[np.floating[Any]]
    Engine = Callable[[Array], Array]


@dataclass(frozen=True)
class Opened:
    """An artefact read back from its bytes.

    Attributes:
        numbers: as `Numbers.arrays` names them.
        contract: its JSON.
        engines: what evaluates x (rows, columns) to y (rows, outputs), by name; the artefact's own first.
    """

    numbers: Mapping[str, Array]
    contract: str
    engines: Mapping[str, Engine]


@dataclass(frozen=True)
class Format:
    """How a format is written and read back."""

    build: Callable[[Numbers, Contract], bytes]
    reopen: Callable[[bytes], Opened]


def eager(numbers: Numbers) -> Engine:
    """Return PyTorch, eager: the reference that every artefact is verified beside."""
    return _in_torch(LinearModel(numbers).eval())


def _reopen_onnx(content: bytes) -> Opened:
    model, numbers, contract = read_onnx(content)
    session, reference = Session(content), ReferenceEvaluator(model)
    engines: dict[str, Engine] = {
        ENGINE: session.run,
        "onnx reference evaluator": lambda x: reference.run(["y"], {"x": x})[0],  # type: ignore[index]
    }
    return Opened(numbers, contract, engines)


def _reopen_torchscript(content: bytes) -> Opened:
    module, numbers, contract = read_torchscript(content)
    return Opened(numbers, contract, {f"torchscript in torch {torch.__version__}": _in_torch(module)})


def _in_torch(module: torch.nn.Module) -> Engine:
    def run(x: Array) -> Array:
        with torch.inference_mode():
            result: Array = module(torch.from_numpy(x)).numpy()
        return result

    return run


FORMATS: dict[FormatName, Format] = {
    "onnx": Format(onnx_bytes, _reopen_onnx),
    "torchscript": Format(torchscript_bytes, _reopen_torchscript),
}
