"""How long one row takes through the predictor, against a plain session of ONNX Runtime on the same file."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import numpy as np
import onnxruntime

from lr_runtime import Predictor
from tests.conftest import DATA

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

CALLS, RUNS, MANY = 2_000, 15, 1_000_000
GOLDEN = DATA / "golden.onnx"


def report() -> Iterator[str]:
    """Yield the lines."""
    predictor = Predictor.load(GOLDEN)
    plain = onnxruntime.InferenceSession(GOLDEN)
    row = np.array([[4.0]], np.float32)
    ways: dict[str, Callable[[], Any]] = {
        "plain": lambda: plain.run(None, {"x": row}),
        "an array": lambda: predictor.predict(row),
        "a list": lambda: predictor.predict([[4.0]]),
        "by name": lambda: predictor.predict({"x": 4.0}),
    }
    times = _best(ways)
    theirs = times.pop("plain")
    yield f"one row, plain InferenceSession.run: {theirs:.2f} us"
    yield from (
        f"  Predictor.predict, {name}: {ours:.2f} us, ratio {ours / theirs:.2f}" for name, ours in times.items()
    )
    yield _growth(predictor, row)


def _best(ways: dict[str, Callable[[], Any]]) -> dict[str, float]:
    """Return the microseconds of a call of each, the least of interleaved runs."""
    best = dict.fromkeys(ways, float("inf"))
    for _ in range(RUNS):
        for name, call in ways.items():
            started = time.perf_counter()
            for _ in range(CALLS):
                call()
            best[name] = min(best[name], (time.perf_counter() - started) / CALLS * 1e6)
    return best


def _growth(predictor: Predictor, row: np.ndarray[Any, Any]) -> str:
    for _ in range(CALLS):
        predictor.predict(row)
    before = _resident()
    for _ in range(MANY):
        predictor.predict(row)
    return f"resident memory after {MANY} more calls: {_resident() - before:+d} kB of {before} kB"


def _resident() -> int:
    with open("/proc/self/status") as status:  # noqa: PTH123 - no file of ours
        return int(next(line.split()[1] for line in status if line.startswith("VmRSS")))
