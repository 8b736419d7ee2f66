"""Streams of Arrow from other engines give the bytes of a fit of the table itself, in as many passes as it takes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

import lr_trainer
from tests.engines.distributed.conftest import HOW
from tests.engines.distributed.fitted import ASKED, rows

if TYPE_CHECKING:
    from collections.abc import Callable


def relation(duckdb: Any) -> Any:
    connection = duckdb.connect()
    connection.register("readings", rows())
    return connection.sql("FROM readings")


def of_pandas(dask: Any) -> Any:
    return dask.from_pandas(rows().to_pandas(), npartitions=5)


STREAMS: dict[str, tuple[str, Callable[[Any], Any]]] = {
    "a relation of DuckDB": ("duckdb", relation),
    "a reader of DuckDB": ("duckdb", lambda duckdb: relation(duckdb).arrow()),
    "a frame of Polars": ("polars", lambda polars: polars.from_arrow(rows())),
    "a lazy frame of Polars": ("polars", lambda polars: polars.from_arrow(rows()).lazy()),
    "batches of Daft": ("daft", lambda daft: daft.from_arrow(rows()).to_arrow_iter()),
    "partitions of Dask": ("dask.dataframe", lambda dask: (part.compute() for part in of_pandas(dask).partitions)),
}


@pytest.mark.parametrize("stream", STREAMS)
def test_a_stream_gives_the_bytes_of_its_table(stream: str) -> None:
    package, made = STREAMS[stream]
    module = pytest.importorskip(package, reason=f"{package} is not installed here: {HOW}")
    asked: dict[str, Any] = {"target": "y", **ASKED["categories, powers, functions, products, means"]}
    assert lr_trainer.fit(made(module), **asked).to_bytes() == lr_trainer.fit(rows(), **asked).to_bytes()
