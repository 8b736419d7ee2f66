"""Folders whose names hold a column's value: held against the same rows in one file."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from lr_runtime.errors import MissingColumnError, TableError
from lr_runtime.tables import TableOptions, open_table
from lr_runtime.tables.kinds import kinds_of
from tests.optional import needs, optional

if TYPE_CHECKING:
    from pathlib import Path

pa = optional("pyarrow")
datasets = optional("pyarrow.dataset")


def tree(root: Path, files: dict[str, str]) -> Path:
    for name, content in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(content)
    return root


def rows(table: Any, numbers: list[str], texts: list[str] | None = None) -> list[list[Any]]:
    found = []
    for batch in table.batches(numbers, texts or [], [*numbers, *(texts or [])]):
        for row in range(len(batch.values)):
            words = [None if c.codes[row] < 0 else c.values[c.codes[row]] for c in batch.categories]
            found.append([*(None if np.isnan(value) else value for value in batch.values[row]), *words])
    return found


FILES = {
    "h/site=n/year=2025/b.csv": "a,y\n1,2\n3,4\n",
    "h/site=n/year=2026/a.csv": "a,y\n5,6\n",
    "h/site=s%C3%BCd%2Fost/year=2025/a.csv": "y,a\n8,7\n",
    "h/site=__HIVE_DEFAULT_PARTITION__/year=2024/a.csv": "a,y\n9,10\n",
    "h/_SUCCESS": "",
    "h/site=n/.part.csv.crc": "x",
}
EXPECTED: list[list[Any]] = [
    [9.0, 10.0, 2024.0, None],
    [1.0, 2.0, 2025.0, "n"],
    [3.0, 4.0, 2025.0, "n"],
    [5.0, 6.0, 2026.0, "n"],
    [7.0, 8.0, 2025.0, "süd/ost"],
]


@pytest.mark.parametrize("way", ["the folder", "a pattern", "folders", "files"])
def test_the_folders_are_columns(way: str, tmp_path: Path) -> None:
    root = tree(tmp_path, FILES) / "h"
    source: Any = {
        "the folder": root,
        "a pattern": f"{root}/*/*/*.csv",
        "folders": sorted(path for path in root.iterdir() if path.is_dir()),
        "files": sorted(root.glob("*/*/*.csv")),
    }[way]
    table = open_table(source)
    assert table.names == ("a", "y", "site", "year")
    assert kinds_of(table, table.names).of == {"a": "number", "y": "number", "site": "category", "year": "number"}
    assert rows(table, ["a", "y", "year"], ["site"]) == EXPECTED
    assert rows(table, ["year"], []) == [[row[2]] for row in EXPECTED]
    assert table.indexes == ()


def test_kept_cells_are_as_the_folders_are_called(tmp_path: Path) -> None:
    table = open_table(tree(tmp_path, {"h/k=007/t.csv": "a\n1\n", "h/k=8/t.csv": "a\n2\n"}) / "h")
    kept = [[list(map(str, cells)) for cells in batch.kept] for batch in table.batches(["k"], [], ["k", "a"])]
    assert kept == [[["007"], ["1"]], [["8"], ["2"]]]


def test_one_value_is_no_feature_unless_it_is_asked_for(tmp_path: Path) -> None:
    said: list[str] = []
    table = open_table(tree(tmp_path, FILES) / "h/site=n/year=2026/a.csv", warn=said.append)
    assert set(table.indexes) == {"site", "year"} <= set(table.names)
    assert rows(table, ["a"]) == [[5.0]]
    assert len(said) == 1
    assert '"site"' in said[0]
    assert rows(table, ["a"], ["site"]) == [[5.0, "n"]]


def test_the_kind_comes_from_all_folders(tmp_path: Path) -> None:
    many = "a\n" + "1\n" * 12_000
    for name, kind in (("x", "category"), ("12", "number"), ("__HIVE_DEFAULT_PARTITION__", "number")):
        table = open_table(tree(tmp_path, {f"{name}/k=1/t.csv": many, f"{name}/k={name}/t.csv": "a\n2\n"}) / name)
        assert kinds_of(table, ["k", "a"]).of == {"k": kind, "a": "number"}


def test_what_the_file_holds_itself_goes_first(tmp_path: Path) -> None:
    table = open_table(tree(tmp_path, {"h/k=1/t.csv": "a,k\n1,5\n", "h/k=2/t.csv": "a,k\n2,6\n"}) / "h")
    assert table.names == ("a", "k")
    assert rows(table, ["a", "k"]) == [[1, 5], [2, 6]]


def test_a_column_of_folders_may_have_another_name(tmp_path: Path) -> None:
    root = tree(tmp_path, {"h/k=1/t.csv": "a\n1\n", "h/k=2/t.csv": "a\n2\n"}) / "h"
    assert rows(open_table(root, TableOptions(renames=(("key", "k"), ("b", "a")))), ["b", "key"]) == [[1, 1], [2, 2]]
    with pytest.raises(MissingColumnError):
        open_table(root, TableOptions(renames=(("key", "q"),)))


def test_folders_of_other_keys_are_refused(tmp_path: Path) -> None:
    root = tree(tmp_path, {"h/k=1/t.csv": "a\n1\n", "h/q=2/t.csv": "a\n2\n"}) / "h"
    with pytest.raises(TableError, match=r'"q" where .* has "k"'):
        open_table(root)


def test_other_folders_of_folders_are_read_by_a_pattern(tmp_path: Path) -> None:
    root = tree(tmp_path, {"h/monday/1.csv": "a\n1\n", "h/tuesday/deep/2.csv": "a\n2\n"}) / "h"
    with pytest.raises(TableError, match=r"h/\*\*/\*\.csv'"):
        open_table(root)
    assert rows(open_table(f"{root}/**/*.csv"), ["a"]) == [[1], [2]]


@needs(pa)
def test_what_pyarrow_writes_is_read(tmp_path: Path) -> None:
    table = pa.table({"a": [1.0, 2.0, 3.0, 4.0], "site": ["n", "s", None, "a b/c=d"], "m": [1, 2, 1, 2]})
    datasets.write_dataset(
        table, tmp_path / "h", format="parquet", partitioning=["site", "m"], partitioning_flavor="hive"
    )
    found = open_table(tmp_path / "h")
    assert sorted(rows(found, ["a", "m"], ["site"]), key=lambda row: float(row[0])) == [
        [1.0, 1.0, "n"],
        [2.0, 2.0, "s"],
        [3.0, 1.0, None],
        [4.0, 2.0, "a b/c=d"],
    ]
