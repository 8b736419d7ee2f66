"""Whatever file a command is given, it is read to a known end or refused at once, in one line."""

from __future__ import annotations

import os
import signal
import socket
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner

from lr_export.cli import main as lr_export
from lr_runtime.commands.infer import main as lr_infer
from lr_runtime.commands.inspect import main as lr_inspect
from lr_trainer.cli import main as lr_train
from tests.conftest import DATA, checkpoint_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    import click


def _socket(path: Path) -> None:
    with suppress(OSError), socket.socket(socket.AF_UNIX) as opened:
        opened.bind(path.name)  # a whole path may be too long for one


def _sparse(path: Path, size: int) -> None:
    with path.open("wb") as file:
        file.truncate(size)


FILES: dict[str, tuple[Callable[[Path], Any], str]] = {
    "an endless device": (lambda path: path.symlink_to("/dev/zero"), "is a device, not a file"),
    "a pipe": (os.mkfifo, "is a pipe, not a file"),
    "a socket": (_socket, "is a socket, not a file"),
    "a file of a terabyte": (lambda path: _sparse(path, 1 << 40), "are the most that is read"),
    "a file of the system, which has no size": (lambda path: path.symlink_to("/proc/self/maps"), "changed while"),
}

COMMANDS: dict[str, tuple[click.Command, list[str]]] = {
    "lr-export": (lr_export, ["FILE"]),
    "lr-inspect": (lr_inspect, ["FILE"]),
    "lr-inspect --against": (lr_inspect, [str(DATA / "golden.onnx"), "--against", "FILE"]),
    "lr-infer": (lr_infer, ["FILE", "4"]),
    "lr-infer --config": (lr_infer, [str(DATA / "golden.onnx"), "4", "--config", "FILE"]),
    "lr-train --update": (lr_train, ["t.csv", "--update", "FILE"]),
    "lr-train --merge": (lr_train, ["--merge", "FILE", "m.safetensors"]),
    "lr-train --init, the lesson": (lr_train, ["--init", "FILE"]),
    "lr-train --init, a table": (lr_train, ["t.csv", "--target", "y", "--solver", "descent", "--init", "FILE"]),
    "lr-train --resume": (
        lr_train,
        ["t.csv", "--target", "y", "--solver", "descent", "--resume", "-o", "FILE", "--epochs", "2"],
    ),
}


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder with a table and a checkpoint; whatever waits in it longer than a minute fails."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "t.csv").write_text("x1,y\n1,2\n2,4.5\n3,6\n4,8\n5,9\n")
    checkpoint_of(2.0, 0.5).save(tmp_path / "m.safetensors")

    def waits(*_: object) -> None:
        raise TimeoutError

    before = signal.signal(signal.SIGALRM, waits)
    signal.alarm(60)
    yield tmp_path
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("kind", FILES)
def test_a_file_without_a_known_end_is_refused(kind: str, command: str, folder: Path) -> None:
    make, said = FILES[kind]
    resumes = command == "lr-train --resume"
    name = "x.resume.safetensors" if resumes else "x"
    make(folder / name)
    before = sorted(path.name for path in folder.iterdir())
    main, arguments = COMMANDS[command]
    done = CliRunner().invoke(main, [argument.replace("FILE", "x") for argument in arguments])
    assert done.exit_code == (2 if "--config" in command else 1), done.output
    if not resumes or "cannot be written" not in done.stderr:  # no state could take its place: that is said first
        assert said in done.stderr
    assert done.stderr.count("\n") == 1
    assert name in done.stderr
    assert sorted(path.name for path in folder.iterdir()) == before


@pytest.mark.parametrize("kind", ["parquet", "arrow"])
def test_a_device_that_is_no_table_is_not_kept(kind: str) -> None:
    done = CliRunner().invoke(lr_infer, [str(DATA / "golden.onnx"), "/dev/zero", "--from", kind])
    assert done.exit_code == 1
    assert "not a Parquet or Arrow file" in done.stderr


def test_a_log_may_be_a_pipe(folder: Path) -> None:
    os.mkfifo(folder / "log")
    reader = os.open(folder / "log", os.O_RDONLY | os.O_NONBLOCK)
    line = ["t.csv", "--target", "y", "--solver", "descent", "--optimizer", "sgd", "--epochs", "3"]
    for more in ([], ["--resume"]):
        done = CliRunner().invoke(lr_train, [*line, "--log", "log", *more])
        assert done.exit_code == 0, done.output
        assert os.read(reader, 1 << 16).count(b"\n") >= 2  # epochs, the last where it has converged
    os.close(reader)
