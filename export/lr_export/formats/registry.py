"""How each format of the table in `choices.py` is written, read back and run."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import onnx
import torch
from onnx.reference import ReferenceEvaluator

from lr_export.choices import CHOICES
from lr_export.formats.c_header import c_bytes, read_c
from lr_export.formats.javascript import js_bytes, read_js
from lr_export.formats.onnx_graph import onnx_bytes, read_onnx
from lr_export.formats.pt2 import pt2_bytes, read_pt2
from lr_export.formats.toolchain import c_driver, js_driver, version_of
from lr_export.formats.torch_module import ProgramModule
from lr_export.formats.torchscript import read_torchscript, torchscript_bytes
from lr_runtime.contract.contract import Contract
from lr_runtime.onnx_file.session import ENGINE, OPTIMISATIONS, Session

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from numpy.typing import NDArray

    from lr_export.choices import FormatName
    from lr_export.formats.toolchain import Driver
    from lr_export.program.program import Program
    from lr_runtime.onnx_file.session import Optimisation

    Array = NDArray[np.floating[Any]]
    Results = Mapping[str, NDArray[Any]]
    Engine = Callable[[Array], Results]


REFERENCE = f"onnx reference evaluator {onnx.__version__}"


@dataclass(frozen=True)
class Opened:
    """An artefact read back from its bytes.

    Attributes:
        numbers: under the names of the program's constants.
        contract: its JSON.
        engines: what evaluates x (rows, columns) to the program's results by name, each (rows, its width); by name, the
            artefact's own first; none where its own is not on this machine.
        self_test: 0, or the number of the first row of its own that an artefact finds wrong; None of one that has none,
            or whose engine is not on this machine.
        optimised: the artefact's own engine where it rewrites what it runs more or less than it does by itself.
    """

    numbers: Mapping[str, NDArray[Any]]
    contract: str
    engines: Mapping[str, Engine]
    self_test: Callable[[], int] | None = None
    optimised: Mapping[str, Engine] = field(default_factory=dict)


@dataclass(frozen=True)
class Format:
    """How a format is written, and read back for a check of it: reopening takes the program for its results' names."""

    build: Callable[[Program, Contract], bytes]
    reopen: Callable[[bytes, Program], Opened]


def eager(program: Program) -> Engine:
    """Return PyTorch, eager: the reference that every artefact is verified beside."""
    return in_torch(ProgramModule(program).eval(), program)


def in_torch(module: torch.nn.Module, program: Program) -> Engine:
    """Return what runs a module that gives the program's results in order, y itself where that is the only one."""
    names = list(program.results)

    def run(x: Array) -> Results:
        with torch.inference_mode():
            given = module(torch.from_numpy(x))
        tensors = given if len(names) > 1 else (given,)
        return {name: tensor.numpy() for name, tensor in zip(names, tensors, strict=True)}

    return run


def _reopen_onnx(content: bytes, program: Program) -> Opened:
    model, numbers, contract = read_onnx(content)
    reference, names = ReferenceEvaluator(model), list(program.results)

    def at(optimisation: Optimisation) -> Engine:
        session = Session(content, optimisation=optimisation)
        return lambda x: dict(zip(names, session.evaluate(x, names), strict=True))

    engines: dict[str, Engine] = {
        ENGINE: at("all"),
        REFERENCE: lambda x: dict(zip(names, _refer(reference, names, x), strict=True)),
    }
    optimised = {f"{ENGINE}, optimisation {level}": at(level) for level in OPTIMISATIONS if level != "all"}
    return Opened(numbers, contract, engines, optimised=optimised)


def _refer(reference: ReferenceEvaluator, names: list[str], x: Array) -> list[NDArray[Any]]:
    # A category that is none of the model's is 0 / 0 in the graph, of which numpy would warn.
    with np.errstate(invalid="ignore"):
        return cast("list[NDArray[Any]]", reference.run(names, {"x": x}))


def _reopen_torchscript(content: bytes, program: Program) -> Opened:
    module, numbers, contract = read_torchscript(content)
    return Opened(numbers, contract, {f"torchscript in torch {torch.__version__}": in_torch(module, program)})


def _reopen_pt2(content: bytes, program: Program) -> Opened:
    module, numbers, contract = read_pt2(content)
    return Opened(numbers, contract, {f"torch.export in torch {torch.__version__}": in_torch(module, program)})


def _reopen_source(
    format_name: FormatName,
    read: Callable[[bytes], tuple[Mapping[str, NDArray[Any]], str]],
    driver: Callable[[bytes, Program, str], Driver],
) -> Callable[[bytes, Program], Opened]:
    """Return how source code is read back, and run where its compiler or interpreter is on PATH."""

    def reopen(content: bytes, program: Program) -> Opened:
        numbers, text = read(content)
        tool = CHOICES[format_name].tool
        path = None if tool is None else tool.path()
        contract = Contract.from_json(text).to_json()
        if path is None:
            return Opened(numbers, contract, {})
        engine = driver(content, program, path)
        return Opened(numbers, contract, {version_of(path): engine}, engine.self_test)

    return reopen


FORMATS: dict[FormatName, Format] = {
    "onnx": Format(onnx_bytes, _reopen_onnx),
    "torchscript": Format(torchscript_bytes, _reopen_torchscript),
    "pt2": Format(pt2_bytes, _reopen_pt2),
    "c": Format(c_bytes, _reopen_source("c", read_c, c_driver)),
    "js": Format(js_bytes, _reopen_source("js", read_js, js_driver)),
}
