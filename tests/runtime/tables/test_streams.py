"""Tables through lr-infer: every format in and out, what is kept, bad rows, and streams answered line by line."""

from __future__ import annotations

import csv
import io
import json
import math
import subprocess
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from lr_runtime import Predictor
from tests.conftest import SCRIPTS, one_line
from tests.optional import needs, optional
from tests.runtime import sensor

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.conftest import Run

    Runner = Callable[..., Run]

pa, pq, pd = optional("pyarrow"), optional("pyarrow.parquet"), optional("pandas")

GOOD: list[tuple[str, float | None, str | None, float]] = [
    ("a", 18.0, "south", 3.0),
    ("b, c", None, "north", -1.0),
    ('d "e"', 8.0, None, 0.5),
    ("007", 20.0, "east", 11.0),
]
NAMES = ["id", "t", "site", "p"]
NAN = float("nan")
RESULTS = ["ozone", "ozone_lower", "ozone_upper", "in_range", "leverage"]


def expected(rows: list[tuple[str, float | None, str | None, float]]) -> list[dict[str, Any]]:
    return [sensor.expected(*row[1:]) for row in rows]


@pytest.fixture
def model(tmp_path: Path) -> Path:
    path = tmp_path / "m.onnx"
    path.write_bytes(sensor.model())
    return path


def csv_text(rows: list[tuple[Any, ...]]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(NAMES)
    writer.writerows([["" if cell is None else cell for cell in row] for row in rows])
    return text.getvalue()


def put(folder: Path, kind: str, rows: list[tuple[Any, ...]] = GOOD) -> str:
    """Write a table of a format; return its name."""
    name = f"t.{kind}"
    columns = {label: [row[index] for row in rows] for index, label in enumerate(NAMES)}
    if kind == "csv":
        (folder / name).write_text(csv_text(rows))
    elif kind == "jsonl":
        (folder / name).write_text("".join(json.dumps(dict(zip(NAMES, row, strict=True))) + "\n" for row in rows))
    elif kind == "parquet":
        pq.write_table(pa.table(columns), folder / name)
    else:
        with pa.OSFile(str(folder / name), "wb") as sink, pa.ipc.new_file(sink, pa.table(columns).schema) as writer:
            writer.write(pa.table(columns))
    return name


def read(path: Path) -> list[dict[str, Any]]:
    """Read what lr-infer wrote, as rows with None where there is no value."""
    if path.suffix == ".csv":
        return list(map(_of_text, csv.DictReader(path.read_text().splitlines())))
    if path.suffix == ".jsonl":
        return [json.loads(line) for line in path.read_text().splitlines()]
    table = pq.read_table(path) if path.suffix == ".parquet" else pa.ipc.open_file(path).read_all()
    return list(table.to_pylist())


def _of_text(row: dict[str, str]) -> dict[str, Any]:
    flags: dict[str, Any] = {"true": True, "false": False, "": None}
    return {
        name: flags[cell] if cell in flags else cell if name in NAMES else float(cell) for name, cell in row.items()
    }


FORMATS = ["csv", "jsonl", *(pytest.param(kind, marks=needs(pa)) for kind in ("parquet", "arrow"))]


@pytest.mark.parametrize("source", FORMATS)
@pytest.mark.parametrize("target", FORMATS)
def test_every_format_to_every_format(source: str, target: str, run: Runner, model: Path, tmp_path: Path) -> None:
    done = run("lr-infer", model, put(tmp_path, source), "-o", f"y.{target}", "--keep", "id,site")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    rows = read(tmp_path / f"y.{target}")
    assert [list(row) for row in rows] == [["id", "site", *RESULTS]] * len(GOOD)
    assert [{name: row[name] for name in RESULTS} for row in rows] == expected(GOOD)
    assert [row["id"] for row in rows] == [row[0] for row in GOOD]
    assert [row["site"] or None for row in rows] == [row[2] for row in GOOD]


@pytest.mark.parametrize("source", FORMATS)
def test_standard_input_to_standard_output(source: str, run: Runner, model: Path, tmp_path: Path) -> None:
    content = (tmp_path / put(tmp_path, source)).read_bytes()
    done = run("lr-infer", model, "-", "-o", "-", "--to", "jsonl", stdin=content)
    assert [json.loads(line) for line in done.stdout.splitlines()] == expected(GOOD)


@needs(pa)
@pytest.mark.parametrize("source", FORMATS)
def test_standard_input_to_standard_output_in_binary(source: str, model: Path, tmp_path: Path) -> None:
    content = (tmp_path / put(tmp_path, source)).read_bytes()
    for target in ("parquet", "arrow"):
        command: list[str | Path] = [SCRIPTS / "lr-infer", model, "-", "--to", target, "--only-y"]
        piped = subprocess.run(command, input=content, capture_output=True, check=True).stdout
        table = pq.read_table(io.BytesIO(piped)) if target == "parquet" else pa.ipc.open_stream(piped).read_all()
        assert table.to_pylist() == [{"ozone": row["ozone"]} for row in expected(GOOD)]
        assert table.schema.field("ozone").type == pa.float32()


@needs(pa)
def test_a_format_that_the_first_bytes_would_not_tell(run: Runner, model: Path) -> None:
    head = '{"id",t,site,p\n'  # a CSV header that begins as JSON does
    done = run("lr-infer", model, "-", "--from", "csv", "--only-y", stdin=head + "a,18,south,3\n")
    assert done.stdout == "ozone\n14.0625\n"
    assert "not a Parquet or Arrow file" in one_line(
        run("lr-infer", model, "-", "--from", "parquet", stdin="x\n1\n"), 1
    )


def test_several_files_and_a_pattern_are_one_table(run: Runner, model: Path, tmp_path: Path) -> None:
    for index, row in enumerate(GOOD):
        (tmp_path / f"part{index}.csv").write_text(csv_text([row]))
    (tmp_path / "m").mkdir()
    whole = run("lr-infer", model, put(tmp_path, "csv"), "--quiet").stdout
    for named in (["part0.csv", "part1.csv", "part2.csv", "part3.csv"], ["part*.csv"]):
        assert run("lr-infer", model, *named, "--quiet").stdout == whole
    for index in range(4):
        (tmp_path / f"part{index}.csv").rename(tmp_path / "m" / f"part{index}.csv")
    assert run("lr-infer", model, "m", "--quiet").stdout == whole


def test_all_columns_are_kept_as_they_stand(run: Runner, model: Path, tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text('time,id,p,site,t\n2026-01-01,007, 3.0 ,south,18.00\n,"x,""y""",NA,north,1e1\n')
    done = run("lr-infer", model, "t.csv", "--keep", "all", "--only-y", "--on-error", "null")
    assert done.stdout.splitlines() == [
        "time,id,p,site,t,ozone",
        "2026-01-01,007, 3.0 ,south,18.00,14.0625",
        ',"x,""y""",NA,north,1e1,',
    ]


def test_types_are_kept_from_parquet_to_parquet(run: Runner, model: Path, tmp_path: Path) -> None:
    table = pa.table({
        "time": pd.to_datetime(["2026-01-01", None]),
        "count": pa.array([2**60 + 1, None]),
        "tags": pa.array([["a"], []]),
        "t": [18, 20],
        "site": pa.array(["south", "east"]).dictionary_encode(),
        "p": [3.0, 1.0],
    })  # fmt: skip
    pq.write_table(table, tmp_path / "t.parquet")
    assert run("lr-infer", model, "t.parquet", "-o", "y.parquet", "--keep", "time,count,tags").returncode == 0
    kept = pq.read_table(tmp_path / "y.parquet")
    assert kept.select(["time", "count", "tags"]).to_pylist() == table.select(["time", "count", "tags"]).to_pylist()
    assert kept.schema.field("count").type == pa.int64()
    assert "Try: --to parquet" in one_line(run("lr-infer", model, "t.parquet", "--keep", "tags"), 1)


@pytest.mark.parametrize("kept", ["all", "ozone"])
def test_predictions_beside_the_target_are_called_predicted(run: Runner, model: Path, kept: str) -> None:
    table = "ozone,t,site,p\n1,18,south,3\n"
    done = run("lr-infer", model, "-", "--keep", kept, "--on-error", "null", stdin=table + "x,y,south,3\n")
    names = table.splitlines()[0].split(",") if kept == "all" else [kept]
    header, row, bad = done.stdout.splitlines()
    assert header.split(",") == [*names, "ozone_predicted", *RESULTS[1:]]
    values = dict(zip(header.split(","), row.split(","), strict=True))
    assert (values["ozone"], values["ozone_predicted"]) == ("1", "14.0625")
    assert bad.startswith("x,")
    assert '"ozone" is kept as the table has it; its predictions are "ozone_predicted"' in done.stderr
    assert "ozone,ozone_lower" in run("lr-infer", model, "-", "--keep", "t", stdin=table).stdout


@pytest.mark.parametrize("name", ["ozone_lower", "in_range"])
def test_a_kept_column_may_not_be_taken_for_another_result(run: Runner, model: Path, name: str) -> None:
    table = f"{name},t,site,p\n1,18,south,3\n"
    assert f"--map 'given {name}={name}'" in one_line(run("lr-infer", model, "-", "--keep", "all", stdin=table), 2)
    done = run("lr-infer", model, "-", "--keep", "all", "--only-y", "--map", f"given {name}={name}", stdin=table)
    assert done.stdout.startswith(f"given {name},t,site,p,ozone\n1,18,south,3,14.0625")
    twice = "ozone_predicted,ozone,t,site,p\n1,1,18,south,3\n"
    assert "given ozone_predicted" in one_line(run("lr-infer", model, "-", "--keep", "all", stdin=twice), 2)


def test_a_long_table_reads_back_bit_by_bit(run: Runner, model: Path, tmp_path: Path) -> None:
    """Longer than the blocks, so that pyarrow writes it; the digits are those of the model's own numbers."""
    random = np.random.default_rng(11)
    frame = pd.DataFrame({
        "p": random.normal(size=30_000) * 10.0 ** random.integers(-30, 30, 30_000),
        "id": np.arange(30_000),
        "site": random.choice(sensor.SITES, 30_000),
        "t": random.normal(size=30_000),
    })  # fmt: skip
    frame.to_csv(tmp_path / "t.csv", index=False)
    prediction = Predictor.load(model).predict(frame[["t", "site", "p"]])
    for name in ("y.csv", "y.parquet", "y.jsonl"):
        assert run("lr-infer", model, "t.csv", "-o", name, "--keep", "id").stderr == ""
        rows = read(tmp_path / name)
        for label, values in prediction.columns().items():
            assert np.array([row[label] for row in rows], values.dtype).tobytes() == values.tobytes()
        assert [int(row["id"]) for row in rows] == list(range(30_000))
    exact = [float(value) for value in prediction.values[:, 0]]
    assert [row["ozone"] for row in read(tmp_path / "y.csv")] == exact  # in float64, too


def test_rows_without_predictions_are_rows_in_long_tables_too(run: Runner, model: Path, tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("t,site,p\n" + "18,south,3\nx,south,3\n" * 5_000)
    done = run("lr-infer", model, "t.csv", "--only-y", "--on-error", "null", "-o", "y.csv")
    assert done.stderr.count("\n") == 5_001
    lines = (tmp_path / "y.csv").read_text().splitlines()
    assert [float(line.strip('"') or "nan") for line in lines[1:5]] == pytest.approx(
        [14.0625, NAN, 14.0625, NAN], nan_ok=True
    )
    assert (len(lines), "" in lines) == (10_001, False)


# --- bad rows ---

BAD = """\
id,t,site,p
a,18,south,3

b,warm,south,3
c,18,soth,3
d,18,south
e,18,south,
f,18,south,16777217
g,20,east,1
"""
SAID = [
    'line 4, column "t": "warm" is not a number',
    'line 5, column "site": the category "soth" is unknown. Did you mean "south", "north"?',
    "line 6, 3 cells where the header has 4 names",
    'line 7, column "p": the value is missing',
    'line 8, column "p": 16777217 is an integer that float32 does not hold exactly',
]


def check_reports(stderr: str, end: str) -> None:
    lines = stderr.splitlines()
    assert len(lines) == len(SAID) + 1
    for line, said in zip(lines, SAID, strict=False):
        assert line.startswith(f"lr-infer: standard input {said}")
    assert lines[-1] == f"lr-infer: 5 of 7 rows bad, {end}"


@pytest.mark.parametrize("follow", [[], ["--follow"]], ids=["a table", "followed"])
def test_bad_rows_are_skipped(follow: list[str], run: Runner, model: Path) -> None:
    how = ["--on-error", "skip", "--keep", "id", "--only-y", "--quiet"]
    done = run("lr-infer", model, *(follow or ["-"]), *how, stdin=BAD)
    assert (done.returncode, done.stdout) == (0, "id,ozone\na,14.0625\ng,0.25\n")
    check_reports(done.stderr, "left out")


@pytest.mark.parametrize("follow", [[], ["--follow"]], ids=["a table", "followed"])
def test_bad_rows_stand_without_predictions(follow: list[str], run: Runner, model: Path) -> None:
    how = ["--on-error", "null", "--keep", "id", "--to", "jsonl", "--quiet"]
    done = run("lr-infer", model, *(follow or ["-"]), *how, stdin=BAD)
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert [row["ozone"] for row in rows] == [14.0625, None, None, None, None, None, 0.25]
    assert [row["in_range"] for row in rows] == [True, None, None, None, None, None, True]
    assert [row["id"] for row in rows] == ["a", "b", "c", None, "e", "f", "g"]
    check_reports(done.stderr, "without predictions")


def test_the_first_bad_row_stops(run: Runner, model: Path) -> None:
    done = run("lr-infer", model, "-", stdin=BAD)
    assert SAID[0] in one_line(done, 1)
    assert done.stdout == ""
    followed = run("lr-infer", model, "--follow", "--only-y", stdin=BAD)
    assert SAID[0] in one_line(followed, 1)
    assert followed.stdout == "ozone\n14.0625\n"


def test_all_rows_bad_leave_a_header(run: Runner, model: Path) -> None:
    done = run("lr-infer", model, "-", "--on-error", "skip", "--only-y", stdin="t,site,p\n1,x,2\n")
    assert (done.returncode, done.stdout) == (0, "ozone\n")
    assert "1 of 1 rows bad, left out" in done.stderr


@pytest.mark.parametrize("build", ["parquet", "arrow"])
def test_bad_rows_of_typed_files_are_told_by_row(build: str, run: Runner, model: Path, tmp_path: Path) -> None:
    rows = [
        ("a", 18.0, "south", 3.0),
        ("b", float("inf"), "south", 3.0),
        ("c", 18.0, "soth", 3.0),
        ("d", 18.0, "south", None),
    ]
    done = run("lr-infer", model, put(tmp_path, build, rows), "--only-y", "--on-error", "null", "--quiet")
    assert done.stdout == 'ozone\n14.0625\n""\n""\n""\n'  # a blank line would be no row
    said = ["inf is not a finite number", '"soth" is unknown', "the value is missing"]
    for row, (line, words) in enumerate(zip(done.stderr.splitlines(), said, strict=False), 2):
        assert f"t.{build} row {row}, column" in line
        assert words in line


def test_integers_of_files_are_told_by_how_they_are_written(run: Runner, model: Path, tmp_path: Path) -> None:
    head = "t,site,p\n18,south,"
    assert run("lr-infer", model, "-", "--only-y", stdin=head + "16777217.0\n").returncode == 0
    assert run("lr-infer", model, "-", "--only-y", stdin=head + "1e11\n").returncode == 0
    assert "is an integer" in one_line(run("lr-infer", model, "-", stdin=head + "16777217\n"), 1)
    line = '{"t": 18, "site": "south", "p": 9007199254740993}\n'
    assert "9007199254740993 is an integer" in one_line(run("lr-infer", model, "-", stdin=line), 1)
    table = pa.table({"t": [18.0], "site": ["south"], "p": [2**53 + 1]})
    pq.write_table(table, tmp_path / "t.parquet")
    assert "9007199254740993 is an integer" in one_line(run("lr-infer", model, "t.parquet"), 1)
    assert "16777217 is an integer" in one_line(run("lr-infer", model, "18", "south", "16777217"), 1)


def test_what_json_has_not_is_null_however_deep_it_lies(run: Runner, model: Path, tmp_path: Path) -> None:
    (tmp_path / "t.jsonl").write_text('{"t":18,"site":"south","p":3,"id":[1,NaN,{"a":-Infinity}]}\n')
    done = run("lr-infer", model, "t.jsonl", "--to", "jsonl", "--keep", "id", "--only-y")
    assert json.loads(done.stdout) == {"id": [1, None, {"a": None}], "ozone": 14.0625}


@needs(pa)
def test_a_view_of_text_is_kept_where_rows_are_left_out(run: Runner, model: Path, tmp_path: Path) -> None:
    columns = {"t": [18.0, 18.0], "site": ["south", "south"], "p": [math.inf, 3.0]}
    pq.write_table(pa.table({**columns, "id": pa.array(["a", "b"], pa.string_view())}), tmp_path / "t.parquet")
    done = run("lr-infer", model, "t.parquet", "--keep", "id", "--only-y", "--on-error", "skip")
    assert done.stdout == "id,ozone\nb,14.0625\n"


def test_an_unknown_category_may_be_missing(run: Runner, model: Path) -> None:
    done = run("lr-infer", model, "-", "--unknown", "missing", "--only-y", stdin="t,site,p\n18,moon,3\n")
    assert float(done.stdout.splitlines()[1]) == sensor.expected(18.0, None, 3.0)["ozone"]
