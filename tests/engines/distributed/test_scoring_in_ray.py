"""Ray's actors predict what one process does: the same bits, each row once, also where one of them dies."""

from __future__ import annotations

import os
from importlib import import_module
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pytest

from lr_runtime import Predictor
from lr_runtime.ray import Scorer
from tests.engines.distributed.scored import BAD, Scored, scored

if TYPE_CHECKING:
    from pathlib import Path

BLOCKS, WORKERS = 10, 2


@pytest.fixture(scope="module")
def case(ray: Any, tmp_path_factory: pytest.TempPathFactory) -> Scored:
    return scored(tmp_path_factory.mktemp("ray"))


@pytest.fixture
def dataset(ray: Any, case: Scored) -> Any:
    return import_module("ray.data").from_arrow(case.table).repartition(BLOCKS)


def found(dataset: Any, kind: type[Scorer], model: object, **options: object) -> list[dict[str, Any]]:
    """Return the predictions of a dataset, in the order of ids."""
    how = {"fn_constructor_args": [model], "fn_constructor_kwargs": options, "batch_format": "pyarrow"}
    blocks = dataset.map_batches(kind, **how, batch_size=30, concurrency=WORKERS).iter_batches(batch_format="pyarrow")
    return sorted(pa.concat_tables(blocks).to_pylist(), key=lambda row: row["id"])


@pytest.mark.parametrize("on_error", ["null", "skip"])
def test_rows_have_the_bits_of_one_process(dataset: Any, case: Scored, on_error: str) -> None:
    assert found(dataset, Scorer, case.model, on_error=on_error) == case.expected[on_error]


def test_a_block_without_rows_is_one(dataset: Any, case: Scored) -> None:
    few = dataset.filter(expr=import_module("ray.data.expressions").col("id") < 3)
    assert found(few, Scorer, case.model) == case.expected["null"][:3]


def test_a_bad_row_is_told(dataset: Any, case: Scored) -> None:
    rows = found(dataset, Scorer, case.model, keep=["id"], on_error="null", reasons="why")
    said = {row["id"]: row["why"] for row in rows if row["why"] is not None}
    assert {number: said[number].startswith(what) for number, what in BAD.items()} == dict.fromkeys(said, True)
    with pytest.raises(Exception, match=r'row [0-9]+: column "site": the category "nowhere"'):
        found(dataset, Scorer, case.model)


class DiesOnce(Scorer):
    """A scorer whose process ends on its second batch, in the first actors that there are."""

    def __init__(self, model: Any, trace: Path, **options: Any) -> None:
        super().__init__(model, **options)
        self.trace, self.batches = trace, 0

    def __call__(self, batch: Any) -> Any:
        self.batches += 1
        if self.batches == 2 and len(list(self.trace.iterdir())) < WORKERS:
            (self.trace / str(os.getpid())).touch()
            os._exit(1)
        return super().__call__(batch)


def test_an_actor_that_dies_midway_neither_loses_nor_doubles_rows(dataset: Any, case: Scored, tmp_path: Path) -> None:
    how = {"fn_constructor_args": [case.model, tmp_path], "fn_constructor_kwargs": {"on_error": "null"}}
    blocks = dataset.map_batches(DiesOnce, **how, batch_format="pyarrow", batch_size=30, concurrency=WORKERS)
    rows = sorted(pa.concat_tables(blocks.iter_batches(batch_format="pyarrow")).to_pylist(), key=lambda row: row["id"])
    assert rows == case.expected["null"]
    assert len(list(tmp_path.iterdir())) == WORKERS


class Noted(Scorer):
    """A scorer that leaves a trace of the model that it was made of."""

    def __init__(self, model: Any, trace: Path, **options: Any) -> None:
        super().__init__(model, **options)
        (trace / f"{os.getpid()} {model.sha256}").touch(exist_ok=False)


def test_each_actor_has_the_model_that_was_read_though_its_file_is_gone(
    dataset: Any, case: Scored, tmp_path: Path
) -> None:
    (tmp_path / "trace").mkdir()
    copy = tmp_path / "model.onnx"
    copy.write_bytes(case.path.read_bytes())
    model = Predictor.load(copy)
    copy.unlink()
    how = {"fn_constructor_args": [model, tmp_path / "trace"], "fn_constructor_kwargs": {"on_error": "skip"}}
    scored = dataset.map_batches(Noted, **how, batch_format="pyarrow", batch_size=30, concurrency=WORKERS)
    assert scored.count() == len(case.expected["skip"])
    seen = [each.name.split() for each in (tmp_path / "trace").iterdir()]
    assert len(seen) == WORKERS
    assert {sha256 for _, sha256 in seen} == {case.model.sha256}
