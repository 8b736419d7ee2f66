"""Formats of rows, by their media types: which one a body is in, which one is asked for, how an answer is written."""

from __future__ import annotations

import io
import json
import re
from typing import TYPE_CHECKING

from lr_runtime.errors import MissingExtraError, TableError, escaped
from lr_runtime.serving.http import JSON, HttpError, decoded
from lr_runtime.tables.cells.options import TableOptions
from lr_runtime.tables.opening import open_bytes
from lr_runtime.tables.saving import table_writer
from lr_runtime.tables.text.json_lines import unique
from lr_runtime.tables.writing import JsonDocumentWriter

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from lr_runtime.choices import Format
    from lr_runtime.serving.http import Request
    from lr_runtime.tables.table import FileTable
    from lr_runtime.tables.writing import OutputRows, TableWriter

CSV, JSON_LINES, NDJSON = "text/csv", "application/jsonl", "application/x-ndjson"
ARROW_STREAM, ARROW_FILE = "application/vnd.apache.arrow.stream", "application/vnd.apache.arrow.file"
TABLES: Mapping[str, Format] = {
    CSV: "csv",
    JSON_LINES: "jsonl",
    NDJSON: "jsonl",
    ARROW_STREAM: "arrow",
    ARROW_FILE: "arrow",
}
"""The media types of tables, and their formats."""
TAKEN = (JSON, *TABLES)
_AS_JSON = frozenset({"", JSON, "application/x-www-form-urlencoded"})
"""What `curl -d '[[4.0]]'` sends is called the last of these, and is JSON."""
_CELL = 4
"""Bytes that a cell of JSON lines has at least, but for one whose key a line lacks, which takes time all the same."""

Rows = list[object] | dict[str, object]
"""Rows in JSON: a list of them, each an object or a list of cells; or one object, of one row or of columns."""


def taken_of(request: Request, among: Sequence[str] = TAKEN) -> str:
    """Return the media type of a body; HttpError 415 where it is none of those that are taken."""
    kind = request.content_type
    if kind in _AS_JSON:
        return JSON
    if kind not in among:
        raise HttpError(415, f"the content type {escaped(kind)} is not taken; these are: {', '.join(among)}")
    return kind


def asked_of(request: Request, otherwise: str) -> str:
    """Return the first media type that Accept names and that there is; where it names none, another."""
    accept = request.headers.get("accept", "*/*")
    if accept == "*/*":
        return otherwise
    named = (part.partition(";")[0].strip().lower() for part in accept.split(","))
    return next((otherwise if kind == "*/*" else kind for kind in named if kind in {*TAKEN, "*/*"}), otherwise)


def rows_of(request: Request) -> Rows:
    """Return the rows of a body of JSON.

    Raises:
        HttpError: 400 where it is no JSON, or a key stands twice in an object; 413 of too many rows.
    """
    rows: Rows = decoded(request.body, Rows)  # type: ignore[arg-type] # a union is no type to mypy
    held = [row for row in rows if isinstance(row, dict)] if isinstance(rows, list) else [rows]
    check_keys(request.body, sum(map(len, held)))
    if isinstance(rows, list):
        check_count(len(rows), request)
    else:
        check_count(max((len(cells) for cells in rows.values() if isinstance(cells, list)), default=1), request)
    return rows


def check_keys(body: bytes, count: int) -> None:
    """Raise HttpError 400 where a key stands twice in an object of JSON, of which `count` keys are known.

    With no more colons than keys, or no more that stand behind a quote, none does: that is nearly free.
    """
    if body.count(b":") == count or len(re.findall(rb'"\s*:', body)) == count:
        return
    try:
        json.loads(body, object_pairs_hook=unique)
    except (ValueError, RecursionError) as error:
        raise HttpError(400, f"the body is not the JSON that is expected: {error}") from error


def check_count(count: int, request: Request) -> None:
    """Raise HttpError 413 of more rows than a request may have."""
    if count > request.limits.max_rows:
        raise HttpError(413, f"the body has {count} rows; at most {request.limits.max_rows} are taken")


def table_of(request: Request, kind: str, given: Mapping[str, str]) -> FileTable:
    """Return the table of a body, of a media type; the query may name the `delimiter` and `decimal` of its cells.

    Raises:
        HttpError: 400 where it is no such table, 413 of too many rows or cells, 415 without pyarrow.
    """
    options = TableOptions(given.get("delimiter", ","), given.get("decimal", "."), marks=True, format=TABLES[kind])
    try:
        table = open_bytes(request.body, "the body", options)
    except MissingExtraError as error:
        raise HttpError(415, str(error)) from error
    except TableError as error:
        raise HttpError(400, str(error)) from error
    lines, limits = request.body.count(b"\n"), request.limits
    if options.format == "arrow":
        check_count(table.size or 0, request)
    elif options.format == "jsonl" and len(table.names) * lines > (most := limits.max_body // _CELL):
        raise HttpError(413, f"the body has {len(table.names) * lines} cells; at most {most} are taken")
    elif lines >= limits.max_rows:  # some may be blank, or inside of cells
        check_count(sum(len(batch.values) for batch in table.batches([], table.names[:1])), request)
    return table


def written(parts: Sequence[OutputRows], kind: str, tail: str) -> bytes:
    """Return rows in a media type, as lr-infer writes them, a document of JSON with its `tail` behind them.
    Raises HttpError 415 without pyarrow.
    """
    sink = io.BytesIO()
    try:
        if kind == JSON:
            writer: TableWriter = JsonDocumentWriter(sink, '{"predictions": [', lambda: f"], {tail}}}\n")
        else:
            writer = table_writer(sink, TABLES[kind], parts[0], seeks=kind == ARROW_FILE)
    except MissingExtraError as error:
        raise HttpError(415, str(error)) from error
    for part in parts:
        writer.write(part)
    writer.close()
    return sink.getvalue()
