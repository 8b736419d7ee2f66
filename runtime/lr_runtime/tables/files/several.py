"""Several files as one table: the same columns by name, in any order, the rows one file after the other."""

from __future__ import annotations

import fnmatch
import glob
import os
import re
from copy import copy
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from lr_runtime.errors import (
    LinedgeError,
    MissingFileError,
    OptionError,
    TableError,
    UnusableFileError,
    escaped,
    quoted,
    shown,
)
from lr_runtime.system.remote import address_of, is_remote, objects_under
from lr_runtime.tables.cells.options import has_table_suffix
from lr_runtime.tables.pieces import pieces_of, rows_of

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

    from lr_runtime.tables.batch import Batch
    from lr_runtime.tables.sample import Sample
    from lr_runtime.tables.table import Cut, FileTable, Table

_MOST_NAMED = 3


def files_of(sources: Sequence[str | Path]) -> list[str]:
    """Return the files that paths, folders and glob patterns stand for, in order; those of one folder by name.

    Raises:
        MissingFileError: a pattern fits no file.
        TableError: a folder holds no tables.
        OptionError: a file comes twice, or a name is empty.
        UnusableFileError: a folder cannot be read.
    """
    if not all(map(str, sources)):
        raise OptionError("a table's name is empty. Is a variable of the shell not set?")
    try:
        files = [file for source in sources for file in _expanded(str(source))]
    except OSError as error:
        if isinstance(error, LinedgeError):
            raise
        raise UnusableFileError(f"{shown(error.filename or '')}: cannot be read ({error.strerror})") from error
    places = [file if is_remote(file) else os.path.realpath(file) for file in files]  # as one may have several names
    if len(set(places)) < len(files):
        twice = next(file for index, file in enumerate(files) if places[index] in places[:index])
        raise OptionError(f"{twice} comes twice: its rows would count double. Name it once")
    return files


def _expanded(source: str) -> list[str]:
    if is_remote(source):
        return _expanded_remote(address_of(source))
    path = Path(source)
    if path.is_dir():
        return _tables_in(path)
    if not glob.has_magic(source) or path.exists():
        return [source]
    found = sorted(file for file in glob.glob(source, recursive=True) if Path(file).is_file())  # noqa: PTH207 - a pattern may be absolute
    if not found:
        raise MissingFileError(source, "The pattern fits no file")
    return found


def _tables_in(folder: Path) -> list[str]:
    # Hidden files are the system's and the editors' own.
    inside = sorted(path for path in folder.iterdir() if not path.name.startswith("."))
    found = [str(path) for path in inside if path.is_file() and has_table_suffix(path.name)]
    folders = [path for path in inside if path.is_dir()]
    # Of folders in it, only those that stand for a column's values are meant: site=n, site=s.
    found = found or [file for path in folders if "=" in path.name for file in _tables_in(path)]
    if not found:
        pattern = f"{folder}/**/*.csv" if folders else f"{folder}/*"
        raise TableError(
            f"{folder}: this directory holds no tables (.csv, .tsv, .txt, .jsonl, .ndjson, .parquet, .pq, .arrow, "
            f".feather; also compressed). Name a file, or a pattern: '{pattern}'"
        )
    return found


def _expanded_remote(address: str) -> list[str]:
    """Return what `_expanded` does, of a store; in its patterns, ** is a folder as any other."""
    if (objects := objects_under(address)) == [address]:
        return objects
    folder, *magic = re.split(r"/(?=[^/]*[*?[])", address, maxsplit=1)
    parts = {each: each.removeprefix(f"{folder}/").split("/") for each in (objects_under(folder) if magic else objects)}
    pattern = [each for part in magic for each in part.split("/")]
    if pattern:
        alike = [each for each in parts if len(parts[each]) == len(pattern)]
        found = [each for each in alike if all(map(fnmatch.fnmatchcase, parts[each], pattern))]
    else:
        tables = [each for each, names in parts.items() if has_table_suffix(each) and names[-1][0] != "."]
        found = [each for each in tables if len(parts[each]) == 1]
        found = found or [each for each in tables if all("=" in part for part in parts[each][:-1])]
    if not found:
        raise MissingFileError(address, "Name a table, a folder of tables, or a pattern")
    return sorted(found, key=parts.__getitem__)


class SeveralTables:
    """Tables with the same columns, one after the other; see `Table`. TableError where one lacks or adds one."""

    def __init__(self, tables: Sequence[FileTable]) -> None:
        self._tables = tables
        self.options = tables[0].options
        self.notices = tables[0].notices
        # Where a file was cut from a larger one, pandas writes an index that the others do without.
        self.indexes = tuple(dict.fromkeys(name for table in tables for name in table.indexes))
        for table in tables[1:]:
            _check_same_columns(table, tables[0], self.indexes)
        everywhere = set[str](tables[0].names).intersection(*(table.names for table in tables))
        self.names = tuple(name for name in tables[0].names if name in everywhere)
        self.indexes = tuple(name for name in self.indexes if name in everywhere)
        named = [table.name for table in tables[:_MOST_NAMED]]
        more = len(tables) - len(named)
        self.name = ", ".join(named) + (f" and {more} more" if more else "")
        sizes = [table.size for table in tables]
        is_one_unit = len({type(table) for table in tables}) == 1
        self.size = sum(size or 0 for size in sizes) if is_one_unit and None not in sizes else None

    def fill(self, sample: Sample) -> None:
        """See `Table.fill`; the rows of the files are counted through."""
        for table in self._tables:
            if sample.left:
                table.fill(sample)

    def batches(
        self, columns: Sequence[str], categories: Sequence[str] = (), kept: Sequence[str] = ()
    ) -> Iterator[Batch]:
        """See `Table.batches`."""
        for table in self._tables:
            for batch in table.batches(columns, categories, kept):
                yield replace(batch, file=table.name)

    def count(self) -> int | None:
        """See `CutTable.count`."""
        rows = list(map(rows_of, self._tables))
        return None if None in rows else sum(count or 0 for count in rows)

    def pieces(self, cut: Cut) -> list[SeveralTables]:
        """See `CutTable.pieces`."""
        return [self._piece(piece) for table in self._tables for piece in pieces_of(table, cut)]

    def _piece(self, table: Table) -> SeveralTables:
        piece = copy(self)
        piece._tables, piece.size = [table], None if self.size is None else table.size
        return piece


def _check_same_columns(table: Table, first: Table, beside: Collection[str]) -> None:
    missing = [name for name in first.names if name not in {*table.names, *beside}]
    more = [name for name in table.names if name not in {*first.names, *beside}]
    if missing and more:
        raise TableError(
            f"{table.name} has {quoted(more[:1])} where {first.name} has {quoted(missing[:1])}; expected the same "
            f"columns in every file. Rename it, or pass --map {missing[0]}={more[0]}"
        )
    if missing or more:
        here, there = (first, table) if missing else (table, first)
        raise TableError(
            f"{there.name} has no column {escaped((missing or more)[0])}, which {here.name} has; expected the same "
            "columns in every file"
        )
