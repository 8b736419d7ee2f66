"""Folders that are written, read back by linedge and by pyarrow: the same rows, each folder's in their order."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lr_runtime.errors import TableError, UnusableFileError
from lr_runtime.system.replacement import check_new_folder, new_folder
from lr_runtime.tables import TableOptions, open_table
from lr_runtime.tables import partitioning as module
from lr_runtime.tables.files.partitions import folder_name, values_of
from lr_runtime.tables.partitioning import FolderWriter
from lr_runtime.tables.saving import table_writer
from lr_runtime.tables.writing import OutputRows
from tests.optional import needs, optional

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from lr_runtime.choices import Format

pa = optional("pyarrow")
datasets = optional("pyarrow.dataset")


def write(root: Path, batches: Sequence[dict[str, Any]], by: Sequence[str], kind: Format = "csv") -> Path:
    """Write batches of columns; what is called p stands for a prediction."""
    with new_folder(root) as folder:
        writer = FolderWriter(
            folder,
            by,
            lambda sink, first: table_writer(sink, kind, first, seeks=True),
            f".{kind}",
            TableOptions(),
        )
        for batch in batches:
            results = np.array(batch["p"], np.float32)
            empty = np.isnan(results)
            kept = {name: column for name, column in batch.items() if name != "p"}
            writer.write(OutputRows(kept, {"p": results}, empty if empty.any() else None))
        writer.close()
    return root


def read(root: Path, numbers: Sequence[str], texts: Sequence[str]) -> list[tuple[Any, ...]]:
    found: list[tuple[Any, ...]] = []
    for batch in open_table(root).batches(numbers, texts):
        words = [[None if c < 0 else text.values[c] for c in text.codes] for text in batch.categories]
        values = [[None if math.isnan(value) else value for value in column] for column in batch.values.T.tolist()]
        found += zip(*values, *words, strict=True)
    return found


@settings(deadline=None)
@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=60))
def test_a_folder_s_name_is_undone(text: str) -> None:
    name = folder_name(text, text)
    assert "/" not in name
    assert values_of(f"{name}/part-0.csv") == {text: text}
    assert values_of(f"{folder_name(text, None)}/part-0.csv") == {text: None}


@needs(pa)
@settings(deadline=None)
@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=60))
def test_pyarrow_undoes_it_alike(text: str) -> None:
    hive = datasets.partitioning(pa.schema([("k", pa.string())]), flavor="hive")
    assert hive.parse(f"{folder_name('k', text)}/part-0.csv").equals(datasets.field("k") == text)


ROWS: list[dict[str, Any]] = [
    {"site": ["n", "s/ü", "", "n"], "id": ["1", "2", "3", "4"], "p": [0.1, 2, 3, 4]},
    {"site": [], "id": [], "p": []},
    {"site": ["s/ü", "n", "NA"], "id": ["5", "6", "7"], "p": [math.nan, 6, 7]},
]
EXPECTED = [(3, 3, None), (7, 7, None), (1, 0.1, "n"), (4, 4, "n"), (6, 6, "n"), (2, 2, "s/ü"), (5, None, "s/ü")]


@pytest.mark.parametrize("kind", ["csv", "jsonl", pytest.param("parquet", marks=needs(pa)), "arrow"])
@pytest.mark.parametrize("at_once", [1, 1 << 18])
def test_every_row_is_in_its_folder_in_order(
    kind: Format, at_once: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if kind == "arrow":
        pa.table({})
    monkeypatch.setattr(module, "_ROWS_AT_ONCE", at_once)
    root = write(tmp_path / "out", ROWS, ["site"], kind)
    assert sorted(path.name for path in root.iterdir()) == ["site=__HIVE_DEFAULT_PARTITION__", "site=n", "site=s%2Fü"]
    assert [path.name for path in (root / "site=n").iterdir()] == [f"part-0.{kind}"]
    found = read(root, ["id", "p"], ["site"])
    assert [(*row[:1], row[1] and np.float32(row[1]), row[2]) for row in found] == [
        (*row[:1], row[1] and np.float32(row[1]), row[2]) for row in EXPECTED
    ]
    assert list(tmp_path.iterdir()) == [root]


@settings(max_examples=20, deadline=None)
@given(data=st.data())
def test_no_row_is_lost_or_doubled(data: st.DataObject, tmp_path_factory: pytest.TempPathFactory) -> None:
    names = st.sampled_from(["a", "B", "1", "1.0", "%41", "x=y", ".", "é"])
    sizes = data.draw(st.lists(st.integers(0, 5), min_size=1, max_size=4))
    batches: list[dict[str, Any]] = [
        {
            "k": data.draw(st.lists(names, min_size=size, max_size=size)),
            "j": data.draw(st.lists(st.sampled_from([1, 2.5, True, None]), min_size=size, max_size=size)),
            "p": [float(10 * number + row) for row in range(size)],
        }
        for number, size in enumerate(sizes)
    ]
    root = write(tmp_path_factory.mktemp("t") / "out", batches, ["j", "k"], "jsonl")
    rows = [row for batch in batches for row in zip(batch["p"], batch["k"], batch["j"], strict=True)]
    if not rows:
        assert list(root.iterdir()) == []
        return
    found = read(root, ["p"], ["k", "j"])
    called: dict[Any, str | None] = {1: "1", 2.5: "2.5", None: None}
    assert sorted(found) == sorted((p, k, "true" if j is True else called[j]) for p, k, j in rows)
    for _, k, j in found:
        same = [row[0] for row in found if row[1:] == (k, j)]
        assert same == sorted(same)


@needs(pa)
def test_types_of_arrow_are_called_as_pyarrow_reads_them(tmp_path: Path) -> None:
    import datetime

    columns = {
        "day": pa.array([datetime.date(2024, 1, 1), datetime.date(2024, 1, 2), None]),
        "flag": pa.array([True, False, None]),
        "number": pa.array([1.5, 1e300, math.nan]),
        "whole": pa.array([-1, 2**60, None]),
        "word": pa.array(["a", "", "c"]).dictionary_encode(),
    }
    root = write(tmp_path / "out", [{**columns, "p": [1, 2, 3]}], list(columns), "parquet")
    kinds = {"day": pa.date32(), "flag": pa.bool_(), "number": pa.float64(), "whole": pa.int64(), "word": pa.string()}
    table = datasets.dataset(root, partitioning=datasets.partitioning(pa.schema(kinds), flavor="hive")).to_table()
    assert sorted(table.to_pylist(), key=lambda row: row["p"]) == [
        {"p": 1, "day": datetime.date(2024, 1, 1), "flag": True, "number": 1.5, "whole": -1, "word": "a"},
        {"p": 2, "day": datetime.date(2024, 1, 2), "flag": False, "number": 1e300, "whole": 2**60, "word": None},
        {"p": 3, "day": None, "flag": None, "number": None, "whole": None, "word": "c"},
    ]


def test_too_many_folders_leave_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_MOST_FOLDERS", 2)
    with pytest.raises(TableError, match='"id" would make more than 2 folders'):
        write(tmp_path / "out", ROWS, ["id"])
    assert list(tmp_path.iterdir()) == []


def test_a_folder_with_files_is_refused_and_stays(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir(mode=0o750)
    (tmp_path / "file").write_text("x")
    check_new_folder(tmp_path / "out")
    assert write(tmp_path / "out", ROWS, ["site"]).stat().st_mode & 0o777 == 0o750
    for name, why in (("out", "not empty"), ("file", "is a file"), ("no/out", "is not there")):
        with pytest.raises(UnusableFileError, match=why):
            check_new_folder(tmp_path / name)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "out"]
    assert (tmp_path / "file").read_text() == "x"


def test_what_cannot_be_written_names_the_folder(tmp_path: Path) -> None:
    with pytest.raises(UnusableFileError, match=r"out: cannot be written \(File name too long\)"):
        write(tmp_path / "out", [{"k": ["x" * 300], "p": [1]}], ["k"])
    assert list(tmp_path.iterdir()) == []
