"""lr-inspect: what a file of linedge holds, without running anything from it."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

from lr_runtime.commands.console import argument, check_output, command, option, output_option, write_text
from lr_runtime.errors import OptionError

if TYPE_CHECKING:
    from lr_runtime.inspection.artefact import Artefact
    from lr_runtime.inspection.self_test import SelfTest


@command("lr-inspect")
@argument("file", type=click.Path(path_type=Path))
@option("--self-test", "testing", is_flag=True, help="Run the golden rows of an ONNX file on this machine.")
@output_option("Write there in place of standard output.")
def main(*, file: Path, testing: bool, output: Path | None, as_json: bool, quiet: bool) -> None:  # noqa: ARG001 - nothing is said beside the result
    """Say what FILE holds: a checkpoint, or a file of any format that lr-export writes.

    Columns, ranges, units, equation, metrics, certificate and graph are read from the bytes of the file; no code in it
    is loaded. With --self-test an ONNX file is run on the golden rows that it carries, which ends with exit code 3
    unless this machine and engine give what they have to.

    \b
    Examples:
      lr-inspect model.safetensors
      lr-inspect model.onnx --self-test --json
    """
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    from lr_runtime.inspection.artefact import Artefact
    from lr_runtime.inspection.report import described, lines

    check_output(output, file)
    artefact = Artefact.load(file)
    tested = _tested(artefact, file) if testing else None
    if as_json:
        write_text([json.dumps(described(artefact, tested), ensure_ascii=False, allow_nan=False), "\n"], output)
    else:
        write_text((f"{line}\n" for line in lines(artefact, tested)), output)


def _tested(artefact: Artefact, file: Path) -> SelfTest:
    from lr_runtime.inspection.self_test import self_test

    if artefact.kind != "onnx":
        raise OptionError(f"--self-test runs ONNX files; {file} is a {artefact.title}")
    return self_test(artefact.content)
