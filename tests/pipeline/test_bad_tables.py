"""Tables as they come in, each through a command: read where that is safe, else one line with place and way out."""

from __future__ import annotations

import gzip
import io
import json
import lzma
import os
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet
import pytest

from lr_runtime import Predictor
from tests.conftest import DATA, one_line

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from click.testing import Result

    from tests.conftest import Run

    Runner = Callable[..., Run]
    Train = Callable[..., Result]

GOLDEN = DATA / "golden.onnx"
LFS = b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n"


def latin(text: str) -> bytes:
    return text.encode("latin-1")


def parquet(**columns: Any) -> bytes:
    sink = io.BytesIO()
    pyarrow.parquet.write_table(pa.table(columns), sink)
    return sink.getvalue()


# --- read: the column x holds 1 and 2.5 ---

READ: dict[str, tuple[str | bytes, list[str]]] = {
    "plain": ("x\n1\n2.5\n", []),
    "columns in another order": ("n,x\na,1\nb,2.5\n", []),
    "semicolons and decimal commas": ("n;x\na;1,0\nb;2,5\n", ["--delimiter", ";", "--decimal", ","]),
    "tabs": ("n\tx\na\t1\nb\t2.5\n", ["--delimiter", "\t"]),
    "no header": ("1\n2.5\n", ["--no-header", "--map", "x=x1"]),
    "another name": ("temp,n\n1,a\n2.5,b\n", ["--map", "x=temp"]),
    "a byte order mark": (b"\xef\xbb\xbfx\n1\n2.5\n", []),
    "UTF-16": ("größe,x\nä,1\nö,2.5\n".encode("utf-16"), []),
    "UTF-16 without a mark": ("x\n1\n2.5\n".encode("utf-16-le"), ["--encoding", "utf-16-le"]),
    "Latin-1": (latin("größe,x\nä,1\nö,2.5\n"), ["--encoding", "latin-1"]),
    "Windows-1252": ("€,x\nä,1\nö,2.5\n".encode("cp1252"), ["--encoding", "cp1252"]),
    "CRLF": ("x\r\n1\r\n2.5\r\n", []),
    "CR alone": ("n,x\ra,1\rb,2.5\r", []),
    "blank lines": ("\n\nx\n\n1\n\n2.5\n\n", []),
    "spaces": (" x , n\n 1 ,a\n\t2.5 ,b\n", []),
    "quotes": ('"n","x"\n"a, ""b""\n","1"\n"c",2.5\n', []),
    "gzip": (gzip.compress(b"x\n1\n2.5\n"), []),
    "UTF-16 in gzip": (gzip.compress("x\n1\n2.5\n".encode("utf-16")), []),
    "a boolean": ("x\nTrue\n2.5\n", []),
    "a boolean of JSON": ('{"x": true}\n{"x": 2.5}\n', []),
    "JSON lines": ('{"n": "a", "x": 1}\n\n{"x": 2.5, "n": null}\n', []),
    "JSON lines in gzip": (gzip.compress(b'{"x": 1}\n{"x": 2.5}\n'), []),
    "Parquet": (parquet(n=["a", "b"], x=[1.0, 2.5]), []),
    "text in another column": ("x,n\n1,2\n2.5,six\n", []),
    "a date in another column": ("when,x\n2026-11-23,1\n2026-11-24,2.5\n", []),
    "strange names": ('"a\nb",x,😀 (°C)," , "\n1,1,1,1\n1,2.5,1,1\n', []),
    "an empty name": ("x,,n\n1,2,3\n2.5,,3\n", []),
    "xz behind sep=": (lzma.compress(b"sep=;\nn;x\na;1\nb;2.5\n"), []),
    "a preamble, comments and blanks": (
        "Station: Dach\n\n  n   x # unit: K\n  a   1\n\n# moved\n  b 2.5\n",
        ["--skip-rows", "2", "--comment", "#", "--delimiter", "whitespace"],
    ),
    "a name of 10,000 characters": ("n" * 10_000 + ",x\n1,1\n1,2.5\n", []),
}


@pytest.mark.parametrize("case", READ)
def test_what_is_safe_to_read_is_read(case: str, run: Runner, tmp_path: Path) -> None:
    content, options = READ[case]
    (tmp_path / "t.csv").write_bytes(content.encode() if isinstance(content, str) else content)
    done = run("lr-infer", GOLDEN, "t.csv", *options, "--quiet")
    assert (done.returncode, done.stderr) == (0, "")
    assert [float(line) for line in done.stdout.splitlines()[1:]] == expected()


def expected() -> list[float]:
    values: list[float] = Predictor.load(GOLDEN).predict([[1.0], [2.5]]).values[:, 0].tolist()
    return values


@pytest.mark.parametrize("case", ["gzip", "UTF-16 in gzip", "JSON lines in gzip", "UTF-16", "CR alone", "Parquet"])
def test_on_standard_input_too(case: str, run: Runner) -> None:
    content, options = READ[case]
    done = run("lr-infer", GOLDEN, "-", *options, stdin=content)
    assert [float(line) for line in done.stdout.splitlines()[1:]] == expected()


# --- refused ---

REFUSED: dict[str, tuple[str | bytes, list[str]]] = {
    "a row longer than the header": ("n,x\na,1\nb,2,3\n", ["t.csv line 3", "3 cells", "2 names", "double quotes"]),
    "a row shorter than the header": ("n,x\na,1\nb\n", ["t.csv line 3", "1 cell where", "2 names", "cut off"]),
    "cut off in a row": ("n,m,x\na,b,1\nb,c", ["t.csv line 3", "2 cells", "3 names"]),
    "no header row": ("1\n2.5\n", ["t.csv line 1", "--no-header"]),
    "a name twice": ("x,n,x\n1,2,3\n", ["t.csv line 1", '"x" stands twice', "columns 1 and 3", "Rename"]),
    "no names": (",,\n1,2,3\n", ["t.csv line 1", "no column has a name"]),
    "a preamble": ("Station: Dach\n\nn,x\na,1\nb,2.5\n", ["t.csv line 1", "--skip-rows 2"]),
    "semicolons": ("n;x\na;1\n", ["t.csv line 1", "--delimiter ';'"]),
    "tabs": ("n\tx\na\t1\n", ["t.csv line 1", "--delimiter $'\\t'"]),
    "a decimal comma": ('x\n1\n"1.299,00"\n', ["t.csv line 3", 'column "x"', '"1.299,00"', "--decimal ,"]),
    "thousands in groups": ('x\n1\n"1,299,000"\n', ["t.csv line 3", 'column "x"', '"1,299,000"', "--thousands ,"]),
    "a thousand, or a decimal comma": ('x\n"1,000"\n', ["t.csv line 2", "--thousands , or --decimal ,"]),
    "hexadecimal": ("x\n0x10\n", ["t.csv line 2", 'column "x"', '"0x10" is not a number']),
    "underscores": ("x\n1_000\n", ["t.csv line 2", '"1_000" is not a number']),
    "beyond float64": ("x\n1e400\n", ["t.csv line 2", '"1e400" is beyond the range of float64']),
    "full-width digits": ("x\n\uff11\uff12\n", ["t.csv line 2", "is not a number"]),
    "NA": ("x\n1\nNA\n", ["t.csv line 3", 'column "x"', "missing", "Fill it in or leave the row out"]),
    "null": ("x\n1\nnull\n", ["t.csv line 3", "missing"]),
    "a dash": ("x\n1\n-\n", ["t.csv line 3", "missing"]),
    "an empty cell": ("x,n\n1,a\n,b\n", ["t.csv line 3", "missing"]),
    "a token that is none": ("x\n1\n?\n", ["t.csv line 3", '"?" is not a number', "--missing-token '?'"]),
    "infinity": ("x\n1\ninf\n", ["t.csv line 3", '"inf" is not a finite number']),
    "infinity in Parquet": (parquet(x=[1.0, float("-inf")]), ["t.csv row 2", 'column "x"', "-inf is not a finite"]),
    "text at row 200,001": ("x\n" + "1\n" * 200_000 + "six\n", ["t.csv line 200002", '"six" is not a number']),
    "UTF-16 without a mark": ("n,x\na,1\n".encode("utf-16-le"), ["NUL byte at offset 1", "--encoding utf-16-le"]),
    "UTF-16 cut off": (b"\xff\xfe" + "x\n1".encode("utf-16-le") + b"\0", ["t.csv line 2", "offset 8", "utf-16"]),
    "Latin-1": (latin("n,x\na,1\nö,2\n"), ["t.csv line 3", "0xf6 at offset 8", "not UTF-8", "--encoding cp1252"]),
    "Latin-1 names": (latin("größe,x\n1,2\n"), ["t.csv line 1", "0xf6 at offset 2", "--encoding cp1252"]),
    "a NUL byte": (b"n,x\na\0,1\nb,2\nc,3\nd,4\n", ["binary", "NUL byte at offset 5"]),
    "an empty file": ("", ["t.csv is empty", "row of names and rows of numbers"]),
    "blank lines alone": ("\n\n \n", ["t.csv is empty"]),
    "a git-LFS pointer": (LFS, ["t.csv is a git-LFS pointer", "git lfs pull"]),
    "a PDF": (b"%PDF-1.7\n%\xe2\xe3\n", ["t.csv is a PDF file"]),
    "a spreadsheet": (b"PK\x03\x04" + bytes(40), ["t.csv: a damaged zip archive"]),
    "a picture": (b"\x89PNG\r\n\x1a\n" + bytes(40), ["t.csv is a picture"]),
    "a web page": (b"<!DOCTYPE html>\n<html>", ["t.csv is a web page"]),
    "another compression": (b"BZh91AY&SY", ["t.csv: cannot be read", "ends too early"]),
    "gzip cut off": (gzip.compress(b"x\n1\n2.5\n" * 9)[:-9], ["t.csv: cannot be read"]),
    "a git-LFS pointer in gzip": (gzip.compress(LFS), ["git-LFS"]),
    "Parquet cut off": (parquet(x=[1.0])[:-20], ["t.csv: not a Parquet or Arrow file"]),
    "text in Parquet": (parquet(x=["one"]), ["t.csv row 1", 'column "x"', '"one" is not a number']),
    "a date": ("x\n2026-11-23\n", ["t.csv line 2", 'column "x"', '"2026-11-23" is a date', "seconds or days"]),
    "a moment": ("x\n2026-11-23T10:00\n", ["t.csv line 2", "is a date, not a number"]),
    "an American date": ("x\n11/23/2026\n", ["t.csv line 2", "is a date, not a number"]),
    "a date in JSON": ('{"x": "2026-11-23"}\n', ["t.csv line 1", "is a date, not a number"]),
    "a moment in Parquet": (parquet(x=np.array(["2026-11-23"], "M8[us]")), ['column "x"', "is a date, not a number"]),
    "a name of 10,001 characters": ("n" * 10_001 + ",x\n1,1\n", ["line 1", "column 1", "10,001 characters"]),
    "names equal but for their accents' form": ("x,\u00e9,e\u0301\n1,2,3\n", ["stands twice", "columns 2 and 3"]),
    "a JSON array": ('[{"x": 1}, {"x": 2.5}]\n', ["t.csv line 1", "JSON array", "JSON lines", "jq"]),
    "text in JSON": ('{"x": "one"}\n', ["t.csv line 1", '"one" is not a number']),
    "another key": ('{"x": 1}\n{"x": 2, "n": 1}\n', ["t.csv line 2", '"n" is not in the first object']),
    "a missing column": ("n,temp\n1,2\n", ['t.csv has no column "x"', '"n", "temp"']),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_not_is_one_line_with_the_place_and_the_way_out(case: str, run: Runner, tmp_path: Path) -> None:
    content, said = REFUSED[case]
    (tmp_path / "t.csv").write_bytes(content.encode() if isinstance(content, str) else content)
    line = one_line(run("lr-infer", GOLDEN, "t.csv"), 1)
    assert line.startswith("lr-infer: t.csv")
    assert [words for words in said if words not in line] == []


def test_control_characters_never_reach_the_terminal(run: Runner, tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("x\n\x1b[2J" + "six" * 50 + "\n")
    line = one_line(run("lr-infer", GOLDEN, "t.csv"), 1)
    assert "\\x1b[2J" in line
    assert "\x1b" not in line
    assert len(line) < 200


def test_header_only_gives_no_predictions(run: Runner, tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("n,x\n")
    done = run("lr-infer", GOLDEN, "t.csv", "--quiet")
    assert (done.returncode, done.stdout, done.stderr) == (0, "y\n", "")


OPTIONS = {
    "no encoding": (["--encoding", "utf-9"], "utf-9"),
    "thousands as the decimal mark": (["--thousands", "."], "--decimal ,"),
    "a map of nothing": (["--map", "x"], "NEW=OLD"),
}


@pytest.mark.parametrize("case", OPTIONS)
def test_options_that_make_no_sense_are_wrong_usage(case: str, run: Runner) -> None:
    options, said = OPTIONS[case]
    assert said in one_line(run("lr-infer", GOLDEN, "-", *options, stdin="x\n1\n"), 2)


# --- training ---


def failure(done: Result) -> str:
    """Return the last line of a failed run."""
    assert done.exit_code == 1, done.stderr
    assert isinstance(done.exception, SystemExit)
    return done.stderr.splitlines()[-1]


ROWS = [(f"s{i % 3}", i * 0.5, (i * i) % 7, 1.0 + i + (i * i) % 5 * 0.25) for i in range(40)]
LINES = [f"{site},{a!r},{b},{y!r}" for site, a, b, y in ROWS]


def table(lines: list[str] = LINES, header: str = "site,a,b,y") -> str:
    return "\n".join([header, *lines]) + "\n"


def fitted(train: Train, folder: Path, *arguments: object, stdin: str | bytes | None = None) -> bytes:
    done = train(*arguments, "--target", "y", stdin=stdin)
    assert done.exit_code == 0, done.stderr
    return (folder / "model.safetensors").read_bytes()


def test_the_same_rows_give_the_same_bytes_however_they_come(train: Train, tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text(table())
    whole = fitted(train, tmp_path, "t.csv")
    days = tmp_path / "days"
    days.mkdir()
    (days / "a.csv").write_text(table(LINES[:11]))
    (days / "b.jsonl").write_text(
        "".join(json.dumps({"y": y, "b": b, "site": site, "a": a}) + "\n" for site, a, b, y in ROWS[11:12])
    )
    swapped = [f"{b},{y!r},{a!r},{site}" for site, a, b, y in ROWS[12:]]
    (days / "c.csv").write_bytes(table(swapped, "b,y,a,site").encode("utf-16"))
    columns = dict(zip(("site", "a", "b", "y"), map(list, zip(*ROWS, strict=True)), strict=True))
    (tmp_path / "t.parquet").write_bytes(parquet(**columns))
    assert fitted(train, tmp_path, "days/a.csv", "days/b.jsonl", "days/c.csv") == whole
    assert fitted(train, tmp_path, "days") == whole
    assert fitted(train, tmp_path, "days/*") == whole
    assert fitted(train, tmp_path, "t.parquet") == whole
    # Categories take a second pass: standard input is kept for it.
    assert fitted(train, tmp_path, "-", stdin=table()) == whole
    assert fitted(train, tmp_path, "-", stdin=gzip.compress(table().encode())) == whole
    assert fitted(train, tmp_path, "-", stdin=table().replace("\n", "\r")) == whole


def test_booleans_are_one_and_zero(train: Train, tmp_path: Path) -> None:
    for name, words in (("t", ("false", "True")), ("u", ("0", "1"))):
        rows = [f"{words[i % 2]},{i},{i * i}" for i in range(9)]
        (tmp_path / f"{name}.csv").write_text(table(rows, "on,a,y"))
    (tmp_path / "v.parquet").write_bytes(
        parquet(on=[i % 2 == 1 for i in range(9)], a=list(range(9)), y=[i * i for i in range(9)])
    )
    models = [fitted(train, tmp_path, name) for name in ("t.csv", "u.csv", "v.parquet")]
    assert models[0] == models[1] == models[2]


BAD = ["s1,1,2", "s1,six,2,3", "s9,1,2,3,4", "s1,1,1e400,3", "s1,1,2,inf"]


def test_bad_rows_are_skipped_when_that_is_asked_for(train: Train, tmp_path: Path) -> None:
    (tmp_path / "good.csv").write_text(table())
    (tmp_path / "t.csv").write_text(table(LINES[:5] + BAD + LINES[5:]))
    line = failure(train("t.csv", "--target", "y"))
    assert "t.csv line 7: 3 cells where the header has 4 names" in line
    assert not (tmp_path / "model.safetensors").exists()
    good = json.loads(train("good.csv", "--target", "y", "--json").stdout)
    done = train("t.csv", "--target", "y", "--json", "--on-error", "skip")
    report = json.loads(done.stdout)
    assert (good["rows_skipped"], report["rows_skipped"], report["rows"], report["rows_read"]) == (0, 5, 40, 40)
    assert report["coefficients"] == good["coefficients"]
    lines = done.stderr.splitlines()
    assert [f"lr-train: skipped: t.csv line {place}" in line for place, line in enumerate(lines[:5], 7)] == [True] * 5
    assert lines[5] == "lr-train: warning: 5 bad rows were skipped, beside 40 fitted"


def test_a_quote_left_open_is_an_error_even_then(train: Train, tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text(table([*LINES[:5], 's1,"1,2,3', *LINES[5:]]))
    assert "not CSV" in failure(train("t.csv", "--target", "y", "--on-error", "skip"))


def test_nothing_but_bad_rows(train: Train, tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text(table([BAD[0], BAD[2]]))
    assert "t.csv has no rows" in failure(train("t.csv", "--target", "y", "--on-error", "skip"))


def test_identifiers_are_warned_about(train: Train, tmp_path: Path) -> None:
    rows = [f"{2**53 + 1 + i * 2},{i},{i * i}" for i in range(9)]
    (tmp_path / "t.csv").write_text(table(rows, "id,a,y"))
    done = train("t.csv", "--target", "y", "--degree", "2")
    (said,) = [line for line in done.stderr.splitlines() if "2^53" in line]
    assert 't.csv line 2, column "id": "9007199254740993" is beyond 2^53' in said
    assert "identifiers?" in said
    assert "2^53" not in train("t.csv", "--target", "y", "--ignore", "id").stderr


def test_thousands(train: Train, tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("a,y\n" + "".join(f"{1000 * i},{i * i}\n" for i in range(9)))
    (tmp_path / "u.csv").write_text("a,y\n" + "".join(f'"{1000 * i:,}",{i * i}\n' for i in range(9)))
    plain = fitted(train, tmp_path, "t.csv")
    assert "--thousands ," in failure(train("u.csv", "--target", "y"))
    assert fitted(train, tmp_path, "u.csv", "--thousands", ",") == plain


def test_codes_stay_as_written_in_a_category(train: Train, tmp_path: Path) -> None:
    rows = [f"{('007', '7', '7.0')[i % 3]},{i},{i * i}" for i in range(12)]
    (tmp_path / "t.csv").write_text(table(rows, "code,a,y"))
    report = json.loads(train("t.csv", "--target", "y", "--category", "code", "--json").stdout)
    assert [row["term"] for row in report["coefficients"]] == ["intercept", "code=7", "code=7.0", "a"]


REFUSED_IN_TRAINING: dict[str, tuple[str, list[str], list[str]]] = {
    "text at row 200,001": (
        table(["s,1,2,3"] * 200_000 + ["s,1,six,3"]),
        ["--features", "a,b"],
        ["t.csv line 200002", 'column "b"', '"six" is not a number'],
    ),
    "a target of text": (table(["a,1,2,x"]), [], ["t.csv line 2", 'column "y"', '"x" is not a number']),
    "a date among the features": (
        table([f"2026-11-{i:02},1,2,3" for i in range(1, 9)]),
        [],
        ["t.csv line 2", 'column "site"', '"2026-11-01" is a date', "seconds or days"],
    ),
    "a missing value": (table(["s,1,NA,3"]), [], ["t.csv line 2", 'column "b"', "missing", "--missing drop, mean"]),
    "a missing value by its own token": (
        table(["s,1,-999,3"]),
        ["--missing-token", "-999"],
        ["t.csv line 2", 'column "b"', "missing"],
    ),
    "header only": (table([]), [], ["t.csv has no rows"]),
}


@pytest.mark.parametrize("case", REFUSED_IN_TRAINING)
def test_refused_in_training(case: str, train: Train, tmp_path: Path) -> None:
    content, options, said = REFUSED_IN_TRAINING[case]
    (tmp_path / "t.csv").write_text(content)
    line = failure(train("t.csv", "--target", "y", *options))
    assert [words for words in said if words not in line] == []
    assert not (tmp_path / "model.safetensors").exists()


def test_files_that_differ_are_named_with_the_column(train: Train, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(table())
    (tmp_path / "b.csv").write_text(table(LINES, "site,a,rh,y"))
    assert 'b.csv has "rh" where a.csv has "b"' in failure(train("a.csv", "b.csv", "--target", "y"))
    assert train("a.csv", "b.csv", "--target", "y", "--map", "b=rh").exit_code == 0
    assert train("a.csv", "a.csv", "--target", "y").exit_code == 2


def test_a_date_that_is_not_used_is_shown_and_does_no_harm(train: Train, tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text(table([f"2026-11-{i:02},{i},{i * i % 7},{i * 3}" for i in range(1, 9)]))
    shown = train("t.csv", "--dry-run").stdout
    assert "site: dates: 2026-11-01, ... (to use them: --time site=days)" in shown
    assert train("t.csv", "--target", "y", "--ignore", "site").exit_code == 0


def test_names_in_another_form_are_the_same_names(train: Train, tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text(table(LINES, "site,gro\u0308\u00dfe,b,y"))
    done = train("t.csv", "--target", "y", "--features", "gro\u0308\u00dfe,b", "--json")
    assert json.loads(done.stdout)["columns"] == ["gr\u00f6\u00dfe", "b"]


HEADERS = {
    "no such column": (table(), ["--target", "z"], 'has no column "z"'),
    "a name twice": (table(LINES, "a,a,b,y"), ["--target", "y"], "stands twice"),
    "semicolons": ("a;y\n1;2\n", ["--target", "y"], "--delimiter ';'"),
}


@pytest.mark.parametrize("case", HEADERS)
def test_a_bad_header_is_said_before_torch_is_imported(
    case: str, run: Runner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    content, options, said = HEADERS[case]
    (tmp_path / "t.csv").write_text(content)
    stub = tmp_path / "stub"
    stub.mkdir()
    (stub / "torch.py").write_text("raise SystemExit('torch was imported')")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(stub), os.environ.get("PYTHONPATH", "")]))
    assert said in one_line(run("lr-train", "t.csv", *options), 1)
