"""A table goes out as folders of files, a column's value in each folder's name: day=2024-01-01/part-0.parquet."""

from __future__ import annotations

import io
import os
from dataclasses import dataclass, field
from itertools import chain
from typing import IO, TYPE_CHECKING, cast

import numpy as np

from lr_runtime.errors import TableError, quoted
from lr_runtime.tables.batch import Coded, Kept, coded, part_of
from lr_runtime.tables.files.partitions import folder_name
from lr_runtime.tables.writing import OutputRows, Prepared, TableWriter, cell_text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from lr_runtime.tables.cells.options import TableOptions

_ROWS_AT_ONCE = 1 << 18
"""Rows that are gathered before they are dealt out: of one batch, many folders would get a few rows each."""

_MOST_FOLDERS = 10_000
"""The days of 27 years; a column with more values than that is mostly a measurement or an identifier."""


@dataclass
class FolderWriter(TableWriter):
    """Writes rows into folders, a file for each combination of values of the columns `by`, which it leaves out.

    Args:
        root: an empty folder.
        by: columns among those kept, the outermost folders first.
        begun: gives what writes a file, from what takes its bytes and its first rows.
        suffix: of the files.
        options: which cells mean a missing value.
    """

    root: Path
    by: Sequence[str]
    begun: Callable[[IO[bytes], OutputRows], TableWriter]
    suffix: str
    options: TableOptions
    _files: dict[str, tuple[_Appended, TableWriter]] = field(default_factory=dict, init=False)
    _waiting: list[OutputRows] = field(default_factory=list, init=False)

    @staticmethod
    def prepared(rows: OutputRows) -> Prepared:
        """See `TableWriter.prepared`: rows are dealt out where all of them are."""
        return cast("Prepared", rows)

    def put(self, prepared: Prepared) -> None:
        """Write rows behind those of their folders. TableError where there are too many folders."""
        rows = cast("OutputRows", prepared)
        if sum(map(len, self._waiting)) + len(rows) > _ROWS_AT_ONCE:
            self._deal_out()
        self._waiting.append(rows)

    def close(self) -> None:
        """Write what is left of all files, and have the disk hold them."""
        self._deal_out()
        for file, writer in self._files.values():
            writer.close()
            file.append(is_last=True)

    def _deal_out(self) -> None:
        waiting, self._waiting = [rows for rows in self._waiting if len(rows)], []
        for folder, part in self._parts(_joined(waiting)) if waiting else ():
            file, writer = self._file(folder, part)
            writer.write(part)
            file.append()

    def _parts(self, rows: OutputRows) -> Iterator[tuple[str, OutputRows]]:
        """Yield the rows of each folder, without the columns that it stands for."""
        texts = [_texts(rows.kept[name], self.options) for name in self.by]
        found, places = np.unique(np.stack([text.codes for text in texts]), axis=1, return_inverse=True)
        order, ends = np.argsort(places.ravel(), kind="stable"), np.cumsum(np.bincount(places.ravel()))
        left = {name: column for name, column in rows.kept.items() if name not in self.by}
        for codes, chosen in zip(found.T.tolist(), np.split(order, ends[:-1]), strict=True):
            values = (None if code < 0 else text.values[code] for text, code in zip(texts, codes, strict=True))
            yield "/".join(map(folder_name, self.by, values)), _some(OutputRows(left, rows.results, rows.empty), chosen)

    def _file(self, folder: str, first: OutputRows) -> tuple[_Appended, TableWriter]:
        if folder not in self._files:
            if len(self._files) == _MOST_FOLDERS:
                raise TableError(
                    f"--partition-by: {quoted(self.by)} would make more than {_MOST_FOLDERS:,} folders. Name a column "
                    "of fewer values"
                )
            (self.root / folder).mkdir(parents=True)
            file = _Appended(self.root / folder / f"part-0{self.suffix}")
            self._files[folder] = file, self.begun(file, first)
        return self._files[folder]


class _Appended(io.BytesIO):
    """What is still to be appended to a file, which is open only then: any number are written side by side."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self._path = path

    def append(self, *, is_last: bool = False) -> None:
        """Append what was written; the last time, have the disk hold all of the file."""
        with self._path.open("ab") as file:
            file.write(self.getvalue())
            if is_last:
                file.flush()
                os.fsync(file.fileno())
        self.seek(0)
        self.truncate()


def _texts(column: Kept, options: TableOptions) -> Coded:
    """Return what the values of a column are called."""
    if isinstance(column, list):
        return coded(None if cell is None else options.text(cell_text(cell)) for cell in column)
    from lr_runtime.tables.arrow.memory import as_texts

    texts = as_texts(column)
    return texts.without({code for code, text in enumerate(texts.values) if options.text(text) is None})


def _joined(batches: Sequence[OutputRows]) -> OutputRows:
    first = batches[0]
    kept = {name: _end_to_end(name, [batch.kept[name] for batch in batches]) for name in first.kept}
    results = {name: np.concatenate([batch.results[name] for batch in batches]) for name in first.results}
    empty = np.concatenate([np.zeros(len(each), bool) if each.empty is None else each.empty for each in batches])
    return OutputRows(kept, results, empty if empty.any() else None)


def _end_to_end(name: str, columns: Sequence[Kept]) -> Kept:
    if all(isinstance(column, list) for column in columns):
        return list(chain.from_iterable(columns))
    from lr_runtime.tables.arrow.writing import end_to_end

    return end_to_end(name, columns)


def _some(rows: OutputRows, chosen: NDArray[np.intp]) -> OutputRows:
    kept = {name: part_of(column, chosen) for name, column in rows.kept.items()}
    results = {name: values[chosen] for name, values in rows.results.items()}
    empty = None if rows.empty is None or not rows.empty[chosen].any() else rows.empty[chosen]
    return OutputRows(kept, results, empty)
