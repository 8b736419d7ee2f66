"""lr-train by descent as a user runs it: what implies one, what is printed, what is refused."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np
import pytest

from lr_trainer import Checkpoint
from tests.conftest import DATA, one_line

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.conftest import Run

    Runner = Callable[..., Run]

NORRIS = (DATA / "nist" / "norris.csv", "--target", "y")


@pytest.mark.parametrize(
    "options",
    [
        ("--solver", "descent"),
        ("--optimizer", "sgd"),
        ("--loss", "huber"),
        ("--loss", "squared", "--solver", "exact"),
    ],
)
def test_options_say_which_solver(options: tuple[str, ...], run: Runner) -> None:
    report = json.loads(run("lr-train", *NORRIS, *options, "--json").stdout)
    assert report["solver"] == ("exact" if "exact" in options else "descent")


def test_the_report_says_how_far_it_is(run: Runner, tmp_path: Path) -> None:
    done = run("lr-train", *NORRIS, "--solver", "descent", "--json")
    report = json.loads(done.stdout)
    assert report["converged"]
    assert report["distance"] < 1e-8
    assert report["gradient_norm"] < 1e-9
    assert report["gap"] < 1e-9
    assert report["objective"] == pytest.approx(report["rmse"] ** 2 / 2)
    done = run("lr-train", *NORRIS, "--loss", "quantile", "--quantile", "0.9", "--log", "log.jsonl")
    assert "loss quantile (quantile 0.9), lbfgs, " in done.stdout
    assert "of its value above its least" in done.stdout
    lines = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert [line["epoch"] for line in lines] == list(range(1, len(lines) + 1))
    assert set(lines[0]) == {"epoch", "loss", "validation", "gradient", "lr", "rows", "seconds"}
    assert lines[0]["rows"] == 36


def test_a_descent_is_exported_and_predicts_like_the_exact_fit(run: Runner) -> None:
    answers = []
    for options in ((), ("--solver", "descent")):
        assert run("lr-train", *NORRIS, *options).returncode == 0
        assert run("lr-export").returncode == 0
        answers.append(float(run("lr-infer", "model.onnx", "448.9").stdout))
    np.testing.assert_allclose(answers[0], answers[1], rtol=1e-6)


def test_a_descent_has_the_interval_that_its_held_out_rows_gave(run: Runner, tmp_path: Path) -> None:
    rows = np.random.default_rng(2).normal(size=(400, 2))
    (tmp_path / "t.csv").write_text("x,y\n" + "".join(f"{x!r},{x + e!r}\n" for x, e in rows.tolist()))
    done = run("lr-train", "t.csv", "--target", "y", "--loss", "absolute", "--interval", "0.9", "--json")
    half_width = json.loads(done.stdout)["conformal"]["half_width"][0]
    assert run("lr-export", "--interval", "0.9").returncode == 0
    (row,) = json.loads(run("lr-infer", "model.onnx", "0.5", "--json").stdout)["predictions"]
    np.testing.assert_allclose([row["y"] - row["y_lower"], row["y_upper"] - row["y"]], half_width, rtol=1e-6)


def test_a_warm_start_from_a_file(run: Runner, tmp_path: Path) -> None:
    run("lr-train", *NORRIS, "-o", "exact.safetensors")
    options = ("--solver", "descent", "--init", "exact.safetensors", "--epochs", "0", "--quiet")
    done = run("lr-train", *NORRIS, *options)
    exact = Checkpoint.load(tmp_path / "exact.safetensors")
    np.testing.assert_allclose(Checkpoint.load(tmp_path / "model.safetensors").weight, exact.weight, rtol=1e-12)
    assert done.returncode == 0


BAD: dict[str, tuple[tuple[object, ...], int, tuple[str, ...]]] = {
    "an optimizer for the exact solver": ((*NORRIS, "--solver", "exact", "--optimizer", "sgd"), 2, ("--solver exact",)),
    "a loss for the exact solver": ((*NORRIS, "--solver", "exact", "--loss", "huber"), 2, ("squared",)),
    "batches without a descent": ((*NORRIS, "--batch-size", "8"), 2, ("--batch-size", "--solver descent")),
    "a seed without a descent": ((*NORRIS, "--seed", "8"), 2, ("--seed", "--solver descent")),
    "a quantile for the lesson": (("--loss", "quantile"), 2, ("TABLE",)),
    "batches for the lesson": (("--batch-size", "8"), 2, ("--batch-size", "lr-train TABLE")),
    "a cross-validated penalty": ((*NORRIS, "--loss", "huber", "--penalty", "auto"), 2, ("--penalty auto",)),
    "divergence": ((*NORRIS, "--optimizer", "sgd", "--lr", "3"), 1, ("diverged", "smaller --lr than 3")),
    "a state beside standard output": ((*NORRIS, "--loss", "huber", "--resume", "-o", "-"), 2, ("-o FILE",)),
    "a log in no folder": ((*NORRIS, "--loss", "huber", "--log", "no/log"), 1, ("no/log", "cannot be written")),
    "an init that is not there": ((*NORRIS, "--loss", "huber", "--init", "m"), 1, ("m: no such file",)),
    "validation of everything": ((*NORRIS, "--loss", "huber", "--validation", "1"), 2, ("--validation",)),
}


@pytest.mark.parametrize("case", BAD)
def test_what_does_not_fit_ends_in_one_line_and_nothing_written(case: str, run: Runner, tmp_path: Path) -> None:
    arguments, code, said = BAD[case]
    line = one_line(run("lr-train", *arguments), code)
    for words in said:
        assert words in line
    assert list(tmp_path.iterdir()) == []


def test_a_stopped_descent_warns_in_one_line(run: Runner) -> None:
    done = run("lr-train", *NORRIS, "--optimizer", "sgd", "--lr", "0.01", "--epochs", "5", "--quiet")
    assert done.returncode == 0
    assert done.stderr.count("\n") == 1
    assert done.stderr.startswith("lr-train: warning: not converged after 5 epochs")
    assert "--epochs" in done.stderr
