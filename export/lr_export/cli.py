"""lr-export: a checkpoint to a verified file."""

from __future__ import annotations

import json
import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from lr_export.choices import SUFFIXES
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
@click.option("--format", "format_name", type=click.Choice(list(SUFFIXES)), default="onnx", show_default=True)
@click.option("--precision", type=click.Choice(PRECISIONS), default="exact", show_default=True)
@click.option(
    "--interval",
    type=float,
    metavar="LEVEL",
    help="Also give y_lower and y_upper, the ends of a prediction interval of this level, such as 0.95.",
)
@click.option("--flags", is_flag=True, help="Also give in_range and leverage: whether a row is like the training rows.")
@output_option("The artefact; default: the checkpoint's name with the format's suffix.")
def main(
    *,
    checkpoint: Path,
    format_name: FormatName,
    precision: Precision,
    interval: float | None,
    flags: bool,
    output: Path | None,
    as_json: bool,
    quiet: bool,
) -> None:
    """Write CHECKPOINT (default: model.safetensors) as a file that has been verified, or nothing.

    The file as written is read back and held against exact arithmetic; a miss ends with exit code 3 and no file.

    \b
    Examples:
      lr-export --format onnx
      lr-export sensor.safetensors --format torchscript -o sensor.pt
    """
    with needs_extra("export"):
        from lr_export.exporting import export

    target = output or checkpoint.with_suffix(SUFFIXES[format_name])
    if format_name == "torchscript":
        note("lr-export: PyTorch has deprecated TorchScript; ONNX has a longer future", quiet=quiet)
    if target.exists() and checkpoint.exists() and target.samefile(checkpoint):
        raise OptionError(f"-o {target} is the checkpoint itself. Name another file")
    with _written(target) as path:
        certificate = export(checkpoint, path, format=format_name, precision=precision, interval=interval, flags=flags)
    said = json.dumps(certificate.to_json()) if as_json else _described(certificate)
    click.echo(said, err=is_stdout(target))
    note(f"wrote {target}", quiet=quiet)


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
    return "\n".join(
        [
            f"verified: {certificate.rows} rows, batches of 0 to {certificate.rows}, precision {certificate.precision}",
            *(
                f"  {m.engine}: within {max(m.worst_error.values()):.3g}, {m.worst_share:.0%} of its bound"
                for m in certificate.engines
            ),
            f"proven: within {bound:.3g} of the exact model anywhere in the training ranges",
            f"rounding the inputs to float32 moves the output by at most {max(certificate.input_rounding):.3g}",
            f"{certificate.size} bytes, sha256 {certificate.sha256}",
        ]
    )
