"""ONNX Runtime, also in a page, and the ONNX reference evaluator."""

from __future__ import annotations

import json
import os
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from lr_export.formats.onnx import REFERENCE
from lr_export.formats.registry import BACKENDS
from lr_runtime.onnx_file.session import ENGINE
from tests.engines.holding import INSTALLED, check, held, needs_command
from tests.engines.measuring import Engine
from tests.engines.models import MODELS, cases
from tests.engines.recording import Recorded, jobs, record
from tests.export.straight_line import evaluated, same_bits

if TYPE_CHECKING:
    from lr_export.formats.backend import Engine as Run
    from lr_export.program.program import Program
    from lr_runtime.contract.contract import Precision
    from tests.engines.measuring import Kept

KEEPS: dict[Precision, Kept] = {
    "exact": "correctly rounded",
    "float32": "within the bound",
    "float64": "within the bound",
    "portable": "same bits",
}


def _runtime(content: bytes, program: Program) -> Run:
    return BACKENDS["onnx"].reopen(content, program).engines[ENGINE]


def _reference(content: bytes, program: Program) -> Run:
    return BACKENDS["onnx"].reopen(content, program).engines[REFERENCE]


# --- ONNX Runtime Web, as a page runs it, under node ---

WEB = Path(os.environ.get("LINEDGE_ORT_WEB") or INSTALLED / "node_modules" / "onnxruntime-web")


@cache
def _on_the_web() -> Recorded:
    runner = Path(__file__).with_name("run_onnxruntime_web.mjs")
    return record([*jobs()], ["node", str(runner), str(WEB.resolve() / "dist" / "ort.wasm.min.mjs")])


def _web(content: bytes, _: Program) -> Run:
    return _on_the_web()(content)


def _web_version() -> str:
    return f"onnxruntime-web {json.loads((WEB / 'package.json').read_text())['version']}"


ENGINES = (
    Engine("ONNX Runtime", "onnx", KEEPS, _runtime, lambda: ENGINE, batches=True),
    Engine("ONNX reference evaluator", "onnx", KEEPS, _reference, lambda: REFERENCE, batches=True),
    Engine(
        "ONNX Runtime Web",
        "onnx",
        KEEPS,
        _web,
        _web_version,
        absent=needs_command("node") or ("" if WEB.exists() else "no npm package onnxruntime-web: make engines"),
    ),
)


@held(*ENGINES)
def test_it_keeps_what_the_table_says(engine: Engine, precision: Precision) -> None:
    check(engine, precision)


@pytest.mark.parametrize("name", MODELS)
def test_the_bits_that_others_are_held_against_are_those_of_numpy(name: str) -> None:
    case = cases("onnx", "portable")[name]
    plain = evaluated(case.blueprint.program, case.x)
    assert [result for result, wanted in plain.items() if not same_bits(case.expected[result], wanted)] == []
