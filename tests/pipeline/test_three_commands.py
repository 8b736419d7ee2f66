"""The three commands in an empty folder, exactly as written, and the same for a real table."""

from __future__ import annotations

import json
import subprocess
from typing import TYPE_CHECKING

import pytest
import torch

from lr_trainer import Checkpoint
from tests.conftest import DATA, ROOT, SCRIPTS

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.conftest import Run

    Runner = Callable[..., Run]


def test_the_three_lines_need_no_other_argument(run: Runner, tmp_path: Path) -> None:
    assert run("lr-train").returncode == 0
    assert run("lr-export", "--format", "onnx").returncode == 0
    done = run("lr-infer", "model.onnx", "4.0")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["model.onnx", "model.safetensors"]
    with torch.no_grad():
        exact = Checkpoint.load(tmp_path / "model.safetensors").model()(torch.tensor([[4.0]], dtype=torch.float64))
    assert done.stdout == f"{float(exact.float())!r}\n"
    assert done.stderr == ""


def test_a_real_table_goes_all_the_way(run: Runner, tmp_path: Path) -> None:
    table = DATA / "nist" / "norris.csv"
    run("lr-train", table, "--target", "y", "-o", "norris.safetensors")
    run("lr-export", "norris.safetensors")
    predictions = [float(line) for line in run("lr-infer", "norris.onnx", table).stdout.splitlines()[1:]]
    rows = [line.split(",") for line in table.read_text().splitlines()[1:]]
    checkpoint = Checkpoint.load(tmp_path / "norris.safetensors")
    x = torch.tensor([[float(row[1])] for row in rows], dtype=torch.float32)
    with torch.no_grad():
        assert predictions == checkpoint.model()(x).float().flatten().tolist()
    residual_sum = sum((float(y) - p) ** 2 for (y, _), p in zip(rows, predictions, strict=True))
    assert (residual_sum / 34) ** 0.5 == pytest.approx(checkpoint.fit["residual_sd"], rel=1e-4)


def test_what_lr_infer_imports(run: Runner, tmp_path: Path) -> None:
    run("lr-train", "--quiet", "--epochs", "1")
    run("lr-export", "--quiet")
    python = SCRIPTS / "python"
    script = (
        "import sys, lr_runtime.commands.infer as cli\n"
        "try: cli.main(['model.onnx', '4.0'])\n"
        "except SystemExit: pass\n"
        "print(sorted({name.partition('.')[0] for name in sys.modules}))\n"
    )
    done = subprocess.run([python, "-c", script], cwd=tmp_path, capture_output=True, text=True, check=True)
    imported = done.stdout.splitlines()[1]
    for heavy in ("torch", "onnx", "pyarrow", "scipy", "safetensors", "lr_trainer", "lr_export"):
        assert f"'{heavy}'" not in imported


MODULES = {
    "lr-train": "lr_trainer.cli",
    "lr-export": "lr_export.cli",
    "lr-infer": "lr_runtime.commands.infer",
    "lr-inspect": "lr_runtime.commands.inspect",
    "lr-serve": "lr_runtime.commands.serve",
}


@pytest.mark.parametrize("command", MODULES)
def test_help_imports_nothing_heavy(command: str) -> None:
    module = MODULES[command]
    script = (
        f"import sys, {module} as cli\n"
        "try: cli.main(['--help'])\n"
        "except SystemExit: pass\n"
        "heavy = {'torch', 'onnx', 'onnxruntime', 'numpy', 'pyarrow', 'scipy'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    done = subprocess.run([SCRIPTS / "python", "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "Examples:" in done.stdout
    assert f"Usage: {command}" in done.stdout.replace("Usage: -c", f"Usage: {command}")


def test_every_command_tells_its_version(run: Runner) -> None:
    from lr_runtime import __version__

    for command in MODULES:
        assert run(command, "--version").stdout == f"{command} {__version__}\n"


def test_every_option_in_the_readme_exists(run: Runner) -> None:
    readme = (ROOT / "README.md").read_text()
    for command in MODULES:
        known = run(command, "--help").stdout
        lines = [line for line in readme.splitlines() if line.strip().removeprefix("$ ").startswith(command)]
        assert lines, command
        for option in {word for line in lines for word in line.split("#")[0].split() if word.startswith("--")}:
            assert option in known, (command, option)


def test_json_of_all_three_parses(run: Runner) -> None:
    assert json.loads(run("lr-train", "--json", "--epochs", "3").stdout)["solver"] == "descent"
    assert json.loads(run("lr-export", "--json").stdout)["precision"] == "exact"
    assert json.loads(run("lr-infer", "model.onnx", "4.0", "--json").stdout)["predictions"][0].keys() == {"y"}
