"""The one table of the formats that a model is exported to, readable on a device: no torch, no onnx.

The export stage has one module of the same name for each row, `lr_export/formats/NAME.py`, which writes such a file,
reads it back and runs it.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from lr_runtime.contract.contract import PRECISIONS, RESULTS

if TYPE_CHECKING:
    from lr_runtime.contract.contract import Precision, Result

FormatName = Literal["onnx", "torchscript", "pt2", "c", "js"]


@dataclass(frozen=True)
class Tool:
    """A program that has to be on PATH for a format to be verified: any of `names`; `install` says how to get one."""

    what: str
    names: tuple[str, ...]
    install: str

    def path(self) -> str | None:
        """Return where the program is, None where it is not on PATH."""
        return next((path for path in map(shutil.which, self.names) if path is not None), None)


@dataclass(frozen=True)
class ExportFormat:
    """What a format is, can hold, and is verified with.

    Attributes:
        title: what a file of it is called.
        suffix: of its files.
        precisions: those it has.
        results: those it can give.
        engine: what runs it for its certificate, beside eager PyTorch.
        tool: the engine, where it is no Python package.
        options: those that not every format has.
    """

    title: str
    suffix: str
    precisions: tuple[Precision, ...]
    results: tuple[Result, ...]
    engine: str
    tool: Tool | None = None
    options: tuple[str, ...] = ()


_CC = Tool("a C compiler", ("cc", "gcc", "clang"), "apt install gcc")
_NODE = Tool("Node.js", ("node",), "apt install nodejs")
_ONNX_ENGINES = "ONNX Runtime, and the ONNX reference evaluator"
_IN_TORCH: tuple[Precision, ...] = ("exact", "float32", "float64")
_IN_SOURCE: tuple[Precision, ...] = ("exact", "portable")

EXPORT_FORMATS: dict[FormatName, ExportFormat] = {
    "onnx": ExportFormat("ONNX model", ".onnx", PRECISIONS, RESULTS, _ONNX_ENGINES, options=("opset", "name")),
    "torchscript": ExportFormat("TorchScript archive", ".pt", _IN_TORCH, ("y",), "torch.jit"),
    "pt2": ExportFormat("torch.export archive", ".pt2", _IN_TORCH, ("y",), "torch.export"),
    "c": ExportFormat("C header", ".h", _IN_SOURCE, RESULTS, _CC.what, _CC, options=("name",)),
    "js": ExportFormat("JavaScript module", ".mjs", _IN_SOURCE, RESULTS, _NODE.what, _NODE),
}
