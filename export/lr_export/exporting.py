"""The way from a checkpoint to a file: build, write beside the target, read back, certify, and only then rename."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from lr_export.certificate import Certificate, box_bound, certify
from lr_export.formats import FORMATS
from lr_export.golden import golden_rows
from lr_export.numbers import numbers_at
from lr_runtime.checkpoint import Checkpoint
from lr_runtime.files import replacing

if TYPE_CHECKING:
    from lr_export.choices import FormatName
    from lr_runtime.contract import Precision


def export(
    checkpoint: Checkpoint | str | Path,
    target: str | Path,
    *,
    format: FormatName = "onnx",  # noqa: A002 - the option's name
    precision: Precision = "exact",
) -> Certificate:
    """Write the model as an artefact that has passed its certificate, or nothing at all.

    Args:
        checkpoint: the model, or the path of its checkpoint.
        target: the file to write; an existing one is replaced only by one that passed.
        format: `onnx` or `torchscript`.
        precision: `exact` (float32 in and out, float64 inside, correctly rounded), `float32` or `float64`.

    Raises:
        MissingFileError: there is no such checkpoint.
        CheckpointError: the file is not one.
        CheckFailedError: the artefact does not match the model within its proven bound. Nothing was written.
        UnusableFileError: the folder cannot be written.
    """
    if not isinstance(checkpoint, Checkpoint):
        checkpoint = Checkpoint.load(Path(checkpoint))
    numbers = numbers_at(checkpoint, precision)
    contract = replace(
        checkpoint.contract,
        precision=precision,
        input_dtype=numbers.io,
        equation=checkpoint.equation,
        bound=box_bound(checkpoint, numbers),
        golden_rows=golden_rows(checkpoint, numbers),
    )
    with replacing(Path(target)) as part:
        part.write_bytes(FORMATS[format].build(numbers, contract))
        return certify(part.read_bytes(), checkpoint, numbers, contract, format)
