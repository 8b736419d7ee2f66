"""lr-export: a checkpoint to a verified file."""

from __future__ import annotations

import json
import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click

from lr_export.choices import CHOICES, SUFFIXES, check_pair, check_tools, that_have
from lr_runtime.console import command, is_stdout, note, output_option
from lr_runtime.contract import PRECISIONS
from lr_runtime.errors import OptionError, needs_extra

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lr_export.certificate import Certificate
    from lr_export.choices import FormatName
    from lr_runtime.contract import Precision


@command("lr-export")
@click.argument("checkpoint", type=click.Path(path_type=Path), default="model.safetensors")
@click.option("--format", "format_name", type=click.Choice([*CHOICES, "all"]), default="onnx", show_default=True)
@click.option("--precision", type=click.Choice(PRECISIONS), default="exact", show_default=True)
@click.option("--unverified", is_flag=True, help="Keep C or JavaScript that nothing on this machine could run.")
@output_option("The artefact; default: the checkpoint's name with the format's suffix. With --format all a folder.")
def main(
    *,
    checkpoint: Path,
    format_name: FormatName | Literal["all"],
    precision: Precision,
    unverified: bool,
    output: Path | None,
    as_json: bool,
    quiet: bool,
) -> None:
    """Write CHECKPOINT (default: model.safetensors) as a file that has been verified, or nothing.

    The file as written is read back, run by its own engine and held against exact arithmetic; a miss ends with exit
    code 3 and no file. C is compiled and run with the first of cc, gcc and clang, JavaScript with node.

    \b
    Formats: onnx, torchscript, pt2 (torch.export), c (one header), js (one ES module).
    Precisions: exact; float32, float64 (not c, js); portable, the same bits everywhere (onnx, c, js).
    --format all writes every format that has the precision.

    \b
    Examples:
      lr-export --format onnx
      lr-export sensor.safetensors --format c --precision portable -o sensor.h
    """
    with needs_extra("export"):
        from lr_export.exporting import export

    targets = _targets(checkpoint, format_name, precision, output)
    if not unverified:
        check_tools(targets)
    if "torchscript" in targets:
        note("lr-export: PyTorch has deprecated TorchScript; ONNX has a longer future", quiet=quiet)
    certificates = []
    for name, target in targets.items():
        with _written(target) as path:
            certificate = export(checkpoint, path, format=name, precision=precision, unverified=unverified)
        certificates.append(certificate)
        if not as_json:
            click.echo(_described(certificate), err=is_stdout(target))
        note(f"wrote {target}", quiet=quiet)
    if as_json:
        said = {"artefacts": [c.to_json() for c in certificates]} if format_name == "all" else certificates[0].to_json()
        click.echo(json.dumps(said), err=output is not None and is_stdout(output))


def _targets(
    checkpoint: Path, format_name: FormatName | Literal["all"], precision: Precision, output: Path | None
) -> dict[FormatName, Path]:
    """Return the file of each format that is asked for.

    Raises:
        OptionError: the format does not have the precision, or -o does not go with it.
    """
    if format_name != "all":
        check_pair(format_name, precision)
        targets = {format_name: output or checkpoint.with_suffix(SUFFIXES[format_name])}
    elif output is not None and is_stdout(output):
        raise OptionError("-o - takes one file; --format all writes several. Name a folder, or one format")
    else:
        folder = output or checkpoint.parent
        targets = {name: folder / f"{checkpoint.stem}{SUFFIXES[name]}" for name in that_have(precision)}
    for target in targets.values():
        if target.exists() and checkpoint.exists() and target.samefile(checkpoint):
            raise OptionError(f"-o {target} is the checkpoint itself. Name another file")
    return targets


@contextmanager
def _written(target: Path) -> Iterator[Path]:
    """Give the path to export to: the target, or for standard output a file that is copied there afterwards."""
    if not is_stdout(target):
        yield target
        return
    with tempfile.TemporaryDirectory() as folder:
        yield (path := Path(folder, "artefact"))
        sys.stdout.buffer.write(path.read_bytes())


def _described(certificate: Certificate) -> str:
    bound = max(certificate.bounds["y"])
    verified = f"{certificate.rows} rows, batches of 0 to {certificate.rows}, precision {certificate.precision}"
    not_run = f"NOT RUN, for want of {certificate.not_run}: only its numbers and its contract were read back"
    return "\n".join(
        [
            f"verified: {verified}" if certificate.not_run is None else f"unverified: {not_run}",
            *(
                f"  {m.engine}: within {max(m.worst_error.values()):.3g}, {m.worst_share:.0%} of its bound"
                for m in certificate.engines
            ),
            f"proven: within {bound:.3g} of the exact model anywhere in the training ranges",
            f"rounding the inputs to float32 moves the output by at most {max(certificate.input_rounding):.3g}",
            f"{certificate.size} bytes, sha256 {certificate.sha256}",
        ]
    )
