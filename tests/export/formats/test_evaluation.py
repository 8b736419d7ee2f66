"""The program in numpy has the bits of PyTorch's, which is written apart from it, and of the plainest evaluation."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from lr_export.formats.torch_module import eager
from lr_export.program.evaluation import evaluated, ordered_affine, ordered_sum
from tests.export import straight_line
from tests.export.straight_line import awkward_rows, every_operation, same_bits

if TYPE_CHECKING:
    from lr_runtime.contract.contract import Dtype

DTYPES: tuple[Dtype, ...] = ("float32", "float64")


@pytest.mark.parametrize("dtype", DTYPES)
def test_every_operation_has_the_bits_of_torch_and_of_the_plainest_evaluation(dtype: Dtype) -> None:
    program, x = every_operation(dtype), awkward_rows(3, dtype)
    got, in_torch, plainly = evaluated(program, x), eager(program.in_order)(x), straight_line.evaluated(program, x)
    assert got.keys() == in_torch.keys() == plainly.keys()
    for name, values in got.items():
        assert same_bits(values, in_torch[name]), name
        assert same_bits(values, plainly[name]), name


@given(st.data())
def test_sums_are_taken_from_left_to_right(data: st.DataObject) -> None:
    rows, width, outputs = (data.draw(st.integers(1, 9)) for _ in range(3))
    elements = st.floats(-1e6, 1e6, width=32)
    value = data.draw(arrays.arrays(np.float32, (rows, width), elements=elements))
    weight = data.draw(arrays.arrays(np.float32, (outputs, width), elements=elements))
    bias = data.draw(arrays.arrays(np.float32, outputs, elements=elements))
    for row, sums, total in zip(value, ordered_affine(value, weight, bias), ordered_sum(value), strict=True):
        expected = np.float32(row[0])
        for number in row[1:]:
            expected = np.float32(expected + number)
        assert total.tolist() == [expected]
        for got, factors, last in zip(sums, weight, bias, strict=True):
            products = [np.float32(a * b) for a, b in zip(row, factors, strict=True)]
            added = products[0]
            for product in products[1:]:
                added = np.float32(added + product)
            assert got == np.float32(added + last)
