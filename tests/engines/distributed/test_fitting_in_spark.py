"""Partitions of Spark give the fit of one process, however they are cut, and also where tasks are tried again."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING, Any

import pytest

import lr_trainer
from lr_runtime.errors import MissingColumnError, OptionError, TableError
from lr_trainer.spark import fit
from tests.engines.distributed.fitted import ASKED, hold, rows

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PARTITIONS = 7


@pytest.fixture
def frame(spark: Any) -> Any:
    return spark.createDataFrame(rows()).coalesce(1)


@pytest.mark.parametrize("way", ASKED)
def test_partitions_give_the_fit_of_one_process(frame: Any, way: str) -> None:
    hold(fit(frame.repartition(PARTITIONS), target="y", **ASKED[way]), target="y", **ASKED[way])


def test_partitions_give_the_bytes_of_one_process_by_exact_sums(frame: Any) -> None:
    asked: dict[str, Any] = {
        "target": "y",
        "exact_sums": True,
        **ASKED["categories, powers, functions, products, means"],
    }
    assert fit(frame.repartition(PARTITIONS), **asked).to_bytes() == lr_trainer.fit(rows(), **asked).to_bytes()


def test_partitions_without_rows_and_of_all_rows(frame: Any) -> None:
    numbers = ASKED["numbers"]
    uneven = frame.repartition(12, "site")
    assert sorted(uneven.rdd.glom().map(len).collect())[-4:-2] == [0, 50]
    for each in (frame, uneven):
        hold(fit(each, target="y", **numbers), target="y", **numbers)


@pytest.mark.parametrize(
    ("ends", "way"),
    [("with an error", "categories, powers, functions, products, means"), ("by a signal", "numbers")],
)
def test_a_task_that_failed_midway_neither_loses_nor_doubles_rows(
    frame: Any, tmp_path: Path, ends: str, way: str
) -> None:
    trace = tmp_path

    def fails_once(batches: Iterator[Any]) -> Iterator[Any]:
        from pyspark import TaskContext

        task = TaskContext.get()
        for count, batch in enumerate(batches):
            yield batch
            if count == 1 and task.attemptNumber() == 0:
                (trace / f"{task.stageId()}-{task.partitionId()}").touch()
                if ends == "by a signal":
                    os.kill(os.getpid(), signal.SIGKILL)
                raise RuntimeError("on purpose")

    frame.sparkSession.conf.set("spark.sql.execution.arrow.maxRecordsPerBatch", "1000")
    try:
        flaky = frame.repartition(3).mapInArrow(fails_once, frame.schema)
        hold(fit(flaky, target="y", **ASKED[way]), target="y", **ASKED[way])
    finally:
        frame.sparkSession.conf.unset("spark.sql.execution.arrow.maxRecordsPerBatch")
    jobs = 1 if way == "numbers" else 2  # of all partitions, the look at the columns and the moments
    assert len(list(trace.iterdir())) >= 3 * jobs


def test_what_is_wrong_is_one_line(frame: Any) -> None:
    with pytest.raises(MissingColumnError, match='no column "zzz"'):
        fit(frame, target="zzz")
    with pytest.raises(OptionError, match="cv takes more than the moments"):
        fit(frame, target="y", cv=5)
    with pytest.raises(
        TableError, match=r"a part of the table row [0-9]+, column .gaps.: the value is missing"
    ) as raised:
        fit(
            frame.where("gaps IS NOT NULL").limit(10_000).union(frame.where("gaps IS NULL")),
            target="y",
            features=["gaps"],
        )
    assert "\n" not in str(raised.value)
    with pytest.raises(TableError, match="has no rows"):
        fit(frame.where("a > 100"), target="y")
