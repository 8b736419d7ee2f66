"""Files for tests of a runtime that stands alone: made where the exporter is, and there found by a variable."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

VARIABLE = "LINEDGE_TEST_FILES"
"""Of the environment: the folder that `tests/pipeline/test_bare_install.py` fills."""


def folder() -> Path | None:
    """Return the folder, where there is one."""
    made = os.environ.get(VARIABLE)
    return Path(made) if made else None


def content(name: str, make: Callable[[], bytes]) -> bytes:
    """Return a file's bytes from the folder, or make them."""
    there = folder()
    return make() if there is None else (there / name).read_bytes()
