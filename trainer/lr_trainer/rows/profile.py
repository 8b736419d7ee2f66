"""The profile of a table, without a fit: columns, kinds, missing values, ranges, bad cells."""

from __future__ import annotations

import warnings
from collections import Counter
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from lr_runtime.errors import TableError, escaped, shown
from lr_runtime.system.text import composed
from lr_runtime.tables import Batch, ColumnKind, Table, TableOptions, place_of
from lr_runtime.tables.kinds import Kinds, first_kinds
from lr_runtime.tables.table import positions
from lr_trainer.rows.blocks import in_blocks
from lr_trainer.rows.reading import numbers_among
from lr_trainer.rows.sources import Source, opened
from lr_trainer.rows.survey import survey

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from lr_runtime.system.text import Json
    from lr_trainer.arithmetic.arrays import Array

_MOST_CATEGORIES = 20
_MOST_DISTINCT = 100_000
"""Bounds the memory that a column of identifiers takes."""


@dataclass(frozen=True)
class ColumnLook:
    """The profile of a column.

    `minimum`, `maximum` and `mean` are those of a numeric column's values, None without values; `categories` are the
    first values of a category or date column in sorted order, and `distinct` is their number, None above 100,000, where
    no more are collected. `bad` counts the cells that cannot be read; `first_bad` is the place and the fault of the
    first one. `unusable` says why no value of a column can be read, None for a readable column.
    """

    name: str
    kind: ColumnKind
    missing: int = 0
    minimum: float | None = None
    maximum: float | None = None
    mean: float | None = None
    distinct: int | None = None
    categories: tuple[str, ...] = ()
    bad: int = 0
    first_bad: str | None = None
    unusable: str | None = None

    def line(self) -> str:
        """Return the column's line of a table for people."""
        said = f"{shown(self.name)}: {self._held()}"
        return f"{said}; {_counted(self.bad, 'bad cell')}, the first: {self.first_bad}" if self.bad else said

    def _held(self) -> str:
        missing = f", {self.missing} missing" if self.missing else ""
        if self.unusable is not None:
            return f"cannot be used ({self.unusable})"
        if self.kind == "category":
            is_many = self.distinct is None
            more = ", ..." if is_many or (self.distinct or 0) > len(self.categories) else ""
            count = f"over {_MOST_DISTINCT:,}" if is_many else self.distinct
            return f"category of {count}{missing}: {', '.join(map(shown, self.categories))}{more}"
        if self.kind == "date":
            first = f": {shown(self.categories[0])}, ..." if self.categories else ""
            return f"dates{missing}{first} (to use them: --time {shown(self.name)}=days)"
        if self.minimum is None:
            return f"no values{missing}"
        return f"number from {self.minimum!r} to {self.maximum!r}{missing}"


@dataclass(frozen=True)
class Look:
    """The profile of a table.

    `malformed` counts the rows whose cells do not match the header; `first_malformed` is the place and the fault of the
    first one. `stopped` is the error that ended the reading, after `rows` rows, None at the end of the table.
    """

    rows: int
    columns: tuple[ColumnLook, ...]
    malformed: int = 0
    first_malformed: str | None = None
    stopped: str | None = None

    def to_json(self) -> dict[str, Json]:
        """Return JSON values."""
        return asdict(self)

    def lines(self) -> Iterator[str]:
        """Yield the lines of a table for people."""
        malformed = f"; {self.malformed} malformed, the first: {self.first_malformed}" if self.malformed else ""
        yield f"{_counted(self.rows, 'row')}{malformed}"
        yield from (column.line() for column in self.columns)


def look(
    source: Source,
    category: Sequence[str] = (),
    *,
    options: TableOptions | None = None,
    warn: Callable[[str], None] = warnings.warn,
) -> Look:
    """Take one pass over all columns, in which bad cells and malformed rows are counted and are no error.

    `source`, `options` and `warn` are those of `lr_trainer.fit`. An open table counts them only if it was opened with
    `TableOptions.marks`.

    Returns:
        The profile of the table: the number of rows, and of each column its kind, range, missing values and bad cells.

    Raises:
        TableError: the table cannot be opened.
        MissingColumnError: a column of `category` is not there.

    Example:
        >>> profile = look({"x": [1.0, 2.0, float("nan")], "site": ["north", "south", "north"]})
        >>> [(column.name, column.kind, column.missing) for column in profile.columns]
        [('x', 'number', 1), ('site', 'category', 0)]
    """
    table = opened(source, replace(options or TableOptions(), marks=True), warn)
    category = list(map(composed, category))
    positions(table, category)
    kinds = _kinds_of(table, category)
    seen = _Seen(table, kinds, {})
    if seen.stopped is not None and not seen.rows and (unusable := _unusable(table, kinds.of)):
        seen = _Seen(table, kinds, unusable)
    return seen.look()


def _kinds_of(table: Table, category: Sequence[str]) -> Kinds:
    """Return the kind of most cells of every column, a number where no cell shows a kind."""
    try:
        found = first_kinds(table, table.names)
    except TableError:  # the pass over the rows meets the same error, and reports it
        found = Kinds({})
    kinds = {name: found.of.get(name, "number") for name in table.names}
    return Kinds({**kinds, **dict.fromkeys(category, "category")}, found.words - set(category))


def _unusable(table: Table, kinds: Mapping[str, ColumnKind]) -> dict[str, str]:
    """Return why a column's type, such as a list, has no readable values, by column; empty if no column has any."""
    found = {}
    for name, kind in kinds.items():
        try:
            next(iter(table.batches(*([[name], []] if kind == "number" else [[], [name]]))), None)
        except TableError as error:
            found[name] = str(error)
    return found if len(found) < len(kinds) else {}


class _Seen:
    """The findings of one pass over the readable columns."""

    def __init__(self, table: Table, kinds: Kinds, unusable: Mapping[str, str]) -> None:
        self.rows = 0
        self.stopped: str | None = None
        self._table = table
        self._kinds = kinds
        self._unusable = unusable
        self._numbers = [name for name, kind in kinds.of.items() if kind == "number" and name not in unusable]
        self._texts = {name: set[str]() for name, kind in kinds.of.items() if kind != "number" and name not in unusable}
        self._missing = dict.fromkeys(self._texts, 0)
        self._bad = Counter[str]()
        self._first: dict[str, str] = {}
        self._malformed = 0
        self._first_malformed: str | None = None
        self._survey = survey(in_blocks(self._values(), len(self._numbers)), len(self._numbers))

    def _values(self) -> Iterator[Array]:
        try:
            for batch in self._table.batches(self._numbers, list(self._texts)):
                self.rows += len(batch.values)
                infinite = np.isinf(batch.values)
                cells = dict(batch.bad)
                cells |= {(row, self._numbers[at]): "is not finite" for row, at in np.argwhere(infinite).tolist()}
                for name, column in zip(self._texts, batch.categories, strict=True):
                    numbers = numbers_among(column, name, self._table.options) if name in self._kinds.words else {}
                    cells |= {(row, name): fault for row, fault in numbers.items()}
                    if len(self._texts[name]) <= _MOST_DISTINCT:
                        self._texts[name].update(column.without(set(column.codes[list(numbers)].tolist())).values)
                    self._missing[name] += int(np.count_nonzero(column.codes < 0)) + len(numbers)
                self._take_bad(batch, cells)
                yield np.where(infinite, np.nan, batch.values) if infinite.any() else batch.values
        except TableError as error:
            self.stopped = str(error)

    def _take_bad(self, batch: Batch, cells: Mapping[tuple[int, str], str]) -> None:
        for (row, name), fault in cells.items():
            self._bad[name] += 1
            if name not in self._first:
                what = fault.removeprefix(f"column {escaped(name)}: ")
                self._first[name] = f"{place_of(self._table, batch, row)}, {what}"
        for row in sorted(batch.faults.keys() - {row for row, _ in batch.bad}):
            self._malformed += 1
            self._first_malformed = self._first_malformed or f"{place_of(self._table, batch, row)}, {batch.faults[row]}"

    def look(self) -> Look:
        """Return the profile of the table."""
        columns = [self._column(name) for name in self._table.names]
        return Look(self.rows, tuple(columns), self._malformed, self._first_malformed, self.stopped)

    def _column(self, name: str) -> ColumnLook:
        bad = self._bad[name]
        look = ColumnLook(name, self._kinds.of[name], bad=bad, first_bad=self._first.get(name))
        if name in self._unusable:
            return replace(look, unusable=self._unusable[name])
        if name in self._texts:
            values, missing = self._texts[name], self._missing[name] - self._malformed - bad
            distinct = len(values) if len(values) <= _MOST_DISTINCT else None
            first = tuple(sorted(values)[:_MOST_CATEGORIES])
            return replace(look, missing=missing, distinct=distinct, categories=first)
        place, seen = self._numbers.index(name), self._survey
        count = int(seen.count[place])
        look = replace(look, missing=self.rows - count - self._malformed - bad)
        if not count:
            return look
        low, high, mean = (float(each[place]) for each in (seen.minimum, seen.maximum, seen.mean))
        return replace(look, minimum=low, maximum=high, mean=mean)


def _counted(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"
