"""Products in double-double, of one matrix and of many at once, against exact ones."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from lr_trainer.arithmetic.double_double import Extended
from lr_trainer.arithmetic.gram import congruence, inverse, product, transposed


@pytest.mark.parametrize("rows", [1, 2, 11, 16, 33, 300])
def test_products_are_right_to_a_hundred_bits_where_all_slices_are_as_large_as_they_can_be(rows: int) -> None:
    random = np.random.default_rng(rows)
    largest = 1.0 - 2.0**-10 * random.uniform(size=(rows, 3))  # no product of slices cancels another
    for values in (largest, largest * random.choice([-1, 1], (rows, 3)), random.normal(size=(rows, 3))):
        low = values * 2.0**-54
        found = product(Extended(values, low), Extended(values, low))
        exact = [
            [Fraction(a) + Fraction(b) for a, b in zip(*each, strict=True)] for each in zip(values, low, strict=True)
        ]
        for i in range(3):
            for j in range(3):
                whole = sum((row[i] * row[j] for row in exact), Fraction(0))
                reach = rows * Fraction(np.abs(values).max()) ** 2
                assert abs(found.fraction(i, j) - whole) <= reach / 2**98


def test_many_matrices_at_once_have_the_bits_of_each_alone() -> None:
    random = np.random.default_rng(0)
    matrices = np.eye(5) + 0.3 * random.normal(size=(4, 5, 5))
    grams = matrices.swapaxes(1, 2) @ matrices
    lengths = np.array([1e-3, 1.0, 7.0, 1e5, 1.0])
    shared = Extended.of(random.normal(size=(5, 2)))
    inverses = inverse(matrices, lengths)
    together = [inverses, transposed(inverses), product(inverses, shared), congruence(grams, inverses)]
    for number in range(len(matrices)):
        alone = inverse(matrices[number], lengths)
        expected = [alone, transposed(alone), product(alone, shared), congruence(grams[number], alone)]
        for many, one in zip(together, expected, strict=True):
            assert (many.high[number].tolist(), many.low[number].tolist()) == (one.high.tolist(), one.low.tolist())
