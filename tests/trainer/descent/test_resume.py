"""A descent stopped anywhere goes on to the same bits: in process at every step, and as a process that is killed."""

from __future__ import annotations

import hashlib
import json
import signal
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from click.testing import CliRunner

from lr_runtime.errors import CheckpointError, OptionError
from lr_trainer import Checkpoint, fit
from lr_trainer.cli import main
from lr_trainer.descent.options import Descent
from lr_trainer.descent.resume import Interruption, Resume, interruptible
from lr_trainer.errors import InterruptedFitError
from tests.conftest import SCRIPTS, one_line

if TYPE_CHECKING:
    from collections.abc import Callable

    from lr_trainer.descent.epoch import Epoch
    from tests.conftest import Run

    Runner = Callable[..., Run]


def columns(rows: int = 90) -> dict[str, Any]:
    random = np.random.default_rng(1)
    x = random.normal(size=(rows, 2)) + np.array([1e3, 0])
    return {"x": x, "y": x @ [1.0, -2.0] + random.standard_t(3, size=rows), "w": random.uniform(1, 2, size=rows)}


WAYS: dict[str, tuple[Descent, dict[str, Any]]] = {
    "sgd on batches, momentum": (Descent(batch_size=16, momentum=0.9, epochs=3), {}),
    "adam on batches, lasso": (Descent(optimizer="adam", batch_size=16, epochs=3), {"l1": 0.01}),
    "batches, weights, validation": (
        Descent(batch_size=16, validation=0.2, patience=2, epochs=4),
        {"weight": "w", "features": ["x1", "x2"]},
    ),
    "sgd": (Descent(loss="huber", optimizer="sgd", epochs=12), {}),
    "adamw": (Descent(optimizer="adamw", epochs=12), {}),
    "lbfgs": (Descent(loss="huber"), {}),
    "lbfgs and newton": (Descent(loss="quantile", quantile=0.8), {}),
    "lbfgs, lasso": (Descent(loss="absolute"), {"l1": 0.1}),
}


class StopsAt(Resume):
    """Keeps its state, and is interrupted, at the step of that number."""

    def __init__(self, path: Path, step: int | None, *, goes_on: bool) -> None:
        self.interruption = Interruption()
        super().__init__(path, 1e9, self.interruption, goes_on=goes_on)
        self.left = step

    def due(self) -> bool:
        if self.left is not None:
            if self.left == 0:
                self.interruption.signal = signal.SIGTERM
            self.left -= 1
        return super().due()


def run_to(path: Path, way: str, step: int | None, *, goes_on: bool) -> bytes | None:
    """Return the checkpoint, or None where it was stopped before there was one."""
    descent, options = WAYS[way]
    try:
        memory = StopsAt(path, step, goes_on=goes_on)
        return fit(columns(), target="y", descent=descent, memory=memory, **options).to_bytes()
    except InterruptedFitError:
        return None


@pytest.mark.parametrize("way", WAYS)
def test_stopped_at_any_step_it_ends_in_the_same_bits(way: str, tmp_path: Path) -> None:
    path = tmp_path / "state"
    expected = run_to(path, way, None, goes_on=False)
    step = 0
    while run_to(path, way, step, goes_on=False) is None:
        assert run_to(path, way, None, goes_on=True) == expected
        step += 1 + step // 4
    assert step >= 5


def test_stopped_again_and_again_it_ends_in_the_same_bits(tmp_path: Path) -> None:
    way = "sgd on batches, momentum"
    expected, stops = run_to(tmp_path / "whole", way, None, goes_on=False), 0
    while (found := run_to(tmp_path / "state", way, 2, goes_on=stops > 0)) is None:
        stops += 1
    assert found == expected
    assert stops >= 5


def test_the_state_of_another_descent_is_refused_with_the_difference(tmp_path: Path) -> None:
    path = tmp_path / "state"
    assert run_to(path, "lbfgs", 2, goes_on=False) is None
    table = columns()

    def resume(table: dict[str, Any], descent: Descent, **options: Any) -> None:
        fit(table, target="y", descent=descent, memory=StopsAt(path, None, goes_on=True), **options)

    with pytest.raises(OptionError, match="loss: huber there, squared here"):
        resume(table, Descent(optimizer="lbfgs"))
    with pytest.raises(OptionError, match=r"l2: 0\.0 there, 0\.5 here"):
        resume(table, Descent(loss="huber"), l2=0.5)
    with pytest.raises(OptionError, match="the number of rows: 90 there, 80 here"):
        resume({name: values[:80] for name, values in table.items()}, Descent(loss="huber"))
    table["y"] = table["y"].copy()
    table["y"][17] = np.nextafter(table["y"][17], np.inf)
    with pytest.raises(OptionError, match=r"sha256 of the rows: [0-9a-f]{64} there, [0-9a-f]{64} here"):
        resume(table, Descent(loss="huber"))


def test_a_file_that_is_no_state_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "state"
    for content in (b"", b"weights", fit(columns(), target="y").to_bytes()):
        path.write_bytes(content)
        with pytest.raises(CheckpointError, match="not the state of a descent"):
            run_to(path, "lbfgs", None, goes_on=True)
        assert path.read_bytes() == content


@pytest.fixture
def table(tmp_path: Path) -> Path:
    found = columns(4000)
    rows = np.column_stack([found["x"], found["y"]]).tolist()
    (tmp_path / "t.csv").write_text("a,b,y\n" + "".join(f"{a!r},{b!r},{y!r}\n" for a, b, y in rows))
    return tmp_path / "t.csv"


STATE = "m.safetensors.resume.safetensors"
# Long enough to be stopped in, however fast the machine: a state is written, with fsync, after every step.
COMMAND = ("t.csv", "--target", "y", "--loss", "huber", "--delta", "1", "--batch-size", "100", "--epochs", "10")
KEEPING = ("-o", "m.safetensors", "--log", "log.jsonl", "--quiet")


def started(folder: Path, *more: str) -> subprocess.Popen[bytes]:
    command = [str(SCRIPTS / "lr-train"), *COMMAND, *KEEPING, "--checkpoint-every", "0", *more]
    return subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)


def wait_for_state(folder: Path, process: subprocess.Popen[bytes], changed_from: bytes = b"") -> None:
    while process.poll() is None:
        if (folder / STATE).exists() and (folder / STATE).read_bytes() != changed_from:
            return
        time.sleep(0.005)


def whole(run: Runner, folder: Path) -> str:
    assert run("lr-train", *COMMAND, "-o", "whole.safetensors").returncode == 0
    assert not (folder / "whole.safetensors.resume.safetensors").exists()
    return hashlib.sha256((folder / "whole.safetensors").read_bytes()).hexdigest()


def test_killed_at_random_moments_it_ends_in_the_same_bits(run: Runner, table: Path) -> None:
    folder, kills, chance = table.parent, 0, np.random.default_rng(3)
    expected = whole(run, folder)
    for _ in range(2):
        before = (folder / STATE).read_bytes() if kills else b""
        process = started(folder, "--resume")
        wait_for_state(folder, process, changed_from=before)
        time.sleep(chance.uniform(0, 0.1))
        process.send_signal(signal.SIGKILL)
        kills += process.wait() == -signal.SIGKILL
        assert process.stderr is not None
        process.stderr.close()
    assert kills
    assert not (folder / "m.safetensors").exists()
    done = run("lr-train", *COMMAND, *KEEPING, "--resume")
    assert done.returncode == 0, done.stderr
    assert hashlib.sha256((folder / "m.safetensors").read_bytes()).hexdigest() == expected
    assert not (folder / STATE).exists()
    epochs = [json.loads(line)["epoch"] for line in (folder / "log.jsonl").read_text().splitlines()]
    assert epochs == list(range(1, 11))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_saves_the_state_and_ends_with_its_code(number: signal.Signals, run: Runner, table: Path) -> None:
    folder = table.parent
    process = started(folder)
    wait_for_state(folder, process)
    process.send_signal(number)
    _, errors = process.communicate()
    assert process.returncode == 128 + number
    assert errors.decode().count("\n") == 1
    assert f"its state is in {STATE}. Go on with --resume" in errors.decode()
    assert sorted(path.name for path in folder.iterdir()) == ["log.jsonl", STATE, "t.csv"]
    if number == signal.SIGTERM:
        line = one_line(run("lr-train", *COMMAND, *KEEPING, "--resume", "--seed", "7"), 2)
        assert "--seed: 0 there, 7 here" in line
        expected = whole(run, folder)
        assert run("lr-train", *COMMAND, *KEEPING, "--resume").returncode == 0
        assert hashlib.sha256((folder / "m.safetensors").read_bytes()).hexdigest() == expected


def test_a_signal_before_there_is_anything_to_keep_ends_at_once() -> None:
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        handler = signal.getsignal(number)
        with pytest.raises(SystemExit) as ended, interruptible() as interruption:
            signal.raise_signal(number)
        assert ended.value.code == 128 + number
        with interruptible() as interruption:
            interruption.hold()
            signal.raise_signal(number)
            assert interruption.signal == number
            signal.raise_signal(next(other for other in (signal.SIGHUP, signal.SIGTERM) if other != number))
            assert interruption.signal == number  # another comes by itself: systemd sends two
            with pytest.raises(SystemExit):  # the second one is meant
                signal.raise_signal(number)
        assert signal.getsignal(number) is handler


def test_a_state_that_could_not_be_written_is_said_before_the_descent(run: Runner, table: Path) -> None:
    (table.parent / STATE).mkdir()
    line = one_line(run("lr-train", *COMMAND, *KEEPING), 1)
    assert f"{STATE}: cannot be written (Is a directory)" in line


def test_a_state_that_cannot_be_removed_is_a_warning(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(Path, "unlink", fail)
    (tmp_path / "t.csv").write_text("x,y\n1,2\n2,4.5\n3,6\n4,8\n")
    line = [str(tmp_path / "t.csv"), "--target", "y", "--solver", "descent", "-o", str(tmp_path / "m")]
    done = CliRunner().invoke(main, line)
    assert done.exit_code == 0
    said = f"lr-train: warning: {tmp_path / 'm.resume.safetensors'}: cannot be removed (Input/output error)"
    assert said in done.stderr.splitlines()
    assert Checkpoint.load(tmp_path / "m").fit["converged"]


def test_without_a_state_resume_starts_at_the_start(run: Runner, table: Path) -> None:
    done = run("lr-train", table, "--target", "y", "--solver", "descent", "--resume")
    assert done.returncode == 0
    assert "there is no model.safetensors.resume.safetensors: starting at the start" in done.stderr
    assert Checkpoint.load(table.parent / "model.safetensors").fit["converged"]


def test_epochs_are_reported_as_they_end() -> None:
    seen: list[Epoch] = []
    fit(columns(), target="y", descent=Descent(batch_size=10, epochs=4), report=seen.append)
    assert [epoch.number for epoch in seen] == [1, 2, 3, 4]
    assert {epoch.rows for epoch in seen} == {90}
    assert all(np.isfinite(epoch.loss) for epoch in seen)
