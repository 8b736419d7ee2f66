"""Tables as they come: generated ones with every sort of bad cell, held against a slow reader that knows each cell.

Each cell is made with what it is, so that the reader here decides nothing by looking at text: a number and its value, a
missing value, text, or a number in another dress. What a fit must do follows by counting.
"""

from __future__ import annotations

import csv
import io
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pytest

from lr_runtime.errors import TableError
from lr_runtime.tables import TableOptions, sample
from lr_runtime.tables.text import fast
from lr_runtime.tables.text import table as text
from lr_trainer.choices import FitOptions
from lr_trainer.rows.reading import Rows
from lr_trainer.rows.roles import Missing, roles_of
from lr_trainer.rows.sources import opened
from tests.runtime.tables.reading import arrow, folder_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from lr_runtime.tables import Table

FIRST_ROWS = 30
TABLES, GROUPS = 360, 12

WORDS = ["north", "south", "x", "bad", "A1", "n.d.", "see note", "B-52"]
MISSING = ["", "NA", "NaN", "null", "-"]
DRESSED = ["5%", "$5", "5 kg", "1.5D+01", "(4.0)", "'4.0", "1,000.5", '="1.5"', "<0.5", "12:30"]
NUMBERS = ["0", "-1.5", "2e3", "+7", "007", ".5", "true", "1e-300"]
VALUES = [0.0, -1.5, 2e3, 7.0, 7.0, 0.5, 1.0, 1e-300]


@dataclass(frozen=True)
class Cell:
    written: str
    sort: str
    value: float = np.nan


def draw(random: np.random.Generator, sort: str) -> Cell:
    if sort == "number":
        at = int(random.integers(len(NUMBERS)))
        return Cell(NUMBERS[at], sort, VALUES[at])
    choices = {"missing": MISSING, "dressed": DRESSED, "text": WORDS}[sort]
    return Cell(str(random.choice(choices)), sort)


MIXTURES = (
    {"number": 1.0},
    {"number": 0.9, "missing": 0.1},
    {"text": 1.0},
    {"text": 0.8, "missing": 0.2},
    {"number": 0.97, "text": 0.03},
    {"number": 0.96, "dressed": 0.04},
    {"text": 0.97, "number": 0.03},
    {"dressed": 1.0},
    {"dressed": 0.9, "missing": 0.1},
    {"number": 0.5, "text": 0.5},
    {"missing": 1.0},
)


@dataclass(frozen=True)
class Dirty:
    """A table: its columns a, b, c, ... and a target y, cell by cell."""

    columns: dict[str, list[Cell]]

    @property
    def rows(self) -> int:
        return len(self.columns["y"])


def dirty(seed: int) -> Dirty:
    random = np.random.default_rng(seed)
    rows = int(random.integers(1, 70))
    columns = {}
    for name in ["a", "b", "c"][: int(random.integers(1, 4))]:
        mixture = MIXTURES[int(random.integers(len(MIXTURES)))]
        sorts = random.choice(list(mixture), p=list(mixture.values()), size=rows)
        columns[name] = [draw(random, str(sort)) for sort in sorts]
    columns["y"] = [draw(random, "number") for _ in range(rows)]
    return Dirty(columns)


# --- the slow reader: what a fit must make of it ---


@dataclass(frozen=True)
class Verdict:
    kind: str | None
    is_error: bool
    skips_numbers: bool = False


def verdict(cells: list[Cell], *, skips: bool) -> Verdict:
    first = [cell.sort for cell in cells[:FIRST_ROWS] if cell.sort != "missing"]
    numbers, dressed, words = (first.count(sort) for sort in ("number", "dressed", "text"))
    if dressed > numbers + words:
        return Verdict("number", is_error=True)
    if not first:
        return Verdict(None, is_error=False)
    is_number = numbers >= dressed + words
    is_mixed = numbers > 0 and dressed + words > 0
    return Verdict(
        "number" if is_number else "category", is_mixed and not skips, skips_numbers=is_mixed and not is_number
    )


def expected(table: Dirty, form: str, *, skips: bool) -> list[list[Any]] | None:
    """Return the rows that a fit reads, categories by their value, None for a missing one; None for an error."""
    found = {name: verdict(cells, skips=skips) for name, cells in table.columns.items()}
    if any(each.is_error for each in found.values()):
        return None
    read = []
    for row in range(table.rows):
        values: list[Any] = []
        for name, cells in table.columns.items():
            cell, kind = cells[row], found[name].kind
            if cell.sort == "missing":
                values.append(None)
            elif kind == "category":
                values.append("bad" if cell.sort == "number" and found[name].skips_numbers else (in_words(cell, form),))
            else:
                values.append(cell.value if cell.sort == "number" else "bad")
        if "bad" in values and not skips:
            return None
        if "bad" not in values:
            read.append(values)
    return read


def in_words(cell: Cell, form: str) -> str:
    """Return a cell as a category's value: a number that came as one is written by Python."""
    if form == "lists" and cell.sort == "number":
        return str(cell.value)
    return str(json_cell(cell)) if form == "JSON lines" else cell.written


# --- the table as it is written ---


def as_csv(table: Dirty, rows: range, *, quoting: Any) -> str:
    sink = io.StringIO()
    writer = csv.writer(sink, quoting=quoting, lineterminator="\n")
    writer.writerow(table.columns)
    writer.writerows([cells[row].written for cells in table.columns.values()] for row in rows)
    return sink.getvalue()


def json_cell(cell: Cell) -> object:
    if cell.sort == "missing":
        return None
    return cell.value if cell.sort == "number" and cell.written in {"0", "-1.5", ".5"} else cell.written


def written(table: Dirty, random: np.random.Generator, folder: Path) -> Iterator[tuple[str, Path]]:
    everything = range(table.rows)
    single = len(table.columns) == 1  # a blank line is no row, so quotes tell an empty cell from one
    quoting = csv.QUOTE_ALL if single or random.random() < 0.3 else csv.QUOTE_MINIMAL
    (folder / "t.csv").write_text(as_csv(table, everything, quoting=quoting))
    yield "one file", folder / "t.csv"
    at = sorted(int(place) for place in random.integers(0, table.rows + 1, 2))
    cuts = [range(at[0]), range(at[0], at[1]), range(at[1], table.rows)]
    parts = {f"p{number}": as_csv(table, cut, quoting=quoting) for number, cut in enumerate(cuts)}
    yield "three files", folder_of(folder / "parts", **parts)
    lines = [{name: json_cell(cells[row]) for name, cells in table.columns.items()} for row in everything]
    (folder / "t.jsonl").write_text("\n".join(json.dumps(line) for line in lines))
    yield "JSON lines", folder / "t.jsonl"
    texts = {
        name: [None if cell.sort == "missing" else cell.written for cell in cells]
        for name, cells in table.columns.items()
    }
    (folder / "t.arrow").write_bytes(arrow(pa.table({n: pa.array(t, pa.string()) for n, t in texts.items()})))
    yield "Arrow", folder / "t.arrow"


def as_lists(table: Dirty) -> dict[str, Any]:
    """Return lists as `frame[column].tolist()` gives them: numbers and text side by side, NaN where one is missing."""
    return {
        name: [float("nan") if c.sort == "missing" else c.value if c.sort == "number" else c.written for c in cells]
        for name, cells in table.columns.items()
    }


def read(table: Table, columns: list[str]) -> tuple[list[list[Any]], int] | None:
    """Return the rows that a fit reads, as `expected` does, and how many it skipped; None for an error."""
    try:
        roles = roles_of(table, FitOptions("y", columns[:-1]))
        rows = Rows(table, roles, Missing(frozenset(roles.features)))
        levels = rows.levels()
        values = np.concatenate([np.empty((0, roles.width)), *rows.arrays(levels)])
    except TableError:
        return None
    found: list[list[Any]] = []
    for row in values.tolist():
        plain: list[Any] = [None if value != value else value for value in row]  # noqa: PLR0124 - NaN
        for index, name in enumerate(roles.features):
            if name in roles.categories and plain[index] is not None:
                plain[index] = (levels[name][int(plain[index])],)
        found.append(plain)
    return found, rows.counts.rows_skipped


@pytest.mark.parametrize("group", range(GROUPS))
def test_a_fit_reads_what_the_slow_reader_reads(group: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sample, "FIRST_ROWS", FIRST_ROWS)
    outcomes = {"read": 0, "refused": 0}
    for seed in range(group, TABLES, GROUPS):
        random, table = np.random.default_rng([seed, 1]), dirty(seed)
        columns = list(table.columns)
        monkeypatch.setattr(text, "BLOCK_BYTES", int(random.choice([64, 200, 1 << 22])))
        way = str(random.choice(["pyarrow", "numpy", "neither"]))
        monkeypatch.setattr(fast, "available", lambda way=way: way == "pyarrow")
        monkeypatch.setattr(
            "lr_runtime.tables.text.fast_numpy.csv_block", lambda *_: None
        ) if way == "neither" else None
        folder = tmp_path / str(seed)
        folder.mkdir()
        files = [(form, path) for form, path in written(table, random, folder) if form != "Arrow" or way == "pyarrow"]
        for skips in (False, True):
            options = TableOptions(skips=skips)
            sources: list[tuple[str, Any]] = [*files, ("lists", as_lists(table))]
            for form, source in sources:
                rows = expected(table, form, skips=skips)
                outcomes["refused" if rows is None else "read"] += 1
                wanted = None if rows is None else (rows, table.rows - len(rows))
                assert read(opened(source, options, warn=print), columns) == wanted, (seed, form, skips)
    assert min(outcomes.values()) > 50  # both happen
