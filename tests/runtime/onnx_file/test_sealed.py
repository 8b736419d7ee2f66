"""A model that was let in runs no code, opens no file and reaches no network: the kernel would end the process."""

from __future__ import annotations

import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from lr_runtime import Predictor
from tests.conftest import DATA, ROOT
from tests.runtime import sealed
from tests.runtime.conftest import MODELS
from tests.runtime.hostile import changed, external

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.runtime.conftest import Model

GOLDEN = DATA / "golden.onnx"
needs_seal = pytest.mark.skipif(not sealed.AVAILABLE, reason="seccomp is Linux's, on x86_64 and aarch64")


def script(text: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    words = [sys.executable, "-c", text, *map(str, arguments)]
    return subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=False)


PREDICT = """\
import sys, pathlib
from lr_runtime.prediction.predictor import Predictor
from tests.runtime.sealed import seal
golden, model = (pathlib.Path(path).read_bytes() for path in sys.argv[1:])
rows = lambda columns: [[0.25] * columns, [1.0] * columns]
Predictor(golden).predict(rows(1))  # whatever is imported late is imported by now
seal("files", "network", "programs")
predictor = Predictor(model)
print(predictor.predict(rows(len(predictor.contract.columns))).values.tolist())
"""


@needs_seal
@pytest.mark.parametrize("name", ["one column", "an offset column", "two outputs", "ten columns"])
def test_loading_and_predicting_open_nothing_and_start_nothing(name: str, model: Callable[[str], Model]) -> None:
    assert name in MODELS
    path = model(name)[1]
    done = script(PREDICT, GOLDEN, path)
    assert (done.returncode, done.stderr) == (0, "")
    predictor = Predictor.load(path)
    columns = len(predictor.contract.columns)
    assert done.stdout == f"{predictor.predict([[0.25] * columns, [1.0] * columns]).values.tolist()}\n"


WITHOUT_CHECKS = """\
import sys, pathlib
from lr_runtime.onnx_file.session import Session
from tests.runtime.sealed import seal
golden, model = (pathlib.Path(path).read_bytes() for path in sys.argv[1:])
Session(golden)
seal("files", "network", "programs")
Session(model)
"""


@needs_seal
def test_the_seal_sees_what_onnx_runtime_opens_where_nothing_was_checked(tmp_path: Path) -> None:
    (tmp_path / "m.onnx").write_bytes(changed(external("pyproject.toml")))
    assert script(WITHOUT_CHECKS, GOLDEN, tmp_path / "m.onnx").returncode == -signal.SIGSYS
    assert script(WITHOUT_CHECKS, GOLDEN, GOLDEN).returncode == 0


DEEDS = {
    "open(sys.executable)": "files",
    "socket.socket()": "network",
    "os.execv(sys.executable, ['python', '-c', ''])": "programs",
}


@needs_seal
@pytest.mark.parametrize("deed", DEEDS)
def test_the_seal_ends_a_process_for_what_it_forbids_and_nothing_else(deed: str) -> None:
    text = f"import os, socket, sys\nfrom tests.runtime.sealed import seal\nseal({{!r}})\n{deed}"
    for sealed_deed in DEEDS.values():
        expected = -signal.SIGSYS if sealed_deed == DEEDS[deed] else 0
        if sealed_deed == "files" and DEEDS[deed] == "programs":
            continue  # a program that starts opens files
        assert script(text.format(sealed_deed)).returncode == expected


@needs_seal
def test_the_whole_command_reaches_no_network_and_starts_no_program(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("x\n1\n2\n")
    text = (
        "from tests.runtime.sealed import seal\nseal('network', 'programs')\n"
        "from lr_runtime.commands.infer import main\nmain()"
    )
    for values in (["4.0"], [tmp_path / "t.csv"], ["4.0", "--json"]):
        done = script(text, GOLDEN, *values)
        assert (done.returncode, done.stderr) == (0, "")
        assert done.stdout


def test_onnx_runtime_is_told_to_send_no_telemetry() -> None:
    done = script(
        "import onnxruntime\ntold = []\nonnxruntime.disable_telemetry_events = lambda: told.append(True)\n"
        "import lr_runtime.onnx_file.session\nassert told == [True]"
    )
    assert (done.returncode, done.stderr) == (0, "")
