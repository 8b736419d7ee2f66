"""All of `make cuda` but the device: its figures on the CPU, what it unpacks, and what it says where there is none."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING
from zipfile import ZipFile

import pytest
import torch

from tests.conftest import ROOT
from tests.cuda import figures
from tests.cuda.__main__ import Step, steps
from tests.cuda.wheels import unpack

if TYPE_CHECKING:
    from pathlib import Path

SIX_MINUTES, UNPACKING, FIRST = 360, 10, 30


def test_the_figures_are_rows_of_one_table() -> None:
    device = torch.device("cpu")
    lines = [
        *figures.machine(device),
        *figures.in_memory((500, 3), device),
        *figures.from_parquet((500, 3), device),
    ]
    rows = [line for line in lines if line.startswith("|")]
    assert len(rows) == 2 + 2 * 3
    assert {line.count("|") for line in rows} == {9}
    assert "nan" not in "".join(lines)


def test_all_steps_together_take_less_than_six_minutes() -> None:
    assert UNPACKING + FIRST + sum(step.seconds for step in steps("cuda", 1.0)) <= SIX_MINUTES


def test_a_step_over_its_time_is_stopped_and_the_next_runs() -> None:
    assert Step(("-S", "-c", "import time; time.sleep(60)"), 1).failure({}).startswith("stopped after its 1 seconds")
    assert Step(("-S", "-c", "raise SystemExit(4)"), 10).failure({}).startswith("exit code 4")
    assert not Step(("-S", "-c", ""), 10).failure({})


def test_wheels_are_unpacked_where_their_package_is_missing(tmp_path: Path) -> None:
    for name in ("click-0.1", "not_there_yet-0.1"):
        with ZipFile(tmp_path / f"{name}-py3-none-any.whl", "w") as wheel:
            wheel.writestr(f"{name.partition('-')[0]}/__init__.py", "")
    assert unpack(tmp_path / "site", tmp_path) == ["not_there_yet"]
    assert (tmp_path / "site" / "not_there_yet" / "__init__.py").exists()
    assert not (tmp_path / "site" / "click").exists()


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")
def test_no_device_is_said_in_one_line() -> None:
    command = [sys.executable, "-m", "tests.cuda"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr.count("\n") == 1
    assert "no CUDA device" in done.stderr
