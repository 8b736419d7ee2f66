"""How a job of several workers ends: one line of ours, and nothing written, whatever happens to one of them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

if TYPE_CHECKING:
    from tests.workers.conftest import Torchrun

LOST = Path(__file__).parent / "lost.py"
NAMES = "a,b,y"


@pytest.fixture
def table(tmp_path: Path) -> str:
    """Four files of more than a block of rows."""
    random = np.random.default_rng(0)
    for number in range(4):
        rows = random.normal(size=(70_000, 3)).round(3)
        np.savetxt(tmp_path / f"{number}.csv", rows, "%g", ",", header=NAMES, comments="")
    return "[0-3].csv"


@pytest.mark.parametrize("rank", [0, 1])
def test_a_worker_that_is_killed_ends_the_job_with_one_line(
    torchrun: Torchrun, table: str, rank: int, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("LOST", f"{rank},1")
    before = sorted(tmp_path.iterdir())
    ended = torchrun(2, LOST, table, "--target", "y")
    assert ended.code == 1
    assert len(ended.lines) == 1
    assert "a worker was lost" in ended.lines[0]
    assert sorted(tmp_path.iterdir()) == before


def test_a_bad_cell_of_the_last_worker_is_one_line_with_its_place(
    torchrun: Torchrun, table: str, tmp_path: Path
) -> None:
    lines = (tmp_path / "3.csv").read_text().splitlines()
    (tmp_path / "3.csv").write_text("\n".join([*lines[:1000], "1,bad,2", *lines[1000:]]))
    ended = torchrun(3, "-m", "lr_trainer", table, "--target", "y")
    assert ended.code == 1
    assert ended.lines == [
        'lr-train: 3.csv line 1001, column "b": "bad" is not a number. Correct it, or if it means a missing value: '
        "--missing-token bad"
    ]
    assert not list(tmp_path.glob("*.safetensors"))
