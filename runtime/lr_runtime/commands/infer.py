"""lr-infer: a model and values, or a model and tables, to predictions. Needs ONNX Runtime alone."""

from __future__ import annotations

import os
import sys
from dataclasses import replace
from functools import partial
from typing import IO, TYPE_CHECKING, Any

import click

from lr_runtime.choices import FORMATS, ON_ERROR, Format, LoadOptions, OnError
from lr_runtime.commands.console import (
    argument,
    check_output,
    command,
    is_stdout,
    note,
    option,
    output_option,
    progress,
    result_sink,
    write_text,
)
from lr_runtime.commands.record_options import options_of, read_names, values_of
from lr_runtime.errors import InputError, OptionError, RowError, escaped
from lr_runtime.system.lazy import uncollected
from lr_runtime.system.text import composed
from lr_runtime.tables import TableOptions

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from lr_runtime.prediction.jobs import Scored
    from lr_runtime.prediction.predictor import Predictor
    from lr_runtime.prediction.table import Scoring
    from lr_runtime.tables.writing import OutputRows, TableWriter


@command("lr-infer")
@argument("model", type=click.Path())
@argument("values", nargs=-1)
@output_option("Write there in place of standard output; the suffix tells the format.")
@option("--keep", callback=read_names, metavar="NAMES", help="Columns to write before the predictions, or: all.")
@option("--explain", is_flag=True, help="Show what each term adds to the prediction of one row.")
@option("--invert", metavar="NAME=VALUE", help="Take a reading of an output back to the column without a VALUE.")
@option("--partition-by", callback=read_names, metavar="NAMES", help="Write a folder for each value of these columns.")
@option("--follow", is_flag=True, help="Answer each line of standard input before the next is read.")
@option("--on-error", type=click.Choice(ON_ERROR), help=f"What a bad row of a table does. [default: {ON_ERROR[0]}]")
@option(
    "--to",
    type=click.Choice(FORMATS),
    help="The format to write. [default: by -o's suffix; csv, or parquet in folders]",
)
@option("--jobs", type=click.IntRange(1), help="Processes that work side by side on large tables. [default: 1]")
@options_of(LoadOptions)
@options_of(TableOptions)
def main(
    *,
    model: str,
    values: tuple[str, ...],
    output: Path | None,
    explain: bool,
    invert: str | None,
    follow: bool,
    keep: list[str] | None,
    partition_by: list[str] | None,
    on_error: OnError | None,
    to: Format | None,
    jobs: int | None,
    as_json: bool,
    quiet: bool,
    **given: Any,
) -> None:
    """Predict with MODEL for VALUES, or for every row of tables.

    VALUES are the numbers of one row in the model's column order, or column=number in any order. Files, folders,
    quoted patterns, or "-" for standard input are tables: CSV, JSON lines, Parquet or Arrow, columns taken by name.

    \b
    Examples:
      lr-infer model.onnx 4.0
      lr-infer model.onnx rh=0.3 temp=-1.5 --explain
      lr-infer model.onnx rh=0.3 --invert ozone=41.5
      lr-infer model.onnx readings.csv -o predictions.csv --keep id,time
      lr-infer model.onnx readings.parquet -o predictions.parquet --on-error skip
      lr-infer model.onnx readings.parquet -o predictions/ --keep id --partition-by day
      sensor | lr-infer model.onnx --follow --on-error null
    """
    # A linear model needs one thread; OpenBLAS, inside numpy, starts one a core unless it is told before the import.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    output = None if output is None or is_stdout(output) else output
    reading = TableOptions(**values_of(TableOptions, given))
    follows, from_ = follow or None, reading.format
    of_tables = {
        "--keep": keep,
        "--partition-by": partition_by or None,
        "--on-error": on_error,
        "--from": from_,
        "--to": to,
        "--jobs": jobs,
        "--follow": follows,
    }
    tables = None if invert is not None else _tables(values, follow=follow, named=from_ is not None)
    if explain and invert is not None:
        raise OptionError("--explain is of a prediction, not of --invert. Leave one of them out")
    to_format = _check_ways(of_tables, output, rows=tables is not None, explain=explain, as_json=as_json)
    by = list(dict.fromkeys(map(composed, partition_by or ())))
    _check_place(output, model, is_folder=bool(by))
    predictor = _loaded(model, values_of(LoadOptions, given), quiet=quiet)
    if invert is not None:
        write_text([_inverse(predictor, invert, values, reading, as_json=as_json)], output)
        return
    if tables is None:
        write_text([_answer(predictor, values, reading, explain=explain, as_json=as_json)], output)
        return
    from lr_runtime.prediction.jobs import scored
    from lr_runtime.prediction.table import Scoring
    from lr_runtime.tables import open_followed, open_table

    options = replace(reading, marks=True)

    def say(line: str, *, quiet: bool = quiet) -> None:
        note(f"lr-infer: {line}", quiet=quiet)

    table = open_followed(options, say) if follow else open_table(tables, options, once=True, for_fit=False, warn=say)
    kept = [*(table.names if keep == ["all"] else keep or ()), *by]
    scoring = Scoring(predictor, table, keep=kept, on_error=on_error or ON_ERROR[0])
    shows = output is None and sys.stdout.isatty()  # a progress bar would stand among the results
    with progress("predicting", table.size, quiet=quiet or shows) as advance:
        rows = scored(scoring, jobs or 1, partial(say, quiet=False), advance)
        if output is not None and by:
            _write_folders(rows, output, to_format, by, reading)
        else:
            _write_rows(rows, output, None if as_json else to_format, predictor, flushes=follow)
    _tell(scoring, on_error, say)


def _tell(scoring: Scoring, on_error: OnError | None, say: Callable[..., None]) -> None:
    """Say what became of columns and rows that are not among the results as they are."""
    for name, called in scoring.called.items():
        say(f"{escaped(name)} is kept as the table has it; its predictions are {escaped(called)}")
    if count := len(scoring.ignored):
        say(f"{count} {'column' if count == 1 else 'columns'} of {scoring.table.name} not among the model's, ignored")
    if bad := scoring.tally.bad:
        done = "left out" if on_error == "skip" else "without predictions"
        say(f"{bad} of {scoring.tally.rows} rows bad, {done}", quiet=False)


def _check_place(output: Path | None, model: str, *, is_folder: bool) -> None:
    if output is not None and is_folder:
        from lr_runtime.system.replacement import check_new_folder

        check_new_folder(output)
    else:
        check_output(output, model)  # a table may be replaced by what is kept of it and predictions


def _tables(values: Sequence[str], *, follow: bool, named: bool) -> Sequence[str] | None:
    """Return the tables that are named; None where the values of one row are."""
    if follow:
        if list(values) not in ([], ["-"]):
            raise OptionError("--follow reads standard input. Leave the table out: sensor | lr-infer MODEL --follow")
        return ["-"]
    if not values:
        raise click.UsageError("Missing argument 'VALUES...': the numbers of one row, or a table")
    from lr_runtime.tables import names_table

    return values if named or all(names_table(value, alone=len(values) == 1) for value in values) else None


def _check_ways(of_tables: dict[str, Any], output: Path | None, *, rows: bool, explain: bool, as_json: bool) -> Format:
    """Return the format that rows are written in, after checking that the options go together."""
    given = [name for name, value in of_tables.items() if value is not None]
    if given and not rows:
        raise OptionError(f"{given[0]} belongs to tables, not to the values of one row. Leave it out")
    if explain and rows:
        raise OptionError("--explain takes the values of one row, not a table")
    by = "--partition-by" in given
    if by and output is None:
        raise OptionError("--partition-by writes folders. Name the one that they stand in: -o FOLDER")
    if as_json and (other := [name for name in ("--to", "--follow", "--partition-by") if name in given]):
        raise OptionError(f"--json makes one JSON object, which {other[0]} cannot. Try: --to jsonl, without --json")
    kind: Format = of_tables["--to"] or ("csv" if output is None or as_json else _format_of(output, rows=rows, by=by))
    if of_tables["--follow"] and (kind in {"parquet", "arrow"} or output is not None):
        raise OptionError("--follow writes csv or jsonl to standard output, line by line. Leave out --to and -o")
    return kind


def _format_of(output: Path, *, rows: bool, by: bool) -> Format:
    """Return the format that the suffix of -o tells; the answer for the values of one row is text."""
    from lr_runtime.tables import format_of

    kind = format_of(output.name)
    if not rows and kind not in {None, "csv"}:
        raise OptionError(f"-o {output}: the answer for the values of one row is text, not {kind}. Name a .txt file")
    if by:
        return kind or "parquet"
    if rows and kind is None and output.suffix and not (output.exists() and not output.is_file()):
        raise OptionError(f"-o {output}: {escaped(output.suffix)} tells no format. Say --to {', '.join(FORMATS)}")
    return kind or "csv"


def _loaded(model: str, loading: dict[str, Any], *, quiet: bool) -> Predictor:
    with uncollected():
        from lr_runtime.prediction.predictor import Predictor

    predictor = Predictor.load(model, **loading)
    if predictor.is_foreign:
        note(f"lr-infer: {model} is not of linedge: what it does, and how exact it is, is not checked", quiet=quiet)
    return predictor


def _answer(predictor: Predictor, values: Sequence[str], reading: TableOptions, *, explain: bool, as_json: bool) -> str:
    """Return the prediction of one row, or its explanation, as text."""
    from lr_runtime.commands import row_printer
    from lr_runtime.commands.row_parser import row_of

    row = row_of(values, predictor.contract.columns, reading)
    try:
        prediction = predictor.predict(row)
    except RowError as error:
        raise InputError(error.what) from error
    explanations = predictor.explain(row) if explain else []
    if as_json:
        explained = {"explanations": [one.to_json() for one in explanations]}
        return row_printer.document(explained if explain else {"predictions": prediction.rows()}, predictor.sha256)
    return row_printer.tables(explanations) if explain else row_printer.line(prediction)


def _inverse(predictor: Predictor, invert: str, values: Sequence[str], reading: TableOptions, *, as_json: bool) -> str:
    """Return the column that a reading is taken back to, as text."""
    from lr_runtime.commands import row_printer
    from lr_runtime.commands.row_parser import row_of

    columns, (output, value) = predictor.contract.columns, invert.rpartition("=")[::2]
    if not output or not reading.is_number(value):
        raise OptionError("--invert takes OUTPUT=NUMBER, and the other columns are column=value")
    named = {word.rpartition("=")[0] for word in values}
    is_known = named <= {column.name for column in columns}  # of a word that names none, the row's own message tells
    held = [column for column in columns if column.name in named] if is_known else columns
    found = predictor.invert({output: reading.number(value)}, at=row_of(values, held, reading)).to_json()
    return row_printer.document({"inverse": found}, predictor.sha256) if as_json else row_printer.values(found)


def _write_rows(rows: Scored, output: Path | None, kind: Format | None, predictor: Predictor, *, flushes: bool) -> None:
    """Write rows in a format, or as one JSON object with None.

    The first were computed before anything is opened: a table that cannot be read leaves standard output and the folder
    as they are.
    """
    with result_sink(output) as sink:
        writer = _writer(sink, kind, rows.first, predictor, output)
        for prepared in rows.prepared(writer.prepared):
            writer.put(prepared)
            if flushes:
                sink.flush()
        writer.close()


def _write_folders(rows: Scored, output: Path, kind: Format, by: Sequence[str], reading: TableOptions) -> None:
    """Write rows in a format into folders that are called as the values of columns."""
    from lr_runtime.system.replacement import new_folder
    from lr_runtime.tables.partitioning import FolderWriter
    from lr_runtime.tables.saving import table_writer

    def begun(sink: IO[bytes], some: OutputRows) -> TableWriter:
        return table_writer(sink, kind, some, seeks=True)

    with new_folder(output) as root:
        writer = FolderWriter(root, by, begun, f".{kind}", reading)
        for some in rows.prepared(writer.prepared):
            writer.put(some)
        writer.close()


def _writer(
    sink: IO[bytes], kind: Format | None, first: OutputRows, predictor: Predictor, output: Path | None
) -> TableWriter:
    from lr_runtime.tables.saving import table_writer
    from lr_runtime.tables.writing import JsonDocumentWriter

    if kind is None:
        return JsonDocumentWriter(sink, '{"predictions": [', lambda: f'], "model_sha256": "{predictor.sha256}"}}\n')
    delimiter = "\t" if str(output).lower().endswith(".tsv") else ","
    return table_writer(sink, kind, first, delimiter=delimiter, seeks=output is not None)
