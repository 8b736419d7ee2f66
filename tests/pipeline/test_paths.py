"""Names, paths and options that lead nowhere: nothing is written over, nothing is guessed."""

from __future__ import annotations

import json
import os
import subprocess
from typing import TYPE_CHECKING, Any

import pytest

from tests.conftest import SCRIPTS, has_begun, one_line
from tests.pipeline.test_bad_tables import GOLDEN, failure, parquet, table

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from click.testing import Result

    from tests.conftest import Run

    Runner = Callable[..., Run]
    Train = Callable[..., Result]


def test_names_move_no_cursor(train: Train, run: Runner, tmp_path: Path) -> None:
    rows = "".join(f"{row},{'pq'[row % 2]}\x1b[31m,{row * row % 7}\n" for row in range(20))
    (tmp_path / "t.csv").write_text("a\x1b[2J,s,y\x1b[1m\n" + rows)
    shown = [train("t.csv", "--dry-run").output, train("t.csv", "--target", "y\x1b[1m").output]
    assert run("lr-export").returncode == 0
    shown += [done.stdout + done.stderr for done in (run("lr-infer", "model.onnx", "1", "p\x1b[31m", "--explain"),)]
    shown.append(run("lr-inspect", "model.onnx").stdout)
    for text in shown:
        assert "\\x1b[" in text
        assert "\x1b" not in text


@pytest.mark.parametrize(
    ("command", "lost"),
    [
        (["lr-train", "t.csv", "--target", "y", "-o", "t.csv"], "t.csv"),
        (["lr-train", "folder", "--target", "y", "-o", "linked.csv"], "folder/t.csv"),
        (["lr-train", "folder/*.csv", "--target", "y", "-o", "folder/t.csv"], "folder/t.csv"),
        (["lr-infer", "m.onnx", "1", "-o", "m.onnx"], "m.onnx"),
        (["lr-export", "m.onnx", "-o", "m.onnx"], "m.onnx"),
        (["lr-export", "m.onnx", "-o", "n.onnx", "--certificate", "m.onnx"], "m.onnx"),
    ],
    ids=lambda value: " ".join(map(str, value[:1] + value[-2:])) if isinstance(value, list) else None,
)
def test_no_input_is_written_over(command: list[Any], lost: str, run: Runner, tmp_path: Path) -> None:
    content = b"x,y\n1,2\n2,3\n3,5\n"
    (tmp_path / "folder").mkdir()
    for name, kept in {"t.csv": content, "folder/t.csv": content, "m.onnx": GOLDEN.read_bytes()}.items():
        (tmp_path / name).write_bytes(kept)
    (tmp_path / "linked.csv").symlink_to("folder/t.csv")
    before = (tmp_path / lost).read_bytes()
    assert "which is read. Name another file" in one_line(run(*command), 2)
    assert (tmp_path / lost).read_bytes() == before


@pytest.mark.parametrize("kind", ["csv", "jsonl", "parquet"])
def test_a_missing_category_is_said_with_its_place(kind: str, train: Train, run: Runner, tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text(table([f"{'pqr'[row % 3]},{row},{row * row % 5}" for row in range(20)], "s,a,y"))
    assert train("t.csv", "--target", "y").exit_code == 0
    assert run("lr-export").returncode == 0
    rows: dict[str, str | bytes] = {
        "csv": "s,a\np,1\n,2\nq,3\n",
        "jsonl": '{"s": "p", "a": 1}\n{"s": null, "a": 2}\n{"s": "q", "a": 3}\n',
        "parquet": parquet(s=["p", None, "q"], a=[1.0, 2.0, 3.0]),
    }
    content = rows[kind]
    (tmp_path / f"new.{kind}").write_bytes(content if isinstance(content, bytes) else content.encode())
    place = "row 2" if kind == "parquet" else "line 3" if kind == "csv" else "line 2"
    message = one_line(run("lr-infer", "model.onnx", f"new.{kind}"), 1)
    assert f'new.{kind} {place}, column "s": the value is missing' in message
    skipped = run("lr-infer", "model.onnx", f"new.{kind}", "--on-error", "skip")
    assert (skipped.returncode, len(skipped.stdout.splitlines())) == (0, 3)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["x" * 300 + ".csv"], "File name too long"),
        (["t.csv", "./t.csv"], "./t.csv comes twice"),
        (["t.csv", "linked.csv"], "linked.csv comes twice"),
        ([""], "a table's name is empty"),
        (["t.csv", "-o", "loop"], "leads to itself"),
    ],
    ids=["a long name", "another way to write it", "a link", "no name", "a loop of links"],
)
def test_paths_that_lead_nowhere(arguments: list[str], said: str, train: Train, tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("x,y\n1,2\n2,3\n3,5\n")
    (tmp_path / "linked.csv").symlink_to("t.csv")
    (tmp_path / "loop").symlink_to("loop")
    done = train(*arguments, "--target", "y")
    assert done.exit_code == (2 if "twice" in said or "empty" in said else 1)
    assert said in done.stderr
    assert done.stderr.count("\n") == 1


def test_standard_input_that_is_closed(tmp_path: Path) -> None:
    for way in ("-", "--follow"):
        command = f"'{SCRIPTS / 'lr-infer'}' '{GOLDEN}' {way} <&-"
        done = subprocess.run(["/bin/sh", "-c", command], capture_output=True, text=True, cwd=tmp_path, check=False)
        assert (done.returncode, done.stderr.count("\n")) == (1, 1)
        assert "standard input is closed" in done.stderr


OTHER_NUMBERS = {
    "thousands": ('"1,000"', ["line 2", '"1,000" is not a number', "--thousands ,"]),
    "a decimal comma": ('"0,5"', ["line 2", '"0,5" is not a number (decimal comma?)', "--decimal ,"]),
    "both": ('"1.299,00"', ["line 2", "--decimal ,"]),
    "hexadecimal": ("0x10", ["line 2", '"0x10" is not a number']),
    "an underscore": ("1_000", ["line 2", '"1_000" is not a number']),
    "beyond float64": ("1e400", ["line 2", "beyond the range of float64"]),
    "infinite": ("inf", ["line 2", "not a finite number"]),
    "full-width digits": ("\uff11\uff12", ["line 2", "is not a number"]),
}


@pytest.mark.parametrize("case", OTHER_NUMBERS)
def test_numbers_written_otherwise_are_no_categories(case: str, train: Train, tmp_path: Path) -> None:
    cell, said = OTHER_NUMBERS[case]
    (tmp_path / "t.csv").write_text(table([f"{cell},{row},{row * row % 5}" for row in range(9)], "s,a,y"))
    message = failure(train("t.csv", "--target", "y"))
    for words in ('column "s"', *said):
        assert words in message
    assert train("t.csv", "--target", "y", "--category", "s").exit_code == 0


def test_tabs_are_read_where_the_name_says_so(train: Train, run: Runner, tmp_path: Path) -> None:
    (tmp_path / "t.tsv").write_text("x\tn\ty\n" + "".join(f"{row}\t{row * row % 7}\t{2 * row}\n" for row in range(9)))
    (tmp_path / "c.tsv").write_text("x,n,y\n" + "".join(f"{row},{row * row % 7},{2 * row}\n" for row in range(9)))
    reports = [json.loads(train(name, "--target", "y", "--json").stdout) for name in ("t.tsv", "c.tsv")]
    assert reports[0]["coefficients"] == reports[1]["coefficients"]
    assert run("lr-export").returncode == 0
    for target in ("p.tsv", "q.tsv"):
        assert run("lr-infer", "model.onnx", "t.tsv", "--keep", "x,n", "--map", "z=y", "-o", target).returncode == 0
        assert run("lr-infer", "model.onnx", target, "--only-y").returncode == 0


WRONG_USAGE: dict[str, tuple[list[str], str]] = {
    "a table's option for the lesson": (["--on-error", "skip"], "there is no table"),
    "a table's option for checkpoints": (["--merge", "a", "b", "--no-header"], "--merge joins checkpoints"),
    "a checkpoint twice": (["--merge", "a", "./a"], "comes twice"),
    "two ways": (["--merge", "a", "b", "--update", "c"], "Choose one"),
    "a dry run of checkpoints": (["--merge", "a", "b", "--dry-run"], "Choose one"),
    "no finite number": (["t.csv", "--target", "y", "--interval", "nan"], "not nan"),
    "standard output for a log": (["t.csv", "--target", "y", "--loss", "huber", "--log", "-"], "name a file"),
    "a log over the table": (["t.csv", "--target", "y", "--loss", "huber", "--log", "t.csv"], "which is read"),
    "half an epoch, in a file": (["t.csv", "--config", "half.toml"], "1.9"),
}


@pytest.mark.parametrize("case", WRONG_USAGE)
def test_options_that_do_nothing_are_refused(case: str, train: Train, tmp_path: Path) -> None:
    arguments, said = WRONG_USAGE[case]
    content = "x,y\n1,2\n2,3\n3,5\n4,8\n"
    (tmp_path / "t.csv").write_text(content)
    (tmp_path / "half.toml").write_text('[lr-train]\ntarget = "y"\nsolver = "descent"\nepochs = 1.9\n')
    done = train(*arguments)
    assert done.exit_code == 2
    assert said in done.stderr
    assert done.stderr.count("\n") == 1
    assert (tmp_path / "t.csv").read_text() == content


def test_a_checkpoint_that_is_none_and_answers_that_are_no_table(run: Runner) -> None:
    for name in (".", ""):
        assert "is a directory" in one_line(run("lr-export", name), 2)
    assert "is text, not parquet" in one_line(run("lr-infer", GOLDEN, "4", "-o", "y.parquet"), 2)
    assert "name a file" in one_line(run("lr-export", "--certificate", "-"), 2)


def test_an_ended_run_leaves_no_partial_file(tmp_path: Path) -> None:
    read_end, write_end = os.pipe()
    command: list[Any] = [SCRIPTS / "lr-infer", GOLDEN, "-", "-o", tmp_path / "y.csv"]
    with (
        subprocess.Popen(command, stdin=read_end, stderr=subprocess.PIPE) as process,
        os.fdopen(write_end, "wb") as sink,
    ):
        os.close(read_end)
        sink.write(b"x\n" + b"1\n" * (12 << 20))  # enough that a part is written
        sink.flush()
        while not has_begun(process, tmp_path):
            assert process.poll() is None
        process.terminate()
        assert process.wait() == 143
    assert list(tmp_path.iterdir()) == []
