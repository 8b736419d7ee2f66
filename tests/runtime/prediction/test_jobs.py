"""Rows scored by several processes: the bytes, the lines and the counts of one."""

from __future__ import annotations

import io
import pickle
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lr_runtime import Predictor
from lr_runtime.choices import FORMATS
from lr_runtime.errors import LinedgeError, TableError
from lr_runtime.prediction import jobs
from lr_runtime.prediction.table import Scoring
from lr_runtime.system import processes
from lr_runtime.tables import TableOptions, open_table
from lr_runtime.tables.saving import table_writer
from lr_runtime.tables.table import Cut
from lr_runtime.tables.text import table as text
from lr_runtime.tables.writing import JsonDocumentWriter
from tests.optional import Absent, needs, optional
from tests.runtime.tables.reading import table_file

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from lr_runtime.choices import OnError
    from tests.runtime.conftest import Model

pa = optional("pyarrow")
pq = optional("pyarrow.parquet")


@pytest.fixture(scope="module")
def predictor(model: Callable[[str], Model]) -> Predictor:
    """Of the columns rh, temp and p."""
    return Predictor.load(model("weather")[1])


def in_this_process(work: Any, items: Sequence[Any], _: int) -> Iterator[Any]:
    """What `in_processes` does, without the processes: all that they are sent and send is pickled."""
    work = pickle.loads(pickle.dumps(work))  # noqa: S301 - what this test pickled
    for item in items:
        yield pickle.loads(pickle.dumps(work(pickle.loads(pickle.dumps(item)))))  # noqa: S301 - likewise


@pytest.fixture(scope="module", autouse=True)
def small_pieces() -> Iterator[None]:
    """Cut small tables, at the ends of the reader's blocks as large ones are."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(text, "BLOCK_BYTES", 40)
        patch.setattr(processes, "in_processes", in_this_process)
        patch.setattr(Cut.__new__, "__defaults__", (60, 2))
        yield


def told(
    predictor: Predictor,
    source: Any,
    count: int,
    kind: str,
    keep: Sequence[str],
    on_error: OnError,
    options: TableOptions | None = None,
) -> Any:
    """All that comes of scoring a table: bytes, lines, advance, counts and the error at the end."""
    said: list[str] = []
    sizes: list[int] = []
    sink = io.BytesIO()
    table = open_table(source, options or TableOptions(marks=True), once=True, for_fit=False, warn=said.append)
    scoring = Scoring(predictor, table, keep=keep, on_error=on_error)
    error = None
    try:
        rows = jobs.scored(scoring, count, said.append, sizes.append)
        if kind == "json":
            writer: Any = JsonDocumentWriter(sink, "[", lambda: "]")
        else:
            writer = table_writer(sink, kind, rows.first, seeks=True)  # type: ignore[arg-type]
        for prepared in rows.prepared(writer.prepared):
            writer.put(prepared)
        writer.close()
    except LinedgeError as failed:
        error = (type(failed), str(failed))
    counts = None if error else (sum(sizes), scoring.tally)
    return sink.getvalue(), said, counts, error


CELLS = st.sampled_from(["1", "-2.5", "0.125", "x", "", '"3"', "1e999"])
LINES = st.one_of(
    st.tuples(CELLS, CELLS, CELLS, st.sampled_from(["a", '"b,c"', "é", ""])).map(",".join), st.sampled_from(["", "1,2"])
)


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(LINES, max_size=25),
    st.sampled_from(["csv", "jsonl", "json", *([] if isinstance(pa, Absent) else ["parquet", "arrow"])]),
    st.sampled_from(["stop", "skip", "null"]),
    st.sampled_from([[], ["all"], ["note"]]),
    st.booleans(),
)
def test_text_by_several_is_text_by_one(
    predictor: Predictor,
    tmp_path: Path,
    lines: list[str],
    kind: str,
    on_error: OnError,
    keep: list[str],
    is_headed: bool,
) -> None:
    head = "rh,temp,p,note," if is_headed else "rh,temp,p,note"
    content = "\n".join([head, *(f"{line}," if is_headed and line else line for line in lines)])
    path = table_file(tmp_path, content)
    by_one, by_two = (told(predictor, path, count, kind, keep, on_error) for count in (1, 2))
    assert by_two == by_one


@needs("pyarrow")
@pytest.mark.parametrize("kind", FORMATS)
@pytest.mark.parametrize("on_error", ["stop", "skip", "null"])
def test_files_and_row_groups_by_several(predictor: Predictor, tmp_path: Path, kind: str, on_error: OnError) -> None:
    """Folders of a partition, row groups in which all rows are bad, a file without rows."""
    for day, count in enumerate([7, 0, 12]):
        (tmp_path / f"day={day}").mkdir()
        numbers = {name: np.linspace(-1, 1, count) + day for name in ("rh", "temp", "p")}
        numbers["temp"][2:4] = np.nan
        notes = pa.array([f"{row % 3}" for row in range(count)]).dictionary_encode()
        pq.write_table(pa.table({**numbers, "note": notes}), tmp_path / f"day={day}" / "t.parquet", row_group_size=2)
    by_one, by_four = (told(predictor, tmp_path, count, kind, ["all"], on_error) for count in (1, 4))
    assert by_four == by_one
    assert (by_one[3] is None) == (on_error != "stop")


def test_a_table_without_rows(predictor: Predictor, tmp_path: Path) -> None:
    paths = [table_file(tmp_path, "rh,temp,p\n", name) for name in ("a.csv", "b.csv")]
    for kind in ("csv", "jsonl", "json"):
        assert told(predictor, paths, 2, kind, [], "stop") == told(predictor, paths, 1, kind, [], "stop")
    assert told(predictor, paths, 2, "csv", [], "stop")[0] == b"ozone\n"


def test_what_is_passed_over_is_said_once(predictor: Predictor, tmp_path: Path) -> None:
    contents = {"a.csv": "rh,temp,p\n1,2,3\n", "b.csv": "rh,temp,p,\n1,2,3,\n", "c.csv": "rh,temp,p,,\n1,2,3,,\n"}
    paths = [table_file(tmp_path, content, name) for name, content in contents.items()]
    found = told(predictor, paths, 2, "csv", [], "stop")
    assert found == told(predictor, paths, 1, "csv", [], "stop")
    assert found[1] == [f"{paths[1]}: passed over: column 4 has no name"]


def test_one_piece_needs_no_process(predictor: Predictor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processes, "in_processes", None)
    path = table_file(tmp_path, "rh,temp,p\n1,2,3\n")
    assert told(predictor, path, 8, "csv", [], "stop")[0] == b"ozone\n" + b"%r\n" % float(
        predictor.predict([[1.0, 2.0, 3.0]]).values[0, 0]
    )
    with pytest.raises(TableError):
        jobs.scored(Scoring(predictor, open_table(table_file(tmp_path, "rh,temp,p\nx,2,3\n"))), 8)


PLAIN = "rh,temp,p,note\n1,2,3,é\n4,5,x,b\n" + "1,2,3,c\n" * 30


@pytest.mark.parametrize(
    "name", ["t.csv.gz", "t.csv.bz2", "t.csv.xz", "t.zip", "t.csv.zst", "cp1252", "returns", "comments"]
)
def test_what_is_packed_or_rewritten_is_sent_as_what_opens_it(
    predictor: Predictor, tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    import bz2
    import gzip
    import lzma
    import zipfile

    content = PLAIN.encode()
    packed: dict[str, Callable[[bytes], bytes]] = {"gz": gzip.compress, "bz2": bz2.compress, "xz": lzma.compress}
    if name == "t.csv.zst":
        if not pa:
            pytest.skip("pyarrow is not installed here")
        packed["zst"] = lambda content: pa.Codec("zstd").compress(content, asbytes=True)
    options = {"cp1252": TableOptions(marks=True, encoding="cp1252"), "comments": TableOptions(marks=True, comment="#")}
    changed = {
        "cp1252": PLAIN.encode("cp1252"),
        "returns": content.replace(b"\n", b"\r"),
        "comments": content.replace(b",b\n", b",b # 5\n"),
    }
    paths = [tmp_path / f"{number}{name}" for number in range(2)]
    for path in paths:
        if name == "t.zip":
            with zipfile.ZipFile(path, "w") as archive:
                archive.writestr("t.csv", content)
        else:
            path.write_bytes(changed.get(name) or packed[name.rpartition(".")[2]](content))
    asked: list[int] = []

    def counted(work: Any, items: Sequence[Any], count: int) -> Iterator[Any]:
        asked.append(len(items))
        return in_this_process(work, items, count)

    monkeypatch.setattr(processes, "in_processes", counted)
    found = told(predictor, paths, 2, "csv", ["note"], "null", options.get(name))
    assert found == told(predictor, paths, 1, "csv", ["note"], "null", options.get(name))
    assert asked == [2]
    assert found[2][1].bad == 2


def test_a_pipe_among_the_tables_is_read_by_one(
    predictor: Predictor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = table_file(tmp_path, PLAIN)
    found = {}
    for count in (1, 2):
        monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(PLAIN.encode())))
        found[count] = told(predictor, ["-", path], count, "csv", [], "skip")
    assert found[1] == found[2]
    assert found[1][2][1].rows == 64


def test_an_error_leaves_no_reader_open(predictor: Predictor, tmp_path: Path) -> None:
    """Not until Python looks for garbage: that may be where a thread is just started, and waits for it for ever."""
    import gc

    opened = open_table(table_file(tmp_path, "rh,temp,p\nx,2,3\n"), TableOptions(marks=True))
    closed = []

    class Watched:
        def __getattr__(self, name: str) -> Any:
            return getattr(opened, name)

        def batches(self, *wanted: Any) -> Iterator[Any]:
            try:
                yield from opened.batches(*wanted)
            finally:
                closed.append(True)

    gc.disable()
    try:
        with pytest.raises(TableError):
            list(Scoring(predictor, Watched()).rows())
        assert closed
    finally:
        gc.enable()
