"""Spark's workers predict what one process does: the same bits, each row once, also where tasks are tried again."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING, Any

import pytest

from lr_runtime import Predictor
from lr_runtime.spark import scorer
from tests.engines.distributed.scored import BAD, Scored, scored

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from lr_runtime.spark import PartitionScorer

PARTITIONS = 7


@pytest.fixture(scope="module")
def case(spark: Any, tmp_path_factory: pytest.TempPathFactory) -> Scored:
    return scored(tmp_path_factory.mktemp("spark"))


@pytest.fixture
def frame(spark: Any, case: Scored) -> Any:
    return spark.read.parquet(str(case.path.with_name("rows.parquet"))).repartition(PARTITIONS, "id")


def found(frame: Any, score: PartitionScorer, function: Callable[..., Any] | None = None) -> list[dict[str, Any]]:
    """Return the predictions of a frame, by a function that stands for the scorer, in the order of ids."""
    rows = frame.mapInArrow(function or score, score.schema(frame)).toArrow().to_pylist()
    return sorted(rows, key=lambda row: row["id"])


@pytest.mark.parametrize("on_error", ["null", "skip"])
def test_rows_have_the_bits_of_one_process(frame: Any, case: Scored, on_error: Any) -> None:
    assert found(frame, scorer(case.model, on_error=on_error)) == case.expected[on_error]


def test_a_partition_without_rows_is_one(frame: Any, case: Scored) -> None:
    few = frame.where("id < 3")
    assert 0 in few.rdd.glom().map(len).collect()
    assert found(few, scorer(case.model)) == case.expected["null"][:3]
    assert found(frame.where("id < 0"), scorer(case.model)) == []


def test_the_schema_is_that_of_the_frame_and_of_the_results(frame: Any, case: Scored) -> None:
    fields = scorer(case.model, on_error="null", reasons="why").schema(frame).fields
    assert fields[: len(frame.columns)] == frame.schema.fields
    assert {field.name: field.dataType.simpleString() for field in fields[len(frame.columns) :]} == {
        "target_predicted": "float",
        "target_lower": "float",
        "target_upper": "float",
        "in_range": "boolean",
        "leverage": "float",
        "why": "string",
    }
    assert scorer(case.model, keep=["id"]).schema(frame).names[:2] == ["id", "target"]


def test_columns_of_any_type_come_back_as_they_are(frame: Any, case: Scored) -> None:
    more = ["array(id, null)", "map('k', id)", "struct(id, note)", "cast(note as binary)", "date'2026-01-02'"]
    more += ["timestamp_ntz'2026-01-02 03:04:05'", "interval '3' day", "cast(null as void)", "cast(id as smallint)"]
    given = frame.where("id < 9").selectExpr("*", *(f"{each} as more{place}" for place, each in enumerate(more)))
    names, rows = given.columns, found(given, scorer(case.model))
    expected = sorted(given.toArrow().to_pylist(), key=lambda row: row["id"])
    assert [{name: row[name] for name in names} for row in rows] == expected


def test_a_bad_row_is_told(frame: Any, case: Scored) -> None:
    from pyspark.errors import PythonException

    rows = found(frame, scorer(case.model, keep="id", on_error="null", reasons="why"))
    said = {row["id"]: row["why"] for row in rows if row["why"] is not None}
    assert {number: said[number].startswith(what) for number, what in BAD.items()} == dict.fromkeys(said, True)
    with pytest.raises(PythonException, match=r'RowError: row [0-9]+: column "site": the category "nowhere"'):
        found(frame.where("id < 200"), scorer(case.model))


@pytest.mark.parametrize("ends", ["with an error", "by a signal"])
def test_a_task_that_failed_midway_neither_loses_nor_doubles_rows(
    frame: Any, case: Scored, tmp_path: Path, ends: str
) -> None:
    score, trace = scorer(case.model, on_error="null"), tmp_path

    def fails_once(batches: Iterator[Any]) -> Iterator[Any]:
        from pyspark import TaskContext

        task = TaskContext.get()
        for count, batch in enumerate(score(batches)):
            yield batch
            if count == 1 and task.attemptNumber() == 0:
                (trace / str(task.partitionId())).touch()
                if ends == "by a signal":
                    os.kill(os.getpid(), signal.SIGKILL)
                raise RuntimeError("on purpose")

    session = frame.sparkSession
    session.conf.set("spark.sql.execution.arrow.maxRecordsPerBatch", "20")
    try:
        assert found(frame, score, fails_once) == case.expected["null"]
    finally:
        session.conf.unset("spark.sql.execution.arrow.maxRecordsPerBatch")
    assert len(list(trace.iterdir())) == PARTITIONS


def test_all_workers_have_the_model_that_was_read_once_each(frame: Any, case: Scored, tmp_path: Path) -> None:
    model = tmp_path / "model.onnx"
    model.write_bytes(case.path.read_bytes())
    score, log = scorer(Predictor.load(model)), tmp_path / "log"
    log.mkdir()
    model.unlink()  # nor does any worker look for it

    def logged(batches: Iterator[Any]) -> Iterator[Any]:
        from pyspark import TaskContext

        name = f"{os.getpid()} {id(score.scorer)} {score.scorer.model.sha256} {TaskContext.get().partitionId()}"
        (log / name).touch()
        return score(batches)

    assert len(found(frame.where("id < 100").repartition(8 * PARTITIONS), score, logged)) == 100
    seen = [each.name.split() for each in log.iterdir()]
    assert len(seen) == 8 * PARTITIONS
    assert {sha256 for _, _, sha256, _ in seen} == {case.model.sha256}
    assert len({process for process, *_ in seen}) == len({tuple(each[:2]) for each in seen}) < len(seen)
