"""TorchScript, in Python and in C++ with the libraries that torch's own package ships, and torch.export."""

from __future__ import annotations

import atexit
import shutil
import subprocess
import tempfile
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from lr_export.formats.registry import BACKENDS
from lr_export.formats.toolchain import Driver
from tests.engines.holding import check, held, needs_command, needs_time
from tests.engines.measuring import Engine

if TYPE_CHECKING:
    from lr_export.formats.backend import Engine as Run
    from lr_export.program.program import Program
    from lr_runtime.contract.contract import Precision
    from tests.engines.measuring import Kept

KEEPS: dict[Precision, Kept] = {
    "exact": "correctly rounded",
    "float32": "within the bound",
    "float64": "within the bound",
}
_TORCH = Path(torch.__file__).parent


def _torchscript(content: bytes, program: Program) -> Run:
    (run,) = BACKENDS["torchscript"].reopen(content, program).engines.values()
    return run


def _exported(content: bytes, program: Program) -> Run:
    (run,) = BACKENDS["pt2"].reopen(content, program).engines.values()
    return run


@cache
def _built() -> Path:
    """Return the runner in C++, which goes when this process ends."""
    folder = Path(tempfile.mkdtemp(prefix="linedge-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    include, libraries = _TORCH / "include", _TORCH / "lib"
    source = Path(__file__).with_name("torchscript.cpp")
    command = ["g++", "-std=c++20", "-O1", f"-I{include}", f"-I{include / 'torch/csrc/api/include'}", str(source)]
    command += ["-o", str(folder / "torchscript"), f"-L{libraries}", f"-Wl,-rpath,{libraries}"]
    subprocess.run([*command, "-ltorch", "-ltorch_cpu", "-lc10"], check=True)
    return folder / "torchscript"


def _in_cpp(content: bytes, program: Program) -> Driver:
    run = (str(_built()), "model.pt", str(program.x.width), program.x.dtype)
    return Driver(program, {"model.pt": content}, run=run)


def _version() -> str:
    return f"torch {torch.__version__}"


ENGINES = (
    Engine("TorchScript in Python", "torchscript", KEEPS, _torchscript, _version, batches=True),
    Engine(
        "TorchScript in C++",
        "torchscript",
        KEEPS,
        _in_cpp,
        lambda: f"libtorch of {_version()}",
        absent=needs_command("g++") or needs_time(20),
    ),
    Engine("torch.export", "pt2", KEEPS, _exported, _version, batches=True),
)


@held(*ENGINES)
def test_it_keeps_what_the_table_says(engine: Engine, precision: Precision) -> None:
    check(engine, precision)
