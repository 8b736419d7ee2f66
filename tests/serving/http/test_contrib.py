"""The example with curl, the unit of systemd and the Dockerfile: what of them runs here is run."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest

from lr_runtime.commands.serve import main
from tests.conftest import ROOT, SCRIPTS

if TYPE_CHECKING:
    from pathlib import Path

CONTRIB = ROOT / "contrib"
UNIT = CONTRIB / "linedge-serve.service"


@pytest.mark.skipif(shutil.which("curl") is None, reason="needs curl: apt install curl")
def test_the_example_with_curl_runs(tmp_path: Path) -> None:
    done = subprocess.run(
        ["sh", ROOT / "examples" / "serve.sh", tmp_path / "example"],  # noqa: S607 - the shell of the system
        env={**os.environ, "PATH": f"{SCRIPTS}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert (done.returncode, done.stderr) == (0, "")
    asked, *answers = [part for part in done.stdout.split("\n$ ") if part][1:]
    assert asked.startswith("lr-serve norris.onnx")
    assert len(answers) == 8
    assert [each for each in answers if '"error"' in each] == answers[-2:]
    assert done.stdout.endswith("and ended.\n")


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="needs systemd-analyze: apt install systemd")
def test_systemd_understands_the_unit(tmp_path: Path) -> None:
    unit = tmp_path / UNIT.name
    unit.write_text(UNIT.read_text().replace("/opt/linedge/bin/lr-serve", "/bin/true"))  # a command that is there
    done = subprocess.run(["systemd-analyze", "verify", unit], capture_output=True, text=True, check=False)  # noqa: S607
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


@pytest.mark.parametrize("name", ["linedge-serve.service", "Dockerfile"])
def test_the_options_in_contrib_are_options_of_lr_serve(name: str) -> None:
    lines = (CONTRIB / name).read_text().splitlines()
    said = [line for line in lines if re.match("ExecStart=|ENTRYPOINT|CMD", line)]
    assert said
    known = {option for parameter in main.params for option in parameter.opts}
    assert set(re.findall(r"--[a-z-]+", " ".join(said))) <= known
