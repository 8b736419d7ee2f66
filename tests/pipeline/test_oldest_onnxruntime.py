"""The oldest ONNX Runtime that our oldest Python can install runs every kind of graph that we write."""

from __future__ import annotations

import os
import subprocess
import sys
import tomllib
import venv
from typing import TYPE_CHECKING

import numpy as np
import pytest

from lr_export.blueprint import Blueprint
from lr_export.formats import eager
from lr_export.graph import onnx_bytes
from lr_export.measuring import Trial
from lr_runtime.contract import PRECISIONS
from tests.conftest import CHECKPOINTS, EXPANDED, ROOT
from tests.export.straight_line import same_bits
from tests.export.test_uncertainty import CHECKPOINTS as FITS

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path
    from typing import Any

    from numpy.typing import NDArray

    from lr_export.exact import Floats
    from lr_export.formats import Engine

OLDEST = "1.15.0"
PYTHON = (3, 11)
"""The lowest of `requires-python`; there is no older onnxruntime for it, and none as old for a later one."""
SCRIPT = """\
import sys
from pathlib import Path
import numpy, onnxruntime
from lr_runtime.session import Session
for model in sorted(Path(sys.argv[1]).glob("*.onnx")):
    session = Session(model.read_bytes())
    names = [name for name, _, _ in session.signature[1]]
    results = session.evaluate(numpy.load(model.with_suffix(".npy")), names)
    numpy.savez(model.with_suffix(".npz"), **dict(zip(names, results)))
print(onnxruntime.__version__)
"""


def blueprints() -> Iterator[tuple[str, Blueprint]]:
    """Yield every case in every precision, fits with all that they can give beside y."""
    for precision in PRECISIONS:
        for name, make in {**CHECKPOINTS, **EXPANDED}.items():
            yield f"{name}, {precision}", Blueprint.of(make(), precision)
        for name, make in FITS.items():
            yield f"{name}, fitted, {precision}", Blueprint.of(make(), precision, interval=0.9, flags=True)


@pytest.mark.skipif(sys.version_info[:2] != PYTHON, reason=f"onnxruntime {OLDEST} is for Python 3.11")
def test_the_oldest_gives_every_result_within_its_bound_and_portable_bit_for_bit(tmp_path: Path) -> None:
    # One test, because an environment is made for it.
    trials = {}
    for name, blueprint in blueprints():
        trials[name] = trial = Trial.of(blueprint)
        (tmp_path / f"{name}.onnx").write_bytes(onnx_bytes(blueprint.program, blueprint.contract))
        np.save(tmp_path / f"{name}.npy", np.concatenate([trial.x, trial.refused]))
    venv.create(tmp_path / "venv", with_pip=True)
    python = tmp_path / "venv" / "bin" / "python"
    _run(python, "-m", "pip", "install", "--quiet", f"onnxruntime=={OLDEST}", "numpy==1.26.*")
    assert _run(python, "-c", SCRIPT, tmp_path).split() == [OLDEST]
    for name, trial in trials.items():
        with np.load(tmp_path / f"{name}.npz") as stored:
            results = dict(stored)
        # It raises where a result is beyond its bound, is no result, or should be none.
        trial.measure(f"{name}: onnxruntime {OLDEST}", _recorded(trial, results))
        if name.endswith("portable"):
            expected = eager(trial.program)(trial.x)
            same = {each for each, wanted in expected.items() if same_bits(results[each][: len(trial.x)], wanted)}
            # Before 1.21 the square root of float32 is not the nearest number at one in three.
            assert same | {"y_lower", "y_upper"} >= set(expected), name


def _run(*command: object) -> str:
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "runtime")}
    words = [str(word) for word in command]
    done = subprocess.run(words, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def _recorded(trial: Trial, results: Mapping[str, NDArray[Any]]) -> Engine:
    """Return what gives the results that were recorded for the first rows of a trial, and for the refused ones."""

    def run(x: Floats) -> Mapping[str, NDArray[Any]]:
        start = len(trial.x) if x is trial.refused else 0
        return {name: result[start : start + len(x)] for name, result in results.items()}

    return run


def test_the_package_asks_for_no_less_and_no_more() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert project["requires-python"] == f">={PYTHON[0]}.{PYTHON[1]}"
    assert f"onnxruntime>={OLDEST.removesuffix('.0')}" in project["dependencies"]
