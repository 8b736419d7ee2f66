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

    from lr_runtime.tables.text import Parsed


class JsonLinesSyntax:
    """JSON lines; the first object names the columns. See `Syntax`."""

    def header(self, text: str) -> tuple[tuple[str, ...], int]:
        """See `Syntax.header`."""
        _, first = next(self._objects(text, 1))
        if not first:
            raise LineError(1, "the first object has no keys: they name the columns")
        return tuple(first), 0

    def records(self, text: str, names: Sequence[str], line: int) -> Iterator[tuple[int, Sequence[Any]]]:
        """See `Syntax.records`; a key that is absent counts as a missing value."""
        known = set(names)
        for at, record in self._objects(text, line):
            if unknown := [key for key in record if key not in known]:
                raise LineError(at, f"the key {escaped(unknown[0])} is not in the first object")
            yield at, [record.get(name) for name in names]

    def _objects(self, text: str, first_line: int) -> Iterator[tuple[int, dict[str, Any]]]:
        for line, content in enumerate(text.split("\n"), first_line):
            if not content.strip():
                continue
            try:
                record = json.loads(content, object_pairs_hook=_unique)
            except (ValueError, RecursionError) as error:
                raise LineError(line, f"not a JSON object ({error})") from error
            if not isinstance(record, dict):
                raise LineError(line, f"{escaped(content.strip())} is not a JSON object")
            yield line, record

    def number(self, cell: Any) -> float:
        """See `Syntax.number`: numbers and null; NaN, which Python writes for a missing value, is one too."""
        if cell is None:
            return math.nan
        if isinstance(cell, bool) or not isinstance(cell, int | float):
            raise NotANumberError("is not a number")
        try:
            value = float(cell)
        except OverflowError:
            value = math.inf
        if math.isinf(value):
            raise NotANumberError("is not a finite number, or beyond the range of float64")
        return value

    def text(self, cell: Any) -> str | None:
        """See `Syntax.text`: text, and numbers as they are written."""
        if cell is None or isinstance(cell, str):
            return cell or None
        if isinstance(cell, dict | list):
            raise NotANumberError("is neither text nor a number")
        return json.dumps(cell)

    def last_record_end(self, block: bytes) -> int:
        """See `Syntax.last_record_end`."""
        return block.rfind(b"\n") + 1

    def fast(self, *_: object) -> Parsed | None:
        """See `Syntax.fast`: always declines."""
        return None  # pyarrow's JSON parser (26.0) takes the process down on a line `null` and on deep nesting


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    record = dict(pairs)
    if len(record) < len(pairs):
        raise ValueError("a key stands twice")
    return record
