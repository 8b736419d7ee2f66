"""A look at a table without fitting it: columns, kinds, missing values, ranges."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from lr_runtime.errors import shown
from lr_runtime.tables.kinds import first_kinds
from lr_trainer.blocks import in_blocks
from lr_trainer.survey import survey

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from lr_runtime.tables import ColumnKind, Table

_MOST_CATEGORIES = 20
_MOST_DISTINCT = 100_000


@dataclass(frozen=True)
class ColumnLook:
    """What a column holds.

    `minimum`, `maximum` and `mean` are those of a numeric column's values, None where there are none; `categories` the
    first of a category's or date's values in sorted order, and `distinct` how many there are; None where they are over
    100,000, of which that many are looked at.
    """

    name: str
    kind: ColumnKind
    missing: int
    minimum: float | None = None
    maximum: float | None = None
    mean: float | None = None
    distinct: int | None = None
    categories: tuple[str, ...] = ()


@dataclass(frozen=True)
class Look:
    """What a table holds."""

    rows: int
    columns: tuple[ColumnLook, ...]

    def to_json(self) -> dict[str, Any]:
        """Return JSON values."""
        return asdict(self)

    def lines(self) -> Iterator[str]:
        """Yield the lines of a table for people."""
        yield f"{self.rows} rows"
        for column in self.columns:
            name, categories = shown(column.name), ", ".join(map(shown, column.categories))
            missing = f", {column.missing} missing" if column.missing else ""
            is_many = column.distinct is None
            more = ", ..." if is_many or (column.distinct or 0) > len(column.categories) else ""
            count = f"over {_MOST_DISTINCT:,}" if is_many else column.distinct
            if column.kind == "category":
                yield f"{name}: category of {count}{missing}: {categories}{more}"
            elif column.kind == "date":
                first = f": {shown(column.categories[0])}, ..." if column.categories else ""
                yield f"{name}: dates{missing}{first} (write them as numbers to use them)"
            elif column.minimum is None:
                yield f"{name}: no values{missing}"
            else:
                yield f"{name}: number from {column.minimum!r} to {column.maximum!r}{missing}"


def look(table: Table, category: Sequence[str] = ()) -> Look:
    """Take one pass over all columns.

    Raises:
        TableError: a cell of a numeric column is no number, or a row is ragged.
        MissingColumnError: a column of `category` is not there.
    """
    kinds: dict[str, ColumnKind] = {**first_kinds(table, table.names), **dict.fromkeys(category, "category")}
    numbers = [name for name in table.names if kinds.get(name, "number") == "number"]
    texts = [name for name in table.names if name not in numbers]
    found: dict[str, set[str]] = {name: set() for name in texts}
    missing = dict.fromkeys(texts, 0)
    rows = 0

    def values() -> Iterator[NDArray[np.float64]]:
        nonlocal rows
        for batch in table.batches(numbers, texts):
            rows += len(batch.values)
            for name, column in zip(texts, batch.categories, strict=True):
                if len(found[name]) <= _MOST_DISTINCT:
                    found[name].update(column.values)
                missing[name] += int(np.count_nonzero(column.codes < 0))
            yield batch.values

    seen = survey(in_blocks(values(), len(numbers)), len(numbers))
    looks = {
        name: ColumnLook(name, kinds[name], missing[name], distinct=_count(values), categories=_first(values))
        for name, values in found.items()
    }
    for place, name in enumerate(numbers):
        count = int(seen.count[place])
        looks[name] = ColumnLook(name, "number", rows - count)
        if count:
            low, high, mean = (float(each[place]) for each in (seen.minimum, seen.maximum, seen.mean))
            looks[name] = replace(looks[name], minimum=low, maximum=high, mean=mean)
    return Look(rows, tuple(looks[name] for name in table.names))


def _count(values: set[str]) -> int | None:
    return len(values) if len(values) <= _MOST_DISTINCT else None


def _first(values: set[str]) -> tuple[str, ...]:
    return tuple(sorted(values)[:_MOST_CATEGORIES])
