"""lr-infer: a model and values, or a model and a table, to predictions. Needs ONNX Runtime alone."""

from __future__ import annotations

import io
import itertools
import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

from lr_runtime.console import command, note, output_option, progress, table_options, write_text
from lr_runtime.errors import InputError, OptionError, RowError, TableError, escaped, listed

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from lr_runtime.predictor import Prediction, Predictor
    from lr_runtime.tables import TableOptions


@command("lr-infer")
@click.argument("model", type=click.Path(path_type=Path))
@click.argument("values", nargs=-1, required=True)
@output_option("Write there in place of standard output.")
@click.option("--sha256", metavar="HEX", help="The SHA-256 that the model's bytes must have; else exit code 3.")
@click.option(
    "--allow-foreign", is_flag=True, help="Run a model that linedge did not write, without linedge's promise."
)
@table_options
def main(
    *,
    model: Path,
    values: tuple[str, ...],
    output: Path | None,
    sha256: str | None,
    allow_foreign: bool,
    reading: TableOptions,
    as_json: bool,
    quiet: bool,
) -> None:
    """Predict with MODEL for VALUES, or for every row of a table.

    VALUES are the numbers of one row in the model's column order, or column=number in any order. A single argument that
    names a file, or "-" for standard input, is a table: CSV, JSON lines, Parquet or Arrow, columns taken by name.

    \b
    Examples:
      lr-infer model.onnx 4.0
      lr-infer model.onnx rh=0.3 temp=-1.5
      lr-infer model.onnx readings.csv -o predictions.csv
    """
    # A linear model needs one thread; OpenBLAS, inside numpy, starts one a core unless it is told before the import.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    from lr_runtime.predictor import Predictor

    predictor = Predictor.load(model, sha256=sha256, allow_foreign=allow_foreign)
    if predictor.is_foreign:
        note(f"lr-infer: {model} is not of linedge: what it does, and how exact it is, is not checked", quiet=quiet)
    if _is_table(values):
        predictions = _begun(_table_predictions(predictor, values[0], reading, quiet=quiet))
        pieces = _as_json(predictor, predictions) if as_json else _as_csv(predictor, predictions)
    else:
        prediction = predictor.predict([_one_row(values, predictor.contract.column_names, reading)])
        pieces = _as_json(predictor, iter([prediction])) if as_json else _as_line(prediction)
    write_text(pieces, output)


def _is_table(values: Sequence[str]) -> bool:
    from lr_runtime.tables import has_table_suffix

    alone = values[0] if len(values) == 1 else None
    return alone is not None and (alone == "-" or has_table_suffix(alone) or _is_file(alone))


def _is_file(name: str) -> bool:
    return os.path.isfile(name)  # noqa: PTH113 - Path.is_file raises on a name too long for a file


def _one_row(values: Sequence[str], columns: Sequence[str], options: TableOptions) -> list[float]:
    """Return one row in the order of `columns` from numbers in that order, or from column=number in any."""
    if len(columns) == len(values) and all(options.is_number(value) for value in values):
        return [options.number(value) for value in values]
    named = [value.rpartition("=") for value in values]
    if not all(equals for _, equals, _ in named):
        return _positional(values, columns, options)
    row = {name: _number(name, value, options) for name, _, value in named}
    if unknown := [name for name in row if name not in columns]:
        raise OptionError(f"the model has no column {escaped(unknown[0])}; its columns are {listed(columns)}")
    if missing := [name for name in columns if name not in row]:
        raise OptionError(f"the column {escaped(missing[0])} is missing; the model takes {listed(columns)}")
    if len(row) < len(named):
        raise OptionError("a column stands twice; give each one value")
    return [row[name] for name in columns]


def _positional(values: Sequence[str], columns: Sequence[str], options: TableOptions) -> list[float]:
    if len(values) != len(columns):
        raise OptionError(f"expected {len(columns)} values ({listed(columns)}), got {len(values)}")
    return [_number(name, value, options) for name, value in zip(columns, values, strict=True)]


def _number(name: str, text: str, options: TableOptions) -> float:
    if not options.is_number(text):
        raise InputError(f"column {escaped(name)}: {escaped(text)} is neither a finite number nor a file")
    return options.number(text)


def _table_predictions(
    predictor: Predictor, source: str, options: TableOptions, *, quiet: bool
) -> Iterator[Prediction]:
    from lr_runtime.tables import numbers_only, open_table, place_of

    table = open_table(source, options, once=True)
    with progress("predicting", table.size, quiet=quiet) as advance:
        for batch in numbers_only(table, predictor.contract.column_names):
            try:
                yield predictor.predict(batch.values)
            except RowError as error:
                raise TableError(f"{place_of(table, batch, error.row)}, {error.what}") from error
            advance(batch.size)


def _begun(predictions: Iterator[Prediction]) -> Iterator[Prediction]:
    """Compute the first batch now, so that a table that cannot be read leaves standard output empty."""
    return itertools.chain(list(itertools.islice(predictions, 1)), predictions)


def _as_line(prediction: Prediction) -> Iterator[str]:
    yield "\t".join(repr(float(value)) for value in prediction.values[0]) + "\n"


def _as_csv(predictor: Predictor, predictions: Iterator[Prediction]) -> Iterator[str]:
    yield _csv([predictor.contract.output_names])
    for prediction in predictions:
        yield _csv([[repr(value) for value in row] for row in prediction.values.tolist()])


def _csv(rows: Sequence[Sequence[str]]) -> str:
    import csv

    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue()


def _as_json(predictor: Predictor, predictions: Iterator[Prediction]) -> Iterator[str]:
    import json

    yield '{"predictions": ['
    separator = ""
    for prediction in predictions:
        for row in prediction.rows():
            yield separator + json.dumps(row, ensure_ascii=False, allow_nan=False)
            separator = ", "
    yield f'], "model_sha256": "{predictor.sha256}"}}\n'
