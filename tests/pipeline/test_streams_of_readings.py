"""From a table as it comes to predictions of another, through the three commands: text, gaps, powers, bad rows."""

from __future__ import annotations

import csv
import json
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from lr_trainer import Checkpoint
from tests.conftest import one_line

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.conftest import Run

    Runner = Callable[..., Run]

SITES = ["north", "south", "east"]


def write_readings(path: Path, rows: int, seed: int) -> list[dict[str, Any]]:
    """Write readings in which every eleventh temperature and every thirteenth site is missing."""
    random = np.random.default_rng(seed)
    readings = []
    for row in range(rows):
        t, rh, site = random.normal(20, 5), random.uniform(), SITES[random.integers(3)]
        y = 2 * t + 0.1 * t * t + {"north": 0, "south": 3, "east": -1}[site] + rh + random.normal()
        cells = {
            "id": f"r{row:03}",
            "rh": rh,
            "t": None if row % 11 == 0 else t,
            "site": None if row % 13 == 0 else site,
        }
        readings.append({**cells, "y": y})
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, ["id", "rh", "t", "site", "y"])
        writer.writeheader()
        writer.writerows(readings)
    return readings


def eager(checkpoint: Checkpoint, readings: list[dict[str, Any]]) -> list[float]:
    """Predict with the checkpoint's PyTorch module, on float32 inputs as the exported model takes them."""
    x = [
        [
            np.nan if row[column.name] is None
            else float(column.categories.index(row[column.name])) if column.kind == "category"
            else float(np.float32(row[column.name]))
            for column in checkpoint.contract.columns
        ]
        for row in readings
    ]  # fmt: skip
    with torch.no_grad():
        values: list[float] = checkpoint.model()(torch.tensor(x, dtype=torch.float64))[:, 0].tolist()
    return values


def test_readings_of_every_kind_come_out_in_order(run: Runner, tmp_path: Path) -> None:
    write_readings(tmp_path / "train.csv", 300, seed=1)
    train = ["--target", "y", "--ignore", "id", "--missing", "indicator", "--degree", "2"]
    assert run("lr-train", "train.csv", *train).returncode == 0
    assert run("lr-export", "--format", "onnx").returncode == 0
    readings = write_readings(tmp_path / "new.csv", 100, seed=2)
    expected = eager(Checkpoint.load(tmp_path / "model.safetensors"), readings)

    done = run("lr-infer", "model.onnx", "new.csv", "--keep", "id", "--map", "truth=y")
    rows = list(csv.DictReader(done.stdout.splitlines()))
    assert [row["id"] for row in rows] == [row["id"] for row in readings]
    assert np.allclose([float(row["y"]) for row in rows], expected, rtol=1e-6, atol=0)

    lines = (tmp_path / "new.csv").read_text().splitlines(keepends=True)
    lines[5] = lines[5].replace("r004", "r004,")
    one_line(run("lr-infer", "model.onnx", "-", stdin="".join(lines)), 1)
    followed = run("lr-infer", "model.onnx", "--follow", "--on-error", "null", "--to", "jsonl", stdin="".join(lines))
    answers = [json.loads(line)["y"] for line in followed.stdout.splitlines()]
    assert answers.pop(4) is None
    assert answers == [float(row["y"]) for row in rows[:4] + rows[5:]]
    assert "line 6" in followed.stderr


def test_an_explanation_sums_to_what_is_predicted(run: Runner, tmp_path: Path) -> None:
    write_readings(tmp_path / "train.csv", 200, seed=3)
    assert run("lr-train", "train.csv", "--target", "y", "--ignore", "id", "--missing", "indicator").returncode == 0
    assert run("lr-export", "--format", "onnx").returncode == 0
    row = ["rh=0.5", "site=south", "t=NA"]
    predicted = float(run("lr-infer", "model.onnx", *row).stdout.split()[0])
    (explanation,) = json.loads(run("lr-infer", "model.onnx", *row, "--explain", "--json").stdout)["explanations"]
    shares = {share["term"]: share for share in explanation["shares"]}
    assert shares["t missing"]["value"] == shares["site=south"]["value"] == 1
    assert explanation["prediction"] == predicted
    assert np.isclose(explanation["total"], predicted, rtol=1e-7, atol=0)
