"""Tables that are sent: the faults of tables with their place, and what would cost more than its bytes."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pytest
from click.testing import CliRunner

from lr_runtime.commands.infer import main as lr_infer
from lr_runtime.serving import formats
from lr_runtime.wording import of_a_command
from tests.serving.rows.test_predict import as_arrow

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from lr_runtime import Predictor
    from tests.serving.asgi import Client

ROWS: dict[str, Any] = {"a": [1.0, 2.0], "site": ["p", "q"]}
FAULTS = {
    "one field more": b"a,site\n1,p\n1,q,2\n",
    "one field less": b"a,site\n1,p\n1\n",
    "no names": b"1,p\n2,q\n",
    "numbers for names": b"1,2\n3,4\n",
    "a name twice": b"a,a,site\n1,1,p\n",
    "no name": b",\n1,p\n",
    "another delimiter": b"a;site\n1;p\n",
    "tabs": b"a\tsite\n1\tp\n",
    "decimal comma": b'a,site\n"1,5",p\n',
    "thousands": b'a,site\n"1,000",p\n',
    "hexadecimal": b"a,site\n0x10,p\n",
    "underscore": b"a,site\n1_000,p\n",
    "beyond float64": b"a,site\n1e400,p\n",
    "full width": "a,site\n\uff11,p\n".encode(),
    "missing": b"a,site\n1,p\nNA,q\n",
    "infinite": b"a,site\ninf,p\n",
    "a date": b"a,site\n2024-05-01,p\n",
    "not UTF-8": b"a,site\n1,p\xe9\n",
    "a NUL": b"a,site\n1,p\0\n",
    "a quote left open": b'a,site\n1,"p\n2,q\n',
    "empty": b"",
    "blank": b"\n\n",
    "packed": b"\x1f\x8b\x08\x00" + bytes(20),
    "a zip archive": b"PK\x03\x04" + bytes(30),
    "a pointer": b"version https://git-lfs.github.com/spec/v1\n",
    "a document": b"%PDF-1.7\n",
    "Parquet": b"PAR1" + bytes(20),
    "a column is missing": b"site\np\n",
    "a category is unknown": b"a,site\n1,p\n1,P\n",
    "beyond 2^53": b"a,site\n9007199254740993,p\n",
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_of_a_table_has_the_words_of_lr_infer_and_no_path(
    fault: str, client: Client, models: Path, tmp_path: Path
) -> None:
    (path := tmp_path / "t.csv").write_bytes(FAULTS[fault])
    with of_a_command():
        answer = client.post("/predict?model=site", FAULTS[fault], "text/csv")
    said = CliRunner().invoke(lr_infer, [str(models / "site.onnx"), str(path), "--quiet"])
    assert said.exit_code == 1
    assert answer.status in {400, 422}
    assert str(tmp_path) not in answer.error
    if FAULTS[fault][:2] not in {b"\x1f\x8b", b"PK", b"PA"}:  # which lr-infer unpacks, or reads
        assert answer.error == said.stderr.splitlines()[-1].removeprefix("lr-infer: ").replace(str(path), "the body")


@pytest.mark.parametrize(
    "line",
    [
        b"[1]",
        b"null",
        b"1",
        b'{"a": 1, "a": 2}',
        b'{"a": 1, "b": 2}',
        b'{"a": [1]}',
        b'{"a": "x"}',
        b'{"a": Infinity}',
        b"{",
        b"\xff",
    ],
)
def test_a_fault_of_json_lines_has_its_line(line: bytes, client: Client) -> None:
    answer = client.post("/predict?model=site", b'{"a": 1, "site": "p"}\n' + line + b"\n", "application/jsonl")
    assert answer.status in {400, 422}
    assert answer.error.startswith("the body line 2")


@pytest.mark.parametrize("is_file", [False, True])
@pytest.mark.parametrize(
    ("table", "options", "said"),
    [
        (ROWS, {"compression": "zstd"}, "its buffers are compressed"),
        (ROWS, {"compression": "lz4"}, "its buffers are compressed"),
        ({**ROWS, "site": pa.array(["p", "q"]).dictionary_encode()}, {"compression": "zstd"}, "buffers are compressed"),
        ({**ROWS, "l": [[1], [2, 3]]}, {}, 'column "l": holds list'),
        ({**ROWS, "s": [{"a": 1}, {"a": 2}]}, {}, 'column "s": holds struct'),
        ({**ROWS, "a": pa.RunEndEncodedArray.from_arrays([2], [1.0])}, {}, 'column "a": holds run_end_encoded'),
        ({**ROWS, "a": pa.array([1, 2]).dictionary_encode()}, {}, 'column "a": holds dictionary'),
        (
            {"a": [1.0] * 300, "site": pa.DictionaryArray.from_arrays(pa.array([0] * 300, pa.int16()), ["p" * 10**6])},
            {},
            "its text is too long",
        ),
        ({"a": [1.0], "sight": ["p"]}, {}, 'has no column "site"'),
        ({"a": ["x", "2"], "site": ["p", "q"]}, {}, 'row 1, column "a": "x" is not a number'),
        ({"a": ["2", "16777217"], "site": ["p", "q"]}, {}, 'row 2, column "a": 16777217 is an integer that float32'),
        ({"a": [1.0, None], "site": ["p", "q"]}, {}, 'row 2, column "a": the value is missing'),
    ],
)
def test_what_arrow_may_not_hold_is_said(
    table: dict[str, Any], options: dict[str, str], said: str, is_file: bool, client: Client
) -> None:
    kind = formats.ARROW_FILE if is_file else formats.ARROW_STREAM
    answer = client.post("/predict?model=site", as_arrow(pa.table(table), is_file=is_file, **options), kind)
    assert answer.status in {400, 422}
    assert said in answer.error


def test_a_file_of_polars_which_has_its_schema_at_the_end_alone_is_told_what_to_send(client: Client) -> None:
    whole = as_arrow(pa.table(ROWS), is_file=True)
    answer = client.post(
        "/predict?model=site", whole[:8] + b"\4\0\0\0\xf2\xff\xff\xff" + whole[16:], formats.ARROW_FILE
    )
    assert (answer.status, answer.error[-40:]) == (400, "Send a stream (polars: write_ipc_stream)")


@pytest.mark.parametrize(
    "site",
    [
        pa.array(["p", "q"], pa.large_string()),
        pa.array(["p", "q"], pa.string_view()),
        pa.array(["p", "q"]).dictionary_encode(),
    ],
)
@pytest.mark.parametrize("a", [pa.array([1, 2], pa.int8()), pa.array([1, 2], pa.float32()), pa.array(["1", "2"])])
def test_text_and_numbers_of_every_width_are_taken(site: pa.Array, a: pa.Array, client: Client) -> None:
    expected = client.post("/predict?model=site", {"a": [1.0, 2.0], "site": ["p", "q"]}).json
    answer = client.post(
        "/predict?model=site",
        as_arrow(pa.table({"a": a, "site": site})),
        formats.ARROW_STREAM,
        accept="application/json",
    )
    assert (answer.status, answer.json) == (200, expected)


MUTATED = """
import random, sys
sys.path[:0] = {path!r}
from lr_runtime.errors import TableError
from lr_runtime.tables import TableOptions
from lr_runtime.tables.opening import open_bytes
content, chosen = bytes.fromhex({content!r}), random.Random({seed})
for _ in range({count}):
    changed = bytearray(content)
    for _ in range(chosen.randint(1, 4)):
        changed[chosen.randrange(8, len(changed))] = chosen.choice([0, 1, 127, 128, 255, chosen.randrange(256)])
    end, options = chosen.choice([None, chosen.randrange(len(changed))]), TableOptions(format="arrow", marks=True)
    try:
        table = open_bytes(bytes(changed[:end]), "the body", options)
        for batch in table.batches(["a"], ["site"], ["a", "site"]):
            [column.to_pylist() for column in batch.kept]
    except (TableError, ValueError):
        pass
"""


@pytest.mark.parametrize("is_file", [False, True])
def test_no_changed_byte_of_arrow_ends_the_process(is_file: bool) -> None:
    table = pa.table(
        {**ROWS, "site": pa.array(["p", "q"]).dictionary_encode(), "t": pa.array(["x", None], pa.string_view())}
    )
    program = MUTATED.format(path=sys.path, content=as_arrow(table, is_file=is_file).hex(), seed=7, count=300)
    done = subprocess.run([sys.executable, "-c", program], check=False, capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stderr) == (0, "")


def test_without_pyarrow_arrow_is_415_with_what_installs_it(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.startswith("lr_runtime.tables.arrow.")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    for body, kind, accept in ((b"", formats.ARROW_STREAM, "*/*"), (b"x\n1\n", formats.CSV, formats.ARROW_FILE)):
        answer = client.post("/predict?model=line", body, kind, accept=accept)
        assert answer.status == 415
        assert "linedge[tables]" in answer.error


def test_each_bad_row_is_told_by_its_line(client: Client) -> None:
    body = b"id,x\n1,1\n\n2,nix\n3,3\n4,inf\n" + b"".join(b"%d,1e308\n" % row for row in range(200))
    answer = client.post("/predict?model=line&on_error=null&keep=id", body, "text/csv", accept="application/json")
    errors = answer.json["errors"]
    assert [error.partition(",")[0] for error in errors] == [f"the body line {line}" for line in (4, 6, *range(7, 105))]
    assert answer.headers["x-bad-rows"] == "202"
    assert [row["id"] for row in answer.json["predictions"]][:5] == ["1", "2", "3", "4", "0"]


def test_not_each_of_many_unknown_categories_is_held_against_the_known(predictor: Callable[[str], Predictor]) -> None:
    rows = [{"a": 1.0, "site": f"P{' ' * number}"} for number in (200, *range(120))]
    _, faults = predictor("site").predict_each(rows)
    assert [*faults] == [*range(121)]
    guessed = ["Did you mean" in faults[row] for row in range(121)]
    assert guessed[:3] == [False, True, True]  # the first is too long for it
    assert not any(guessed[100:])
