"""How long an export takes, its verification included, against torch.onnx.export alone, in the same run."""

from __future__ import annotations

import logging
import subprocess
import tempfile
import time
import warnings
from functools import partial
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

import numpy as np
import torch

from lr_export import export
from lr_trainer import Checkpoint, fit
from tests.conftest import SCRIPTS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

COLUMNS = 10
WARM_RUNS = 9
COLD_RUNS = 5
SCRIPT = """\
import sys
import torch
linear = torch.nn.Linear(10, 1)
example = torch.zeros(2, 10)
rows = {"input": {0: torch.export.Dim("rows")}}
torch.onnx.export(linear, (example,), sys.argv[1], dynamo=True, dynamic_shapes=rows, verbose=False)
"""


def report() -> Iterator[str]:
    """Yield the lines."""
    warnings.simplefilter("ignore")  # torch warns of its own internals, and of torchvision
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    with tempfile.TemporaryDirectory() as folder:
        checkpoint = _checkpoint()
        checkpoint.save(Path(folder, "model.safetensors"))
        yield from _warm(checkpoint, Path(folder))
        yield _cold(Path(folder))


def _checkpoint() -> Checkpoint:
    random = np.random.default_rng(1)
    x = random.normal(size=(1000, COLUMNS))
    return fit({"x": x, "y": x @ random.normal(size=COLUMNS) + random.normal(size=1000)}, target="y")


def _warm(checkpoint: Checkpoint, folder: Path) -> Iterator[str]:
    theirs: list[float] = []
    ours: dict[str, list[float]] = {precision: [] for precision in ("exact", "float32", "float64", "portable")}
    ways: dict[str, Callable[[], object]] = {
        precision: partial(export, checkpoint, folder / "ours.onnx", precision=precision)  # type: ignore[arg-type]
        for precision in ours
    }
    for _ in range(WARM_RUNS + 1):
        theirs.append(_seconds(partial(_by_torch, folder / "theirs.onnx")))
        for precision, way in ways.items():
            ours[precision].append(_seconds(way))
    torch_alone = median(theirs[1:])  # the first run of each is not warm
    for precision, times in ours.items():
        mine = median(times[1:])
        yield (
            f"{COLUMNS} columns, {precision}, verified, warm: {mine:.3f} s; torch.onnx.export(dynamo=True) alone: "
            f"{torch_alone:.3f} s ({torch_alone / mine:.0f} times)"
        )


def _by_torch(target: Path) -> None:
    linear = torch.nn.Linear(COLUMNS, 1)
    rows = {"input": {0: torch.export.Dim("rows")}}
    torch.onnx.export(linear, (torch.zeros(2, COLUMNS),), target, dynamo=True, dynamic_shapes=rows, verbose=False)


def _cold(folder: Path) -> str:
    script = folder / "by_torch.py"
    script.write_text(SCRIPT)
    commands: dict[str, list[object]] = {
        "ours": [SCRIPTS / "lr-export", folder / "model.safetensors", "--format", "onnx", "--quiet"],
        "theirs": [SCRIPTS / "python", script, folder / "theirs.onnx"],
    }
    times: dict[str, list[float]] = {name: [] for name in commands}
    for _ in range(COLD_RUNS):
        for name, command in commands.items():
            run = partial(subprocess.run, [str(word) for word in command], check=True, capture_output=True)
            times[name].append(_seconds(run))
    mine, other = median(times["ours"]), median(times["theirs"])
    return f"lr-export --format onnx: {mine:.2f} s; a script of that: {other:.2f} s ({other / mine:.1f} times)"


def _seconds(run: Callable[[], object]) -> float:
    started = time.perf_counter()
    run()
    return time.perf_counter() - started
