"""Columns that stand in the names of folders, as Hive and its followers write them: site=n/year=2026/part-0.parquet."""

from __future__ import annotations

from copy import copy
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote

import numpy as np

from lr_runtime.errors import TableError, escaped
from lr_runtime.tables.batch import Batch, Coded, ColumnKind
from lr_runtime.tables.cells.options import NotANumberError, TableOptions, is_date
from lr_runtime.tables.pieces import pieces_of, rows_of
from lr_runtime.tables.sample import Sample
from lr_runtime.tables.table import Cut, FileTable, positions

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    Values = dict[str, str | None]

_MISSING = "__HIVE_DEFAULT_PARTITION__"


def values_of(path: str) -> Values:
    """Return the columns that the folders of a path give, in order; None for a missing value."""
    folders = (folder.partition("=") for folder in Path(path).parts[:-1])
    return {unquote(key): None if value == _MISSING else unquote(value) for key, equals, value in folders if equals}


def folder_name(name: str, value: str | None) -> str:
    """Return the folder of the rows that have a value; None is a missing one.

    ASCII that is no letter, digit, ".", "-" or "_" is written as %XX, which every reader of such folders undoes. All
    else stays: Spark takes the bytes of UTF-8, were they so written, for a character each.
    """
    return f"{_quoted(name)}={_MISSING if value is None else _quoted(value)}"


def _quoted(text: str) -> str:
    plain = (letter.isalnum() or letter in ".-_" or not letter.isascii() for letter in text)
    return "".join(each if stays else f"%{ord(each):02X}" for each, stays in zip(text, plain, strict=True))


def with_partitions(tables: Sequence[FileTable], values: Sequence[Values], options: TableOptions) -> list[FileTable]:
    """Return the tables with the columns that their folders give, but for those that the files hold themselves.

    A column with one value in all files is no feature unless it is asked for by name. Its kind is told by all its
    values, for all of them are known.
    """
    texts: dict[str, set[str | None]] = {}
    for each in values:
        for name, value in each.items():
            texts.setdefault(name, set()).add(value)
    new = dict(zip(texts, texts, strict=True)) | {old: name for name, old in options.renames}
    kinds = {new[name]: _kind(found, options) for name, found in texts.items()}
    alike = [new[name] for name, found in texts.items() if len(found) == 1 and all(name in each for each in values)]
    partitioned: list[FileTable] = []
    for table, each in zip(tables, values, strict=True):
        own = {new[name]: value for name, value in each.items() if name not in table.names}
        partitioned.append(PartitionedTable(table, own, kinds, alike))
    return partitioned


def _kind(values: set[str | None], options: TableOptions) -> ColumnKind:
    texts = [text for value in values if value is not None and (text := options.text(value)) is not None]
    if all(map(options.is_number, texts)):
        return "number"
    return "date" if all(map(is_date, texts)) else "category"


class PartitionedTable:
    """A table with columns that have one value in all its rows; see `Table`. `kinds` are what all files together tell
    of these, `alike` those that have the same value in all files.
    """

    def __init__(self, table: FileTable, values: Values, kinds: Mapping[str, ColumnKind], alike: Sequence[str]) -> None:
        self.name, self.size, self.options, self.notices = table.name, table.size, table.options, table.notices
        self._table, self._values, self._kinds = table, values, kinds
        self.names = (*table.names, *values)
        self.indexes = (*table.indexes, *(name for name in alike if name in values))

    def fill(self, sample: Sample) -> None:
        """See `Table.fill`."""
        positions(self, list(sample.cells))
        inner = Sample(())
        inner.cells = {name: cells for name, cells in sample.cells.items() if name not in self._values}
        inner.rows = sample.rows
        self._table.fill(inner)
        sample.rows = inner.rows
        for name in self._values:
            if name in sample.cells:
                sample.cells[name].typed.add(self._kinds[name])

    def batches(
        self, columns: Sequence[str], categories: Sequence[str] = (), kept: Sequence[str] = ()
    ) -> Iterator[Batch]:
        """See `Table.batches`."""
        positions(self, wanted := [*columns, *categories, *kept])
        if not set(self.indexes) <= {*wanted, *self._table.indexes}:
            self.notices.passed_over(self, self.names, self.indexes, wanted)
        groups = ([name for name in group if name not in self._values] for group in (columns, categories, kept))
        for batch in self._table.batches(*groups):
            yield self._joined(batch, columns, categories, kept)

    def count(self) -> int | None:
        """See `CutTable.count`."""
        return rows_of(self._table)

    def pieces(self, cut: Cut) -> list[PartitionedTable]:
        """See `CutTable.pieces`."""
        return list(map(self._piece, pieces_of(self._table, cut)))

    def _piece(self, table: FileTable) -> PartitionedTable:
        piece = copy(self)
        piece._table, piece.size = table, table.size
        return piece

    def _joined(self, batch: Batch, columns: Sequence[str], categories: Sequence[str], kept: Sequence[str]) -> Batch:
        rows, texts, cells = len(batch.values), iter(batch.categories), iter(batch.kept)
        return replace(
            batch.with_numbers(columns, {name: self._number(name) for name in columns if name in self._values}),
            categories=tuple(self._coded(name, rows) if name in self._values else next(texts) for name in categories),
            kept=tuple([self._values[name]] * rows if name in self._values else next(cells) for name in kept),
        )

    def _number(self, name: str) -> float:
        value = self._values[name]
        try:
            return np.nan if value is None else self.options.number(value)
        except NotANumberError as error:
            raise TableError(f"{self.name}, column {escaped(name)}: {escaped(value or '')} {error}") from error

    def _coded(self, name: str, rows: int) -> Coded:
        value = self._values[name]
        text = None if value is None else self.options.text(value)
        return Coded(np.full(rows, -1 if text is None else 0), () if text is None else (text,))
