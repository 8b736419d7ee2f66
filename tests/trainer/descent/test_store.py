"""Rows in memory and in a file: the same rows, every one once an epoch, in an order that the seed decides."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from lr_runtime.errors import UnusableFileError
from lr_trainer import fit
from lr_trainer.descent import row_store
from lr_trainer.descent.options import Descent
from lr_trainer.descent.row_store import Store
from lr_trainer.rows.holdout import Part
from lr_trainer.rows.sources import opened
from lr_trainer.rows.workers import ALONE

CPU = torch.device("cpu")


def store_of(rows: int, held: int) -> Store:
    """Return a store of rows (number, number)."""
    numbers = torch.arange(rows, dtype=torch.float64)[:, None].repeat(1, 2)
    return Store(torch.split(numbers, 7), 2, CPU, held=held)


@pytest.fixture
def _small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Buffers and blocks so small that a few rows are many of them."""
    monkeypatch.setattr(row_store, "_BUFFER", 8 * 2 * 40)
    monkeypatch.setattr(row_store, "_CHUNK_ROWS", 8)
    monkeypatch.setattr(row_store, "_BLOCK_NUMBERS", 20)


@pytest.mark.usefixtures("_small")
@pytest.mark.parametrize("held", [0, 100, 1 << 20])
def test_rows_are_the_same_wherever_they_are(held: int) -> None:
    for rows in (0, 1, 39, 40, 41, 500):
        found = store_of(rows, held)
        assert (found._file is None) == (16 * rows <= held)
        assert found.digest == store_of(rows, 1 << 20).digest
        blocks = list(found.blocks())
        assert torch.cat([torch.empty(0, 2, dtype=torch.float64), *blocks])[:, 0].tolist() == list(range(rows))
        assert all(len(block) <= 10 for block in blocks)


@pytest.mark.usefixtures("_small")
@settings(deadline=None)
@given(rows=st.integers(1, 300), batch=st.integers(1, 50), seed=st.integers(0, 5), epoch=st.integers(0, 3))
def test_an_epoch_has_every_row_once_in_an_order_of_its_own(rows: int, batch: int, seed: int, epoch: int) -> None:
    found = [torch.cat(list(store_of(rows, held).shuffled(batch, seed, epoch)))[:, 0].tolist() for held in (0, 1 << 20)]
    assert found[0] == found[1]
    assert sorted(found[0]) == list(range(rows))
    if rows > 60:
        again = torch.cat(list(store_of(rows, 0).shuffled(batch, seed, epoch)))[:, 0].tolist()
        other = torch.cat(list(store_of(rows, 0).shuffled(batch, seed, epoch + 1)))[:, 0].tolist()
        assert again == found[0] != other


@pytest.mark.usefixtures("_small")
@settings(deadline=None)
@given(rows=st.integers(1, 200), batch=st.integers(1, 30), skip=st.integers(0, 40))
def test_an_epoch_goes_on_where_it_was_stopped(rows: int, batch: int, skip: int) -> None:
    def batches(skipped: int) -> list[list[float]]:
        buffers = store_of(rows, 0).shuffled(batch, 1, 0, skip=skipped)
        return [b[:, 0].tolist() for buffer in buffers for b in torch.split(buffer, batch) if len(b)]

    whole = batches(0)
    assert batches(min(skip, len(whole))) == whole[min(skip, len(whole)) :]


@pytest.mark.usefixtures("_small")
def test_neighbours_do_not_stay_together() -> None:
    (order,) = [torch.cat(list(store_of(400, 0).shuffled(4, 0, 0)))[:, 0].numpy()]
    distances = np.abs(np.diff(order))
    assert np.median(distances) > 10
    assert abs(np.corrcoef(order, np.arange(400))[0, 1]) < 0.3


def test_no_room_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    if not Path("/dev/full").exists():
        pytest.skip("there is no /dev/full here")
    full = Path("/dev/full").open("r+b", buffering=0)  # noqa: SIM115 - the store closes it
    monkeypatch.setattr(tempfile, "TemporaryFile", lambda **_: full)
    with pytest.raises(UnusableFileError, match=r"no room for the rows .*TMPDIR"):
        store_of(100, 0)


def test_a_descent_over_rows_in_a_file_has_the_bits_of_one_in_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    random = np.random.default_rng(0)
    columns = {"x": random.normal(size=(30_000, 3)), "y": random.normal(size=30_000)}
    for descent in (Descent(loss="huber"), Descent(batch_size=1000, epochs=3)):
        held = fit(columns, target="y", descent=descent).to_bytes()
        with monkeypatch.context() as patched:
            patched.setattr(Store.__init__, "__defaults__", (1000, ALONE))
            assert fit(columns, target="y", descent=descent).to_bytes() == held


def test_the_parts_of_a_table_are_its_rows() -> None:
    table = opened({"a": np.arange(10_000.0), "c": np.array(["p", "q"] * 5000)}, None, warn=print)
    rows = []
    for held_out in (False, True):
        part = Part(table, 0.3, [5], held_out=held_out)
        batches = list(part.batches(["a"], ["c"]))
        rows.append(np.concatenate([batch.values[:, 0] for batch in batches]))
        for batch in batches:
            for row in (0, len(batch.values) - 1):
                number = int(batch.values[row, 0])
                assert batch.where(row) == f"row {number + 1}"
                assert batch.categories[0].values[batch.categories[0].codes[row]] == "pq"[number % 2]
    assert sorted(np.concatenate(rows)) == list(range(10_000))
    assert abs(len(rows[1]) - 3000) < 200
