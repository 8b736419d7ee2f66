"""lr-export: a checkpoint to a verified file."""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import click
from lr_runtime.console import command, is_stdout, note, output_option
from lr_runtime.contract import PRECISIONS
from lr_runtime.errors import needs_extra

from lr_export.choices import SUFFIXES

if TYPE_CHECKING:
    from lr_runtime.contract import Precision

    from lr_export.certificate import Certificate
    from lr_export.choices import FormatName


@command("lr-export")
@click.argument("checkpoint", type=click.Path(path_type=Path), default="model.safetensors")
@click.option("--format", "format_name", type=click.Choice(list(SUFFIXES)), default="onnx", show_default=True)
@click.option("--precision", type=click.Choice(PRECISIONS), default="exact", show_default=True)
@output_option("The artefact; default: the checkpoint's name with the format's suffix.")
def main(
    *,
    checkpoint: Path,
    format_name: FormatName,
    precision: Precision,
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
    if is_stdout(target):
        with tempfile.TemporaryDirectory() as folder:
            content = Path(folder, "artefact")
            export(checkpoint, content, format=format_name, precision=precision)
            sys.stdout.buffer.write(content.read_bytes())
        return
    certificate = export(checkpoint, target, format=format_name, precision=precision)
    click.echo(json.dumps(certificate.to_json()) if as_json else _described(certificate))
    note(f"wrote {target}", quiet=quiet)


def _described(certificate: Certificate) -> str:
    bound = max(certificate.bound)
    return "\n".join(
        [
            f"verified: {certificate.rows} rows, batches of 0 to {certificate.rows}, precision {certificate.precision}",
            *(
                f"  {m.engine}: within {m.worst_error:.3g}, {m.worst_share:.0%} of its bound"
                for m in certificate.engines
            ),
            f"proven: within {bound:.3g} of the exact model anywhere in the training ranges",
            f"rounding the inputs to float32 moves the output by at most {max(certificate.input_rounding):.3g}",
            f"{certificate.size} bytes, sha256 {certificate.sha256}",
        ]
    )
