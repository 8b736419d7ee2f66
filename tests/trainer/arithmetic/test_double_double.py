"""Double-double arithmetic and Gram matrices against exact fractions."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from lr_trainer.arithmetic.double_double import Extended, two_product, two_sum
from lr_trainer.arithmetic.gram import product

if TYPE_CHECKING:
    from numpy.typing import NDArray

NUMBERS = st.floats(-1e100, 1e100).filter(lambda value: value == 0 or abs(value) > 1e-100)


def extended(value: Fraction) -> Extended[NDArray[np.float64]]:
    high = np.array(float(value))
    return Extended(high, np.array(float(value - Fraction(float(high)))))


def close(found: Fraction, expected: Fraction, size: Fraction) -> bool:
    return abs(found - expected) <= size * Fraction(1, 2**100)


@settings(max_examples=200, deadline=None)
@given(NUMBERS, NUMBERS)
def test_sums_and_products_of_two_are_exact(a: float, b: float) -> None:
    total, error = two_sum(np.array(a), np.array(b))
    assert Fraction(float(total)) + Fraction(float(error)) == Fraction(a) + Fraction(b)
    high, low = two_product(np.array(a), np.array(b))
    assert Fraction(float(high)) + Fraction(float(low)) == Fraction(a) * Fraction(b)


@settings(max_examples=200, deadline=None)
@given(*[st.fractions(max_denominator=10**30).filter(lambda f: abs(f) < 10**30)] * 2)
def test_arithmetic_keeps_a_hundred_bits(p: Fraction, q: Fraction) -> None:
    a, b = extended(p), extended(q)
    x, y = a.fraction(), b.fraction()
    assert close((a + b).fraction(), x + y, abs(x) + abs(y))
    assert close((a - b).fraction(), x - y, abs(x) + abs(y))
    assert close((a * b).fraction(), x * y, abs(x * y))
    assume(y != 0)
    assert close((a / b).fraction(), x / y, abs(x / y))


@settings(max_examples=200, deadline=None)
@given(st.fractions(min_value=Fraction(1, 10**30), max_value=10**30, max_denominator=10**30))
def test_a_square_root_keeps_a_hundred_bits(p: Fraction) -> None:
    a = extended(p)
    root = a.sqrt().fraction()
    assert abs(root * root - a.fraction()) <= a.fraction() * Fraction(1, 2**100)


SCALES = {"one scale": [1.0, 1.0, 1.0], "far apart": [1e-30, 1.0, 1e30], "offset": [1.0, 1e9, 1.0]}


@pytest.mark.parametrize("scales", SCALES)
@pytest.mark.parametrize("rows", [1, 2, 700, 5000])
def test_gram_matrices_are_right_to_their_columns_size(scales: str, rows: int) -> None:
    random = np.random.default_rng(rows)
    high = random.normal(size=(rows, 3)) * SCALES[scales]
    block = Extended(high, high * random.uniform(-1, 1, size=high.shape) * 2.0**-54)
    exact = [[block.fraction(row, column) for row in range(rows)] for column in range(3)]
    largest = [max(map(abs, column)) for column in exact]
    found = product(block, block)
    for i, left in enumerate(exact):
        for j, right in enumerate(exact):
            wanted = sum((a * b for a, b in zip(left, right, strict=True)), Fraction(0))
            assert abs(found.fraction(i, j) - wanted) <= rows * largest[i] * largest[j] * Fraction(1, 2**100)


def test_tensors_have_the_gram_matrix_of_arrays() -> None:
    """Their products are of integers that no order of addition rounds."""
    high, low = np.random.default_rng(0).normal(size=(2, 700, 3)) * np.array([1.0, 2.0**-54])[:, None, None]
    arrays, tensors = (
        product(block, block) for block in (Extended(high, low), Extended(*map(torch.from_numpy, (high, low))))
    )
    np.testing.assert_array_equal([tensors.high, tensors.low], [arrays.high, arrays.low])


def test_a_block_of_zeros_has_products_of_zero() -> None:
    zeros = Extended.of(np.zeros((5, 2)))
    assert not product(zeros, zeros).rounded().any()
