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

    import numpy as np
    from numpy.typing import NDArray

    from lr_runtime.tables.options import TableOptions


@cache
def available() -> bool:
    """Whether pyarrow (extra "tables") is installed."""
    return find_spec("pyarrow") is not None


def csv_block(
    block: bytes, names: Sequence[str], columns: Sequence[str], options: TableOptions
) -> NDArray[np.float64] | None:
    """Parse whole CSV records as float64 (rows, columns), or decline."""
    if not available():
        return None
    from lr_runtime.tables import arrow

    return arrow.csv_block(block, names, columns, options)
