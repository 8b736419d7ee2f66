"""Faster parsing, with pyarrow where it is installed, else with numpy; on anything unusual it declines with None.

A parser may only accept what the strict reader accepts, with the same values: `test_fast_readers.py` holds
them against each other on generated text.
"""

from __future__ import annotations

from functools import cache
from importlib.util import find_spec


@cache
def available() -> bool:
    """Whether pyarrow (extra "tables") is installed."""
    return find_spec("pyarrow") is not None
