"""Functions have the same bits in every format and engine, at every optimisation, for a row alone and among others."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from lr_export.formats.registry import BACKENDS
from lr_export.formats.torch_module import eager
from lr_export.program.evaluation import evaluated
from lr_export.program.functions import append
from lr_export.program.program import Builder
from lr_runtime.contract.derived import FUNCTIONS
from lr_runtime.onnx_file.reader import read_onnx
from tests.export.formats.test_source import CONTRACT
from tests.export.present import in_every_format
from tests.export.program.arguments import arguments
from tests.export.straight_line import same_bits

if TYPE_CHECKING:
    from typing import Any

    from numpy.typing import NDArray

    from lr_export.formats.backend import Engine
    from lr_export.program.program import Program
    from lr_runtime.contract.contract import Dtype
    from lr_runtime.contract.formats import FormatName

DTYPES: tuple[Dtype, ...] = ("float32", "float64")


def every_function(dtype: Dtype) -> Program:
    """Return a program that gives every function of all three columns."""
    build = Builder(3, dtype, ordered=True)
    for function in FUNCTIONS:
        build.result(f"y_{function}", append(build, function, build.x, np.array([0.1, 0.0, -3e-9])))
    return build.program()


def rows_of(dtype: Dtype) -> NDArray[Any]:
    column = arguments(dtype, 1)
    x = np.stack([column, np.roll(column, 7), np.roll(column, len(column) // 2)], axis=1)
    x[:3, 0] = np.nan, np.inf, -np.inf
    return x[np.random.default_rng(3).permutation(len(x))]


def assert_same_bits(engine: Engine, program: Program, x: NDArray[Any], *sizes: int) -> None:
    """An engine's results are those of numpy, for all rows at once and for a few batches of these sizes."""
    expected = evaluated(program, x)
    batches = [slice(start, start + size) for size in sizes for start in range(0, 5 * size, size)]
    for batch in [slice(None), *batches]:
        with np.errstate(all="ignore"):
            got = engine(x[batch])
        for name, values in expected.items():
            assert same_bits(got[name], values[batch]), (name, batch)


@in_every_format
@pytest.mark.parametrize("dtype", DTYPES)
def test_every_format_has_the_bits_of_numpy(format_name: FormatName, dtype: Dtype) -> None:
    if (format_name, dtype) == ("pt2", "float64"):
        pytest.skip("the operations of float32, which torch takes seconds to trace")
    program = every_function(dtype)
    opened = BACKENDS[format_name].reopen(BACKENDS[format_name].build(program, CONTRACT), program)
    sizes = (1, 1000) if opened.self_test is None else ()  # source code takes one row at a time in any case
    for engine in [*opened.engines.values(), *opened.optimised.values()]:
        assert_same_bits(engine, program, rows_of(dtype), *sizes)
    assert opened.self_test is None or opened.self_test() == 0


@pytest.mark.parametrize("dtype", DTYPES)
def test_so_has_eager_torch(dtype: Dtype) -> None:
    program = every_function(dtype)
    assert_same_bits(eager(program), program, rows_of(dtype), 1, 1000)


@pytest.mark.parametrize("dtype", DTYPES)
def test_the_runtime_lets_them_in(dtype: Dtype) -> None:
    program = every_function(dtype)
    read = read_onnx(BACKENDS["onnx"].build(program, CONTRACT))
    assert {output.name: output.width for output in read.outputs} == dict.fromkeys(program.results, 3)
