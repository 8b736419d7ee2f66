"""One row in words, tables that are followed line by line, and batches of any form."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from lr_runtime import Predictor, predict_batches
from lr_runtime.errors import MissingColumnError, RowError, TableError
from lr_runtime.prediction.table import Scoring
from lr_runtime.tables import TableOptions, open_table
from lr_runtime.tables.text.table import BLOCK_BYTES
from tests.conftest import SCRIPTS, has_begun, one_line
from tests.runtime import sensor
from tests.runtime.tables.test_streams import GOOD, NAMES, expected, pd, put, read

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.conftest import Run

    Runner = Callable[..., Run]


@pytest.fixture
def model(tmp_path: Path) -> Path:
    path = tmp_path / "m.onnx"
    path.write_bytes(sensor.model())
    return path


def test_one_row_in_words(run: Runner, model: Path) -> None:
    named = run("lr-infer", model, "site=south", "p=3", "t=18")
    assert (
        named.stdout
        == run("lr-infer", model, "18", "south", "3").stdout
        == "14.0625\t13.0625\t15.0625\ttrue\t0.03125\n"
    )
    assert (
        run("lr-infer", model, "t=NA", "site=", "p=1", "--only-y").stdout
        == f"{sensor.expected(None, None, 1.0)['ozone']}\n"
    )
    assert json.loads(run("lr-infer", model, "18", "south", "3", "--json").stdout)["predictions"] == expected(GOOD[:1])


def test_an_explanation_is_a_table(run: Runner, model: Path) -> None:
    done = run("lr-infer", model, "18", "south", "3", "--explain")
    name, titles, *lines = done.stdout.splitlines()
    assert (name, titles.split()) == ("ozone", ["term", "value", "weight", "contribution"])
    assert len({len(line) for line in [titles, *lines]}) == 1
    parts = {line.rsplit(maxsplit=3 if len(line.split()) > 3 else 1)[0].strip(): line.split()[-1] for line in lines}
    assert (
        sum(float(parts[key]) for key in list(parts)[:-2])
        == float(parts["sum"])
        == float(parts["prediction"])
        == 14.0625
    )
    (explanation,) = json.loads(run("lr-infer", model, "18", "south", "3", "--explain", "--json").stdout)[
        "explanations"
    ]
    assert explanation["total"] == 14.0625
    assert [share["contribution"] for share in explanation["shares"]] == [1.0, 0.0625, 10.0, -0.0, 0.0, 1.5]


# --- streams ---


@pytest.fixture
def following(model: Path) -> Iterator[Callable[..., subprocess.Popen[bytes]]]:
    # Without what makes Python write through, which would do the flushing for us.
    plain = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    pipe = subprocess.PIPE
    with ExitStack() as running:

        def start(*options: str) -> subprocess.Popen[bytes]:
            command: list[str | Path] = [SCRIPTS / "lr-infer", model, "--follow", "--on-error", "null", "--only-y"]
            process = subprocess.Popen([*command, *options], stdin=pipe, stdout=pipe, stderr=pipe, env=plain)
            running.enter_context(process)
            running.callback(process.kill)
            return process

        yield start


@pytest.mark.parametrize("encoding", [None, "latin-1", "utf-16-le"], ids=str)
def test_each_line_is_answered_before_the_next_is_sent(
    encoding: str | None, following: Callable[..., subprocess.Popen[bytes]]
) -> None:
    process = following(*([] if encoding is None else ["--encoding", encoding]))
    assert process.stdin is not None
    assert process.stdout is not None
    answers = []
    for line in ("t,site,p,größe", "18,south,3,ä", "x,south,3,ö", '18,"south",3,ü', "20,east,1,ß"):
        process.stdin.write((line + "\n").encode(encoding or "utf-8"))
        process.stdin.flush()
        if line == "18,south,3,ä":
            answers.append(process.stdout.readline())
        if line[0].isdigit() or line[0] == "x":
            answers.append(process.stdout.readline())
    process.stdin.close()
    assert [answer.strip() for answer in answers] == [b"ozone", b"14.0625", b'""', b"14.0625", b"0.25"]
    assert process.wait() == 0


def test_a_byte_of_another_encoding_is_named_where_lines_are_followed(run: Runner, model: Path) -> None:
    done = run("lr-infer", model, "--follow", "--encoding", "ascii", stdin="t,site,p\n18,south,3\n18,süd,3\n")
    assert "standard input line 3: the byte 0xc3 at offset 24 is not ascii text" in one_line(done, 1)


@pytest.mark.parametrize(
    ("content", "options"),
    [
        ('{"t": 18, "site": "south", "p": 3}\n{"site": "east", "p": 1, "t": 20}', []),
        ("\n\nt;site;p\n18;south;3\n20;east;1", ["--delimiter", ";"]),
        ('\ufefft,"site",p\n18,"south",3\n\n20,east,1\n', []),
        ('p,site,"t\nx"\n3,south,18\n1,east,20\n', ["--map", "t=t\nx"]),
    ],
    ids=["JSON lines", "blank lines", "a byte order mark", "a header of two lines"],
)
def test_what_may_be_followed(content: str, options: list[str], run: Runner, model: Path) -> None:
    done = run("lr-infer", model, "--follow", "--only-y", *options, stdin=content)
    if '"t\nx"' in content:  # the header is one line where lines are followed
        assert "standard input line" in one_line(done, 1)
    else:
        assert (done.stdout, done.stderr) == ("ozone\n14.0625\n0.25\n", "")


def test_a_quote_left_open_holds_nothing_back(run: Runner, model: Path) -> None:
    lines = 't,site,p\n18,"south,3\n18,south,3\n"20",east,1\n'
    done = run("lr-infer", model, "--follow", "--only-y", "--on-error", "skip", stdin=lines)
    assert done.stdout == "ozone\n14.0625\n0.25\n"
    assert "standard input line 2, not CSV" in done.stderr
    assert "1 of 3 rows bad" in done.stderr
    # A whole table may have line ends in its cells, so what is between two quotes may be lost rows.
    assert one_line(run("lr-infer", model, "-", "--on-error", "skip", stdin=lines), 1)


@pytest.mark.parametrize(
    ("content", "options", "line"),
    [
        ('\n\n{"t":18,"site":"south","p":3}\n\n{"t":"a","site":"south","p":3}\n', [], 5),
        ("\n18,south,3\na,south,3\n", ["--no-header", "--map", "t=x1", "--map", "site=x2", "--map", "p=x3"], 3),
        ("\ufeff\n\nt,site,p\n18,south,3\na,south,3\n", [], 5),
    ],
    ids=["JSON lines", "no header", "a byte order mark"],
)
def test_blank_lines_count_where_lines_are_followed(
    content: str, options: list[str], line: int, run: Runner, model: Path
) -> None:
    done = run("lr-infer", model, "--follow", "--only-y", *options, stdin=content)
    assert f"standard input line {line}, column" in one_line(done, 1)


def test_an_empty_stream_is_said_to_be_one(run: Runner, model: Path) -> None:
    assert "standard input is empty" in one_line(run("lr-infer", model, "--follow", stdin=""), 1)


def test_an_interrupted_run_leaves_no_partial_file(model: Path, tmp_path: Path) -> None:
    read_end, write_end = os.pipe()
    command: list[str | Path] = [
        "env",
        "--default-signal=INT",
        SCRIPTS / "lr-infer",
        model,
        "-",
        "-o",
        tmp_path / "y.csv",
    ]
    process = subprocess.Popen(command, stdin=read_end, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    os.close(read_end)
    with os.fdopen(write_end, "wb") as sink:
        # More blocks than are read ahead: the file has been begun.
        row, blocks = b"18,south,3\n", 2 * (os.cpu_count() or 1) + 2
        sink.write(b"t,site,p\n" + row * (blocks * BLOCK_BYTES // len(row)))
        deadline = time.monotonic() + 60
        while not has_begun(process, tmp_path) and time.monotonic() < deadline:
            time.sleep(0.01)
        assert has_begun(process, tmp_path)
        process.send_signal(signal.SIGINT)
    out, _ = process.communicate()
    assert (out, process.returncode) == (b"", 130)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["m.onnx"]


@pytest.mark.parametrize("arguments", [["18", "south", "3"], ["-"], ["-", "--to", "jsonl"], ["--help"]])
def test_a_full_standard_output_is_one_line(arguments: list[str], model: Path) -> None:
    with open("/dev/full", "wb") as full:  # noqa: PTH123 - a device
        done = subprocess.run(
            [SCRIPTS / "lr-infer", model, *arguments],
            input=b"t,site,p\n18,south,3\n",
            stdout=full,
            stderr=subprocess.PIPE,
            check=False,
        )
    assert done.returncode == 1
    assert done.stderr.decode().splitlines() == [
        "lr-infer: standard output cannot be written (No space left on device). What was written is not all"
    ]


def test_a_closed_standard_output_is_one_line(model: Path, tmp_path: Path) -> None:
    def closed(arguments: str) -> Run:
        line = f"{SCRIPTS / 'lr-infer'} {model} {arguments} >&-"
        return subprocess.run(["/bin/sh", "-c", line], capture_output=True, text=True, check=False, cwd=tmp_path)

    done = closed("18 south 3")
    assert (done.returncode, done.stderr.count("\n"), "it is closed" in done.stderr) == (1, 1, True)
    written = closed(f"{put(tmp_path, 'csv')} -o y.csv --quiet")
    assert (written.returncode, written.stderr) == (0, "")
    assert len(read(tmp_path / "y.csv")) == len(GOOD)


# --- the one function ---


def test_batches_of_any_form_go_through_in_order() -> None:
    predictor = Predictor(sensor.model())
    taken: list[int] = []

    def batches() -> Iterator[Any]:
        for index, row in enumerate(GOOD):
            taken.append(index)
            yield pd.DataFrame([row], columns=NAMES) if index % 2 else [list(row[1:])]

    stream = predict_batches(predictor, batches())
    assert next(stream).prediction.rows() == expected(GOOD[:1])
    assert taken == [0]  # none is read ahead
    assert [row for done in stream for row in done.prediction.rows()] == expected(GOOD[1:])


def test_bad_rows_of_batches() -> None:
    predictor = Predictor(sensor.model())
    batch = [[18.0, "south", 3.0], [18.0, "soth", 3.0], [20.0, "east", 1.0]]
    with pytest.raises(RowError, match="row 2"):
        list(predict_batches(predictor, [batch]))
    (skipped,) = predict_batches(predictor, [batch], on_error="skip")
    assert skipped.rows is not None
    assert (skipped.rows.tolist(), skipped.prediction.values[:, 0].tolist()) == ([0, 2], [14.0625, 0.25])
    (marked,) = predict_batches(predictor, [batch], on_error="null")
    assert marked.empty is not None
    assert marked.empty.tolist() == [False, True, False]
    assert np.isnan(marked.prediction.values[:, 0]).tolist() == [False, True, False]
    assert len(marked.faults) == len(skipped.faults) == 1


def test_a_table_without_a_column_lists_what_it_has(model: Path, tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("t,sites,p\n")
    with pytest.raises(MissingColumnError, match='no column "site"; it has: "t", "sites", "p"'):
        Scoring(Predictor.load(model), open_table(tmp_path / "t.csv"))


def test_a_fault_names_its_file_and_line(model: Path, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("t,site,p\n1,south,2\n")
    (tmp_path / "b.csv").write_text("t,site,p\n1,south,2\n\n1,south,NA\n")
    table = open_table([tmp_path / "a.csv", tmp_path / "b.csv"], TableOptions(marks=True))
    with pytest.raises(TableError, match=r'b\.csv line 4, column "p": the value is missing'):
        list(Scoring(Predictor.load(model), table).rows())
