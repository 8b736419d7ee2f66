"""One model, five ways to evaluate it: each within the proven bound of exact arithmetic, `exact` correctly rounded."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from itertools import product
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch

from lr_export import export
from lr_export.choices import that_have
from lr_export.formats.onnx import REFERENCE
from lr_export.formats.registry import BACKENDS
from lr_export.formats.torch_module import eager
from lr_export.model.build import program_of
from lr_export.model.numbers import numbers_at
from lr_runtime import Predictor
from lr_runtime.contract.contract import OUTPUT_DTYPES, PRECISIONS, Contract
from lr_runtime.contract.formats import EXPORT_FORMATS
from tests.conftest import CHECKPOINTS
from tests.export.oracle import (
    bounds,
    bounds_before_rounding,
    distance_to_tie,
    fractions,
    nearest,
    outputs,
    rows_in_the_box,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from lr_export.formats.backend import Engine, Opened
    from lr_export.model.numbers import Numbers
    from lr_runtime.contract.contract import Precision
    from lr_runtime.contract.formats import FormatName
    from lr_trainer import Checkpoint
    from tests.export.oracle import Exact, Floats

    Evaluate = Callable[[Floats], Floats]


@cache
def checkpoint_named(name: str) -> Checkpoint:
    return CHECKPOINTS[name]()


@cache
def exported(name: str, precision: Precision, format_name: FormatName) -> bytes:
    """Return the bytes that lr-export writes."""
    with TemporaryDirectory() as folder:
        target = Path(folder, "artefact")
        inputs = OUTPUT_DTYPES[precision]
        export(checkpoint_named(name), target, format=format_name, precision=precision, input_dtype=inputs)
        return target.read_bytes()


def opened(name: str, precision: Precision, format_name: FormatName) -> Opened:
    program = program_of(numbers_at(checkpoint_named(name), precision))
    return BACKENDS[format_name].reopen(exported(name, precision, format_name), program)


def y_of(engine: Engine) -> Evaluate:
    return lambda x: engine(x)["y"]


@cache
def standard_normal(name: str, dtype: str, rows: int) -> tuple[Floats, Exact]:
    """Return rows and the exact outputs for them."""
    checkpoint = checkpoint_named(name)
    x = np.random.default_rng(12).normal(size=(rows, len(checkpoint.origin))).astype(dtype)
    return x, outputs(checkpoint, x)


def _trainer(name: str, _: Precision) -> Evaluate:
    model = checkpoint_named(name).model()

    def run(x: Floats) -> Floats:
        with torch.no_grad():
            y: Floats = model(torch.from_numpy(x)).numpy()
        return y

    return run


def _eager(name: str, precision: Precision) -> Evaluate:
    return y_of(eager(program_of(numbers_at(checkpoint_named(name), precision))))


def _torchscript(name: str, precision: Precision) -> Evaluate:
    (engine,) = opened(name, precision, "torchscript").engines.values()
    return y_of(engine)


def _runtime(name: str, precision: Precision) -> Evaluate:
    predictor = Predictor(exported(name, precision, "onnx"))
    return lambda x: predictor.predict(x).values


def _reference(name: str, precision: Precision) -> Evaluate:
    return y_of(opened(name, precision, "onnx").engines[REFERENCE])


ENGINES: dict[str, tuple[Callable[[str, Precision], Evaluate], tuple[Precision, ...]]] = {
    "trainer": (_trainer, ("float64",)),
    "eager": (_eager, PRECISIONS),
    "torchscript": (_torchscript, EXPORT_FORMATS["torchscript"].precisions),
    "runtime": (_runtime, PRECISIONS),
    "reference": (_reference, PRECISIONS),
}
CASES: list[tuple[str, str, Precision]] = [
    (name, engine, precision)
    for name, (engine, (_, precisions)) in product(CHECKPOINTS, ENGINES.items())
    for precision in precisions
]


@dataclass(frozen=True)
class Artefact:
    """A model in one engine at one precision."""

    name: str
    precision: Precision
    checkpoint: Checkpoint
    numbers: Numbers
    contract: Contract
    evaluate: Evaluate

    @property
    def dtype(self) -> str:
        return self.numbers.input

    def errors(self, x: Floats, exact: Exact) -> Exact:
        distances: Exact = abs(fractions(self.evaluate(x)) - exact)
        return distances


def _id(case: tuple[str, str, Precision]) -> str:
    return ", ".join(case)


@pytest.fixture(params=CASES, ids=_id)
def artefact(request: pytest.FixtureRequest) -> Artefact:
    name, engine, precision = request.param
    checkpoint = checkpoint_named(name)
    contract = Predictor(exported(name, precision, "onnx")).contract
    numbers = numbers_at(checkpoint, precision)
    return Artefact(name, precision, checkpoint, numbers, contract, ENGINES[engine][0](name, precision))


only_exact = pytest.mark.parametrize("artefact", [case for case in CASES if case[2] == "exact"], indirect=True, ids=_id)


def test_random_rows_are_within_the_bound(artefact: Artefact) -> None:
    x, exact = standard_normal(artefact.name, artefact.dtype, 200)
    assert (artefact.errors(x, exact) <= bounds(artefact.checkpoint, artefact.numbers, x)).all()


def test_the_bound_of_the_contract_covers_the_training_box(artefact: Artefact) -> None:
    assert artefact.contract.bound is not None
    x = rows_in_the_box(artefact.checkpoint, 200, artefact.dtype)
    errors = artefact.errors(x, outputs(artefact.checkpoint, x))
    assert (errors <= fractions(np.array(artefact.contract.bound))).all()


@only_exact
def test_exact_is_correctly_rounded(artefact: Artefact) -> None:
    x, exact = standard_normal(artefact.name, artefact.dtype, 2000)
    got = artefact.evaluate(x)
    assert got.dtype == np.float32
    margins = bounds_before_rounding(artefact.checkpoint, artefact.numbers, x)
    decided = 0
    for value, y, margin in zip(got.flat, exact.flat, margins.flat, strict=True):
        correct = nearest(y, "float32")
        if distance_to_tie(y, correct) > margin:
            decided += 1
            assert value == correct
    assert decided > got.size / 2


@pytest.mark.parametrize("rows", [0, 1, 2, 7, 1000])
def test_every_batch_size(artefact: Artefact, rows: int) -> None:
    x, exact = standard_normal(artefact.name, artefact.dtype, 1000)
    got = artefact.evaluate(x[:rows])
    assert got.shape == (rows, len(artefact.contract.outputs))
    assert got.dtype == artefact.dtype
    # A thousand rows are checked above, in fractions; here the ends of the batch are.
    for picked in (slice(0, min(rows, 3)), slice(max(rows - 3, 0), rows)):
        error = abs(fractions(got[picked]) - exact[:rows][picked])
        assert (error <= bounds(artefact.checkpoint, artefact.numbers, x[:rows][picked])).all()


def test_golden_rows_reproduce(artefact: Artefact) -> None:
    rows = artefact.contract.golden_rows
    assert len(rows) == 3
    x = np.array([row.x for row in rows], dtype=artefact.dtype)
    assert x.tolist() == [list(row.x) for row in rows]
    got, golden = artefact.evaluate(x), np.array([row.y for row in rows])
    exact = outputs(artefact.checkpoint, x)
    if artefact.precision != "portable":
        assert golden.ravel().tolist() == [float(nearest(y, artefact.numbers.output)) for y in exact.flat]
    if artefact.precision in {"exact", "portable"}:
        assert got.tolist() == golden.tolist()
    else:
        assert (abs(fractions(got) - exact) <= bounds(artefact.checkpoint, artefact.numbers, x)).all()


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("name", CHECKPOINTS)
def test_all_formats_carry_the_same_contract(name: str, precision: Precision) -> None:
    formats = that_have(precision)
    texts = [opened(name, precision, format_name).contract for format_name in formats]
    contracts = [Contract.from_json(text) for text in texts]
    assert contracts == [Predictor(exported(name, precision, "onnx")).contract] * len(formats)
    contract = contracts[0]
    of_training = checkpoint_named(name).contract
    assert (contract.columns, contract.outputs, contract.rows) == (
        of_training.columns,
        of_training.outputs,
        of_training.rows,
    )
    assert contract.precision == precision
