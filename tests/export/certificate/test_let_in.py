"""What lr-export can write is what the runtime lets in: the two must not drift apart."""

from __future__ import annotations

from collections import defaultdict
from itertools import product
from typing import TYPE_CHECKING

import numpy as np
import onnx
import pytest

from lr_export.certificate.specification import Blueprint
from lr_export.choices import OPSET
from lr_export.formats.onnx import onnx_bytes
from lr_runtime.contract.contract import PRECISIONS, Precision
from lr_runtime.onnx_file.check import check_model, signature_of
from lr_runtime.onnx_file.operators import OPERATORS
from lr_runtime.onnx_file.reader import OPSETS, read_onnx
from tests.conftest import CHECKPOINTS, EXPANDED, checkpoint_of
from tests.export.formats.test_source import CONTRACT
from tests.export.model.test_uncertainty import CHECKPOINTS as FITS
from tests.export.scaled import LEVEL, fitted, of_width
from tests.export.straight_line import function_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from lr_runtime.contract.checkpoint import Checkpoint

CASES: dict[str, Callable[[], Checkpoint]] = {
    **CHECKPOINTS,
    **EXPANDED,
    "64 columns": lambda: checkpoint_of(np.random.default_rng(2).normal(size=(1, 64)), 1.0),
    "300 columns, 3 outputs": lambda: checkpoint_of(np.random.default_rng(2).normal(size=(3, 300)), [1.0, 2.0, 3.0]),
}


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("case", CASES)
def test_every_file_that_can_be_written_is_let_in(case: str, precision: Precision) -> None:
    _check_let_in(Blueprint.of(CASES[case](), precision))


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("case", FITS)
def test_so_is_every_file_with_an_interval_and_flags(case: str, precision: Precision) -> None:
    _check_let_in(Blueprint.of(FITS[case](), precision, interval=0.9, flags=True))


def test_what_is_let_in_is_no_more_than_what_is_written() -> None:
    counts: dict[str, set[int]] = defaultdict(set)
    attributes: dict[str, set[str]] = defaultdict(set)
    programs = [*(blueprint.program for blueprint in _every_kind()), function_of("exp", "float32")]
    programs.append(function_of("log", "float32"))
    for program, opset in product(programs, OPSETS):
        for node in read_onnx(onnx_bytes(program, CONTRACT, opset=opset)).nodes:
            counts[node.operator].add(len(node.inputs))
            attributes[node.operator] |= set(node.attributes)
    assert set(counts) == set(OPERATORS)
    for name, operator in OPERATORS.items():
        assert attributes[name] == set(operator.attributes), name
        assert min(counts[name]) == operator.least, name
        # Concat takes a value for each category.
        assert max(counts[name]) == operator.most or name == "Concat", name


def _every_kind() -> Iterator[Blueprint]:
    yield Blueprint.of(of_width(fitted(), 1e-30), interval=LEVEL)
    for precision in PRECISIONS:
        yield from (Blueprint.of(make(), precision) for make in (CASES | FITS).values())
        yield from (Blueprint.of(make(), precision, interval=0.9, flags=True) for make in FITS.values())


def _check_let_in(blueprint: Blueprint) -> None:
    for opset in (OPSET, 17, 18, 21, OPSETS[-1]):
        content = onnx_bytes(blueprint.program, blueprint.contract, opset=opset, name="a name of its own")
        model = check_model(content)
        assert (model.onnx.inputs, model.onnx.outputs) == signature_of(blueprint.contract)
        assert (model.onnx.opset, model.onnx.name) == (opset, "a name of its own")
        parsed = onnx.load_model_from_string(content)
        assert [node.operator for node in model.onnx.nodes] == [node.op_type for node in parsed.graph.node]
