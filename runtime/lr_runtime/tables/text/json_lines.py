"""JSON lines: one object a line, the same keys in every one of them."""

from __future__ import annotations

import json
import math
from itertools import islice
from typing import TYPE_CHECKING

from lr_runtime.errors import escaped
from lr_runtime.tables.cells.options import NotANumberError, TableOptions
from lr_runtime.tables.text.syntax import LineError, Parsed, Record, Text, first_bytes

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from lr_runtime.tables.batch import Cell


_MOST_PATHS = 4


class JsonLinesSyntax:
    """JSON lines; the first object names the columns. See `Syntax`."""

    def __init__(self, options: TableOptions) -> None:
        self._options = options
        self.beside: dict[str, tuple[str, ...]] = {}
        """See `Syntax.beside`: the keys that lead to each value inside the first object's objects, by its name a.b."""

    def header(self, text: str) -> tuple[tuple[str, ...], int]:
        """See `Syntax.header`."""
        line, first = next(self._objects(text, 1))
        if isinstance(first, LineError):
            raise first
        if not first:
            raise LineError(line, "the first object has no keys: they name the columns")
        self.beside = {name: keys for keys in _paths(first) if (name := ".".join(keys)) not in first}
        return (*first, *self.beside), 0

    def records(self, text: str, names: Sequence[str], line: int) -> Iterator[Record]:
        """See `Syntax.records`; a key that is absent counts as a missing value."""
        known = set(names).difference(self.beside)
        for at, record in self._objects(text, line):
            if isinstance(record, LineError):
                yield at, record
            elif unknown := [key for key in record if key not in known]:
                said = f"the key {escaped(unknown[0])} is not in the first object. Give that all keys, null where empty"
                yield at, LineError(at, said)
            else:
                yield at, self._cells(record, names, at)

    def _cells(self, record: dict[str, object], names: Sequence[str], line: int) -> list[object] | LineError:
        cells = []
        for name in names:
            value: object = record
            for key in self.beside.get(name, (name,)):
                if value is not None and not isinstance(value, dict):
                    seen = escaped(json.dumps(value))
                    return LineError(line, f"{escaped(name)} leads through {seen}, an object in the first line")
                value = None if value is None else value.get(key)
            cells.append(_Object(name, value) if isinstance(value, dict) else value)
        return cells

    def _objects(self, text: str, first_line: int) -> Iterator[tuple[int, dict[str, object] | LineError]]:
        for line, content in enumerate(text.split("\n"), first_line):
            if not content.strip():
                continue
            try:
                record = json.loads(content, object_pairs_hook=unique)
                if "\\ud" in content or "\\uD" in content:
                    json.dumps(record, ensure_ascii=False).encode()  # half a surrogate pair is no text
            except (ValueError, RecursionError) as error:
                yield line, LineError(line, f"not a JSON object ({error}). Write one object a line")
                continue
            if isinstance(record, dict):
                yield line, record
            else:
                said = f"{escaped(content.strip())} is not a JSON object. Write one object a line"
                yield line, LineError(line, said)

    def number(self, cell: object) -> float:
        """See `Syntax.number`: numbers, also in quotes, booleans and null; NaN, as Python writes it, is missing."""
        if isinstance(cell, str):
            return self._options.number(cell)
        if cell is None:
            return math.nan
        if isinstance(cell, bool):
            return float(cell)
        if not isinstance(cell, int | float):
            raise _not_plain(cell)
        try:
            value = float(cell)
        except OverflowError:
            value = math.inf
        if math.isinf(value):
            raise NotANumberError("is not a finite number, or beyond the range of float64", sort="dressed")
        return math.nan if value in self._options.missing_numbers else value

    def text(self, cell: object) -> str | None:
        """See `Syntax.text`: text, and numbers as they are written."""
        if isinstance(cell, dict | list):
            raise _not_plain(cell)
        if cell is None or (isinstance(cell, float) and math.isnan(cell)):
            return None
        text = str(cell)  # in Python's spelling, True and 1.0, as frames are predicted
        return None if not text or text in self._options.missing else text

    def integer(self, cell: object) -> int | None:
        """See `Syntax.integer`."""
        if isinstance(cell, str):
            return self._options.integer(cell)
        return cell if isinstance(cell, int) and not isinstance(cell, bool) else None

    def last_record_end(self, block: Text) -> int:
        """See `Syntax.last_record_end`."""
        return block.rfind(b"\n") + 1

    def rows(self, block: Text) -> int | None:
        """See `Syntax.rows`: a line that is blank is none."""
        first = first_bytes(block)
        return len(first) if (first == ord("{")).all() else None

    def fast(self, *_: object) -> Parsed | None:
        """See `Syntax.fast`: always declines."""
        return None  # pyarrow's JSON parser (26.0) takes the process down on a line `null` and on deep nesting


class _Object(dict[str, object]):
    """An object in a cell, written as JSON writes it, and the name of its column."""

    def __init__(self, name: str, content: dict[str, object]) -> None:
        super().__init__(content)
        self.name = name

    def __str__(self) -> str:
        return json.dumps(self, ensure_ascii=False)


def _paths(record: dict[str, object]) -> Iterator[tuple[str, ...]]:
    """Yield the keys that lead to each value inside of objects, depth first."""
    waiting: list[tuple[tuple[str, ...], object]] = [((key,), value) for key, value in reversed(record.items())]
    while waiting:
        keys, value = waiting.pop()
        if isinstance(value, dict):
            waiting += [((*keys, key), inside) for key, inside in reversed(value.items())]
        elif len(keys) > 1:
            yield keys


def _not_plain(cell: Cell) -> NotANumberError:
    if isinstance(cell, _Object):
        paths = list(map(".".join, islice(_paths({cell.name: cell}), _MOST_PATHS)))
        way = f"Name what is in it by its path: --features {','.join(paths)}" if paths else "Leave it out with --ignore"
        return NotANumberError("is an object", way)
    return NotANumberError(f"is an array of {len(cell)}", "Give each of its values a key of its own")


def unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
    """Return an object of JSON; a key that stands twice is a ValueError."""
    record = dict(pairs)
    if len(record) < len(pairs):
        raise ValueError("a key stands twice")
    return record
