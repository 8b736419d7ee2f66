"""Run the tests and take the figures of a CUDA device: `make cuda`, or `python3 -m tests.cuda` in the repository.

It imports the standard library alone, so that it can say what is missing. Each step is a process with a time limit; all
of them together stay under 6 minutes. `--device cpu --share 0.001` tries all steps without a device, on small tables.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from tests.cuda.wheels import ROOT, unpack

if TYPE_CHECKING:
    from collections.abc import Sequence

ROOTS = [ROOT / "trainer", ROOT / "export", ROOT / "runtime", ROOT]
FIGURES = ("-m", "tests.cuda.figures")


class Step(NamedTuple):
    """A process of this Python, and how many seconds it may take."""

    arguments: tuple[str, ...]
    seconds: int

    def failure(self, environment: dict[str, str]) -> str:
        """Run it; return what went wrong, empty where nothing did."""
        try:
            done = subprocess.run([sys.executable, *self.arguments], env=environment, timeout=self.seconds, check=False)
        except subprocess.TimeoutExpired:
            return f"stopped after its {self.seconds} seconds: {' '.join(self.arguments)}"
        return f"exit code {done.returncode}: {' '.join(self.arguments)}" if done.returncode else ""


def steps(device: str, share: float) -> list[Step]:
    """Return the steps after the first, which looks for the device."""
    where = ("--device", device, "--share", str(share))
    tests = ("-m", "pytest", "-m", "cuda", "-q", "-p", "no:cacheprovider", str(ROOT / "tests" / "cuda"))
    return [
        Step(tests, 70),
        Step((*FIGURES, "memory", "--shape", "0", *where), 65),
        Step((*FIGURES, "memory", "--shape", "1", *where), 60),
        Step((*FIGURES, "parquet", "--shape", "0", *where), 65),
        Step((*FIGURES, "parquet", "--shape", "1", *where), 60),
    ]


def main(words: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python3 -m tests.cuda")
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda")
    parser.add_argument("--share", type=float, default=1.0, help="of the rows of every table")
    asked = parser.parse_args(words)
    with tempfile.TemporaryDirectory() as folder:
        brought = unpack(Path(folder))
        path = os.pathsep.join([*map(str, ROOTS), folder, os.environ.get("PYTHONPATH", "")]).rstrip(os.pathsep)
        environment = os.environ | {"PYTHONPATH": path, "PYTHONDONTWRITEBYTECODE": "1"}
        if brought:
            print(f"brought as wheels: {', '.join(brought)}", flush=True)
        if Step((*FIGURES, "machine", "--device", asked.device), 30).failure(environment):
            return 1  # it has said why
        failures = [step.failure(environment) for step in steps(asked.device, asked.share)]
    for failure in filter(None, failures):
        print(failure, flush=True)
    return int(any(failures))


if __name__ == "__main__":
    sys.exit(main())
