"""Faster parsing, with pyarrow where it is installed, else with numpy; on anything unusual it declines with None.

A parser may only accept what the strict reader accepts, with the same values: `test_fast_readers.py` holds
them against each other on generated text.
"""

from __future__ import annotations

import sys
from functools import cache
from importlib.util import find_spec
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lr_runtime.tables.cells.options import TableOptions
    from lr_runtime.tables.text.syntax import Parsed, Text, Wanted


_WORTH_AN_IMPORT = 1 << 16
"""Bytes that the strict reader reads before pyarrow is imported."""


@cache
def available() -> bool:
    """Whether pyarrow (extra "tables") is installed."""
    return find_spec("pyarrow") is not None


def csv_block(block: Text, names: Sequence[str], wanted: Wanted, options: TableOptions) -> Parsed | None:
    """Parse whole CSV records, or decline."""
    if not available():
        from lr_runtime.tables.text import fast_numpy

        return fast_numpy.csv_block(block, names, wanted, options)
    if len(block) < _WORTH_AN_IMPORT and "pyarrow" not in sys.modules:
        return None
    from lr_runtime.tables.text import fast_pyarrow

    return fast_pyarrow.csv_block(block, names, wanted, options)
