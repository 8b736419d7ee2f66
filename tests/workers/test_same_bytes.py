"""Any number of workers write the bytes that one process writes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lr_runtime.errors import LinedgeError, TableError
from lr_runtime.tables import TableOptions, open_table
from lr_trainer.fitting.table import fit
from lr_trainer.rows import blocks
from lr_trainer.rows.dealing import _cuts
from tests.workers.side_by_side import together

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

OPTIONS: dict[str, dict[str, Any]] = {
    "weights and categories": {"features": ["a", "b", "site"], "weight": "w"},
    "means and powers": {"features": ["a", "gap"], "missing": "mean", "degree": 2},
    "dropped rows and folds": {"features": ["a", "gap"], "missing": "drop", "cv": 4},
    "folds of groups": {"features": ["a", "b"], "cv": 3, "cv_group": "cluster"},
    "a penalty and an interval": {"features": ["a", "b", "site"], "penalty": "auto", "interval": 0.9},
    "robust errors": {"features": ["a", "b"], "errors": "hc3", "influence": True},
    "clusters": {"features": ["a", "gap"], "missing": "drop", "errors": "cluster:cluster", "influence": True},
    "functions": {"features": ["a", "b"], "transforms": {"y": "log", "a": "exp"}, "interact": ["exp(a):b"]},
    "bounds": {"features": ["a", "b"], "nonnegative": ["a"]},
    "exact sums": {"features": ["a", "gap", "site"], "missing": "mean", "degree": 2, "weight": "w", "exact_sums": True},
    "a formula": {"formula": "log(y) ~ a * C(site) + hinge(b, 0.2)"},
}


@pytest.fixture(autouse=True)
def _small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have blocks of 64 rows: the shares of some thousand rows are then several."""
    monkeypatch.setattr(blocks, "_MOST_ROWS", 64)
    monkeypatch.setattr(blocks, "_FEWEST_ROWS", 64)


def columns(rows: int, seed: int = 0) -> dict[str, NDArray[Any]]:
    random = np.random.default_rng(seed)
    a, b, site = random.normal(size=rows), random.normal(300, 5, rows), random.integers(0, 4, rows)
    gap = np.where(random.random(rows) < 0.1, np.nan, a + random.normal(size=rows))
    cluster = np.sort(random.integers(0, 1 + rows // 20, rows))
    y = np.exp(0.3 * a + 0.01 * b + 0.1 * site + 0.1 * random.normal(size=rows))
    texts = {"site": np.array(["north", "south", "east", "west"])[site], "cluster": cluster.astype(str)}
    return {"a": a, "b": b, "gap": gap, **texts, "w": random.uniform(0.5, 2.0, rows), "y": y}


def written(path: Path, rows: int, group: int) -> str:
    pa.parquet.write_table(pa.table(columns(rows)), path, row_group_size=group)
    return str(path)


def of_workers(source: str, count: int, asked: dict[str, Any], options: TableOptions | None = None) -> bytes:
    """Return the bytes that all of so many workers come to."""
    asked = asked if "formula" in asked else {"target": "y", **asked}
    every = together(count, lambda workers: fit(open_table(source, options), workers=workers, **asked).to_bytes())
    assert len(set(every)) == 1
    return every[0]


@pytest.mark.parametrize("name", OPTIONS)
def test_workers_write_the_bytes_of_one_process(tmp_path: Path, name: str) -> None:
    source, options = written(tmp_path / "rows.parquet", 1500, 300), OPTIONS[name]
    alone = of_workers(source, 1, options)
    assert {of_workers(source, count, options) for count in (2, 3)} == {alone}


@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_any_cut_of_any_table_is_the_same(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    folder = tmp_path_factory.mktemp("parts")
    rows = data.draw(st.lists(st.integers(0, 200), min_size=1, max_size=6).filter(lambda each: sum(each) > 10))
    whole, start = pa.table(columns(sum(rows), data.draw(st.integers(0, 9)))), 0
    for place, count in enumerate(rows):
        pa.parquet.write_table(whole.slice(start, count), folder / f"{place}.parquet", row_group_size=70)
        start += count
    options = OPTIONS[data.draw(st.sampled_from(["weights and categories", "means and powers"]))]
    count = data.draw(st.integers(2, 5))
    assert of_workers(str(folder), count, options) == of_workers(str(folder), 1, options)


def test_the_first_bad_row_is_named_whoever_reads_it(tmp_path: Path) -> None:
    path, lines = tmp_path / "rows.csv", ["a,y"] + [f"{place % 7},{place}" for place in range(1000)]
    lines[700] = "1,\u221e"
    lines[900] = "1,nought"
    path.write_text("\n".join(lines) + "\n")
    with pytest.raises(TableError) as alone:
        fit(open_table(path), target="y")
    with pytest.raises(LinedgeError, match="line 701") as several:
        of_workers(str(path), 3, {})
    assert str(several.value) == str(alone.value)


@pytest.mark.parametrize("rows", [2, 3, 4])
def test_workers_may_be_more_than_rows(tmp_path: Path, rows: int) -> None:
    source = written(tmp_path / "rows.parquet", rows, rows)
    assert of_workers(source, 5, {"features": ["a"]}) == of_workers(source, 1, {"features": ["a"]})


def test_skipped_rows_are_those_of_one_process(tmp_path: Path) -> None:
    path, lines = tmp_path / "rows.csv", ["a,y"] + [f"{place % 7},{place}" for place in range(1000)]
    for place in (3, 400, 401, 998):
        lines[place] = "1,nought"
    path.write_text("\n".join(lines) + "\n")
    skips = TableOptions(skips=True)
    assert of_workers(str(path), 3, {}, skips) == of_workers(str(path), 1, {}, skips)


@given(
    pieces=st.lists(st.integers(0, 3000), min_size=1, max_size=12),
    block=st.sampled_from([1, 64, 256]),
    workers=st.integers(1, 9),
)
def test_shares_are_whole_blocks_of_all_rows(pieces: list[int], block: int, workers: int) -> None:
    starts = [0, *np.cumsum(pieces).tolist()]
    cuts = _cuts(starts, block, workers)
    assert cuts == sorted(cuts)
    assert (len(cuts), cuts[0], cuts[-1]) == (workers + 1, 0, starts[-1])
    assert all(cut % block == 0 or cut == starts[-1] for cut in cuts)
    assert cuts[1] >= min(block, starts[-1])
