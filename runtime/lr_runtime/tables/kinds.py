"""What kind each column is of: a number or a category, told from the first rows of the table, not from its first cell.

A typed source says the kind itself. In text, a column whose cells are all numbers is a number, and one without numbers
is a category, unless its cells are numbers in another dress (`dress.py`); both together are an error, for one bad cell
must not make a category of a measured quantity. The rows are the first ones of the table, counted across its files.
"""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from lr_runtime.errors import TableError, escaped, listed
from lr_runtime.tables.sample import Cells, Sample, Sort

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

    from lr_runtime.tables.batch import ColumnKind
    from lr_runtime.tables.table import Table


MOST_ROWS_OF_UNITS = 3
"""Under the header: data loggers write units, and some the kind of the measurement, in rows of their own."""

_FEWEST_WITH_UNITS = 2
"""Columns of numbers: under one alone, a text in the first row may as well be a bad cell."""


@dataclass(frozen=True)
class Kinds:
    """The kinds of columns that have any value; `words` are the categories that hold numbers, bad cells, among text."""

    of: Mapping[str, ColumnKind]
    words: frozenset[str] = frozenset()


def kinds_of(table: Table, columns: Sequence[str], numeric: Collection[str] = ()) -> Kinds:
    """Return the kinds of columns by the first rows of a table.

    Where bad rows are skipped, what most cells of a column are is its kind.

    Args:
        table: an open one.
        columns: of it.
        numeric: those that can be nothing but numbers.

    Raises:
        TableError: a column holds both numbers and text, or numbers in another dress; the message says how many of
            each, where the first of the rarer sort is, and the ways out.
        MissingColumnError: a column is not there.
    """
    sample = Sample(columns)
    table.fill(sample)
    skips = table.options.skips
    if not skips and (units := rows_of_units(sample)):
        raise TableError(_units_said(sample, units))
    found: dict[str, ColumnKind] = {}
    for name, cells in sample.cells.items():
        if fault := fault_of(cells, skips=skips):
            instants = f"instants: --time {name}=days, as " if kind_of(cells) == "date" else ""
            way = "" if name in numeric else f". To take all as {instants}names: --category {name}"
            place = table.name if fault.place is None else fault.place()
            raise TableError(f"{place}, column {escaped(name)}: {fault.what}{way}")
        if (kind := kind_of(cells)) is not None:
            found[name] = kind
        if kind == "number" and cells.is_typed_text:
            table.notices.numbers_in_text(name)
    return _with_words(found, sample)


def first_kinds(table: Table, columns: Sequence[str]) -> Kinds:
    """Return what most cells of each column are; nothing is refused."""
    sample = Sample(columns)
    table.fill(sample)
    kinds = ((name, kind_of(cells)) for name, cells in sample.cells.items())
    return _with_words({name: kind for name, kind in kinds if kind is not None}, sample)


def _with_words(kinds: Mapping[str, ColumnKind], sample: Sample) -> Kinds:
    words = [name for name, kind in kinds.items() if kind == "category" and sample.cells[name].numbers]
    return Kinds(kinds, frozenset(words))


def kind_of(cells: Cells) -> ColumnKind | None:
    """Return what a typed source says, or what most of the cells are; None where all are missing."""
    if cells.typed:
        return min(cells.typed)
    if cells.is_disguised:
        return "date" if cells.counts["date"] > cells.counts["dressed"] else "number"
    if not (cells.numbers or cells.others):
        return None
    return "number" if cells.numbers >= cells.others else "category"


class Fault(NamedTuple):
    """What is wrong with a column: the place of a cell, None for all of it, and what to say of it."""

    place: Callable[[], str] | None
    what: str


def fault_of(cells: Cells, *, skips: bool) -> Fault | None:
    """Return what is wrong with a column; None where its kind is plain, or is that of most of its cells."""
    if cells.is_disguised:
        return _disguised(cells)
    kinds = {*cells.typed, *(["number"] if cells.numbers else []), *(["category"] if cells.others else [])}
    if cells.typed and len(kinds) > 1:
        return Fault(None, f"it is a {' in one file and a '.join(sorted(kinds))} in another. Convert one of them")
    if skips or not (cells.numbers and cells.others):
        return None
    return _both(cells)


def rows_of_units(sample: Sample) -> int:
    """Return how many rows under the header hold units or the like in place of numbers; 0 where none do."""
    numeric = [cells for cells in sample.cells.values() if cells.numbers > cells.others]
    if len(numeric) < _FEWEST_WITH_UNITS:
        return 0
    rows = 1 + max(cells.last_text for cells in numeric)
    first_number = min(cells.first["number"].row for cells in numeric)
    return rows if 0 < rows <= min(MOST_ROWS_OF_UNITS, first_number) else 0


def _units_said(sample: Sample, rows: int) -> str:
    texts = [cells.first["text"] for cells in sample.cells.values() if "text" in cells.first]
    examples = [example for example in texts if example.row < rows]
    place = min(examples, key=lambda example: example.row).place()
    which = "holds" if rows == 1 else f"and the {rows - 1} behind it hold"
    cells = listed([example.cell for example in examples], 5)
    return f"{place} {which} {cells} above numbers: is it a row of units? To leave it out: --on-error skip"


def _disguised(cells: Cells) -> Fault:
    sort: Sort = "dressed" if cells.counts["dressed"] >= cells.counts["date"] else "date"
    first, total = cells.first[sort], cells.numbers + cells.others
    assert first.why is not None, "a number is not disguised"
    edit = (
        f", for example with: sed {shlex.quote(first.why.edit)}" if first.why.edit and not cells.is_typed_text else ""
    )
    return Fault(
        first.place,
        f"{escaped(first.cell)} {first.why.what}; {cells.counts[sort]:,} of the first {total:,} cells are like it. "
        f"{first.why.way or 'Correct them'}{edit}",
    )


def _both(cells: Cells) -> Fault:
    is_other_rarer = cells.numbers >= cells.others
    sorts: Sequence[Sort] = ("text", "dressed", "date") if is_other_rarer else ("number",)
    first = min((cells.first[sort] for sort in sorts if sort in cells.first), key=lambda example: example.row)
    rarer, total = min(cells.numbers, cells.others), cells.numbers + cells.others
    what = "is a number" if first.why is None else first.why.what
    way = "" if first.why is None or not first.why.way else f". {first.why.way}"
    most = total - rarer
    one, many = ("is a number", "are numbers") if is_other_rarer else ("is text", "are text")
    said = one if most == 1 else many
    return Fault(
        first.place,
        f"{escaped(first.cell)} {what}; of the first {total:,} cells {most:,} {said} and {rarer:,} "
        f"{'is' if rarer == 1 else 'are'} not. To leave such rows out: --on-error skip{way}",
    )
