"""Opens a table of any format: by its first bytes where they tell, else by its suffix."""

from __future__ import annotations

import gzip
import io
import sys
import tempfile
from functools import partial
from pathlib import Path
from typing import IO, TYPE_CHECKING, cast

from lr_runtime.errors import MissingFileError, UnusableFileError, needs_extra
from lr_runtime.tables.csv_syntax import CsvSyntax
from lr_runtime.tables.json_syntax import JsonLinesSyntax
from lr_runtime.tables.options import TableOptions
from lr_runtime.tables.text import TextTable

if TYPE_CHECKING:
    from collections.abc import Callable

    from lr_runtime.tables.batch import Table

STDIN = "-"
_CSV_SUFFIXES = (".csv", ".tsv", ".txt")
_JSON_SUFFIXES = (".jsonl", ".ndjson")
_ARROW_SUFFIXES = (".parquet", ".pq", ".arrow", ".feather")
_ARROW_HEADS = (b"PAR1", b"ARROW1", b"\xff\xff\xff\xff")


def has_table_suffix(name: str) -> bool:
    """Whether `name` looks like a table's file name."""
    suffix = Path(name.removesuffix(".gz")).suffix.lower()
    return suffix in (*_CSV_SUFFIXES, *_JSON_SUFFIXES, *_ARROW_SUFFIXES)


def open_table(source: str | Path, options: TableOptions | None = None) -> Table:
    """Open a CSV (also gzip), JSON lines, Parquet or Arrow file, or standard input for "-".

    Raises:
        MissingFileError: there is no such file.
        TableError: it is no table; the message says what it is.
        MissingExtraError: Parquet and Arrow need pyarrow.
    """
    name = "standard input" if str(source) == STDIN else str(source)
    opener, head, size = _standard_input() if str(source) == STDIN else _file(Path(source))
    if head.startswith(_ARROW_HEADS):
        with needs_extra("tables"):
            from lr_runtime.tables.arrow import ArrowTable
        return ArrowTable(_seekable(opener) if str(source) == STDIN else opener, name)
    is_json = head.lstrip()[:1] == b"{"
    syntax = JsonLinesSyntax() if is_json else CsvSyntax(options or TableOptions())
    return TextTable(opener, name, syntax, size)


def _file(path: Path) -> tuple[Callable[[], IO[bytes]], bytes, int | None]:
    try:
        with path.open("rb") as file:
            head = file.read(64)
        if not head.startswith(b"\x1f\x8b"):
            return (lambda: path.open("rb")), head, path.stat().st_size
        with gzip.open(path) as file:
            return partial(_gunzipped, path), file.read(64), None
    except FileNotFoundError as error:
        raise MissingFileError(path, "Name a table: CSV, JSON lines, Parquet or Arrow") from error
    except (OSError, EOFError) as error:
        raise UnusableFileError(f"{path}: cannot be read ({getattr(error, 'strerror', None) or error})") from error


def _gunzipped(path: Path) -> IO[bytes]:
    return cast("IO[bytes]", gzip.open(path))


def _standard_input() -> tuple[Callable[[], IO[bytes]], bytes, None]:
    stream = cast("io.BufferedReader", sys.stdin.buffer)
    return (lambda: stream), stream.peek(64)[:64], None


def _seekable(opener: Callable[[], IO[bytes]]) -> Callable[[], IO[bytes]]:
    """Copy a stream to an unnamed temporary file: the formats that need it keep their index at the end."""
    spool = tempfile.TemporaryFile()  # noqa: SIM115 - open as long as the table is
    while chunk := opener().read(1 << 20):
        spool.write(chunk)
    return partial(_rewound, spool)


def _rewound(spool: IO[bytes]) -> IO[bytes]:
    spool.seek(0)
    return io.BufferedReader(io.FileIO(spool.fileno(), closefd=False))
