"""The oldest ONNX Runtime that our oldest Python can install, on every kind of graph that we write."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import tomllib
import venv
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from lr_export.certificate.specification import Blueprint
from lr_export.certificate.trial import Trial
from lr_export.formats.onnx import onnx_bytes
from lr_export.formats.toolchain import output_of
from lr_export.formats.torch_module import eager
from lr_export.program.evaluation import evaluated
from lr_runtime.contract.contract import PRECISIONS
from tests.conftest import CHECKPOINTS, EXPANDED, ROOT
from tests.engines.holding import INSTALLED, check
from tests.engines.measuring import Engine
from tests.engines.recording import Job, Recorded, jobs, record
from tests.export.formats.test_source import CONTRACT
from tests.export.model.test_uncertainty import CHECKPOINTS as FITS
from tests.export.program.test_function_bits import DTYPES, every_function, rows_of
from tests.export.straight_line import same_bits

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import Any

    from numpy.typing import NDArray

    from lr_export.formats.backend import Engine as Run
    from lr_export.model.exact import Floats
    from lr_export.program.program import Program

OLDEST = "1.15.0"
PYTHON = (3, 11)
"""The lowest of `requires-python`; there is no older onnxruntime for it, and none as old for a later one."""


def blueprints() -> Iterator[tuple[str, Blueprint]]:
    """Yield every case in every precision, fits with all that they can give beside y."""
    for precision in PRECISIONS:
        for name, make in {**CHECKPOINTS, **EXPANDED}.items():
            yield f"{name}, {precision}", Blueprint.of(make(), precision)
        for name, make in FITS.items():
            yield f"{name}, fitted, {precision}", Blueprint.of(make(), precision, interval=0.9, flags=True)


@cache
def _trials() -> dict[str, tuple[Trial, Job]]:
    found = {}
    for name, blueprint in blueprints():
        trial = Trial.of(blueprint)
        content = onnx_bytes(blueprint.program, blueprint.contract)
        found[name] = trial, Job(content, trial.program, np.concatenate([trial.x, trial.refused]))
    return found


@cache
def _functions() -> list[Job]:
    """Return every function in both dtypes, on the arguments that other engines are held on."""
    programs = [(every_function(dtype), rows_of(dtype)) for dtype in DTYPES]
    return [Job(onnx_bytes(program, CONTRACT), program, x) for program, x in programs]


@cache
def _recorded() -> Recorded:
    with tempfile.TemporaryDirectory(prefix="linedge-") as folder:
        made = INSTALLED / f"onnxruntime-{OLDEST}"
        python = (made if made.exists() else _environment(Path(folder))) / "bin" / "python"
        said = output_of([str(python), "-c", "import onnxruntime; print(onnxruntime.__version__)"])
        assert said.split() == [OLDEST.encode()]
        command = [str(python), str(Path(__file__).with_name("run_onnxruntime.py"))]
        everything = [*jobs(), *_functions(), *(job for _, job in _trials().values())]
        return record(everything, command, {"PYTHONPATH": str(ROOT / "runtime")})


def _environment(folder: Path) -> Path:
    """Return a new virtual environment with the oldest ONNX Runtime."""
    venv.create(folder, with_pip=True)
    python, packages = folder / "bin" / "python", [f"onnxruntime=={OLDEST}", "numpy==1.26.*"]
    subprocess.run([str(python), "-m", "pip", "install", "--quiet", *packages], check=True)
    return folder


def _oldest(content: bytes, _: Program) -> Run:
    return _recorded()(content)


ABSENT = "" if sys.version_info[:2] == PYTHON else "it has no package for this Python; there is one for 3.11"
ENGINE = Engine(
    "ONNX Runtime 1.15",
    "onnx",
    {
        "exact": "correctly rounded",
        "float32": "within the bound",
        "float64": "within the bound",
        # Its square root of float32 is not the nearest number at one in three; from 1.21 on it is.
        "portable": "same bits but for the ends of intervals",
    },
    _oldest,
    lambda: f"ONNX Runtime {OLDEST}",
    absent=ABSENT,
)


@pytest.mark.skipif(bool(ABSENT), reason=ABSENT)
def test_it_keeps_what_the_table_says_and_portable_bit_for_bit_but_for_the_ends_of_intervals() -> None:
    # One test, because an environment is made for it.
    for precision in ENGINE.keeps:
        check(ENGINE, precision)
    for name, (trial, job) in _trials().items():
        # It raises where a result is beyond its bound, is no result, or should be none.
        run = _of(trial, _recorded()(job.content)(job.x))
        trial.measure(f"{name}: onnxruntime {OLDEST}", run)
        if name.endswith("portable"):
            given, expected = run(trial.x), eager(trial.program)(trial.x)
            same = {each for each, wanted in expected.items() if same_bits(given[each], wanted)}
            assert same | {"y_lower", "y_upper"} >= set(expected), name
    for job in _functions():
        results = _recorded()(job.content)(job.x)
        expected = evaluated(job.program, job.x)
        assert [name for name, wanted in expected.items() if not same_bits(results[name], wanted)] == []


def _of(trial: Trial, results: Mapping[str, NDArray[Any]]) -> Run:
    """Return what gives the results that were recorded for the first rows of a trial, and for the refused ones."""

    def run(x: Floats) -> Mapping[str, NDArray[Any]]:
        start = len(trial.x) if x is trial.refused else 0
        return {name: result[start : start + len(x)] for name, result in results.items()}

    return run


def test_the_package_asks_for_no_less_and_no_more() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert project["requires-python"] == f">={PYTHON[0]}.{PYTHON[1]}"
    assert f"onnxruntime>={OLDEST.removesuffix('.0')}" in project["dependencies"]
