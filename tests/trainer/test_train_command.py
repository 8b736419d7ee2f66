"""lr-train as a user runs it: the lesson's lines, a table's summary, and one clear line for everything else."""

from __future__ import annotations

import json
import shutil
import subprocess
from typing import TYPE_CHECKING

import numpy as np
import pytest

from lr_runtime.tables import open_table
from lr_trainer import Checkpoint
from lr_trainer.rows.profile import look
from tests.conftest import DATA, SCRIPTS, checkpoint_of, one_line
from tests.trainer.fitting.test_lesson import PUBLISHED_LOSSES, PUBLISHED_PREDICTION, PUBLISHED_START

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.conftest import Run

    Runner = Callable[..., Run]


def test_alone_it_is_the_lesson(run: Runner, tmp_path: Path) -> None:
    done = run("lr-train")
    lines = done.stdout.splitlines()
    assert done.returncode == 0
    assert [line.partition(" | ")[0] for line in lines[:5]] == [f"Epoch: {epoch}" for epoch in range(0, 500, 100)]
    checkpoint = Checkpoint.load(tmp_path / "model.safetensors")
    label, _, printed = lines[5].partition(": ")
    assert label == "Prediction at 4"
    exact = 4 * checkpoint.weight[0, 0] + checkpoint.bias[0]
    assert abs(float(printed) - exact) < 2**-20
    assert done.stderr == "wrote model.safetensors\n"


def test_prints_the_published_run(run: Runner, tmp_path: Path) -> None:
    weight, bias = PUBLISHED_START
    checkpoint_of([[weight]], bias).save(tmp_path / "start.safetensors")
    done = run("lr-train", "--init", "start.safetensors", "-o", "end.safetensors", "--quiet")
    expected = [f"Epoch: {100 * index} | Loss: {loss}" for index, loss in enumerate(PUBLISHED_LOSSES)]
    assert done.stdout.splitlines() == [*expected, f"Prediction at 4: {PUBLISHED_PREDICTION}"]
    assert done.stderr == ""


def test_a_table_gives_a_summary_and_a_checkpoint(run: Runner, tmp_path: Path) -> None:
    done = run("lr-train", DATA / "nist" / "norris.csv", "--target", "y", "-o", "norris.safetensors")
    assert done.returncode == 0
    assert done.stdout.rstrip("\n") == Checkpoint.load(tmp_path / "norris.safetensors").summary()


def test_json_is_the_report(run: Runner, tmp_path: Path) -> None:
    shutil.copy(DATA / "nist" / "norris.csv", tmp_path)
    report = json.loads(run("lr-train", "norris.csv", "--target", "y", "--json").stdout)
    fit = Checkpoint.load(tmp_path / "model.safetensors").fit
    assert report.pop("seconds") > 0
    assert report == fit
    assert [c["term"] for c in report["coefficients"]] == ["intercept", "x"]


def test_standard_input_is_a_table(run: Runner, tmp_path: Path) -> None:
    text = (DATA / "nist" / "norris.csv").read_text()
    assert run("lr-train", "-", "--target", "y", "-o", "a.safetensors", stdin=text).returncode == 0
    run("lr-train", DATA / "nist" / "norris.csv", "--target", "y", "-o", "b.safetensors")
    assert (tmp_path / "a.safetensors").read_bytes() == (tmp_path / "b.safetensors").read_bytes()


def test_a_dash_is_standard_output(run: Runner, tmp_path: Path) -> None:
    command = [str(SCRIPTS / "lr-train"), str(DATA / "nist" / "norris.csv"), "--target", "y", "-o", "-"]
    done = subprocess.run(command, capture_output=True, check=True, cwd=tmp_path)
    run("lr-train", DATA / "nist" / "norris.csv", "--target", "y")
    assert [path.name for path in tmp_path.iterdir()] == ["model.safetensors"]
    assert done.stdout == (tmp_path / "model.safetensors").read_bytes()
    assert b"condition number" in done.stderr


def _config(folder: Path, options: str) -> Path:
    path = folder / "options.toml"
    path.write_text(f"[lr-train]\n{options}\n")
    return path


def test_options_come_from_a_file_and_the_command_line_goes_first(run: Runner, tmp_path: Path) -> None:
    config = _config(tmp_path, "epochs = 201\nseed = 5")
    done = run("lr-train", "--config", config, "--seed", "0")
    first_of_seed_0 = run("lr-train", "--epochs", "1", "--seed", "0").stdout.splitlines()[0]
    assert next(line for line in done.stdout.splitlines() if line.startswith("Epoch")) == first_of_seed_0
    assert sum(line.startswith("Epoch") for line in done.stdout.splitlines()) == 3


def test_a_constant_column_is_dropped_with_one_warning(run: Runner, tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("a,k,y\n1,5,2\n2,5,4.5\n3,5,6\n4,5,8\n")
    done = run("lr-train", "t.csv", "--target", "y", "--quiet")
    assert done.returncode == 0
    assert one_line_of(done.stderr).startswith('lr-train: warning: "k" is constant: dropped')
    assert Checkpoint.load(tmp_path / "model.safetensors").weight[0, 1] == 0


def one_line_of(text: str) -> str:
    assert text.count("\n") == 1
    return text.strip()


def csv(content: str | bytes) -> Callable[[Path], object]:
    raw = content.encode() if isinstance(content, str) else content
    return lambda folder: (folder / "t.csv").write_bytes(raw)


GOOD = "a,b,y\n1,2,3\n2,1,4\n3,5,5\n4,4,7\n5,1,9\n"
BAD_INPUT: dict[str, tuple[Callable[[Path], object], list[str], int, list[str]]] = {
    "missing file": (lambda _: None, ["t.csv", "--target", "y"], 1, ["t.csv: no such file", "Name a table"]),
    "a folder": (lambda folder: (folder / "t.csv").mkdir(), ["t.csv", "--target", "y"], 1, ["t.csv", "directory"]),
    "a PDF": (csv(b"%PDF-1.7\n..."), ["t.csv", "--target", "y"], 1, ["t.csv", "PDF"]),
    "a picture": (csv(b"\x89PNG\r\n\x1a\n\0\0"), ["t.csv", "--target", "y"], 1, ["t.csv", "picture"]),
    "no target": (csv(GOOD), ["t.csv"], 2, ["--target NAME", '"a", "b", "y"']),
    "target not in the table": (csv(GOOD), ["t.csv", "--target", "z"], 1, ['"z"', '"a", "b", "y"']),
    "text in a number column": (
        csv(GOOD + "6,six,7\n"),
        ["t.csv", "--target", "y"],
        1,
        ['t.csv line 7, column "b": "six" is not a number'],
    ),
    "empty table": (csv(""), ["t.csv", "--target", "y"], 1, ["t.csv is empty"]),
    "header only": (csv("a,b,y\n"), ["t.csv", "--target", "y"], 1, ["t.csv has no rows"]),
    "ragged row": (csv(GOOD + "6,7\n"), ["t.csv", "--target", "y"], 1, ["line 7", "2 cells", "3 names"]),
    "NaN in the data": (csv(GOOD + "6,nan,7\n"), ["t.csv", "--target", "y"], 1, ['line 7, column "b"', "missing"]),
    "inf in the data": (csv(GOOD + "6,-inf,7\n"), ["t.csv", "--target", "y"], 1, ['line 7, column "b": "-inf"']),
    "one row": (csv("a,b,y\n1,2,3\n"), ["t.csv", "--target", "y"], 1, ["1 row", "3 coefficients"]),
    "fewer rows than columns": (csv("a,b,y\n1,2,3\n2,5,9\n"), ["t.csv", "--target", "y"], 1, ["2 rows", "3 coeff"]),
    "two identical columns": (
        csv("a,b,y\n1,1,3\n2,2,4\n3,3,5\n4,4,7\n"),
        ["t.csv", "--target", "y"],
        1,
        ['"b" = 1 * "a"', "--drop-collinear"],
    ),
    "unwritable folder": (
        csv(GOOD),
        ["t.csv", "--target", "y", "-o", "nowhere/m.safetensors"],
        1,
        ["nowhere", "cannot be written", "-o FILE"],
    ),
    "a lesson option beside a table": (csv(GOOD), ["t.csv", "--target", "y", "--lr", "0.1"], 2, ["--lr", "lesson"]),
    "a target without a table": (lambda _: None, ["--target", "y"], 2, ["--target", "lr-train TABLE"]),
    "updating with nothing": (lambda _: None, ["--update", "m.safetensors"], 2, ["--update needs a table"]),
    "merging one": (lambda _: None, ["--merge", "m.safetensors"], 2, ["--merge joins two"]),
    "a fit option beside --merge": (lambda _: None, ["--merge", "a", "b", "--degree", "2"], 2, ["--degree"]),
    "two ways out of collinearity": (
        csv(GOOD),
        ["t.csv", "--target", "y", "--l2", "1", "--drop-collinear"],
        2,
        ["--drop-collinear", "Choose one"],
    ),
    "an option that is none": (lambda _: None, ["--epoch", "5"], 2, ["--epoch"]),
    "an optimizer that is none": (lambda _: None, ["--optimizer", "sdg"], 2, ["sgd", "adamw"]),
    "divergence": (lambda _: None, ["--lr", "10", "--json"], 1, ["diverged", "--lr"]),
    "an init that is none": (csv(GOOD), ["--init", "t.csv"], 1, ["t.csv: not a linedge checkpoint"]),
    "no CUDA": (lambda _: None, ["--device", "cuda"], 2, ["CUDA", "--device cpu"]),
}


@pytest.mark.parametrize("case", BAD_INPUT)
def test_bad_input_ends_in_one_line_and_nothing_written(case: str, run: Runner, tmp_path: Path) -> None:
    if case == "no CUDA":
        _skip_where_there_is_cuda()
    prepare, arguments, code, said = BAD_INPUT[case]
    prepare(tmp_path)
    before = sorted(path.name for path in tmp_path.iterdir())
    line = one_line(run("lr-train", *arguments), code)
    assert line.startswith("lr-train: ")
    for words in said:
        assert words in line
    assert sorted(path.name for path in tmp_path.iterdir()) == before


def _skip_where_there_is_cuda() -> None:
    import torch

    if torch.cuda.is_available():
        pytest.skip("there is a CUDA device here")


def test_rows_are_added_to_a_checkpoint_and_checkpoints_joined(run: Runner, tmp_path: Path) -> None:
    header, *rows = GOOD.splitlines()
    rows += [f"{i},{(i * 7) % 5},{2 * i + (i * 3) % 4}" for i in range(6, 30)]
    for name, part in {"one": rows[:12], "two": rows[12:], "all": rows}.items():
        (tmp_path / f"{name}.csv").write_text("\n".join([header, *part]) + "\n")
        assert run("lr-train", f"{name}.csv", "--target", "y", "-o", f"{name}.safetensors").returncode == 0
    whole = Checkpoint.load(tmp_path / "all.safetensors")
    run("lr-train", "two.csv", "--update", "one.safetensors", "-o", "updated.safetensors")
    merged = run("lr-train", "--merge", "one.safetensors", "two.safetensors", "-o", "merged.safetensors")
    assert "digits, from moments alone" in merged.stdout
    for name in ("updated", "merged"):
        found = Checkpoint.load(tmp_path / f"{name}.safetensors")
        np.testing.assert_allclose(found.weight, whole.weight, rtol=1e-12)
        assert found.fit["rows"] == 29


def test_a_dry_run_keeps_no_more_than_it_shows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lr_trainer.rows.profile._MOST_DISTINCT", 5)
    (tmp_path / "t.csv").write_text("s,d,a\n" + "".join(f"id{row},2026-01-{row + 1:02d},{row}\n" for row in range(9)))
    seen = look(open_table(tmp_path / "t.csv"))
    assert [column.distinct for column in seen.columns] == [None, None, None]
    assert "s: category of over 5: id0, id1" in "\n".join(seen.lines())


def test_a_dry_run_shows_the_columns_and_writes_nothing(run: Runner, tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("site,rh,y\nnorth,0.5,1\nsouth,,2\n")
    done = run("lr-train", "t.csv", "--dry-run")
    assert done.stdout.splitlines() == [
        "2 rows",
        "site: category of 2: north, south",
        "rh: number from 0.5 to 0.5, 1 missing",
        "y: number from 1.0 to 2.0",
    ]
    columns = json.loads(run("lr-train", "t.csv", "--dry-run", "--json").stdout)["columns"]
    assert [(column["name"], column["kind"], column["missing"]) for column in columns] == [
        ("site", "category", 0),
        ("rh", "number", 1),
        ("y", "number", 0),
    ]
    assert [path.name for path in tmp_path.iterdir()] == ["t.csv"]


def test_a_ridge_fit_says_why_it_has_no_standard_errors(run: Runner, tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text(GOOD)
    done = run("lr-train", "t.csv", "--target", "y", "--l2", "0.1")
    assert "a penalised fit is biased, so it has no standard errors" in done.stdout
    assert "penalty l1 0, l2 0.1" in done.stdout


def test_a_failed_run_keeps_the_old_checkpoint(run: Runner, tmp_path: Path) -> None:
    checkpoint_of([[1.0]], 0.0).save(tmp_path / "model.safetensors")
    before = (tmp_path / "model.safetensors").read_bytes()
    assert run("lr-train", "--lr", "10").returncode == 1
    assert (tmp_path / "model.safetensors").read_bytes() == before


def test_a_table_larger_than_a_block_is_fitted_in_any_format(run: Runner, tmp_path: Path) -> None:
    random = np.random.default_rng(4)
    x = random.normal(size=(300_000, 2))
    y = x @ [2.0, -1.0] + 0.5
    lines = "\n".join(f"{a!r},{b!r},{c!r}" for (a, b), c in zip(x.tolist(), y.tolist(), strict=True))
    (tmp_path / "t.csv").write_text(f"a,b,y\n{lines}\n")
    assert (tmp_path / "t.csv").stat().st_size > 4 << 20
    report = json.loads(run("lr-train", "t.csv", "--target", "y", "--json").stdout)
    np.testing.assert_allclose([c["estimate"] for c in report["coefficients"]], [0.5, 2.0, -1.0], rtol=1e-12)
    assert report["rows"] == 300_000
