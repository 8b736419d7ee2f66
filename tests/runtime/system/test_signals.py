"""However a command is ended, it says nothing, leaves nothing behind, and gives 128 and the signal's number."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from lr_runtime.system import signals
from tests.conftest import DATA, SCRIPTS, has_begun

if TYPE_CHECKING:
    from pathlib import Path

GOLDEN = DATA / "golden.onnx"
ENDING = [signal.SIGINT, signal.SIGTERM, signal.SIGHUP]
NAMELESS = pytest.mark.skipif(not hasattr(os, "O_TMPFILE"), reason="only Linux has files without a name")

KILLED = """
import os, signal, sys
from pathlib import Path
from lr_runtime.system import signals
from lr_runtime.system.replacement import replacing
if sys.argv[1] == "named":
    del os.O_TMPFILE
with signals.handled(signals.InOrder()), replacing(Path("a")) as part:
    part.write_bytes(b"half")
    try:
        signal.raise_signal(int(sys.argv[2]))
    finally:
        signal.raise_signal(int(sys.argv[2]))  # while the first is being dealt with
"""


@pytest.mark.parametrize(
    ("way", "number", "code"),
    [
        ("named", signal.SIGHUP, 129),
        pytest.param("nameless", signal.SIGTERM, 143, marks=NAMELESS),
        pytest.param("nameless", signal.SIGKILL, -9, marks=NAMELESS),
        pytest.param("nameless", signal.SIGQUIT, -3, marks=NAMELESS),
    ],
)
def test_no_signal_leaves_a_part(way: str, number: int, code: int, tmp_path: Path) -> None:
    line = [sys.executable, "-c", KILLED, way, str(int(number))]
    assert subprocess.run(line, cwd=tmp_path, check=False).returncode == code
    assert list(tmp_path.iterdir()) == []


IMPORTING = """
import os, sys
_, module, number, model = sys.argv
class Finder:
    def find_spec(self, name, *_):
        if name == module:
            os.kill(os.getpid(), int(number))
sys.meta_path.insert(0, Finder())
from lr_runtime.__main__ import infer
sys.argv = ["lr-infer", model, "4"]
infer()
"""


@pytest.mark.parametrize(
    ("module", "number"), [("click", signal.SIGINT), ("click", signal.SIGTERM), ("numpy", signal.SIGINT)]
)
def test_a_signal_among_imports_has_no_traceback(module: str, number: signal.Signals) -> None:
    line = ["env", "--default-signal", sys.executable, "-c", IMPORTING, module, str(int(number)), str(GOLDEN)]
    done = subprocess.run(line, capture_output=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (128 + number, b"", b"")


def test_a_command_whose_terminal_closes_leaves_the_old_file(tmp_path: Path) -> None:
    (tmp_path / "y.csv").write_text("old")
    command: list[str | Path] = ["env", "--default-signal", SCRIPTS / "lr-infer", GOLDEN, "-", "-o", tmp_path / "y.csv"]
    read_end, write_end = os.pipe()
    with (
        subprocess.Popen(command, stdin=read_end, stderr=subprocess.PIPE) as process,
        os.fdopen(write_end, "wb") as sink,
    ):
        os.close(read_end)
        sink.write(b"x\n" + b"1\n" * (12 << 20))  # enough that a part is written
        sink.flush()
        while not has_begun(process, tmp_path):
            assert process.poll() is None
        process.send_signal(signal.SIGHUP)
        _, said = process.communicate()
    assert (process.returncode, said) == (129, b"")
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("y.csv", "old")]


@pytest.mark.parametrize("number", ENDING)
def test_the_first_signal_tidies_up(number: signal.Signals) -> None:
    before = signal.getsignal(number)
    with (
        pytest.raises(KeyboardInterrupt if number == signal.SIGINT else SystemExit),
        signals.handled(signals.InOrder()),
    ):
        signal.raise_signal(number)
    assert signal.getsignal(number) is before


def test_what_is_ignored_stays_ignored() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with signals.handled(signals.InOrder()):
            signal.raise_signal(signal.SIGHUP)
    finally:
        signal.signal(signal.SIGHUP, before)


@pytest.mark.parametrize("name", ["/dev/stdout", "/dev/fd/1", "/proc/self/fd/1"])
def test_an_open_file_goes_on_where_it_stood(name: str, tmp_path: Path) -> None:
    line = f"echo before; {SCRIPTS / 'lr-inspect'} {GOLDEN} -o {name}; echo after"
    with (tmp_path / "out").open("wb") as out:
        subprocess.run(["/bin/sh", "-c", line], stdout=out, check=True)
    lines = (tmp_path / "out").read_text().splitlines()
    assert (lines[0], lines[-1]) == ("before", "after")
    assert len(lines) > 10
    assert [path.name for path in tmp_path.iterdir()] == ["out"]
