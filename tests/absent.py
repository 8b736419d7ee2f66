"""Processes in which a package is as good as not installed: whatever imports it gets ModuleNotFoundError."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

from tests.conftest import SCRIPTS, Run

if TYPE_CHECKING:
    from pathlib import Path

_BLOCKER = """\
import sys

class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {packages}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)

sys.meta_path.insert(0, Absent())
"""


class Without:
    """Runs installed commands, and lines of Python, in a folder, without these packages.

    Args:
        folder: where they run.
        blocker: an empty folder, for what Python runs first of all.
        packages: the top names of what is not to be imported.
    """

    def __init__(self, folder: Path, blocker: Path, *packages: str) -> None:
        (blocker / "sitecustomize.py").write_text(_BLOCKER.format(packages=packages))
        self._folder, self._environment = folder, {**os.environ, "PYTHONPATH": str(blocker)}

    def run(self, name: str, *arguments: object) -> Run:
        return self._ran(SCRIPTS / name, *arguments)

    def python(self, lines: str) -> Run:
        return self._ran(sys.executable, "-c", lines)

    def _ran(self, *command: object) -> Run:
        return subprocess.run(
            list(map(str, command)),
            cwd=self._folder,
            env=self._environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
