"""What it costs to check a model before it runs, beside what ONNX Runtime takes to load it; and to refuse a bad one."""

from __future__ import annotations

import time
from statistics import median
from typing import TYPE_CHECKING

import numpy as np
import onnxruntime

from lr_export.certificate.specification import Blueprint
from lr_export.formats.onnx import onnx_bytes
from lr_runtime.errors import ModelFileError
from lr_runtime.onnx_file.check import check_model
from lr_runtime.onnx_file.reader import read_onnx
from tests.conftest import checkpoint_of
from tests.runtime.hostile import GOOD, HOSTILE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from lr_runtime.contract.contract import Precision

RUNS = 50


def report() -> Iterator[str]:
    """Yield the lines."""
    yield _compared("the golden model", GOOD)
    models: list[tuple[int, Precision]] = [(10, "exact"), (64, "exact"), (64, "portable"), (300, "exact")]
    for columns, precision in models:
        yield _compared(f"{columns} columns, {precision}", _model(columns, precision))
    times = {case: _seconds(make()) for case, (make, _) in HOSTILE.items()}
    slowest = max(times, key=lambda case: times[case])
    yield (
        f"{len(times)} hostile files refused: median {median(times.values()) * 1e6:.0f} us, "
        f"slowest {times[slowest] * 1e3:.0f} ms ({slowest})"
    )


def _model(columns: int, precision: Precision) -> bytes:
    weight = np.random.default_rng(columns).normal(size=(1, columns))
    blueprint = Blueprint.of(checkpoint_of(weight, 1.0), precision)
    return onnx_bytes(blueprint.program, blueprint.contract)


def _compared(what: str, content: bytes) -> str:
    options = onnxruntime.SessionOptions()
    ways: dict[str, Callable[[], object]] = {
        "graph": lambda: read_onnx(content),
        "whole": lambda: check_model(content),
        "session": lambda: onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"]),
    }
    times: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(RUNS):
        for name, run in ways.items():
            started = time.perf_counter()
            run()
            times[name].append(time.perf_counter() - started)
    graph, whole, session = (median(each) * 1e3 for each in times.values())
    nodes = len(read_onnx(content).nodes)
    return (
        f"{what} ({nodes} nodes, {len(content)} bytes): graph {graph:.2f} ms, with the contract {whole:.2f} ms; "
        f"ONNX Runtime loads it in {session:.2f} ms, {session / whole:.1f} times that"
    )


def _seconds(content: bytes) -> float:
    started = time.perf_counter()
    try:
        check_model(content)
    except ModelFileError:
        return time.perf_counter() - started
    raise AssertionError("a hostile file was let in")
