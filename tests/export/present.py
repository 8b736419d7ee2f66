"""The formats under test; those that nothing on this machine runs are skipped, and said to be."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from lr_runtime.contract.formats import EXPORT_FORMATS

if TYPE_CHECKING:
    from _pytest.mark.structures import ParameterSet

    from lr_runtime.contract.formats import FormatName


def runs(name: FormatName) -> bool:
    """Whether the engine of a format is on this machine."""
    tool = EXPORT_FORMATS[name].tool
    return tool is None or tool.path() is not None


def param(name: FormatName, *more: object) -> ParameterSet:
    """Return a parameter set that begins with a format's name."""
    label = "-".join([name, *map(str, more)])
    return pytest.param(name, *more, id=label, marks=pytest.mark.skipif(not runs(name), reason=f"nothing runs {name}"))


FORMAT_NAMES: list[FormatName] = list(EXPORT_FORMATS)
in_every_format = pytest.mark.parametrize("format_name", [param(name) for name in FORMAT_NAMES])
with_every_tool = pytest.mark.skipif(not all(map(runs, FORMAT_NAMES)), reason="no C compiler or no node on PATH")
