"""The one table of the formats that a model is exported to, readable on a device: no torch, no onnx.

The export stage has one module of the same name for each row, `lr_export/formats/NAME.py`, which writes such a file,
reads it back and runs it.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from typing import Literal

from lr_runtime.contract.contract import PRECISIONS, RESULTS, Precision, Result

FormatName = Literal["onnx", "torchscript", "pt2", "c", "js", "html"]


@dataclass(frozen=True)
class Tool:
    """A program that has to be on PATH for a format to be verified: any of `names`; `install` says how to get one."""

    what: str
    names: tuple[str, ...]
    install: str

    def path(self) -> str | None:
        """Return the path of the program, None where it is not on PATH."""
        return next((path for path in map(shutil.which, self.names) if path is not None), None)


@dataclass(frozen=True)
class ExportFormat:
    """An export format: its files, what they can hold, and the engine that verifies them.

    Attributes:
        title: the name of such a file.
        suffix: the suffix of such files.
        precisions: the precisions that the format has.
        results: the results that a file can give.
        engine: the engine that runs files for their certificates, besides eager PyTorch.
        tool: the program that the engine is, where it is no Python package.
        options: the export options of the format that not every format has.
        in_torch: whether PyTorch itself writes and runs such files.
    """

    title: str
    suffix: str
    precisions: tuple[Precision, ...]
    results: tuple[Result, ...]
    engine: str
    tool: Tool | None = None
    options: tuple[str, ...] = ()
    in_torch: bool = False


_CC = Tool("a C compiler", ("cc", "gcc", "clang"), "apt install gcc")
_NODE = Tool("Node.js", ("node",), "apt install nodejs")
_ONNX_ENGINES = "ONNX Runtime, and the ONNX reference evaluator"
_IN_TORCH: tuple[Precision, ...] = ("exact", "float32", "float64")
_IN_SOURCE: tuple[Precision, ...] = ("exact", "portable")

EXPORT_FORMATS: dict[FormatName, ExportFormat] = {
    "onnx": ExportFormat("ONNX model", ".onnx", PRECISIONS, RESULTS, _ONNX_ENGINES, options=("opset", "name")),
    "torchscript": ExportFormat("TorchScript archive", ".pt", _IN_TORCH, ("y",), "torch.jit", in_torch=True),
    "pt2": ExportFormat("torch.export archive", ".pt2", _IN_TORCH, ("y",), "torch.export", in_torch=True),
    "c": ExportFormat("C header", ".h", _IN_SOURCE, RESULTS, _CC.what, _CC, options=("name",)),
    "js": ExportFormat("JavaScript module", ".mjs", _IN_SOURCE, RESULTS, _NODE.what, _NODE),
    "html": ExportFormat("HTML page", ".html", _IN_SOURCE, RESULTS, _NODE.what, _NODE),
}

WITHOUT_TORCH: tuple[FormatName, ...] = tuple(name for name, each in EXPORT_FORMATS.items() if not each.in_torch)
"""The formats that are written and run without PyTorch."""
