"""Intervals and flags at the command: given where the model has them, refused in one line where it has not."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np
import pytest

from lr_runtime import Predictor
from lr_trainer import fit
from tests.conftest import one_line
from tests.export.model.test_uncertainty import ALL, fitted, only
from tests.export.oracle import fractions, leverages
from tests.export.present import with_every_tool

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from lr_trainer import Checkpoint
    from tests.conftest import Run


def saved(folder: Path, checkpoint: Checkpoint) -> None:
    checkpoint.save(folder / "model.safetensors")


def test_the_command_gives_them(run: Callable[..., Run], tmp_path: Path) -> None:
    saved(tmp_path, fitted("two targets"))
    done = run("lr-export", "--interval", "0.95", "--flags", "--certificate", "found.json")
    assert (done.returncode, done.stderr) == (0, "wrote model.onnx\n")
    found = json.loads((tmp_path / "found.json").read_text())
    assert list(found["bounds"]) == ["y", *ALL]
    assert [len(found["bounds"][name]) for name in ("y_lower", "in_range", "leverage")] == [2, 1, 1]
    assert Predictor.load(tmp_path / "model.onnx").contract.interval_level == 0.95
    one = run("lr-export", "--flags", "-o", "flags.onnx", "--quiet")
    assert one.returncode == 0
    assert Predictor.load(tmp_path / "flags.onnx").contract.results == ("y", "in_range", "leverage")


def test_a_penalised_model_has_no_leverage_and_says_so(run: Callable[..., Run], tmp_path: Path) -> None:
    saved(tmp_path, fitted("conformal"))
    done = run("lr-export", "--flags", "--interval", "0.9")
    assert done.returncode == 0
    assert "no leverage: its fit is penalised" in done.stderr
    assert Predictor.load(tmp_path / "model.onnx").contract.results == ("y", "y_lower", "y_upper", "in_range")


MISTAKES: dict[str, tuple[str, list[str], int, str]] = {
    "no level": ("two targets", ["--interval"], 2, "requires an argument"),
    "a word": ("two targets", ["--interval", "wide"], 2, "'wide' is not a valid float"),
    "per cent": ("two targets", ["--interval", "95"], 2, "a level between 0 and 1, such as 0.95, not 95.0"),
    "another level": ("conformal", ["--interval", "0.95"], 2, "Say --interval 0.9, or train it again"),
    "torchscript": (
        "two targets",
        ["--interval", "0.95", "--format", "torchscript"],
        2,
        "torchscript cannot give y_lower, y_upper. Formats that can: onnx, c, js, html",
    ),
    "flags in pt2": ("two targets", ["--flags", "--format", "pt2"], 2, "pt2 cannot give in_range, leverage"),
}


@pytest.mark.parametrize("case", MISTAKES)
def test_mistakes_at_the_command_line_are_one_line(case: str, run: Callable[..., Run], tmp_path: Path) -> None:
    checkpoint, arguments, code, said = MISTAKES[case]
    saved(tmp_path, fitted(checkpoint))
    done = run("lr-export", *arguments)
    assert done.returncode == code, done.stderr
    assert said in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["model.safetensors"]


def test_a_penalised_model_without_rows_held_out_says_how_to_train_it(run: Callable[..., Run], tmp_path: Path) -> None:
    saved(tmp_path, fit(only("a", "b", "y"), target="y", l2=0.1))
    message = one_line(run("lr-export", "--interval", "0.95"), 1)
    assert message == (
        "lr-export: the model has no prediction interval: its fit is penalised, or of minimum norm, so its weights are "
        "biased. Train it again with lr-train --interval 0.95"
    )


@with_every_tool
def test_every_format_that_has_them_is_written(run: Callable[..., Run], tmp_path: Path) -> None:
    saved(tmp_path, fitted("one column"))
    done = run("lr-export", "--format", "all", "--interval", "0.95", "--flags")
    assert done.returncode == 0, done.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "model.h",
        "model.html",
        "model.mjs",
        "model.onnx",
        "model.safetensors",
    ]


def test_the_oracle_is_no_copy() -> None:
    """The leverages of the rows of a fit add up to the number of its coefficients (the trace of the hat matrix)."""
    columns = only("a", "b", "y")
    checkpoint = fit(columns, target="y")
    h = leverages(checkpoint, np.column_stack([columns["a"], columns["b"]]))
    assert abs(float(h.sum()) - 3) < 1e-9
    assert (fractions(np.zeros(1)) <= h).all()
