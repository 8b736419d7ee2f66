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
from lr_trainer import fit
from tests.conftest import CHECKPOINTS, EXPANDED
from tests.export.present import FORMAT_NAMES, runs
from tests.export.straight_line import evaluated, same_bits

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from numpy.typing import NDArray

    from lr_export.choices import FormatName
    from lr_export.program import Program
    from lr_runtime.checkpoint import Checkpoint
    from lr_runtime.contract import Precision


def _curved() -> Checkpoint:
    """Return a fit, which has a leverage: its files give an interval and flags too."""
    random = np.random.default_rng(5)
    columns = {name: random.normal(20.0, 3.0, 60) for name in ("a", "b", "y")}
    return fit({**columns, "site": random.choice(["p", "q", "r"], 60)}, target="y", degree=2)


MODELS: dict[str, Callable[[], Checkpoint]] = {
    "interval and flags": _curved,
    **{name: EXPANDED[name] for name in ("the same with two outputs", "a category alone that may be missing")},
    **{name: CHECKPOINTS[name] for name in ("ten columns", "two outputs", "cancelling", "scales")},
}
ROWS = 2000


@cache
def blueprint_of(name: str, precision: Precision) -> Blueprint:
    checkpoint = MODELS[name]()
    if checkpoint.leverage is None:
        return Blueprint.of(checkpoint, precision)
    return Blueprint.of(checkpoint, precision, interval=0.95, flags=True)


@cache
def rows_of(name: str, precision: Precision) -> NDArray[Any]:
    """Return rows in the training box: categories as indices, missing values where the column allows them."""
    random, blueprint = np.random.default_rng(6), blueprint_of(name, precision)
    drawn = []
    for column in blueprint.checkpoint.contract.columns:
        values = random.uniform(column.minimum, column.maximum, ROWS)
        if column.categories:
            values = np.floor(random.uniform(0, len(column.categories), ROWS))
        missing = (random.uniform(size=ROWS) < 0.2) & (column.missing != "error")
        drawn.append(np.where(missing, np.nan, values))
    return np.column_stack(drawn).astype(blueprint.numbers.input)


def engines(name: str, precision: Precision) -> dict[str, Any]:
    """Return every engine of every format that has the precision, and eager PyTorch."""
    blueprint = blueprint_of(name, precision)
    found: dict[str, Any] = {"eager torch": eager(blueprint.program)}
    for format_name in that_have(precision, blueprint.contract.results):
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
    expected = evaluated(blueprint_of(name, "portable").program, x)
    assert all(np.isfinite(values).all() for values in expected.values())
    for engine, run in found.items():
        got = run(x)
        assert [result for result in expected if not same_bits(got[result], expected[result])] == [], engine


@pytest.mark.parametrize("name", MODELS)
def test_exact_is_correctly_rounded_in_every_format(name: str) -> None:
    found, x = engines(name, "exact"), rows_of(name, "exact")[:300]
    without = {"torchscript", "pt2"} if blueprint_of(name, "exact").contract.interval_level else set()
    assert len(found) == 7 - len(without | set(_absent()))
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
const written = [];
for (let row = 0; row < x.length / COLUMNS; row += 1) {
  for (const [name, width] of WIDTHS) {
    for (let at = 0; at < width; at += 1) written.push(Number(results[name].data[row * width + at]));
  }
}
writeFileSync(1, Float64Array.from(written));
"""


def _on_the_web(content: bytes, program: Program) -> Driver:
    """Return ONNX Runtime Web, under node, on an ONNX file."""
    bundle = Path(WEB, "dist", "ort.wasm.min.mjs").resolve(strict=True).as_uri()
    source = _WEB_DRIVER.replace("BUNDLE", bundle).replace("COLUMNS", str(program.x.width))
    source = source.replace("new ARRAY", f"new {ARRAYS[program.x.dtype]}").replace("DTYPE", program.x.dtype)
    source = source.replace("WIDTHS", str([[name, value.width] for name, value in program.results.items()]))
    node = CHOICES["js"].tool
    assert node is not None
    files = {"model.onnx": content, "driver.mjs": source.encode()}
    return Driver(program, files, run=(node.path() or "node", "driver.mjs"), wire="float64")


@pytest.mark.skipif(not WEB, reason="LINEDGE_ORT_WEB names no folder of the npm package onnxruntime-web")
@pytest.mark.skipif("js" in _absent(), reason="no node on PATH")
@pytest.mark.parametrize("precision", ["exact", "portable"])
@pytest.mark.parametrize("name", MODELS)
def test_a_page_gets_the_bits_that_the_runtime_gives(name: str, precision: Precision) -> None:
    blueprint = blueprint_of(name, precision)
    content = onnx_bytes(blueprint.program, blueprint.contract)
    x, names, session = rows_of(name, precision), list(blueprint.program.results), Session(content)
    run = _on_the_web(content, blueprint.program)
    for rows in (0, 1, ROWS):
        got, expected = run(x[:rows]), dict(zip(names, session.evaluate(x[:rows], names), strict=True))
        assert [result for result in names if not same_bits(got[result], expected[result])] == []
