"""C and JavaScript of programs, outside the way of an export: with any name, any options of a compiler."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from lr_export.formats.c import C_FLAGS, C
from lr_export.formats.js import JavaScript
from lr_export.formats.source_file import read, written
from lr_export.formats.toolchain import Driver, driver_files, driver_of
from lr_runtime.contract.formats import EXPORT_FORMATS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lr_export.program.program import Program
    from lr_runtime import Contract
    from lr_runtime.contract.formats import FormatName

__all__ = ["C_FLAGS", "c_bytes", "c_driver", "c_files", "js_bytes", "js_driver", "read_c", "read_js", "tool_of"]


def tool_of(name: FormatName) -> str:
    """Return the path of the tool of a format, "" where it is not on this machine."""
    tool = EXPORT_FORMATS[name].tool
    return "" if tool is None else tool.path() or ""


def c_bytes(program: Program, contract: Contract, name: str = "linedge") -> bytes:
    return written(C(name), program, contract)


def c_files(content: bytes, program: Program) -> dict[str, bytes]:
    return driver_files(C.of_file(content), content, program)


def c_driver(content: bytes, program: Program, flags: Sequence[str] = C_FLAGS) -> Driver:
    build, run = C().commands(tool_of("c"), tuple(flags))
    return Driver(program, c_files(content, program), build=build, run=run)


def js_bytes(program: Program, contract: Contract) -> bytes:
    return written(JavaScript(), program, contract)


def js_driver(content: bytes, program: Program) -> Driver:
    return driver_of(JavaScript(), content, program, tool_of("js"))


read_c, read_js = partial(read, C), partial(read, JavaScript)
