"""docs/engines.md says what the tests of this folder hold, row by row."""

from __future__ import annotations

from lr_runtime.contract.contract import PRECISIONS
from tests.conftest import ROOT
from tests.engines.models import MODELS, cases
from tests.engines.table import ROWS

DOCUMENT = (ROOT / "docs" / "engines.md").read_text(encoding="utf-8")


def _tables() -> list[list[list[str]]]:
    """Return the tables of the document, each its rows below the line."""
    blocks = [block.splitlines() for block in DOCUMENT.split("\n\n") if block.startswith("|")]
    return [[[cell.strip() for cell in line[1:-1].split("|")] for line in lines] for lines in blocks]


def test_the_table_is_what_is_held() -> None:
    head, _, *rows = _tables()[0]
    assert head == ["engine", *PRECISIONS]
    assert rows == [[engine.name, *(engine.keeps.get(precision, "") for precision in PRECISIONS)] for engine in ROWS]


def test_every_engine_that_can_be_seen_has_figures() -> None:
    head, _, *rows = _tables()[1]
    assert head == ["engine", "version", *PRECISIONS]
    without = {"OpenVINO, default hint, on a processor without"}
    assert [row[0] for row in rows] == [engine.name for engine in ROWS if engine.name not in without]
    for engine, row in zip((e for e in ROWS if e.name not in without), rows, strict=True):
        assert [bool(cell) for cell in row[2:]] == [precision in engine.keeps for precision in PRECISIONS]


def test_every_file_is_a_model_of_its_own() -> None:
    for precision in PRECISIONS:
        assert len({case.content("onnx") for case in cases("onnx", precision).values()}) == len(MODELS)
