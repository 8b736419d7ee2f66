"""lr-inspect: what a file of linedge holds, without running anything from it."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

from lr_runtime.commands.console import FiniteRange, argument, check_output, command, option, output_option, write_text
from lr_runtime.errors import CheckFailedError, OptionError, escaped
from lr_runtime.options import NOT_NEGATIVE

if TYPE_CHECKING:
    from lr_runtime.inspection.artefact import Artefact
    from lr_runtime.inspection.difference import Difference
    from lr_runtime.inspection.self_test import SelfTest


@command("lr-inspect")
@argument("file", type=click.Path(path_type=Path))
@option("--self-test", "testing", is_flag=True, help="Run the golden rows of an ONNX file on this machine.")
@option("--against", type=click.Path(path_type=Path), help="Compare the model with that of another such file.")
@option("--tolerance", type=FiniteRange(NOT_NEGATIVE), help="The most that they may be apart; else exit code 3.")
@output_option("Write there in place of standard output.")
def main(
    *,
    file: Path,
    testing: bool,
    against: Path | None,
    tolerance: float | None,
    output: Path | None,
    as_json: bool,
    quiet: bool,  # noqa: ARG001 - nothing is said beside the result
) -> None:
    """Say what FILE holds: a checkpoint, or a file of any format that lr-export writes.

    Columns, ranges, units, equation, metrics, certificate and graph are read from the bytes of the file; no code in it
    is loaded. With --self-test an ONNX file is run on the golden rows that it carries, which ends with exit code 3
    unless this machine and engine give what they have to.

    With --against the exact models of two files are compared: the largest difference of each output, proven, and the
    row where it occurs. A number may be anywhere in its training range of either file, a category any that both know,
    and missing what may be missing in both. Columns go by name; one that a single file has moves that model alone.
    Of a model of log(y), that is what is compared. With --tolerance, in the unit of the outputs, a bound above it ends
    with exit code 3.

    \b
    Examples:
      lr-inspect model.safetensors
      lr-inspect model.onnx --self-test --json
      lr-inspect new.onnx --against old.onnx --tolerance 0.5
    """
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    from lr_runtime.inspection.artefact import Artefact
    from lr_runtime.inspection.report import changes, compared, described, lines

    if (testing and against is not None) or (tolerance is not None and against is None):
        raise OptionError("--self-test goes without --against FILE, and --tolerance with it")
    paths = [file] if against is None else [file, against]
    check_output(output, *paths)
    artefact, *others = files = [Artefact.load(path) for path in paths]
    differences: dict[str, Difference] = {}
    if others:
        from lr_runtime.inspection.difference import compare

        differences = compare(artefact.contract, others[0].contract)
        said, told = compared(files, differences), changes(files, (str(file), str(against)), differences)
    else:
        tested = _tested(artefact, file) if testing else None
        said, told = described(artefact, tested), lines(artefact, tested)
    text = [json.dumps(said, ensure_ascii=False, allow_nan=False)] if as_json else told
    write_text((f"{line}\n" for line in text), output)
    for name, most in differences.items():
        if tolerance is not None and most.bound > tolerance:
            raise CheckFailedError(
                f"the largest difference of {escaped(name)} is {most}; --tolerance allows {tolerance!r}"
            )


def _tested(artefact: Artefact, file: Path) -> SelfTest:
    from lr_runtime.inspection.self_test import self_test

    if artefact.kind != "onnx":
        raise OptionError(f"--self-test runs ONNX files; {file} is a {artefact.title}")
    return self_test(artefact.content)
