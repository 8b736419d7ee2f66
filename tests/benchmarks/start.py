"""How long commands take to start: lr-infer beside a bare script that does nothing but run the same file, and lr-train
on a small table beside one that does nothing but import what a fit is made of.
"""

from __future__ import annotations

import os
import resource
import subprocess
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

from tests.conftest import DATA, ROOT, SCRIPTS

if TYPE_CHECKING:
    from collections.abc import Iterator

RUNS = 25
GOLDEN = DATA / "golden.onnx"
BARE_SCRIPT = """\
import sys
import numpy
import onnxruntime
session = onnxruntime.InferenceSession(sys.argv[1], providers=["CPUExecutionProvider"])
print(float(session.run(None, {"x": numpy.array([[float(sys.argv[2])]], dtype=numpy.float32)})[0][0, 0]))
"""

SMALL_TABLE = ("lr-train", str(ROOT / "examples" / "norris.csv"), "--target", "y", "--quiet", "-o")
IMPORTS = "import numpy, pyarrow, scipy.linalg"


def report() -> Iterator[str]:
    """Yield the lines."""
    with tempfile.TemporaryDirectory() as folder:
        script = Path(folder, "bare.py")
        script.write_text(BARE_SCRIPT)
        bare = [SCRIPTS / "python", script, GOLDEN, "4.0"]
        ours = [SCRIPTS / "lr-infer", GOLDEN, "4.0"]
        times: dict[str, list[float]] = {"bare": [], "ours": []}
        yield from _small_table(Path(folder))
        _seconds(ours)  # compiles our modules where nothing has yet; an installed wheel has them compiled
        for run in range(RUNS):
            for name, words in (("bare", bare), ("ours", ours))[:: 1 if run % 2 else -1]:
                times[name].append(_seconds(words))
    theirs, mine = median(times["bare"]), median(times["ours"])
    # Of neighbours: a machine that slows down for a while slows both.
    ratio = median(one / other for one, other in zip(times["ours"], times["bare"], strict=True))
    yield f"lr-infer model.onnx 4.0: {mine:.3f} s, a bare onnxruntime script: {theirs:.3f} s"
    yield f"  ratio, in pairs: {ratio:.2f}"
    for command in ("lr-train", "lr-export", "lr-infer"):
        yield f"{command} --help: {median(_cpu_seconds(SCRIPTS / command, '--help') for _ in range(5)):.3f} s of CPU"


def _small_table(folder: Path) -> Iterator[str]:
    train = [SCRIPTS / SMALL_TABLE[0], *SMALL_TABLE[1:], folder / "m.safetensors"]
    _seconds(train)
    pairs = [(_cpu_seconds(*train), _cpu_seconds(SCRIPTS / "python", "-c", IMPORTS)) for _ in range(RUNS // 2)]
    mine, theirs = (median(each) for each in zip(*pairs, strict=True))
    ratio = median(one / other for one, other in pairs)
    yield f"lr-train examples/norris.csv: {mine:.3f} s of CPU, `{IMPORTS}` {theirs:.3f} s; ratio, in pairs: {ratio:.2f}"


def _environment() -> dict[str, str]:
    """Return this environment, but for what keeps Python from storing what it compiled."""
    return {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}


def _seconds(command: list[object]) -> float:
    started = time.perf_counter()
    subprocess.run([str(word) for word in command], check=True, capture_output=True, env=_environment())
    return time.perf_counter() - started


def _cpu_seconds(*command: object) -> float:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    _seconds(list(command))
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
