"""Compilers and interpreters of this machine, as engines: source code is run as whoever takes it would run it.

A driver reads rows from standard input, as bytes, and writes the results of each to standard output. It is a process
of its own, and its files go when the engine does.
"""

from __future__ import annotations

import shutil
import subprocess
import tempfile
import weakref
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from lr_runtime.system.files import in_temporary_folder

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from lr_export.formats.source import Language
    from lr_export.program.program import Array, Program

_SECONDS = 60
"""After which a compiler or a driver is taken to hang; both need a fraction of one second."""


class Driver:
    """Runs a program's artefact for x (rows, columns): gives each result, (rows, its width), in its dtype.

    Args:
        program: what the artefact was emitted from.
        files: the driver's, by name.
        build: the command that makes it, in their folder, before its first run; none where it runs as it is.
        run: the command that runs it there.
        wire: the dtype in which the driver writes numbers, None for that of each result.
    """

    def __init__(
        self,
        program: Program,
        files: Mapping[str, bytes],
        *,
        build: Sequence[str] = (),
        run: Sequence[str],
        wire: str | None = None,
    ) -> None:
        with in_temporary_folder("the source to run"):
            self._folder = Path(tempfile.mkdtemp(prefix="linedge-"))
            weakref.finalize(self, shutil.rmtree, self._folder, ignore_errors=True)
            for name, content in files.items():
                (self._folder / name).write_bytes(content)
        self._build, self._run = build, run
        self._results = {name: (value.dtype, value.width) for name, value in program.results.items()}
        self._row = np.dtype([(name, wire or dtype, (width,)) for name, (dtype, width) in self._results.items()])

    def __call__(self, x: NDArray[np.floating]) -> dict[str, Array]:
        """Evaluate. Raises ChildProcessError where the driver cannot be made, or fails; ValueError where it writes
        something else than the results, or a number that is not of its result's dtype.
        """
        written = np.frombuffer(self._ran(given=x.tobytes()), dtype=self._row)
        return {name: _exactly(written[name], dtype) for name, (dtype, _) in self._results.items()}

    def self_test(self) -> int:
        """Return what the artefact's own self-test gives: 0, or the number of the first row that is wrong.
        Raises ChildProcessError where the driver cannot be made, or fails.
        """
        return int(self._ran("self-test"))

    def _ran(self, *words: str, given: bytes = b"") -> bytes:
        if self._build:
            output_of(self._build, folder=self._folder)
            self._build = ()
        return output_of((*self._run, *words), folder=self._folder, given=given)


def _exactly(values: Array, dtype: str) -> Array:
    with np.errstate(over="ignore"):
        array = values.astype(dtype)
    if not np.array_equal(array.astype(values.dtype), values, equal_nan=values.dtype.kind == "f"):
        raise ValueError(f"a result is not {dtype}")
    return array


def driver_of(language: Language, content: bytes, program: Program, tool: str) -> Driver:
    """Return what runs source code with the compiler or interpreter at the path `tool`."""
    build, run = language.commands(tool)
    return Driver(program, driver_files(language, content, program), build=build, run=run, wire=language.wire)


def driver_files(language: Language, content: bytes, program: Program) -> dict[str, bytes]:
    """Return the model's file and its driver, by their names."""
    return dict(zip(language.files, (content, language.driver(program).encode()), strict=True))


def version_of(path: str) -> str:
    """Return a tool's name and version, as it says them itself."""
    name = Path(path).name
    said = output_of((path, "--version")).decode(errors="replace").partition("\n")[0].strip()
    return said if said.startswith(name) else f"{name} {said}"


def output_of(command: Sequence[str], *, folder: Path | None = None, given: bytes = b"") -> bytes:
    """Return what a command writes to standard output.
    Raises ChildProcessError where it fails, hangs, or cannot be started; with the last line of what it says.
    """
    try:
        done = subprocess.run(  # noqa: S603 - the compiler or interpreter that the user has on PATH
            command, cwd=folder, input=given, capture_output=True, check=False, timeout=_SECONDS
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise ChildProcessError(f"{command[0]}: {error}") from error
    if done.returncode:
        said = done.stderr.decode(errors="replace").strip().splitlines()
        raise ChildProcessError(f"{command[0]} ends with {done.returncode}: {' '.join(said[:3])}")
    return done.stdout
