"""A gateway without torch calibrates itself: rows come, the model is fitted, exported with proof, and predicts."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np
import pytest

from lr_export import export
from lr_trainer import fit, update
from tests.absent import Without
from tests.conftest import ROOT, one_line

if TYPE_CHECKING:
    from pathlib import Path

STEPS: list[tuple[str, ...]] = [
    ("lr-train", "first.csv", "--target", "y"),
    ("lr-train", "then.csv", "--update", "model.safetensors", "-o", "model.safetensors"),
    ("lr-export", "--without-eager", "--interval", "0.95", "--flags", "--certificate", "proof.json"),
    ("lr-inspect", "model.onnx", "--self-test"),
    ("lr-infer", "model.onnx", "all.csv", "-o", "predictions.csv"),
]


@pytest.fixture
def gateway(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Without:
    return Without(tmp_path, tmp_path_factory.mktemp("blocker"), "torch")


def test_it_trains_goes_on_from_more_rows_exports_and_infers(gateway: Without, tmp_path: Path) -> None:
    header, *rows = (ROOT / "examples" / "norris.csv").read_text().splitlines(keepends=True)
    for name, some in (("first", rows[:20]), ("then", rows[20:]), ("all", rows)):
        (tmp_path / f"{name}.csv").write_text(header + "".join(some))
    for name, *arguments in STEPS:
        done = gateway.run(name, *arguments)
        assert done.returncode == 0, done.stderr
    assert json.loads((tmp_path / "proof.json").read_text())["eager"] == "not run"
    # numpy's own least squares is another program; the predictions are float32.
    y, x = np.loadtxt(tmp_path / "all.csv", delimiter=",", skiprows=1, unpack=True)
    predicted = np.loadtxt(tmp_path / "predictions.csv", delimiter=",", skiprows=1, usecols=0)
    assert predicted == pytest.approx(np.polyval(np.polyfit(x, y, 1), x), rel=1e-6, abs=1e-4)
    # A machine that has torch writes the same file.
    checkpoint = update(fit(tmp_path / "first.csv", target="y"), tmp_path / "then.csv")
    export(checkpoint, tmp_path / "here.onnx", interval=0.95, flags=True, without_eager=True)
    assert (tmp_path / "model.onnx").read_bytes() == (tmp_path / "here.onnx").read_bytes()


def test_the_lesson_says_what_it_needs(gateway: Without, tmp_path: Path) -> None:
    assert "pip install 'linedge[torch]'" in one_line(gateway.run("lr-train"), 1)
    assert not list(tmp_path.iterdir())
