"""JSON lines: one object a line, the same keys in every one of them."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any

from lr_runtime.errors import escaped
from lr_runtime.tables.options import NotANumberError
from lr_runtime.tables.text import LineError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from lr_runtime.tables.options import TableOptions
    from lr_runtime.tables.text import Parsed, Record, Text


class JsonLinesSyntax:
    """JSON lines; the first object names the columns. See `Syntax`."""

    def __init__(self, options: TableOptions) -> None:
        self._options = options

    def header(self, text: str) -> tuple[tuple[str, ...], int]:
        """See `Syntax.header`."""
        line, first = next(self._objects(text, 1))
        if isinstance(first, LineError):
            raise first
        if not first:
            raise LineError(line, "the first object has no keys: they name the columns")
        return tuple(first), 0

    def records(self, text: str, names: Sequence[str], line: int) -> Iterator[Record]:
        """See `Syntax.records`; a key that is absent counts as a missing value."""
        known = set(names)
        for at, record in self._objects(text, line):
            if isinstance(record, LineError):
                yield at, record
            elif unknown := [key for key in record if key not in known]:
                said = f"the key {escaped(unknown[0])} is not in the first object. Give that all keys, null where empty"
                yield at, LineError(at, said)
            else:
                yield at, [record.get(name) for name in names]

    def _objects(self, text: str, first_line: int) -> Iterator[tuple[int, dict[str, Any] | LineError]]:
        for line, content in enumerate(text.split("\n"), first_line):
            if not content.strip():
                continue
            try:
                record = json.loads(content, object_pairs_hook=_unique)
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

    def number(self, cell: Any) -> float:
        """See `Syntax.number`: numbers, also in quotes, booleans and null; NaN, as Python writes it, is missing."""
        if isinstance(cell, str):
            return self._options.number(cell)
        if cell is None:
            return math.nan
        if isinstance(cell, bool):
            return float(cell)
        if not isinstance(cell, int | float):
            raise NotANumberError("is not a number")
        try:
            value = float(cell)
        except OverflowError:
            value = math.inf
        if math.isinf(value):
            raise NotANumberError("is not a finite number, or beyond the range of float64", sort="dressed")
        return math.nan if value in self._options.missing_numbers else value

    def text(self, cell: Any) -> str | None:
        """See `Syntax.text`: text, and numbers as they are written."""
        if isinstance(cell, dict | list):
            raise NotANumberError("is neither text nor a number")
        if cell is None or (isinstance(cell, float) and math.isnan(cell)):
            return None
        text = cell if isinstance(cell, str) else json.dumps(cell)
        return None if not text or text in self._options.missing else text

    def integer(self, cell: Any) -> int | None:
        """See `Syntax.integer`."""
        if isinstance(cell, str):
            return self._options.integer(cell)
        return cell if isinstance(cell, int) and not isinstance(cell, bool) else None

    def last_record_end(self, block: Text) -> int:
        """See `Syntax.last_record_end`."""
        return block.rfind(b"\n") + 1

    def fast(self, *_: object) -> Parsed | None:
        """See `Syntax.fast`: always declines."""
        return None  # pyarrow's JSON parser (26.0) takes the process down on a line `null` and on deep nesting

    def fast_cells(self, *_: object) -> None:
        """See `Syntax.fast_cells`: always declines."""


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    record = dict(pairs)
    if len(record) < len(pairs):
        raise ValueError("a key stands twice")
    return record
