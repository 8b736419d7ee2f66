"""The oldest ONNX Runtime that our oldest Python can install runs every kind of graph that we write."""

from __future__ import annotations

import os
import subprocess
import sys
import tomllib
import venv
from itertools import product
from typing import TYPE_CHECKING

import numpy as np
import pytest

from lr_export import export
from lr_export.building import program_of
from lr_export.formats import eager
from lr_export.numbers import numbers_at
from lr_export.probes import probe_rows, refused_rows
from lr_runtime.contract import OUTPUT_DTYPES, PRECISIONS
from tests.conftest import CHECKPOINTS, EXPANDED, ROOT
from tests.export.oracle import bounds, fractions, outputs

if TYPE_CHECKING:
    from pathlib import Path

    from lr_runtime.checkpoint import Checkpoint
    from lr_runtime.contract import Precision
    from tests.export.oracle import Floats

OLDEST = "1.15.0"
PYTHON = (3, 11)
"""The lowest of `requires-python`; there is no older onnxruntime for it, and none as old for a later one."""
ALL = {**CHECKPOINTS, **EXPANDED}
SCRIPT = """\
import sys
from pathlib import Path
import numpy, onnxruntime
from lr_runtime.session import Session
for model in sorted(Path(sys.argv[1]).glob("*.onnx")):
    numpy.save(model.with_suffix(".y.npy"), Session(model.read_bytes()).run(numpy.load(model.with_suffix(".x.npy"))))
print(onnxruntime.__version__)
"""


def rows_of(checkpoint: Checkpoint, precision: Precision) -> tuple[Floats, Floats]:
    """Return probe rows, and rows to be refused."""
    dtype = OUTPUT_DTYPES[precision]
    return probe_rows(checkpoint, dtype), refused_rows(checkpoint, dtype)


@pytest.mark.skipif(sys.version_info[:2] != PYTHON, reason=f"onnxruntime {OLDEST} is for Python 3.11")
def test_the_oldest_gives_every_model_within_its_bound_and_portable_bit_for_bit(tmp_path: Path) -> None:
    # One test, because an environment is made for it.
    for name, precision in product(ALL, PRECISIONS):
        target = tmp_path / f"{name}, {precision}.onnx"
        export(ALL[name](), target, precision=precision, input_dtype=OUTPUT_DTYPES[precision])
        np.save(target.with_suffix(".x.npy"), np.concatenate(rows_of(ALL[name](), precision)))
    venv.create(tmp_path / "venv", with_pip=True)
    python = tmp_path / "venv" / "bin" / "python"
    _run(python, "-m", "pip", "install", "--quiet", f"onnxruntime=={OLDEST}", "numpy==1.26.*")
    assert _run(python, "-c", SCRIPT, tmp_path).split() == [OLDEST]
    for name, precision in product(ALL, PRECISIONS):
        got: Floats = np.load(tmp_path / f"{name}, {precision}.y.npy")
        assert _is_right(ALL[name](), precision, got), f"{name}, {precision}"


def _run(*command: object) -> str:
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "runtime")}
    words = [str(word) for word in command]
    done = subprocess.run(words, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def _is_right(checkpoint: Checkpoint, precision: Precision, got: Floats) -> bool:
    taken, refused = rows_of(checkpoint, precision)
    if len(got) != len(taken) + len(refused) or not np.isnan(got[len(taken) :]).all():
        return False
    numbers, some = numbers_at(checkpoint, precision), slice(0, len(taken), 7)
    if precision == "portable" and got[: len(taken)].tobytes() != eager(program_of(numbers))(taken)["y"].tobytes():
        return False
    errors = abs(fractions(got[some]) - outputs(checkpoint, taken[some]))
    return bool((errors <= bounds(checkpoint, numbers, taken[some])).all())


def test_the_package_asks_for_no_less_and_no_more() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert project["requires-python"] == f">={PYTHON[0]}.{PYTHON[1]}"
    assert f"onnxruntime>={OLDEST.removesuffix('.0')}" in project["dependencies"]
