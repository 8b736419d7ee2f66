"""Each engine runs a task in more than one worker."""

from __future__ import annotations

from typing import Any


def test_ray_runs_tasks(ray: Any) -> None:
    square = ray.remote(lambda x: x * x)
    assert ray.get([square.remote(x) for x in range(4)]) == [0, 1, 4, 9]


def test_spark_runs_tasks(spark: Any) -> None:
    assert spark.range(10, numPartitions=3).rdd.map(lambda row: row.id).sum() == 45
