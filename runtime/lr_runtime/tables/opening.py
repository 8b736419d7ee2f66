"""Opens a table of any format, or several as one: by their first bytes where they tell, else as CSV."""

from __future__ import annotations

import io
import re
import sys
import weakref
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import IO, TYPE_CHECKING, cast

from lr_runtime.errors import LinedgeError, MissingFileError, OptionError, TableError, UnusableFileError
from lr_runtime.system import remote
from lr_runtime.system.lazy import needs_extra
from lr_runtime.system.remote import is_remote
from lr_runtime.system.signatures import ARROW, PARQUET, ZIP
from lr_runtime.system.streams import PIECE, stream_of
from lr_runtime.tables.batch import READ_ERRORS
from lr_runtime.tables.cells.options import TableOptions, packed_name
from lr_runtime.tables.files.compressed import WORKBOOK, members_of, unpacked
from lr_runtime.tables.files.other_files import refusal
from lr_runtime.tables.files.partitions import values_of, with_partitions
from lr_runtime.tables.files.several import SeveralTables, files_of
from lr_runtime.tables.files.streams import kept, opened_file, passing, seekable
from lr_runtime.tables.notices import Notices
from lr_runtime.tables.text.csv_syntax import CsvSyntax
from lr_runtime.tables.text.encoding import (
    BOM,
    as_utf8,
    has_returns_alone,
    marked_encoding,
    transcoded,
    with_line_feeds,
)
from lr_runtime.tables.text.json_lines import JsonLinesSyntax
from lr_runtime.tables.text.rewriting import Rewriter, rewritten, with_delimiter
from lr_runtime.tables.text.table import BLOCK_BYTES, TextTable

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from lr_runtime.tables.table import FileTable
    from lr_runtime.tables.text.syntax import Syntax

    Opener = Callable[[], IO[bytes]]

STDIN = "-"
_HEAD_BYTES = 1 << 16
_ARROW_HEADS = (PARQUET, ARROW, b"\xff\xff\xff\xff")
_JSON_ARRAY = re.compile(rb"\s*\[\s*[{\[\]]")


def open_table(
    source: str | Path | Sequence[str | Path],
    options: TableOptions | None = None,
    *,
    once: bool = False,
    for_fit: bool = True,
    warn: Callable[[str], None] | None = None,
) -> FileTable:
    """Open a CSV or JSON lines file, a Parquet or Arrow file, a workbook, any of them packed, a folder, or several.

    Args:
        source: a path, a folder, a glob pattern, "-" for standard input, or a list of these: one table over all.
        options: how the cells of text tables are written.
        once: whether the rows are read in one pass; standard input is then kept nowhere. Otherwise what was read of it
            stands in a temporary file.
        for_fit: whether the rows are for a fit, where a large integer may be an identifier, and an index a feature.
        warn: takes a line for each of the first bad rows that `options` says to skip, for columns passed over, and,
            where the rows are for a fit, for integers beyond 2^53.

    Raises:
        MissingFileError: there is no such file.
        TableError: it is no table; the message says what it is.
        MissingExtraError: Parquet and Arrow need pyarrow.
    """
    options, notices = options or TableOptions(), Notices(warn, for_fit=for_fit)
    paths = files_of([source] if isinstance(source, str | Path) else source)
    folders = list(map(values_of, paths))
    own = {name for values in folders for name in values}
    in_files = replace(options, renames=tuple(pair for pair in options.renames if pair[1] not in own))
    tables = [_open_one(path, in_files, notices, once=once) for path in paths]
    if own:
        tables = with_partitions(tables, folders, options)
    return tables[0] if len(tables) == 1 else SeveralTables(tables)


def open_bytes(content: bytes, name: str, options: TableOptions) -> FileTable:
    """Open a table that somebody sent: of the format that `options` name, and not packed, for that has no bound.

    Args:
        content: all of it.
        name: what messages call it.
        options: its format, csv, jsonl or arrow, and how the cells of text are written.

    Raises:
        TableError: it is no such table; the message says what it is.
        MissingExtraError: Arrow needs pyarrow.
    """
    head, notices = content[:_HEAD_BYTES], Notices(None, for_fit=False)
    if options.format != "arrow":
        return _open_text(partial(io.BytesIO, content), head, len(content), name=name, options=options, notices=notices)
    with needs_extra("tables"):
        from lr_runtime.tables.arrow.received import records_of
        from lr_runtime.tables.arrow.table import ArrowTable
    return ArrowTable(records_of(content, name), name, options, notices)


def _open_one(path: str, options: TableOptions, notices: Notices, *, once: bool) -> FileTable:
    name = "standard input" if path == STDIN else path
    try:
        return _opened(path, name, options, notices, once=once)
    except LinedgeError:
        raise
    except FileNotFoundError as error:
        raise MissingFileError(path, "Name a table: CSV, JSON lines, Parquet or Arrow") from error
    except READ_ERRORS as error:
        raise UnusableFileError(f"{name}: cannot be read ({getattr(error, 'strerror', None) or error})") from error


def _opened(path: str, name: str, options: TableOptions, notices: Notices, *, once: bool) -> FileTable:
    opener, size = _stream(path, name, once=once)
    head = _head(opener)
    if head.startswith(ZIP):
        opener = opener if _is_regular(path) else seekable(opener)
        if WORKBOOK in members_of(opener, name):
            with needs_extra("excel"):
                from lr_runtime.tables.text.excel import sheet_table
            return sheet_table(opener, name, options, notices)
    content = unpacked(opener, head, name)
    if content is not None:
        opener, size = content, None
        head = _head(opener)
    if options.format in {"parquet", "arrow"} or (options.format is None and head.startswith(_ARROW_HEADS)):
        if options.skip_rows:
            raise OptionError(f"{name} has no lines: --skip-rows is for text tables. Leave it out")
        with needs_extra("tables"):
            from lr_runtime.tables.arrow.table import ArrowTable, FileRecords, of_file
        if not _is_regular(path) or content is not None:
            if not head.startswith(_ARROW_HEADS):  # before all of it is kept, which of a device may have no end
                raise TableError(f"{name}: not a Parquet or Arrow file (it does not begin as one)")
            return ArrowTable(partial(of_file, seekable(opener), name), name, options, notices)
        return ArrowTable(FileRecords(opener, name), name, options, notices)
    return _open_text(opener, head, size, name=name, options=options, notices=notices)


def _open_text(
    opener: Opener, head: bytes, size: int | None, *, name: str, options: TableOptions, notices: Notices
) -> TextTable:
    if encoding := options.encoding or marked_encoding(head):
        opener, size = as_utf8(opener, encoding, name), None
        head = _head(opener)
    if has_returns_alone(head):
        opener, head = with_line_feeds(opener), head.replace(b"\r", b"\n")
    _check_text(head, name)
    rewriting = rewritten(opener, head, options, name)
    if rewriting is not None:
        (opener, options), size = rewriting, None
        head = _head(opener)
    if _holds_tabs(head, name) and options.delimiter == TableOptions.delimiter:
        options = replace(options, delimiter="\t")
    syntax = _syntax(head.removeprefix(BOM), name, options)
    is_rewritten = rewriting is not None
    return TextTable(opener, name, syntax, size, options=options, notices=notices, is_rewritten=is_rewritten)


def _check_text(head: bytes, name: str) -> None:
    if said := refusal(head.removeprefix(BOM)):
        raise TableError(f"{name} {said}")


def _holds_tabs(head: bytes, name: str) -> bool:
    """Whether a file is called .tsv, and its first line holds what that promises."""
    return packed_name(name).endswith(".tsv") and b"\t" in head.lstrip().partition(b"\n")[0]


def open_followed(options: TableOptions, warn: Callable[[str], None] | None = None) -> FileTable:
    """Open standard input as a text table that is read line by line: a record is a batch once it is there.

    Args:
        options: how its cells are written.
        warn: takes a line for columns passed over.

    Raises:
        TableError: it does not begin as a table does.
    """
    from lr_runtime.tables.text.following import FollowedTable, Lines

    name = "standard input"
    stream = _stdin()
    if options.encoding is not None:
        as_it_comes = iter(partial(cast("io.BufferedReader", stream).read1, PIECE), b"")  # waits where nothing is there
        stream = stream_of(transcoded(as_it_comes, options.encoding, name))
    rewriter = Rewriter(options)
    lines = Lines(lambda: rewriter(stream.readline()))
    options = with_delimiter(options, rewriter.given)
    _check_text(lines.head, name)
    syntax = _syntax(lines.head.removeprefix(BOM), name, options)
    return FollowedTable(lines, name, syntax, None, options=options, notices=Notices(warn, for_fit=False))


def _stdin() -> IO[bytes]:
    if sys.stdin is None:
        raise UnusableFileError("standard input is closed. Name a file, or write to it: ... | lr-infer MODEL -")
    return sys.stdin.buffer


def _syntax(head: bytes, name: str, options: TableOptions) -> Syntax:
    if options.format == "csv":
        return CsvSyntax(options)
    if _JSON_ARRAY.match(head):
        raise TableError(
            f"{name} line 1: a JSON array; expected JSON lines, one object a line. Try: jq -c '.[]' FILE > FILE.jsonl"
        )
    is_lines = options.format == "jsonl" or head.lstrip()[:1] == b"{"
    return JsonLinesSyntax(options) if is_lines else CsvSyntax(options)


def _stream(path: str, name: str, *, once: bool) -> tuple[Opener, int | None]:
    """Return what opens the bytes of a file at their start, and how many there are."""
    if is_remote(path):
        with remote.opened(path) as stream:
            return partial(remote.opened, path), stream.seek(0, io.SEEK_END)
    if path != STDIN and (_is_regular(path) or not Path(path).exists()):
        return partial(opened_file, path), Path(path).stat().st_size
    # Standard input, and pipes that the shell gives a path: <(command)
    stream = _stdin() if path == STDIN else Path(path).open("rb")  # noqa: SIM115 - as long as the table is
    opener = passing(stream, name, BLOCK_BYTES) if once else kept(stream)
    if path != STDIN:
        weakref.finalize(opener, stream.close)
    return opener, None


def _is_regular(path: str) -> bool:
    return path != STDIN and (is_remote(path) or Path(path).is_file())


def _head(opener: Opener) -> bytes:
    with opener() as stream:
        return stream.read(_HEAD_BYTES)
