"""Faster parsing where pyarrow is installed; without it, or on anything unusual, it declines with None.

The parser may only accept what the strict reader accepts, with the same values: `tests/runtime/test_tables.py` holds
the two against each other on generated text.
"""

from __future__ import annotations

from functools import cache
from importlib.util import find_spec
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lr_runtime.tables.options import TableOptions
    from lr_runtime.tables.text import Parsed


@cache
def available() -> bool:
    """Whether pyarrow (extra "tables") is installed."""
    return find_spec("pyarrow") is not None


def csv_block(
    block: bytes, names: Sequence[str], columns: Sequence[str], categories: Sequence[str], options: TableOptions
) -> Parsed | None:
    """Parse whole CSV records, or decline."""
    if not available():
        return None
    from lr_runtime.tables import arrow

    return arrow.csv_block(block, names, columns, categories, options)
