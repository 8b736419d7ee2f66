"""What each precision promises: `exact` the nearest float32, `portable` the same bits in every engine."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING

import numpy as np
import onnxruntime
import pytest

from lr_export.certificate.probes import probe_rows
from lr_export.certificate.specification import Blueprint
from lr_export.exact.dyadic import Dyadic
from lr_export.formats.onnx import REFERENCE
from lr_export.formats.registry import BACKENDS
from lr_export.formats.torch_module import eager
from lr_export.model.exact import ExactModel
from lr_runtime.onnx_file.session import Session
from tests.conftest import CHECKPOINTS, EXPANDED, checkpoint_of
from tests.export.oracle import (
    bounds_before_rounding,
    distance_to_tie,
    interpreted,
    nearest,
    outputs,
    rows_in_the_box,
    some_rows,
)

if TYPE_CHECKING:
    from lr_runtime.contract.checkpoint import Checkpoint
    from lr_runtime.contract.contract import Dtype
    from tests.export.oracle import Floats

WIDTHS = [3, 8, 32, 64]
ROWS = 10_000


def random_checkpoint(columns: int) -> Checkpoint:
    random = np.random.default_rng(columns)
    return checkpoint_of(random.normal(size=(1, columns)), random.normal(), low=-5, high=5)


def onnx_of(blueprint: Blueprint) -> bytes:
    return BACKENDS["onnx"].build(blueprint.program, blueprint.contract)


@pytest.mark.parametrize("input_dtype", ["float32", "float64"])
@pytest.mark.parametrize("columns", WIDTHS)
def test_exact_is_correctly_rounded_on_standard_normal_rows(columns: int, input_dtype: Dtype) -> None:
    checkpoint = random_checkpoint(columns)
    x = np.random.default_rng(12).normal(size=(ROWS, columns)).astype(input_dtype)
    exact = ExactModel.of(checkpoint)
    correct = exact.outputs(exact.design(x)).rounded("float32", "nearest")
    blueprint = Blueprint.of(checkpoint, "exact", input_dtype)
    for got in (Session(onnx_of(blueprint)).run(x), eager(blueprint.program)(x)["y"]):
        assert got.dtype == np.float32
        assert (got == correct).all()


@pytest.mark.parametrize("columns", WIDTHS)
def test_a_row_alone_and_in_a_batch_has_the_same_bits(columns: int) -> None:
    x = np.random.default_rng(13).normal(size=(500, columns)).astype(np.float32)
    for precision in ("exact", "portable"):
        session = Session(onnx_of(Blueprint.of(random_checkpoint(columns), precision, "float32")))
        alone = np.concatenate([session.run(row[None, :]) for row in x])
        assert alone.tobytes() == session.run(x).tobytes()


def _cancelling(columns: int) -> tuple[Checkpoint, Floats]:
    """Return a model whose large terms cancel, all but a rest of their last digits."""
    random = np.random.default_rng(7)
    checkpoint = checkpoint_of(random.normal(size=(1, columns)) * 1e6, 0.0, low=-5, high=5)
    x = random.normal(size=(2000, columns))
    x[:, -1] = -(x[:, :-1] @ checkpoint.weight[0, :-1]) / checkpoint.weight[0, -1]
    return checkpoint, x.astype(np.float32)


def _offset() -> tuple[Checkpoint, Floats]:
    checkpoint = CHECKPOINTS["an offset column"]()
    return checkpoint, rows_in_the_box(checkpoint, 2000, "float32")


def _near_ties() -> tuple[Checkpoint, Floats]:
    """Return rows whose outputs lie 2^-60 beside a midpoint of float32, which float64 does not see."""
    checkpoint = checkpoint_of([[1.0, 2.0**-24, 2.0**-60]], 0.0)
    odd = 1 + np.arange(2000) * 2.0**-23
    side = np.where(np.arange(2000) % 3 > 0, 1.0, -1.0)
    return checkpoint, np.stack([odd, np.ones(2000), side], axis=1).astype(np.float32)


HARD = {"offset": _offset, "cancelling": lambda: _cancelling(8), "near ties": _near_ties}


@pytest.mark.parametrize("rows", HARD.values(), ids=HARD)
def test_where_exact_is_not_correctly_rounded_a_midpoint_is_within_the_bound_of_float64(rows: object) -> None:
    assert callable(rows)
    checkpoint, x = rows()
    blueprint = Blueprint.of(checkpoint, "exact", "float32")
    got = Session(onnx_of(blueprint)).run(x)
    exact = outputs(checkpoint, x)
    margins = bounds_before_rounding(checkpoint, blueprint.numbers, x)
    missed = 0
    for value, y, margin in zip(got.flat, exact.flat, margins.flat, strict=True):
        correct = nearest(y, "float32")
        if value != correct:
            missed += 1
            assert distance_to_tie(y, correct) <= margin
    assert missed > 0 or rows is not _near_ties


def test_a_tie_closer_than_float64_can_tell_may_be_missed_by_one_step_and_no_more() -> None:
    # 1 + 2^-24 is the midpoint of 1 and the next float32; 2^-80 beyond it float64 does not see.
    checkpoint = checkpoint_of([[1.0, 2.0**-24, 2.0**-80]], 0.0, low=0, high=1)
    blueprint = Blueprint.of(checkpoint, "exact", "float32")
    x = np.ones((1, 3), dtype=np.float32)
    assert Session(onnx_of(blueprint)).run(x).tolist() == [[1.0]]
    (exact,) = outputs(checkpoint, x).ravel()
    assert nearest(exact, "float32") == np.nextafter(np.float32(1), np.float32(2))
    assert distance_to_tie(exact, nearest(exact, "float32")) == Fraction(1, 2**80)


LEVELS = [
    onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL,
    onnxruntime.GraphOptimizationLevel.ORT_ENABLE_EXTENDED,
    onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL,
]
ALL = {**CHECKPOINTS, **EXPANDED}


@pytest.mark.parametrize("name", ALL)
def test_portable_has_the_same_bits_in_every_engine(name: str) -> None:
    checkpoint = ALL[name]()
    blueprint = Blueprint.of(checkpoint, "portable", "float32")
    content = onnx_of(blueprint)
    x = np.concatenate([probe_rows(checkpoint, "float32"), some_rows(checkpoint, 1000, "float32")])
    found = {"numpy": interpreted(blueprint.program, x)["y"], "eager torch": eager(blueprint.program)(x)["y"]}
    found["reference"] = BACKENDS["onnx"].reopen(content, blueprint.program).engines[REFERENCE](x)["y"]
    for level in LEVELS:
        options = onnxruntime.SessionOptions()
        options.graph_optimization_level = level
        session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
        found[str(level)] = session.run(["y"], {"x": x})[0]
        found[f"{level}, a row at a time"] = np.concatenate([session.run(["y"], {"x": row[None]})[0] for row in x])
    assert {value.dtype.name for value in found.values()} == {"float32"}
    assert len({value.tobytes() for value in found.values()}) == 1


def test_portable_adds_up_from_left_to_right() -> None:
    # In another order the small terms would not be lost, or come back.
    checkpoint = checkpoint_of([[1.0, 1.0, 1.0]], 1.0, low=-1, high=2.0**24)
    content = onnx_of(Blueprint.of(checkpoint, "portable", "float32"))
    x = np.array([[2.0**24, 1.0, -(2.0**24)], [2.0**24, -(2.0**24), 1.0]], dtype=np.float32)
    assert Session(content).run(x).tolist() == [[1.0], [2.0]]


@pytest.mark.parametrize("name", ["ten columns", "two outputs", "powers, categories and missing values"])
def test_exact_is_correctly_rounded_at_every_level_of_optimisation(name: str) -> None:
    content = onnx_of(Blueprint.of(ALL[name](), "exact", "float32"))
    x = some_rows(ALL[name](), 50, "float32")
    exact = ExactModel.of(ALL[name]())
    correct = exact.outputs(exact.design(x)).rounded("float32", "nearest")
    for level in LEVELS:
        options = onnxruntime.SessionOptions()
        options.graph_optimization_level = level
        session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
        assert (session.run(["y"], {"x": x})[0] == correct).all()


def test_rounding_to_the_nearest_is_that_of_fractions() -> None:
    values = np.random.default_rng(4).normal(size=300)
    exact = Dyadic.of(values) * Dyadic.of(np.full(300, 1 / 3))
    expected = [float(nearest(value, "float32")) for value in exact.fractions()]
    assert exact.rounded("float32", "nearest").tolist() == expected
