"""What every reader is: a table that is open, read in passes, batch by batch."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple, Protocol, runtime_checkable

import numpy as np

from lr_runtime.errors import MissingColumnError, TableError, escaped
from lr_runtime.tables.batch import Batch, place_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from lr_runtime.tables.cells.options import TableOptions
    from lr_runtime.tables.notices import Notices
    from lr_runtime.tables.sample import Sample


class Table(Protocol):
    """A table that is open: its columns' names, and its rows as often as it can be read.

    Attributes:
        name: what messages call it.
        names: those of all columns that can be asked for.
        indexes: those of `names` that tell rows apart, and are no features unless they are asked for by name.
        size: how much there is to read, None where unknown; see `Batch.size`.
    """

    name: str
    names: tuple[str, ...]
    indexes: tuple[str, ...]
    size: int | None
    options: TableOptions
    notices: Notices

    def fill(self, sample: Sample) -> None:
        """Add the first rows to a sample, as many as it has room for.

        Raises:
            MissingColumnError: a column of the sample is not there.
        """
        ...

    def batches(
        self, columns: Sequence[str], categories: Sequence[str] = (), kept: Sequence[str] = ()
    ) -> Iterator[Batch]:
        """Read the rows of the numeric `columns` and of the `categories`, in that order, in bounded memory.

        The columns `kept` come along as they stand in the table.

        Raises:
            TableError: a row is ragged or a cell is no number; the message has the file, the line and the column.
        """
        ...


class Cut(NamedTuple):
    """How large the pieces of a table are at least, where it goes on behind them: `text` in bytes, Parquet in `rows`.

    A piece of text takes a fifth of a second, against which to begin one costs nothing. Of row groups that are smaller,
    several are read as one, whether or not the table is cut.
    """

    text: int = 32 << 20
    rows: int = 1 << 18


@runtime_checkable
class CutTable(Table, Protocol):
    """A table that may be cut into consecutive pieces, each a table; it can be pickled where it is one of files."""

    def count(self) -> int | None:
        """Return how many rows it has, bad ones among them; None where only reading them as rows would tell."""
        ...

    def pieces(self, cut: Cut) -> Sequence[Table]:
        """Return the pieces; the table alone where it cannot be cut."""
        ...


FileTable = Table  # as it was called where only files had columns to keep


def positions(table: Table, columns: Sequence[str]) -> list[int]:
    """Return where `columns` stand among the names of a table.

    Raises:
        MissingColumnError: some of them are not there.
    """
    places = {name: place for place, name in enumerate(table.names)}
    if missing := [name for name in columns if name not in places]:
        raise MissingColumnError(table.name, missing, table.names)
    return [places[name] for name in columns]


def without_faults(table: Table, batch: Batch, columns: Sequence[str]) -> Batch:
    """Return the rows that have no fault and whose numbers are finite or missing. Where the table skips bad rows, what
    is wrong with each is said; otherwise they raise TableError.
    """
    faults = dict(batch.faults)
    if not batch.is_full:
        for row, index in np.argwhere(np.isinf(batch.values)).tolist():
            faults.setdefault(row, f"column {escaped(columns[index])}: the value is not finite")
    if not faults:
        return batch
    for row, fault in sorted(faults.items()):
        said = f"{place_of(table, batch, row)}, {fault}"
        if not table.options.skips:
            raise TableError(said)
        table.notices.skipped(said)
    good = np.setdiff1d(np.arange(len(batch.values)), list(faults))
    return replace(batch.rows(good), skipped=batch.skipped + len(faults))
