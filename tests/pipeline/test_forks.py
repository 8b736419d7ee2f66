"""A predictor in a process that is forked while threads predict and load, as servers and multiprocessing do it."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from tests.conftest import DATA, ROOT

GOLDEN = DATA / "golden.onnx"

HAMMERED = """\
import os, signal, sys, threading, warnings
import numpy as np
from lr_runtime import Predictor

warnings.simplefilter("ignore", DeprecationWarning)  # Python 3.12 warns of forks beside threads
path = sys.argv[1]
predictors = [Predictor.load(path), Predictor.load(path, threads=2)]
one, many = [[4.0]], np.linspace(0, 1, 50_000)[:, None]  # enough rows for ONNX Runtime's own threads
expected = [predictors[0].predict(x).values.tobytes() for x in (one, many)]

def right():
    return all([p.predict(x).values.tobytes() for x in (one, many)] == expected for p in predictors)

def hammer(what):
    while True:
        what()

alone, together = predictors
for what in (lambda: alone.predict(one), lambda: together.predict(many), lambda: Predictor.load(path)):
    threading.Thread(target=hammer, args=[what], daemon=True).start()
codes = []
for fork in range(20):
    if (child := os.fork()) == 0:
        signal.alarm(30)  # a child that hangs ends so
        if fork % 5 == 0 and (grandchild := os.fork()):
            os._exit(os.waitstatus_to_exitcode(os.waitpid(grandchild, 0)[1]))
        good = right() and Predictor.load(path).predict(one).values.tobytes() == expected[0]
        sys.exit(0 if good else 1)  # by the long way, which ends what Python holds
    codes.append(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
print(codes, right(), flush=True)
os._exit(0)
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="Windows has no fork")
def test_a_forked_child_predicts_while_threads_of_the_parent_do() -> None:
    words = [sys.executable, "-c", HAMMERED, str(GOLDEN)]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=False, timeout=500)
    assert (done.stdout, done.stderr) == (f"{[0] * 20} True\n", "")


UNWILLING = """\
import os, sys
import lr_runtime.onnx_file.session as session
from lr_runtime import LinedgeError, Predictor

predictor = Predictor.load(sys.argv[1])
class Unwilling:
    def __init__(self, *_, **__):
        raise RuntimeError("initialization error: 3")
session.onnxruntime.InferenceSession = Unwilling  # as CUDA does in a child
if os.fork() == 0:
    try:
        predictor.predict([[4.0]])
    except LinedgeError as error:
        print(error, flush=True)
    os._exit(0)
os.wait()
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="Windows has no fork")
def test_a_child_that_onnx_runtime_cannot_start_in_is_told_so() -> None:
    words = [sys.executable, "-W", "ignore::DeprecationWarning", "-c", UNWILLING, str(GOLDEN)]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=False, timeout=100)
    assert done.stdout.startswith("ONNX Runtime does not start again in this forked process (initialization error: 3)")
    assert (done.stdout.count("\n"), done.stderr) == (1, "")
