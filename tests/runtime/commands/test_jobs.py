"""lr-infer --jobs as a user runs it: the output of one process, and one clear line for everything else."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.conftest import SCRIPTS, one_line

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.conftest import Run
    from tests.runtime.conftest import Model

    Runner = Callable[..., Run]

ROWS = 20_000
"""A fifth of them takes more bytes than a pipe holds."""


@pytest.fixture
def tables(model: Callable[[str], Model], tmp_path: Path) -> Path:
    """A folder with a model and five tables, in which two rows are bad."""
    shutil.copy(model("weather")[1], tmp_path / "m.onnx")
    (tmp_path / "in").mkdir()
    for number in range(5):
        lines = [f"{row},{number},0.5,{row % 7}\n" for row in range(ROWS // 5)]
        lines[number] = "x,1,2,3\n" if number in {1, 3} else lines[number]
        (tmp_path / "in" / f"{number}.csv").write_text("rh,temp,p,note\n" + "".join(lines))
    return tmp_path


def test_the_output_is_that_of_one_process(tables: Path, run: Runner) -> None:
    def output(*arguments: object) -> tuple[int, str, str]:
        done = run("lr-infer", "m.onnx", "in", "--keep", "note,rh", *arguments)
        return done.returncode, done.stdout, done.stderr

    found = output("--on-error", "null", "--jobs", 2)
    assert found == output("--on-error", "null")
    assert found[0] == 0
    assert found[1].count("\n") == ROWS + 1
    assert [line.split(",")[0] for line in found[2].splitlines()] == [
        "lr-infer: in/1.csv line 3",
        "lr-infer: in/3.csv line 5",
        f"lr-infer: 2 of {ROWS} rows bad",
    ]
    stopped = output("--jobs", 2, "-o", "o.csv")
    assert stopped[::2] == (1, f"{found[2].splitlines()[0]}\n")
    assert not (tables / "o.csv").exists()


def test_jobs_belong_to_tables(tables: Path, run: Runner) -> None:
    assert tables.is_dir()
    assert "--jobs belongs to tables" in one_line(run("lr-infer", "m.onnx", "1", "2", "3", "--jobs", 2), 2)
    assert run("lr-infer", "m.onnx", "in", "--jobs", 0).returncode == 2


@pytest.fixture
def begun(tables: Path) -> Iterator[subprocess.Popen[bytes]]:
    """The command while it writes to a pipe that nobody reads: its processes are there, and have not ended."""
    command = [
        str(SCRIPTS / "lr-infer"),
        "m.onnx",
        "in",
        "--jobs",
        "2",
        "--on-error",
        "skip",
        "--quiet",
        "--keep",
        "all",
    ]
    with subprocess.Popen(command, cwd=tables, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.read(1000)
        yield process
        process.kill()


def workers(process: subprocess.Popen[bytes]) -> list[int]:
    """The processes that another has started."""
    found = []
    for status in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = status.read_text().rpartition(")")[2].split()
        except OSError:  # it has ended meanwhile
            continue
        if int(fields[1]) == process.pid and fields[0] != "Z":
            found.append(int(status.parent.name))
    return found


def are_gone(numbers: list[int]) -> bool:
    deadline = time.monotonic() + 60  # to fail, and not to hang
    while time.monotonic() < deadline:
        if not any(Path(f"/proc/{number}").exists() for number in numbers):
            return True
        time.sleep(0.01)
    return False


LINUX = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="looks the processes up in /proc")


@LINUX
@pytest.mark.parametrize(
    ("number", "code"),
    [(signal.SIGINT, 130), (signal.SIGKILL, -9), (signal.SIGPIPE, 1)],
)
def test_no_process_outlives_the_command(begun: subprocess.Popen[bytes], number: signal.Signals, code: int) -> None:
    assert begun.stdout is not None
    assert begun.stderr is not None
    numbers = workers(begun)
    assert len(numbers) == 2
    if number == signal.SIGPIPE:
        begun.stdout.close()
    else:
        begun.send_signal(number)
    assert begun.wait() == code
    assert are_gone(numbers)
    assert begun.stderr.read().strip() == b""
