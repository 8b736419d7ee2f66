"""lr-infer as a user runs it: values or a table in, predictions out, and one clear line for everything else."""

from __future__ import annotations

import csv
import gzip
import hashlib
import io
import json
import shutil
from typing import TYPE_CHECKING

import numpy as np
import pytest

from lr_runtime import Predictor
from tests.conftest import one_line
from tests.optional import optional

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.conftest import Run
    from tests.runtime.conftest import Model

    Runner = Callable[..., Run]
    Models = Callable[[str], Model]

pa = optional("pyarrow")
pq = optional("pyarrow.parquet")

LESSON, WEATHER, STRANGE = "the published lesson", "weather", "strange names"
ROWS = [[0.5, -1.5, 2.0], [1.0, 0.0, -3.0], [-0.25, 1e-3, 7.0]]
TABLE = "p,note,temp,rh\n2,a,-1.5,0.5\n-3,b,0,1\n7,c,1e-3,-.25\n"


@pytest.fixture
def put(model: Models, tmp_path: Path) -> Callable[[str], Predictor]:
    """Put a model into the folder that the commands run in, as m.onnx."""

    def place(name: str) -> Predictor:
        shutil.copy(model(name)[1], tmp_path / "m.onnx")
        return Predictor.load(tmp_path / "m.onnx")

    return place


Put = "Callable[[str], Predictor]"


def printed(values: np.ndarray[tuple[int, ...], np.dtype[np.floating]]) -> str:
    return "".join(f"{float(value)!r}\n" for value in values[:, 0])


@pytest.mark.parametrize("value", ["4.0", "-4.0", "4", "1e-3", "-1e5", "-.5", "+.5", " 2 ", "-0", "007"])
def test_one_value(value: str, run: Runner, put: Callable[[str], Predictor]) -> None:
    predictor = put(LESSON)
    done = run("lr-infer", "m.onnx", value)
    assert done.stdout == printed(predictor.predict([[float(value)]]).values)
    assert (done.returncode, done.stderr) == (0, "")


VALUES = {
    "in order": ["0.5", "-1.5", "2"],
    "by name": ["rh=0.5", "temp=-1.5", "p=2"],
    "by name in another order": ["p=2", "rh=.5", "temp=-15e-1"],
    "with spaces around": ["rh= 0.5", "temp=-1.5 ", "p=2"],
    "with decimal commas": ["--decimal", ",", "--delimiter", ";", "0,5", "-1,5", "2"],
    "behind the two dashes": ["--", "0.5", "-1.5", "2"],
}


@pytest.mark.parametrize("case", VALUES)
def test_several_values(case: str, run: Runner, put: Callable[[str], Predictor]) -> None:
    predictor = put(WEATHER)
    assert run("lr-infer", "m.onnx", *VALUES[case]).stdout == printed(predictor.predict(ROWS[:1]).values)


def test_several_outputs_stand_in_one_line(run: Runner, put: Callable[[str], Predictor]) -> None:
    predictor = put(STRANGE)
    done = run("lr-infer", "m.onnx", "1", "2", "3", "4")
    assert [float(cell) for cell in done.stdout.rstrip("\n").split("\t")] == predictor.predict(
        [[1, 2, 3, 4]]
    ).values.tolist()[0]


def test_names_with_spaces_unicode_and_equals_signs(run: Runner, put: Callable[[str], Predictor]) -> None:
    predictor = put(STRANGE)
    in_order = run("lr-infer", "m.onnx", "1", "2", "3", "4").stdout
    assert run("lr-infer", "m.onnx", "u=v=3", '"q",=4', "größe=2", "a b=1").stdout == in_order
    named = {"größe": [2.0], "u=v": [3.0], '"q",': [4.0], "a b": [1.0]}
    sink = io.StringIO()
    csv.writer(sink).writerows([named, [values[0] for values in named.values()]])
    done = run("lr-infer", "m.onnx", "-", stdin=sink.getvalue())
    assert next(csv.reader(io.StringIO(done.stdout))) == ["y (mm)", "名前"]
    as_json = json.loads(run("lr-infer", "m.onnx", "-", "--json", stdin=sink.getvalue()).stdout)
    assert as_json["predictions"] == predictor.predict(named).rows()


def parquet() -> bytes:
    sink = io.BytesIO()
    columns = {"temp": [row[1] for row in ROWS], "p": [row[2] for row in ROWS], "rh": [row[0] for row in ROWS]}
    pq.write_table(pa.table({"note": ["a", "b", "c"], **columns}), sink)
    return sink.getvalue()


def json_lines() -> str:
    return "".join(json.dumps({"p": p, "note": "x", "temp": temp, "rh": rh}) + "\n" for rh, temp, p in ROWS)


FILES: dict[str, Callable[[], bytes]] = {
    "t.csv": TABLE.encode,
    "t.CSV.gz": lambda: gzip.compress(TABLE.encode()),
    "t": TABLE.encode,
    "4.0": TABLE.encode,
    "t.jsonl": lambda: json_lines().encode(),
    "t.parquet": parquet,
    "-1.csv": TABLE.encode,
}


@pytest.mark.parametrize("name", FILES)
def test_a_table_in_any_format(name: str, run: Runner, put: Callable[[str], Predictor], tmp_path: Path) -> None:
    predictor = put(WEATHER)
    (tmp_path / name).write_bytes(FILES[name]())
    done = run("lr-infer", "m.onnx", name)
    header, *lines = done.stdout.splitlines()
    assert header == "ozone"
    # A shortest float32 number reads back as the same float32.
    assert np.array(lines, np.float32).tobytes() == predictor.predict(ROWS).values.tobytes()
    assert (done.returncode, done.stderr) == (0, f"lr-infer: 1 column of {name} not among the model's, ignored\n")


@pytest.mark.parametrize("name", ["t.csv", "t.jsonl", "t.parquet"])
def test_standard_input_is_a_table(name: str, run: Runner, put: Callable[[str], Predictor]) -> None:
    predictor = put(WEATHER)
    done = run("lr-infer", "m.onnx", "-", stdin=FILES[name]())
    assert [float(line) for line in done.stdout.splitlines()[1:]] == predictor.predict(ROWS).values[:, 0].tolist()


def test_semicolons_and_decimal_commas(run: Runner, put: Callable[[str], Predictor]) -> None:
    put(WEATHER)
    written = TABLE.replace(",", ";").replace(".", ",")
    as_usual = run("lr-infer", "m.onnx", "-", stdin=TABLE).stdout
    assert run("lr-infer", "m.onnx", "-", "--delimiter", ";", "--decimal", ",", stdin=written).stdout == as_usual


def test_no_header_needs_the_models_names(run: Runner, put: Callable[[str], Predictor]) -> None:
    predictor = put("a zero weight")
    done = run("lr-infer", "m.onnx", "-", "--no-header", stdin="1,2\n3,4\n")
    expected = predictor.predict([[1, 2], [3, 4]]).values[:, 0].tolist()
    assert [float(line) for line in done.stdout.splitlines()[1:]] == expected


def test_json_of_one_row(run: Runner, put: Callable[[str], Predictor], tmp_path: Path) -> None:
    predictor = put(LESSON)
    assert json.loads(run("lr-infer", "m.onnx", "4.0", "--json").stdout) == {
        "predictions": [{"y": float(predictor.predict([[4.0]]).values[0, 0])}],
        "model_sha256": hashlib.sha256((tmp_path / "m.onnx").read_bytes()).hexdigest(),
    }


def test_json_of_a_table(run: Runner, put: Callable[[str], Predictor]) -> None:
    predictor = put(WEATHER)
    report = json.loads(run("lr-infer", "m.onnx", "-", "--json", stdin=TABLE).stdout)
    assert report == {"predictions": predictor.predict(ROWS).rows(), "model_sha256": predictor.sha256}


def test_no_rows_give_no_predictions(run: Runner, put: Callable[[str], Predictor]) -> None:
    put(WEATHER)
    assert run("lr-infer", "m.onnx", "-", stdin="rh,temp,p\n").stdout == "ozone\n"
    assert json.loads(run("lr-infer", "m.onnx", "-", "--json", stdin="rh,temp,p\n").stdout)["predictions"] == []


def test_a_file_in_place_of_standard_output(run: Runner, put: Callable[[str], Predictor], tmp_path: Path) -> None:
    put(WEATHER)
    (tmp_path / "t.csv").write_text(TABLE)
    as_usual = run("lr-infer", "m.onnx", "t.csv").stdout
    done = run("lr-infer", "m.onnx", "t.csv", "-o", "out.csv")
    assert (done.stdout, done.stderr.count("\n"), done.returncode) == ("", 1, 0)
    assert run("lr-infer", "m.onnx", "t.csv", "-o", "out.csv", "--quiet").stderr == ""
    assert (tmp_path / "out.csv").read_text() == as_usual
    assert run("lr-infer", "m.onnx", "t.csv", "-o", "-").stdout == as_usual
    assert sorted(path.name for path in tmp_path.iterdir()) == ["m.onnx", "out.csv", "t.csv"]


def test_a_file_may_replace_its_own_table(run: Runner, put: Callable[[str], Predictor], tmp_path: Path) -> None:
    put(LESSON)
    (tmp_path / "t.csv").write_text("x1\n4\n")
    assert run("lr-infer", "m.onnx", "t.csv", "-o", "t.csv").returncode == 0
    assert (tmp_path / "t.csv").read_text().startswith("y\n")


@pytest.mark.parametrize("kind", ["csv", "jsonl"])
def test_folders_of_a_column_are_a_table_again(
    kind: str, run: Runner, put: Callable[[str], Predictor], tmp_path: Path
) -> None:
    put(WEATHER)
    (tmp_path / "t.csv").write_text(TABLE)
    expected = run("lr-infer", "m.onnx", "t.csv", "--keep", "all")
    made = run("lr-infer", "m.onnx", "t.csv", "-o", "out/", "--to", kind, "--keep", "all", "--partition-by", "note,rh")
    assert (made.returncode, made.stdout) == (0, "")
    again = run("lr-infer", "m.onnx", "out", "--keep", "all", "--map", "before=ozone")
    rows, before = (list(csv.DictReader(done.stdout.splitlines())) for done in (again, expected))
    assert sorted(row["ozone"] for row in rows) == sorted(row["ozone"] for row in before)
    assert {row["note"] for row in rows} == {row["note"] for row in before}
    line = one_line(run("lr-infer", "m.onnx", "t.csv", "-o", "out", "--partition-by", "note"), 1)
    assert "out: this folder is not empty" in line


def test_a_failed_run_keeps_the_old_file(run: Runner, put: Callable[[str], Predictor], tmp_path: Path) -> None:
    put(LESSON)
    (tmp_path / "out.csv").write_text("old")
    one_line(run("lr-infer", "m.onnx", "-", "-o", "out.csv", stdin="x1\n4\nsix\n"), 1)
    assert (tmp_path / "out.csv").read_text() == "old"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["m.onnx", "out.csv"]


BAD: dict[str, tuple[list[str], int, list[str]]] = {
    "no values": (["m.onnx"], 2, ["Missing argument", "VALUES"]),
    "no model": (["n.onnx", "4"], 1, ["n.onnx: no such file", "lr-export"]),
    "too few values": (["m.onnx", "1", "2"], 2, ["expected 3 values", '"rh", "temp", "p"', "got 2"]),
    "too many values": (["m.onnx", "1", "2", "3", "4"], 2, ["expected 3 values", "got 4"]),
    "text for a value": (["m.onnx", "1", "six", "3"], 1, ['column "temp": "six"']),
    "a lone text": (["m.onnx", "six"], 2, ["expected 3 values", "got 1"]),
    "infinity": (["m.onnx", "1", "-inf", "3"], 1, ['column "temp": "-inf"', "finite"]),
    "NaN": (["m.onnx", "1", "-nan", "3"], 1, ['column "temp": "-nan"', "finite"]),
    "a missing token": (["m.onnx", "1", "NA", "3"], 1, ['column "temp": "NA"']),
    "beyond float32": (["m.onnx", "1", "1e39", "3"], 1, ['column "temp": 1e+39', "float32"]),
    "a prediction beyond float32": (["m.onnx", "3e38", "3e38", "3e38"], 1, ['"ozone" is beyond']),
    "a name that is none": (["m.onnx", "rh=1", "tmp=2", "p=3"], 2, ['no column "tmp"', '"rh", "temp", "p"']),
    "a name missing": (["m.onnx", "rh=1", "p=3"], 2, ['"temp" is missing']),
    "a name twice": (["m.onnx", "rh=1", "temp=2", "p=3", "rh=4"], 2, ["stands twice"]),
    "a name without a value": (["m.onnx", "rh=1", "temp=", "p=3"], 1, ['column "temp": ""']),
    "names and values mixed": (["m.onnx", "rh=1", "2", "3"], 1, ['column "rh": "rh=1"']),
    "no table": (["m.onnx", "readings.csv"], 1, ["readings.csv: no such file"]),
    "an option that is none": (["m.onnx", "1", "2", "3", "--jsn"], 2, ["--jsn"]),
    "a delimiter of two characters": (["m.onnx", "t.csv", "--delimiter", ";;"], 2, ["one character"]),
    "decimal commas where points are": (["m.onnx", "t.csv", "--decimal", ","], 1, ['"0.5"', "without --decimal ,"]),
    "a list of formats": (["m.onnx", "t.csv", "-o", "y.xlsx"], 2, ['".xlsx" tells no format', "--to csv"]),
    "an explanation of a table": (["m.onnx", "t.csv", "--explain"], 2, ["--explain takes the values of one row"]),
    "columns kept of a row": (["m.onnx", "1", "2", "3", "--keep", "a"], 2, ["--keep belongs to tables"]),
    "JSON in two ways": (["m.onnx", "t.csv", "--json", "--to", "jsonl"], 2, ["--json makes one JSON object"]),
    "a file followed": (["m.onnx", "t.csv", "--follow"], 2, ["--follow reads standard input"]),
    "Parquet line by line": (["m.onnx", "--follow", "--to", "parquet"], 2, ["--follow writes csv or jsonl"]),
    "a column that is not there to keep": (["m.onnx", "t.csv", "--keep", "id"], 1, ['no column "id"', '"note"']),
    "folders of a row": (["m.onnx", "1", "2", "3", "--partition-by", "a"], 2, ["--partition-by belongs to tables"]),
    "folders without a name": (["m.onnx", "t.csv", "--partition-by", "a"], 2, ["-o FOLDER"]),
    "folders of no column": (["m.onnx", "t.csv", "-o", "q", "--partition-by", "a"], 1, ['no column "a"']),
    "folders in JSON": (["m.onnx", "t.csv", "-o", "q", "--json", "--partition-by", "note"], 2, ["--json makes one"]),
    "folders in a file": (["m.onnx", "t.csv", "-o", "t.csv", "--partition-by", "note"], 1, ["t.csv: is a file"]),
    "no provider": (["m.onnx", "1", "2", "3", "--provider", "abacus"], 2, ['"abacus"', "this ONNX Runtime", "cpu"]),
    "no threads": (["m.onnx", "1", "2", "3", "--threads", "0"], 2, ["--threads"]),
    "no folder": (["m.onnx", "1", "2", "3", "-o", "nowhere/y"], 1, ["nowhere", "cannot be written", "-o FILE"]),
    "a name too long for a file": (["m.onnx", "x" * 5000], 2, ["expected 3 values"]),
    "a table as the model": (["t.csv", "1", "2", "3"], 1, ["t.csv", "not an ONNX model"]),
    "a folder as the model": ([".", "1", "2", "3"], 1, ["directory"]),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_arguments_end_in_one_line(case: str, run: Runner, put: Callable[[str], Predictor], tmp_path: Path) -> None:
    put(WEATHER)
    (tmp_path / "t.csv").write_text(TABLE)
    arguments, code, said = BAD[case]
    done = run("lr-infer", *arguments)
    line = one_line(done, code)
    assert line.startswith("lr-infer: ")
    for words in said:
        assert words in line
    assert done.stdout == ""


BAD_TABLES: dict[str, tuple[str | bytes, list[str]]] = {
    "a missing column": ("rh,p\n1,2\n", ['standard input has no column "temp"; it has: "rh", "p"']),
    "text": ("rh,temp,p\n1,2,3\n1,six,3\n", ['standard input line 3, column "temp": "six" is not a number']),
    "a missing value": ("rh,temp,p\n1,,3\n", ['standard input line 2, column "temp"', "missing"]),
    "a ragged row": ("rh,temp,p\n1,2,3\n1,2\n", ["standard input line 3", "2 cells", "3 names"]),
    "beyond float32": ("rh,temp,p\n\n1,2,3\n1,1e39,3\n", ['standard input line 4, column "temp": 1e+39', "float32"]),
    "a prediction beyond float32": ("rh,temp,p\n3e38,3e38,3e38\n", ['standard input line 2, "ozone" is beyond']),
    "nothing": ("", ["standard input is empty"]),
    "a picture": (b"\x89PNG\r\n\x1a\n\0\0", ["standard input is a picture"]),
}


@pytest.mark.parametrize("case", BAD_TABLES)
@pytest.mark.parametrize("as_json", [[], ["--json"]], ids=["CSV", "JSON"])
def test_bad_tables_end_in_one_line(
    case: str, as_json: list[str], run: Runner, put: Callable[[str], Predictor]
) -> None:
    put(WEATHER)
    content, said = BAD_TABLES[case]
    done = run("lr-infer", "m.onnx", "-", *as_json, stdin=content)
    line = one_line(done, 1)
    for words in said:
        assert words in line
    assert done.stdout == ""
