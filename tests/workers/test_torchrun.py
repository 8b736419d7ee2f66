"""lr-train under torchrun, as a user types it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.parquet

if TYPE_CHECKING:
    from collections.abc import Sequence

BIN = Path(sys.executable).parent


def run(*words: str | Path, workers: int | None = None, given: str | None = None) -> subprocess.CompletedProcess[str]:
    launch: Sequence[str] = [str(BIN / "lr-train")]
    if workers is not None:
        launch = [str(BIN / "torchrun"), "--nproc-per-node", str(workers), "-m", "lr_trainer"]
    return subprocess.run(
        [*launch, *map(str, words)], capture_output=True, text=True, input=given, timeout=120, check=False
    )


def test_two_workers_write_the_bytes_of_one_process(tmp_path: Path) -> None:
    random = np.random.default_rng(5)
    a, site = random.normal(size=200_000), np.array(["n", "s"])[random.integers(0, 2, 200_000)]
    rows = pa.table({"a": a, "site": site, "y": 3 * a + random.normal(size=200_000)})
    pa.parquet.write_table(rows, tmp_path / "rows.parquet", row_group_size=50_000)
    fitted = run(tmp_path / "rows.parquet", "--target", "y", "--json", "-o", tmp_path / "two.safetensors", workers=2)
    assert fitted.returncode == 0, fitted.stderr
    assert json.loads(fitted.stdout)["workers"] == {"pieces": 1, "rows": [131_072, 68_928]}
    run(tmp_path / "rows.parquet", "--target", "y", "-o", tmp_path / "one.safetensors")
    assert (tmp_path / "two.safetensors").read_bytes() == (tmp_path / "one.safetensors").read_bytes()


def test_a_fault_is_said_once_and_nothing_is_written(tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_text("a,y\n1,2\n2,3\n3,nought\n")
    failed = run(tmp_path / "rows.csv", "--target", "y", "-o", tmp_path / "model.safetensors", workers=2)
    assert failed.returncode == 1
    assert failed.stderr.count("lr-train: ") == 1
    assert 'rows.csv line 4, column "y": "nought" is not a number' in failed.stderr
    assert not (tmp_path / "model.safetensors").exists()


def test_a_pipe_is_no_table_of_several_workers() -> None:
    failed = run("-", "--target", "y", workers=2, given="a,y\n1,2\n")
    assert failed.returncode == 1
    assert "lr-train: - is a pipe, which one process reads" in failed.stderr


def test_what_one_process_does_is_left_to_the_first_worker(tmp_path: Path) -> None:
    lesson = run("--epochs", "1", "-o", tmp_path / "model.safetensors", workers=2)
    assert lesson.returncode == 0, lesson.stderr
    assert f"wrote {tmp_path / 'model.safetensors'}" in lesson.stderr
