"""How a job of several workers ends: one line of ours and nothing written, or it goes on from what is saved."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from lr_runtime.errors import FitError
from lr_trainer import fit
from tests.workers.side_by_side import together

if TYPE_CHECKING:
    from lr_trainer.rows.workers import Workers
    from tests.workers.conftest import Torchrun

LOST = Path(__file__).parent / "lost.py"
BLOCKS = 6
FILES = 4


@pytest.fixture
def table(tmp_path: Path) -> str:
    """Four files, of six blocks in all."""
    random = np.random.default_rng(0)
    for number in range(FILES):
        rows = random.normal(size=(90_000, 3)).round(3)
        np.savetxt(tmp_path / f"{number}.csv", rows, "%g", ",", header="a,b,y", comments="")
    return "[0-3].csv"


def left_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if path.suffix != ".csv" and path.name != "taken")


def test_the_first_worker_is_killed_and_the_job_ends_with_one_line(
    torchrun: Torchrun, table: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("LOST", "0,1")
    ended = torchrun(2, LOST, table, "--target", "y")
    assert ended.code == 1
    assert len(ended.lines) == 1
    assert "a worker was lost" in ended.lines[0]
    assert left_in(tmp_path) == []


def test_a_job_goes_on_from_the_blocks_that_were_over_when_a_worker_was_killed(
    torchrun: Torchrun, table: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("LOST", "1,2")
    ended = torchrun(2, LOST, table, "--target", "y", "-o", "model.safetensors", also=("--max-restarts", "1"))
    assert ended.code == 0
    assert [line.partition(":")[0] for line in ended.lines] == ["lr-train", "wrote model.safetensors"]
    assert "torchrun starts all of them again, 1 of 1 times" in ended.lines[0]
    monkeypatch.chdir(tmp_path)
    assert Path("model.safetensors").read_bytes() == fit(table, target="y").to_bytes()
    taken = Path("taken").read_text().split("\n")
    assert 0 < sum(line.startswith("1") for line in taken) < BLOCKS
    assert left_in(tmp_path) == ["model.safetensors"]


def test_what_one_worker_is_given_otherwise_is_named(
    table: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)

    def fitted(workers: Workers) -> object:
        return fit(table, target="y", degree=1 + workers.rank, workers=workers)

    with pytest.raises(FitError, match=r"--?degree: 1 on the first worker, 2 on number 2|degree"):
        together(2, fitted)
