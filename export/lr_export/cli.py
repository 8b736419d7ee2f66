"""lr-export: a checkpoint to a verified file."""

from __future__ import annotations

import json
import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from lr_export.choices import INPUT_CHOICES, SUFFIXES
from lr_runtime.console import command, is_stdout, note, output_option
from lr_runtime.contract import PRECISIONS
from lr_runtime.errors import OptionError, needs_extra
from lr_runtime.files import replacing

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from lr_export.certificate import Certificate
    from lr_export.choices import FormatName, InputChoice
    from lr_runtime.contract import Precision


@command("lr-export")
@click.argument("checkpoint", type=click.Path(path_type=Path), default="model.safetensors")
@click.option("--format", "format_name", type=click.Choice(list(SUFFIXES)), default="onnx", show_default=True)
@click.option("--precision", type=click.Choice(PRECISIONS), default="exact", show_default=True)
@click.option(
    "--input",
    "input_dtype",
    type=click.Choice(INPUT_CHOICES),
    default="auto",
    show_default=True,
    help="The dtype of x; auto: float32, or float64 where float32 would cost over 1 % of the residual sd.",
)
@click.option("--opset", type=int, help="Of the ONNX file; default: the lowest that expresses the graph (13).")
@click.option("--name", help="Of the graph in the ONNX file.")
@click.option("--certificate", type=click.Path(dir_okay=False, path_type=Path), help="Write all of it to a JSON file.")
@output_option("The artefact; default: the checkpoint's name with the format's suffix.")
def main(
    *,
    checkpoint: Path,
    format_name: FormatName,
    precision: Precision,
    input_dtype: InputChoice,
    opset: int | None,
    name: str | None,
    certificate: Path | None,
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
    with _kept(certificate) as keep, _written(target) as path:
        found = export(
            checkpoint, path, format=format_name, precision=precision, input_dtype=input_dtype, opset=opset, name=name
        )
        keep(found.to_json())
    if found.remark is not None:
        note(f"lr-export: {found.remark}", quiet=quiet)
    click.echo(json.dumps(found.to_json()) if as_json else _described(found), err=is_stdout(target))
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


@contextmanager
def _kept(target: Path | None) -> Iterator[Callable[[Any], None]]:
    """Give what writes JSON values to the file, if there is one: it is opened before anything else is done."""
    if target is None:
        yield lambda _: None
        return
    with replacing(target) as part:
        yield lambda values: _write_json(part, values)


def _write_json(path: Path, values: Any) -> None:
    path.write_text(json.dumps(values, indent=2) + "\n", encoding="utf-8")


def _described(certificate: Certificate) -> str:
    bound = max(certificate.bounds["y"])
    return "\n".join(
        [
            f"verified: {certificate.rows} rows, batches of 0 to {certificate.rows}, precision {certificate.precision}",
            *(
                f"  {m.engine}: within {max(m.worst_error.values()):.3g}, {m.worst_share:.0%} of its bound"
                + (f", {m.correctly_rounded:.1%} of rows correctly rounded" if certificate.precision == "exact" else "")
                for m in certificate.engines
            ),
            f"proven: within {bound:.3g} of the exact model anywhere in the training ranges",
            _cost_of_inputs(certificate),
            f"{certificate.size} bytes, sha256 {certificate.sha256}",
        ]
    )


def _cost_of_inputs(certificate: Certificate) -> str:
    if certificate.input_dtype == "float64":
        return "inputs are float64: none is rounded"
    share = certificate.input_rounding_share
    relative = "" if share is None else f", {share:.2g} of its residual standard deviation"
    return f"rounding the inputs to float32 moves the output by at most {max(certificate.input_rounding):.3g}{relative}"
