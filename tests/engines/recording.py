"""Engines that take seconds to start: they run every model in one process, and what they gave is looked up."""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from lr_runtime.contract.contract import PRECISIONS
from lr_runtime.system.files import sha256
from tests.engines.models import cases

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from lr_export.formats.backend import Engine as Run
    from lr_export.formats.backend import Results
    from lr_export.model.exact import Floats
    from lr_export.program.program import Program


class Job(NamedTuple):
    """An ONNX file, the program that it was emitted from, and the rows to run it on."""

    content: bytes
    program: Program
    x: Floats


def jobs() -> Iterator[Job]:
    """Yield every model at every precision."""
    for precision in PRECISIONS:
        for case in cases("onnx", precision).values():
            yield Job(case.content("onnx"), case.blueprint.program, case.x)


def record(jobs: Sequence[Job], command: Sequence[str], environment: Mapping[str, str] | None = None) -> Recorded:
    """Run a command in a folder with `jobs.json` and, for each of its entries, N.onnx and its rows, N.x.

    The command writes N.y, the results of each row one after another as float64, or N.error, which is text.
    """
    with tempfile.TemporaryDirectory(prefix="linedge-") as name:
        folder = Path(name)
        described = []
        for place, job in enumerate(jobs):
            (folder / f"{place}.onnx").write_bytes(job.content)
            (folder / f"{place}.x").write_bytes(job.x.tobytes())
            widths = [[result, value.width] for result, value in job.program.results.items()]
            described.append({"dtype": job.x.dtype.name, "columns": job.x.shape[1], "results": widths})
        (folder / "jobs.json").write_text(json.dumps(described))
        words = dict(os.environ) | dict(environment or {})
        done = subprocess.run(command, cwd=folder, env=words, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return Recorded({_key(job.content, job.x): _read(folder / str(place), job) for place, job in enumerate(jobs)})


def _read(path: Path, job: Job) -> Results | str:
    if path.with_suffix(".error").exists():
        return path.with_suffix(".error").read_text()
    results = job.program.results.items()
    rows = np.fromfile(path.with_suffix(".y"), np.dtype([(name, "f8", (value.width,)) for name, value in results]))
    return {name: rows[name].astype(value.dtype) for name, value in results}


class Recorded:
    """What an engine gave of each job."""

    def __init__(self, given: Mapping[str, Results | str]) -> None:
        self._given = given

    def __call__(self, content: bytes) -> Run:
        """Return what gives the recorded results of the rows of a job; it raises RuntimeError where there are none."""

        def run(x: Floats) -> Results:
            given = self._given[_key(content, x)]
            if isinstance(given, str):
                raise RuntimeError(given)
            return given

        return run


def _key(content: bytes, x: Floats) -> str:
    return sha256(content + x.tobytes())
