"""The same bits everywhere: `portable` in every engine of every format that has it, also in a browser's runtime.

ONNX Runtime Web runs under node where LINEDGE_ORT_WEB names the folder of its npm package:

    npm install onnxruntime-web && LINEDGE_ORT_WEB=node_modules/onnxruntime-web pytest tests/export/test_bits.py
"""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from lr_export.arithmetic import distance_to_tie, nearest
from lr_export.blueprint import Blueprint
from lr_export.bound import ForwardError
from lr_export.choices import CHOICES, that_have
from lr_export.formats import FORMATS, eager
from lr_export.graph import onnx_bytes
from lr_export.javascript import ARRAYS
from lr_export.toolchain import Driver
from lr_runtime.session import Session
from tests.conftest import CHECKPOINTS, EXPANDED
from tests.export.present import FORMAT_NAMES, runs
from tests.export.straight_line import evaluated, same_bits

if TYPE_CHECKING:
    from typing import Any

    from numpy.typing import NDArray

    from lr_export.choices import FormatName
    from lr_export.program import Program
    from lr_runtime.contract import Precision


MODELS = {
    **{name: EXPANDED[name] for name in ("the same with two outputs", "a category alone that may be missing")},
    **{name: CHECKPOINTS[name] for name in ("ten columns", "two outputs", "cancelling", "scales")},
}
ROWS = 2000


@cache
def blueprint_of(name: str, precision: Precision) -> Blueprint:
    return Blueprint.of(MODELS[name](), precision)


@cache
def rows_of(name: str, precision: Precision) -> NDArray[Any]:
    """Return rows in the training box: categories as indices, missing values where the column allows them."""
    random, blueprint = np.random.default_rng(6), blueprint_of(name, precision)
    drawn = []
    for column in blueprint.checkpoint.contract.columns:
        levels = len(column.categories)
        values = (
            np.floor(random.uniform(0, levels, ROWS))
            if levels
            else random.uniform(column.minimum, column.maximum, ROWS)
        )
        missing = (random.uniform(size=ROWS) < 0.2) & (column.missing != "error")
        drawn.append(np.where(missing, np.nan, values))
    return np.column_stack(drawn).astype(blueprint.numbers.input)


def engines(name: str, precision: Precision) -> dict[str, Any]:
    """Return every engine of every format that has the precision, and eager PyTorch."""
    blueprint = blueprint_of(name, precision)
    found: dict[str, Any] = {"eager torch": eager(blueprint.program)}
    for format_name in that_have(precision):
        content = FORMATS[format_name].build(blueprint.program, blueprint.contract)
        opened = FORMATS[format_name].reopen(content, blueprint.program)
        found |= {f"{format_name}: {engine}": run for engine, run in opened.engines.items()}
    return found


def _absent() -> list[FormatName]:
    """Return the formats that nothing on this machine runs."""
    return [name for name in FORMAT_NAMES if not runs(name)]


@pytest.mark.parametrize("name", MODELS)
def test_portable_gives_the_same_bits_in_every_engine(name: str) -> None:
    found, x = engines(name, "portable"), rows_of(name, "portable")
    # ONNX Runtime, the reference evaluator and eager PyTorch are always here.
    assert len(found) == 5 - len(_absent())
    expected = evaluated(blueprint_of(name, "portable").program, x)["y"]
    assert np.isfinite(expected).all()
    assert [engine for engine, run in found.items() if not same_bits(run(x)["y"], expected)] == []


@pytest.mark.parametrize("name", MODELS)
def test_exact_is_correctly_rounded_in_every_format(name: str) -> None:
    found, x = engines(name, "exact"), rows_of(name, "exact")[:300]
    assert len(found) == 7 - len(_absent())
    blueprint = blueprint_of(name, "exact")
    error = ForwardError.of(blueprint.checkpoint, blueprint.numbers)
    design = error.exact.design(x)
    exact, margins = error.exact.outputs(design).fractions(), error.before_rounding(design).fractions()
    got = {engine: run(x)["y"].ravel() for engine, run in found.items()}
    decided = 0
    for place, (value, margin) in enumerate(zip(exact, margins, strict=True)):
        correct = nearest(value, "float32")
        if distance_to_tie(value, correct) > margin:
            decided += 1
            assert [engine for engine, y in got.items() if y[place] != correct] == []
    assert decided > len(exact) / 2


# --- ONNX Runtime Web ---

WEB = os.environ.get("LINEDGE_ORT_WEB", "")
_WEB_DRIVER = """
import { readFileSync, writeFileSync } from "node:fs";
import * as ort from "BUNDLE";
ort.env.wasm.numThreads = 1;
const given = readFileSync(0);
const x = new ARRAY(given.buffer.slice(given.byteOffset, given.byteOffset + given.byteLength));
const session = await ort.InferenceSession.create(readFileSync("model.onnx"));
const results = await session.run({ x: new ort.Tensor("DTYPE", x, [x.length / COLUMNS, COLUMNS]) });
writeFileSync(1, results.y.data);
"""


def _on_the_web(content: bytes, program: Program) -> Driver:
    """Return ONNX Runtime Web, under node, on an ONNX file."""
    bundle = Path(WEB, "dist", "ort.wasm.min.mjs").resolve(strict=True).as_uri()
    source = _WEB_DRIVER.replace("BUNDLE", bundle).replace("COLUMNS", str(program.x.width))
    source = source.replace("ARRAY", ARRAYS[program.x.dtype]).replace("DTYPE", program.x.dtype)
    node = CHOICES["js"].tool
    assert node is not None
    files = {"model.onnx": content, "driver.mjs": source.encode()}
    return Driver(program, files, run=(node.path() or "node", "driver.mjs"))


@pytest.mark.skipif(not WEB, reason="LINEDGE_ORT_WEB names no folder of the npm package onnxruntime-web")
@pytest.mark.skipif("js" in _absent(), reason="no node on PATH")
@pytest.mark.parametrize("precision", ["exact", "portable"])
@pytest.mark.parametrize("name", MODELS)
def test_a_page_gets_the_bits_that_the_runtime_gives(name: str, precision: Precision) -> None:
    blueprint = blueprint_of(name, precision)
    content = onnx_bytes(blueprint.program, blueprint.contract)
    x, session = rows_of(name, precision), Session(content)
    run = _on_the_web(content, blueprint.program)
    for rows in (0, 1, ROWS):
        assert same_bits(run(x[:rows])["y"], session.run(x[:rows]))
