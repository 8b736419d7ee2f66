"""Blocks of Ray give the fit of one process, however they are cut, and also where a worker dies."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import pytest

import lr_trainer
from lr_runtime.errors import MissingColumnError, OptionError, TableError
from lr_trainer.ray import fit
from tests.engines.distributed.fitted import ASKED, hold, rows

if TYPE_CHECKING:
    from pathlib import Path

BLOCKS = 7


@pytest.fixture
def dataset(ray: Any) -> Any:
    from ray.data import from_arrow

    return from_arrow(rows())


@pytest.mark.parametrize("way", ASKED)
def test_blocks_give_the_fit_of_one_process(dataset: Any, way: str) -> None:
    hold(fit(dataset.repartition(BLOCKS), target="y", **ASKED[way]), target="y", **ASKED[way])


def test_blocks_give_the_bytes_of_one_process_by_exact_sums(dataset: Any) -> None:
    asked: dict[str, Any] = {
        "target": "y",
        "exact_sums": True,
        **ASKED["categories, powers, functions, products, means"],
    }
    assert fit(dataset.repartition(BLOCKS), **asked).to_bytes() == lr_trainer.fit(rows(), **asked).to_bytes()


def test_blocks_without_rows_and_of_all_rows(dataset: Any) -> None:
    from ray.data.expressions import col

    numbers = ASKED["numbers"]
    is_barn = col("site") == "barn"
    uneven = dataset.repartition(30).filter(expr=~is_barn).union(dataset.filter(expr=is_barn))
    for each in (dataset, uneven):
        hold(fit(each, target="y", **numbers), target="y", **numbers)


def test_a_worker_that_dies_midway_neither_loses_nor_doubles_rows(dataset: Any, tmp_path: Path) -> None:
    trace = tmp_path

    def dies_once(block: Any) -> Any:
        mark = trace / str(block["a"][0])
        if not mark.exists():
            mark.touch()
            os._exit(1)
        return block

    flaky = dataset.repartition(BLOCKS).map_batches(dies_once, batch_size=None, batch_format="pyarrow")
    hold(fit(flaky, target="y", **ASKED["numbers"]), target="y", **ASKED["numbers"])
    assert len(list(trace.iterdir())) >= BLOCKS


def test_what_is_wrong_is_one_line(dataset: Any) -> None:
    from ray.data.expressions import col

    with pytest.raises(MissingColumnError, match='no column "zzz"'):
        fit(dataset, target="zzz")
    with pytest.raises(OptionError, match="errors takes more than the moments"):
        fit(dataset, target="y", errors="hc3")
    gaps = dataset.filter(expr=col("gaps").is_not_null()).union(dataset.filter(expr=col("gaps").is_null()))
    with pytest.raises(TableError, match=r"row [0-9]+, column .gaps.: the value is missing") as raised:
        fit(gaps, target="y", features=["gaps"])
    assert "\n" not in str(raised.value)
    with pytest.raises(TableError, match="has no rows"):
        fit(dataset.filter(expr=col("a") > 100), target="y")
