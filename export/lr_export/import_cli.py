"""lr-import: a model that exists already, to a checkpoint."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import click

from lr_runtime.commands.console import (
    FilePath,
    FiniteRange,
    argument,
    check_output,
    command,
    is_stdout,
    note,
    output_option,
    result_sink,
)
from lr_runtime.commands.record_options import options_of, values_of
from lr_runtime.errors import OptionError, UnsupportedModelError, escaped, listed
from lr_runtime.options import NAMES, PAIRS, TEXT, Number, option
from lr_runtime.system.files import is_checkpoint, read_bytes
from lr_runtime.system.lazy import needs_extra
from lr_runtime.system.signatures import ZIP, what_it_is
from lr_runtime.tables import TableOptions

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lr_export.importing.folding import Range, Source
    from lr_runtime.contract.checkpoint import Checkpoint

    Pairs = tuple[tuple[str, str], ...]

_OUTPUT = "model.safetensors"
_FINITE = Number("a finite number")
_number = partial(FiniteRange(_FINITE).convert, param=None, ctx=None)
_TORCH, _PICKLES = {".pt", ".pth", ".ckpt", ".bin"}, {".pkl", ".pickle", ".joblib"}


@dataclass(frozen=True)
class ImportOptions:
    """What is said of a model beside its file, or in its place."""

    coef: Pairs = option((), PAIRS, "A coefficient, in place of FILE; may be repeated.", "--coef TERM=NUMBER")
    intercept: float | None = option(None, _FINITE, "The prediction where all terms are 0.")
    ranges: Pairs = option((), PAIRS, "A column's training range; may be repeated.", "--range NAME=LOW:HIGH")
    ranges_from: str | None = option(None, TEXT, "A table of training rows that has the ranges.", "--ranges-from TABLE")
    levels: Pairs = option((), PAIRS, "A category's values; may be repeated.", "--levels NAME=A,B,C")
    columns: Sequence[str] | None = option(None, NAMES, "A state dict's inputs, in order; without, x or x1, x2, ...")
    target: Sequence[str] | None = option(None, NAMES, "The outputs; without, those in FILE, or y.")
    units: Pairs = option((), PAIRS, "The unit of a column or target; may be repeated.", "--unit NAME=UNIT")


@command("lr-import")
@argument("file", type=FilePath(readable=False), required=False)
@options_of(ImportOptions)
@output_option(f"The checkpoint. [default: {_OUTPUT}]")
@options_of(TableOptions, without=["format"])
def main(*, file: Path | None, output: Path | None, as_json: bool, quiet: bool, **given: Any) -> None:
    """Make a checkpoint of a linear model that exists: of its coefficients, or of FILE.

    FILE is a safetensors file with the weights of a linear layer, or JSON of coefficients as R's broom::tidy or
    lr-train --json writes it (docs/importing.md). A decimal number is taken as the float64 nearest to it. No pickle is
    read: models of scikit-learn, statsmodels and PyTorch come in from Python, with lr_export.from_sklearn,
    from_statsmodels and from_torch.

    \b
    Examples:
      lr-import --coef temp=1.25 --coef rh=-0.3 --intercept 4 --range temp=-20:60 --range rh=0:100
      lr-import model.json --levels site=north,south --ranges-from readings.csv
      lr-import layer.safetensors --columns temp --range temp=-20:60 -o sensor.safetensors
    """
    from lr_runtime.contract.equation import equation_lines

    asked, options = ImportOptions(**values_of(ImportOptions, given)), TableOptions(**values_of(TableOptions, given))
    output = output or Path(_OUTPUT)
    if bool(asked.coef) == (file is not None):
        raise OptionError("expected a FILE, or the coefficients themselves: --coef temp=1.25 --intercept 4")
    check_output(output, *([file] if file else []), tables=[asked.ranges_from] if asked.ranges_from else [])
    with needs_extra("export"):
        checkpoint = _imported(file, asked, options)
    with result_sink(output) as sink:
        sink.write(checkpoint.to_bytes())
    equation = checkpoint.contract._replace(equation=checkpoint.equation)
    said = [*equation_lines(equation), f"held against {checkpoint.report.imported}"]
    if as_json:
        said = [json.dumps({**checkpoint.fit, "equation": said[:-1]})]
    click.echo("\n".join(said), err=is_stdout(output))
    note(f"wrote {output}" if is_stdout(output) else f"wrote {output}. Next: lr-export {output}", quiet=quiet)


def _imported(file: Path | None, asked: ImportOptions, options: TableOptions) -> Checkpoint:
    from lr_export.importing.folding import checkpoint_of

    source = _source(file, asked)
    ranges = {name: cast("Range", tuple(map(_number, text.split(":")))) for name, text in asked.ranges}
    if asked.ranges_from is not None:
        names = [each.name for each in source.columns if not each.values and each.name not in ranges]
        ranges |= _ranges_in(asked.ranges_from, options, names)
    units, checkpoint = dict(asked.units), checkpoint_of(source, ranges)
    known = [*checkpoint.contract.column_names, *checkpoint.contract.output_names]
    if strange := [name for name in units if name not in known]:
        raise OptionError(f"--unit {escaped(strange[0])} is none of the model's columns {listed(known)}")
    return checkpoint.with_units(units)


def _source(file: Path | None, asked: ImportOptions) -> Source:
    """Return the model in a file, recognised by its first bytes, or of the coefficients that were typed."""
    from lr_export.importing.coefficients import model_of
    from lr_export.importing.torch_layers import source_of, tensors_in

    levels = {name: [each.strip() for each in text.split(",")] for name, text in asked.levels}
    if file is None:
        rows = [{"term": term, "estimate": _number(text)} for term, text in asked.coef]
        place, content, name = Path("--coef"), json.dumps(rows).encode(), "typed coefficients"
    else:
        content = read_bytes(file, "Name a safetensors file, or JSON of coefficients")
        place, name = file, "coefficients in JSON"
    try:
        if is_checkpoint(content[:64]):
            if levels or asked.intercept is not None:
                raise OptionError("--levels and --intercept go with coefficients; a state dict has its own bias")
            return source_of(tensors_in(content), asked.columns, asked.target)
        if content.lstrip(b"\xef\xbb\xbf \t\r\n")[:1] not in {b"{", b"["}:
            raise UnsupportedModelError(_refusal(place, content[:512]))
        if asked.columns is not None:
            raise OptionError("--columns names the inputs of a state dict; coefficients have names. Leave it out")
        return model_of(content, levels, asked.intercept, asked.target, name)
    except UnsupportedModelError as error:
        raise UnsupportedModelError(f"{place}: {error}") from error


def _refusal(file: Path, head: bytes) -> str:
    """Return what a file is that cannot be read here, and the line of Python that imports what may be in it."""
    what = what_it_is(head) or "an unknown kind of file"
    if file.suffix in _TORCH or head.startswith(ZIP):
        call = f'from_torch(torch.load("{file.name}", weights_only=True), ranges=...)'
    elif file.suffix in _PICKLES or head.startswith(b"\x80"):
        call = f'from_sklearn(joblib.load("{file.name}"))'
    else:
        return f"{what}; expected safetensors, or JSON of coefficients"
    return f"{what}: a pickle can run any code, so no command reads one. In Python: lr_export.{call}.save(...)"


def _ranges_in(table: str, options: TableOptions, names: Sequence[str]) -> dict[str, Range]:
    """Return the least and the greatest value of columns of a table, missing ones left out."""
    import numpy as np

    from lr_runtime.tables import open_table

    ends = np.full((2, len(names)), np.nan)
    for batch in open_table(table, options, once=True, for_fit=False).batches(names):
        rows = np.vstack([ends, batch.values])
        ends = np.array([np.fmin.reduce(rows), np.fmax.reduce(rows)])
    return {name: (low, high) for name, (low, high) in zip(names, ends.T.tolist(), strict=True) if not np.isnan(low)}
