"""JavaScript in Node.js."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lr_export.formats.toolchain import version_of
from tests.engines.holding import check, held, needs_command
from tests.engines.measuring import Engine
from tests.export.source_code import js_driver

if TYPE_CHECKING:
    from lr_export.formats.backend import Engine as Run
    from lr_export.program.program import Program
    from lr_runtime.contract.contract import Precision


def _node(content: bytes, program: Program) -> Run:
    return js_driver(content, program)


ENGINES = (
    Engine(
        "JavaScript in Node.js",
        "js",
        {"exact": "correctly rounded", "portable": "same bits"},
        _node,
        lambda: version_of("node"),
        absent=needs_command("node"),
    ),
)


@held(*ENGINES)
def test_it_keeps_what_the_table_says(engine: Engine, precision: Precision) -> None:
    check(engine, precision)
