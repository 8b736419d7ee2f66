"""A look at a dirty table goes past every bad cell: what it counts is what the table was made of."""

from __future__ import annotations

import gzip
import json
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet
import pytest
from click.testing import CliRunner

from lr_runtime.tables.cells.missing import MISSING_TOKENS
from lr_trainer import look
from lr_trainer.cli import main as lr_train

if TYPE_CHECKING:
    from pathlib import Path

BAD = ("oops", "12 kg", "1,5", "inf", "1e999", "0x1F", "2026-11-27", "\u0661\u0662", "$4", "#DIV/0!", "--")
MALFORMED = ("1,2", "1,2,3,4", "7", '"a"b,1,2')


class Made(NamedTuple):
    """What a table holds by construction: values, missing cells and bad ones by column, lines that are no rows."""

    good: dict[str, list[float]]
    missing: dict[str, int]
    bad: dict[str, list[tuple[int, str]]]
    malformed: list[int]


def dirty(path: Path, seed: int, rows: int) -> Made:
    """Write a table of three columns, the first row of each good; return what it holds by construction."""
    random = np.random.default_rng(seed)
    names = ["a", "b", "c"]
    lines = ["a,b,c"]
    made = Made({n: [] for n in names}, dict.fromkeys(names, 0), {n: [] for n in names}, [])
    good, missing, bad, malformed = made
    for row in range(rows):
        if row and random.random() < 0.05:
            malformed.append(len(lines) + 1)
            lines.append(str(random.choice(MALFORMED)))
            continue
        cells = []
        for name in names:
            sort = random.random() if row else 1.0
            if sort < 0.1:
                cells.append(cell := str(random.choice(BAD)))
                bad[name].append((len(lines) + 1, cell))
            elif sort < 0.2:
                cells.append(str(random.choice(MISSING_TOKENS)))
                missing[name] += 1
            else:
                good[name].append(float(random.normal()))
                cells.append(repr(good[name][-1]))
        lines.append(",".join(f'"{cell}"' if "," in cell else cell for cell in cells))
    content = ("\n".join(lines) + "\n").encode()
    path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)
    return made


@pytest.mark.parametrize("seed", range(12))
def test_what_a_look_counts_is_what_the_table_was_made_of(seed: int, tmp_path: Path) -> None:
    path = tmp_path / ("t.csv.gz" if seed % 3 == 0 else "t.csv")
    made = dirty(path, seed, rows := [1, 7, 60, 400][seed % 4])
    found = look(path)
    assert found.rows == rows
    assert found.stopped is None
    assert found.malformed == len(made.malformed)
    assert (found.first_malformed or "").startswith(f"{path} line {made.malformed[0]}, " if made.malformed else "")
    for column in found.columns:
        good, missing, bad = made.good[column.name], made.missing[column.name], made.bad[column.name]
        assert (column.kind, column.missing, column.bad) == ("number", missing, len(bad))
        assert (column.minimum, column.maximum) == (min(good), max(good))
        assert column.mean == pytest.approx(np.mean(good), abs=1e-12)
        if bad:
            line, cell = bad[0]
            assert (column.first_bad or "").startswith(f'{path} line {line}, "{cell}" is ')


def test_a_cell_that_is_bad_in_one_file_is_named_with_it(tmp_path: Path) -> None:
    (tmp_path / "1.csv").write_text("s,x\nn,1\ns,2\n")
    (tmp_path / "2.csv").write_text("s,x\nn,3\ne,off\n,5\n")
    found = look([tmp_path / "1.csv", tmp_path / "2.csv"])
    rows, site, x = found.lines()
    assert (rows, site) == ("5 rows", "s: category of 3, 1 missing: e, n, s")
    bad = f'{tmp_path / "2.csv"} line 3, "off" is not a number'
    assert x.startswith(f"x: number from 1.0 to 5.0; 1 bad cell, the first: {bad}")


def test_a_column_of_a_type_that_cannot_be_used_stops_nothing(tmp_path: Path) -> None:
    table = pa.table({
        "x": [1.0, float("inf"), None, 4.0],
        "tags": [["a"], [], None, ["b"]],
        "when": pa.array([1, 2, None, 3], pa.timestamp("us")),
        "raw": [b"q", b"", None, b"w"],
    })  # fmt: skip
    pyarrow.parquet.write_table(table, tmp_path / "t.parquet")
    x, tags, when, raw = look(tmp_path / "t.parquet").columns
    assert (x.minimum, x.maximum, x.missing, x.bad) == (1.0, 4.0, 1, 1)
    assert x.first_bad == f"{tmp_path / 't.parquet'} row 2, is not finite"
    assert "holds list<" in (tags.unusable or "")
    assert (when.kind, when.missing, when.unusable) == ("date", 1, None)
    assert "holds binary" in raw.line()
    assert look({"x": np.array([np.inf, 2.0, np.nan])}).columns[0].bad == 1


def test_objects_and_broken_lines_of_json_are_counted(tmp_path: Path) -> None:
    (tmp_path / "t.jsonl").write_text('{"a": 1, "b": 2}\n{"a": "x", "b": {"c": 1}}\nnull\n{"a": 3, "q": 1}\n{"a": 5}\n')
    found = look(tmp_path / "t.jsonl")
    assert (found.rows, found.malformed) == (5, 2)
    assert [(c.bad, c.missing, c.maximum) for c in found.columns] == [(1, 0, 5.0), (1, 1, 2.0)]


def test_columns_of_mixed_cells_are_what_most_cells_are(tmp_path: Path) -> None:
    rows = {"first": ["x", "1", "2", "3", "12 kg"], "word": ["7", "n", "s", "", "n"], "id": ["a", "1", "b", "2", "c"]}
    (tmp_path / "t.csv").write_text("\n".join(map(",".join, [list(rows), *zip(*rows.values(), strict=True)])) + "\n")
    typed = pa.table({name: [cell or None for cell in cells] for name, cells in rows.items()})
    pyarrow.parquet.write_table(typed, tmp_path / "t.parquet")
    for source in (tmp_path / "t.csv", tmp_path / "t.parquet", {name: np.array(cells) for name, cells in rows.items()}):
        first, word, name = look(source, category=["id"]).columns
        assert (first.kind, first.bad, first.missing, first.minimum, first.maximum) == ("number", 2, 0, 1.0, 3.0)
        assert '"x" is not a number' in (first.first_bad or "")
        assert (word.kind, word.bad, word.missing, word.categories) == ("category", 1, 1, ("n", "s"))
        assert '"7" is a number among text' in (word.first_bad or "")
        assert (name.bad, name.distinct) == (0, 5)


def test_what_no_reader_gets_past_is_said_behind_what_came_before(tmp_path: Path) -> None:
    (tmp_path / "1.csv").write_text("x\n1\nno\n")
    (tmp_path / "2.csv").write_text('x\n3\n"4\n5\n')
    paths = [str(tmp_path / "1.csv"), str(tmp_path / "2.csv")]
    done = CliRunner().invoke(lr_train, [*paths, "--dry-run"])
    assert done.exit_code == 1
    assert done.stdout.splitlines()[0] == "2 rows"
    assert "x: number from 1.0 to 1.0; 1 bad cell" in done.stdout
    assert "2.csv line 4: not CSV" in done.stderr
    report = json.loads(CliRunner().invoke(lr_train, [*paths, "--dry-run", "--json"]).stdout)
    assert (report["columns"][0]["bad"], "line 4" in report["stopped"]) == (1, True)
