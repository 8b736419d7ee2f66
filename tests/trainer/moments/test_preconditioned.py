"""The bounds on the rounding of preconditioned products, against exact products, whatever becomes of the products."""

from __future__ import annotations

from dataclasses import fields
from fractions import Fraction
from typing import TYPE_CHECKING

import numpy as np
import pytest

from lr_trainer.arithmetic.double_double import Extended
from lr_trainer.arithmetic.gram import congruence, inverse
from lr_trainer.moments.accuracy import preconditioned
from lr_trainer.moments.blocks import block_moments, moments_about
from lr_trainer.moments.moments import Moments, joined, stacked
from lr_trainer.moments.pilot import Pilot
from lr_trainer.moments.preconditioned import Preconditioned

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[np.float64]
    Exact = NDArray[np.object_]

TERMS = 3


def exactly(values: Array) -> Exact:
    return np.array([Fraction(value) for value in values.ravel().tolist()], dtype=object).reshape(values.shape)


def rows_of(seed: int, rows: int = 60) -> Array:
    random = np.random.default_rng(seed)
    x = random.normal(size=(rows, TERMS)) * 10.0 ** random.integers(-3, 4, size=TERMS)
    x[:, 2] = x[:, 0] + 10.0 ** random.uniform(-7, 0) * x[:, 2]
    y = x @ random.normal(size=TERMS) + 10.0 ** random.uniform(-9, 0) * random.normal(size=rows) * x.std()
    return np.column_stack([x + 10.0 ** random.integers(-1, 3), y])


def moments_of(rows: Array, *, is_whole: bool) -> Moments:
    """Return the moments about a pilot, the first rows' or that of all."""
    sketch = block_moments(rows if is_whole else rows[:24])
    pilot = Pilot.sketched(sketch, TERMS, 1e-9, intercept=True, is_whole=is_whole)
    rounded = np.zeros(TERMS + 1, dtype=np.bool_)
    return preconditioned(
        pilot, moments_about(pilot, rows), TERMS, rounded=rounded, functions=np.zeros(TERMS + 1), intercept=True
    )[0]


def assert_bounded(found: Preconditioned | None, rows: Array) -> None:
    """Assert that products differ from the exact ones by no more than is said."""
    assert found is not None
    about = exactly(rows)
    z = (about - about.sum(axis=0) / Fraction(len(rows))) @ exactly(found.transform)
    off = np.abs(exactly(found.comoment) - z.T @ z)
    size = exactly(found.error)
    assert (off[:TERMS] <= np.multiply.outer(size[:TERMS], size)).all()
    assert (np.diag(off)[TERMS:] <= exactly(found.off[TERMS:])).all()


@pytest.mark.parametrize("is_whole", [True, False])
@pytest.mark.parametrize("seed", range(12))
def test_rounding_stays_within_its_bounds(seed: int, is_whole: bool) -> None:
    rows = rows_of(seed)
    assert_bounded(moments_of(rows, is_whole=is_whole).fine, rows)


def of_part(parts: Preconditioned | None, number: int) -> Preconditioned:
    assert parts is not None
    return Preconditioned(*(getattr(parts, each.name)[number] for each in fields(parts)))


@pytest.mark.parametrize("seed", range(12))
def test_the_bounds_hold_on_other_transforms_and_for_joined_rows(seed: int) -> None:
    rows = [rows_of(seed + 100 * number, rows=30 + seed) for number in range(2 + 3 * (seed % 4))]
    found = [moments_of(each, is_whole=bool(seed % 2)) for each in rows]
    parts, lengths = stacked(found, TERMS), np.sqrt(np.diag(found[0].comoment))
    assert parts.fine is not None
    moved = parts.fine.on(of_part(parts.fine, 1).transform, TERMS, lengths)
    for number, each in enumerate(rows):
        assert of_part(moved, number).transform.tolist() == of_part(parts.fine, 1).transform.tolist()
        assert_bounded(of_part(moved, number), each)
    assert of_part(moved, 1).comoment.tolist() == of_part(parts.fine, 1).comoment.tolist()
    assert moved.on(of_part(moved, 0).transform, TERMS, lengths) is moved
    whole = joined(parts, TERMS, intercept=True)
    assert_bounded(whole.fine, np.concatenate(rows))
    again = joined(stacked([whole, found[0]], TERMS), TERMS, intercept=True)
    assert_bounded(again.fine, np.concatenate([*rows, rows[0]]))


@pytest.mark.parametrize("seed", range(6))
def test_the_bounds_hold_for_other_columns(seed: int) -> None:
    rows = rows_of(seed)
    # The second column is left out; the new second is minus the sum of the others, as a reference level is.
    matrix = np.array([[1.0, -1.0, 0.0, 0.0], [0.0, 0.0, 0.0, 0.0], [0.0, -1.0, 0.0, 0.0], [0.0, 0.0, 0.0, 1.0]])
    fine, mapped = moments_of(rows, is_whole=bool(seed % 2)).fine, exactly(rows) @ exactly(matrix)
    assert fine is not None
    columns = mapped.astype(np.float64)
    own, lengths = (np.sqrt(((each - each.mean(axis=0)) ** 2).sum(axis=0)) for each in (rows, columns))
    found = fine.mapped(matrix, TERMS, own, lengths)
    z = (mapped - mapped.sum(axis=0) / Fraction(len(rows))) @ exactly(found.transform)
    off, size = np.abs(exactly(found.comoment) - z.T @ z), exactly(found.error)
    assert (off[:TERMS] <= np.multiply.outer(size[:TERMS], size)).all()
    assert (np.diag(off)[TERMS:] <= exactly(found.off[TERMS:])).all()


@pytest.mark.parametrize("seed", range(6))
def test_a_change_of_basis_and_its_inverse_are_right_to_eighty_bits(seed: int) -> None:
    random = np.random.default_rng(seed)
    lengths: Array = np.asarray(10.0 ** random.integers(-8, 9, size=5), dtype=np.float64)
    matrix = np.eye(5) + np.triu(40 * random.normal(size=(5, 5)), 1) / lengths[:, None] * lengths
    back = inverse(matrix, lengths)
    rest = exactly(matrix) @ (exactly(back.high) + exactly(back.low)) - exactly(np.eye(5))
    share = np.abs(rest * exactly(lengths)[:, None] / exactly(lengths)).max()
    assert share <= Fraction(2) ** -80
    gram = random.normal(size=(9, 5)) * lengths
    gram = gram.T @ gram
    gram = (gram + gram.T) / 2
    low = matrix * 2.0**-60 * random.normal(size=(5, 5))
    found, whole = congruence(gram, Extended(matrix, low)), exactly(matrix) + exactly(low)
    off = np.abs(exactly(found.high) + exactly(found.low) - whole.T @ exactly(gram) @ whole)
    size = exactly(np.sqrt(np.diag(gram)))
    assert (off <= Fraction(2) ** -80 * np.multiply.outer(size, size)).all()
