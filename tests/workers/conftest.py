"""What tests of several workers share: torchrun as a user starts it, and what it printed of ours."""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING, NamedTuple

import pytest

from tests.conftest import SCRIPTS

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Torchrun = Callable[..., "Ended"]


class Ended(NamedTuple):
    """How a job ended: its exit code, and the lines of ours on standard error."""

    code: int
    lines: list[str]


@pytest.fixture
def torchrun(tmp_path: Path) -> Torchrun:
    """Run a job of several workers, a script or a module with its arguments, in an empty folder."""

    def job(workers: int, *words: object, also: tuple[str, ...] = ()) -> Ended:
        command = [str(SCRIPTS / "torchrun"), "--nproc-per-node", str(workers), *also, *map(str, words)]
        done = subprocess.run(
            command, cwd=tmp_path, env={**os.environ, "OMP_NUM_THREADS": "1"}, capture_output=True, check=False
        )
        lines = [line for line in done.stderr.decode().splitlines() if line.startswith(("lr-train:", "wrote"))]
        return Ended(done.returncode, lines)

    return job
