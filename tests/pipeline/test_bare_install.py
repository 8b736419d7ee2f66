"""The wheel in a virtual environment of its own, as a device has it: no torch, no onnx, and a model that runs."""

from __future__ import annotations

import importlib.metadata
import os
import re
import subprocess
import sys
import venv
from typing import TYPE_CHECKING

import numpy as np
import pytest

from lr_runtime import Predictor
from tests.conftest import DATA, ROOT
from tests.runtime import prebuilt, sensor
from tests.runtime.conftest import MODELS, export_model
from tests.runtime.hostile import HOSTILE, file_name, hostile

if TYPE_CHECKING:
    from pathlib import Path

GOLDEN = DATA / "golden.onnx"


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The scripts' folder of an environment where only the built wheel and what it asks for are installed."""
    folder = tmp_path_factory.mktemp("bare")
    _run(sys.executable, "-m", "build", "--wheel", "--outdir", folder / "dist", ROOT)
    (wheel,) = (folder / "dist").glob("*.whl")
    venv.create(folder / "venv", with_pip=True)
    python = folder / "venv" / "bin" / "python"
    _run(python, "-m", "pip", "install", "--quiet", "-c", ROOT / "constraints.txt", wheel)
    return python.parent


def _run(*command: object) -> None:
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def in_bare(bare: Path, *command: object) -> subprocess.CompletedProcess[str]:
    name, *arguments = map(str, command)
    return subprocess.run([bare / name, *arguments], cwd=bare, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("package", ["torch", "onnx", "pyarrow", "scipy", "safetensors"])
def test_only_the_runtime_is_installed(bare: Path, package: str) -> None:
    assert "ModuleNotFoundError" in in_bare(bare, "python", "-c", f"import {package}").stderr


def test_the_golden_model_predicts(bare: Path) -> None:
    predictor = Predictor.load(GOLDEN)
    row = predictor.contract.golden_rows[0]
    done = in_bare(bare, "lr-infer", GOLDEN, *(repr(value) for value in row.x))
    assert done.stderr == ""
    assert done.stdout == f"{row.y[0]!r}\n"


def test_the_golden_model_predicts_a_table(bare: Path, tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("x,other\n0.2,text\n337.4,more\n")
    done = in_bare(bare, "lr-infer", GOLDEN, tmp_path / "t.csv")
    assert done.stderr == f"lr-infer: 1 column of {tmp_path / 't.csv'} not among the model's, ignored\n"
    assert done.stdout.splitlines()[0] == "y"
    assert [float(line) for line in done.stdout.splitlines()[1:]] == [
        float(value) for value in Predictor.load(GOLDEN).predict([[0.2], [337.4]]).values[:, 0]
    ]


def test_the_golden_rows_hold_here() -> None:
    predictor = Predictor.load(GOLDEN)
    rows = predictor.contract.golden_rows
    assert len(rows) == 3
    values = predictor.predict(np.array([row.x for row in rows], dtype=np.float64)).values
    assert values.tolist() == [list(map(np.float32, row.y)) for row in rows]
    assert all(np.float32(y) == y for row in rows for y in row.y)


@pytest.mark.parametrize(
    ("command", "extra"),
    [
        (["lr-train"], "torch"),
        (["lr-train", ROOT / "examples" / "norris.csv", "--target", "y"], "train"),
        (["lr-export"], "export"),
        (["lr-serve", GOLDEN], "serve"),
    ],
)
def test_a_missing_extra_is_a_command_to_paste(bare: Path, command: list[object], extra: str) -> None:
    done = in_bare(bare, *command)
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert f"pip install 'linedge[{extra}]'" in done.stderr


def test_parquet_asks_for_its_extra(bare: Path, tmp_path: Path) -> None:
    (tmp_path / "t.parquet").write_bytes(b"PAR1....PAR1")
    done = in_bare(bare, "lr-infer", GOLDEN, tmp_path / "t.parquet")
    assert done.returncode == 1
    assert "pip install 'linedge[tables]'" in done.stderr


def test_help_works_without_extras(bare: Path) -> None:
    for command in ("lr-train", "lr-export", "lr-infer", "lr-inspect", "lr-serve"):
        assert in_bare(bare, command, "--help").returncode == 0


def test_a_model_is_inspected_and_tests_itself(bare: Path) -> None:
    done = in_bare(bare, "lr-inspect", GOLDEN, "--self-test")
    assert (done.returncode, done.stderr) == (0, "")
    assert "ONNX model" in done.stdout
    assert done.stdout.splitlines()[-1].endswith("gives the 3 golden rows bit for bit")


# --- the tests of the runtime, there ---

TESTERS = ("pytest", "iniconfig", "pluggy", "pygments", "hypothesis", "sortedcontainers")
"""What runs tests, in Python alone; what else it needs, click and packaging, a bare install has."""


@pytest.fixture(scope="module")
def testers(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that holds what runs tests and nothing else, linked from this environment."""
    folder = tmp_path_factory.mktemp("testers")
    for name in TESTERS:
        distribution = importlib.metadata.distribution(name)
        for part in {file.parts[0] for file in distribution.files or ()} - {"..", "__pycache__"}:
            (folder / part).symlink_to(str(distribution.locate_file(part)))
    return folder


def test_the_runtimes_tests_pass_there(bare: Path, testers: Path, tmp_path: Path) -> None:
    """Models are made here, for an exporter is not there; tests that need another library are skipped, and say so."""
    for name in MODELS:
        export_model(name, tmp_path)
    for case in HOSTILE:
        (tmp_path / file_name(case)).write_bytes(hostile(case))
    (tmp_path / sensor.FILE).write_bytes(sensor.model())
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    environment |= {"PYTHONPATH": str(testers), "PYTHONDONTWRITEBYTECODE": "1", prebuilt.VARIABLE: str(tmp_path)}
    done = subprocess.run(
        [bare / "python", "-m", "pytest", "tests/runtime", "-q", "-p", "no:cacheprovider"],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-20_000:]
    passed = re.search(r"^(\d+) passed", done.stdout, re.MULTILINE)
    assert passed is not None
    assert int(passed[1]) > 1000
    skipped = re.findall(r"^SKIPPED \[\d+\] \S+ (.*)$", done.stdout, re.MULTILINE)
    absent = ("mpmath", "onnx", "openpyxl", "pandas", "polars", "pyarrow", "safetensors", "scipy", "torch")
    reasons = {f"{package} is not installed here" for package in absent}
    assert skipped
    assert set(skipped) <= reasons
