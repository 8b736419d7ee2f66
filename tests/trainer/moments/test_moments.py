"""Moments against exact fractions and numpy, and the promise that their bits depend on the rows alone."""

from __future__ import annotations

from fractions import Fraction
from operator import mul
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from lr_trainer.moments.blocks import block_moments
from lr_trainer.moments.moments import Moments, merged
from lr_trainer.rows.blocks import Block, block_rows, in_blocks, over_blocks

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from numpy.typing import NDArray

    Kind = Callable[[NDArray[np.float64]], NDArray[np.float64]]

KINDS = [np.asarray, torch.from_numpy]
"""What the CPU computes on, and what a CUDA device does: tensors on the CPU are asked the same, by the same names."""

TABLES: dict[str, Callable[[np.random.Generator], NDArray[np.float64]]] = {
    "standard normal": lambda random: random.normal(size=(500, 3)),
    "offset like a timestamp": lambda random: random.normal(size=(500, 3)) * 3600 + 1.7e9,
    "scales far apart": lambda random: random.normal(size=(500, 3)) * np.array([1e-30, 1.0, 1e30]),
    "one row": lambda random: random.normal(size=(1, 3)),
    "constant": lambda _: np.full((50, 3), 0.1),
}


@pytest.fixture(params=TABLES)
def rows(request: pytest.FixtureRequest) -> NDArray[np.float64]:
    return TABLES[request.param](np.random.default_rng(7))


def exact_moments(rows: NDArray[np.float64]) -> tuple[list[Fraction], list[list[Fraction]]]:
    columns = [[Fraction(value) for value in column] for column in rows.T.tolist()]
    means = [sum(column, Fraction(0)) / len(column) for column in columns]
    centred = [[value - mean for value in column] for column, mean in zip(columns, means, strict=True)]
    gram = [[sum(map(mul, left, right), Fraction(0)) for right in centred] for left in centred]
    return means, gram


def assert_close_to_exact(moments: Moments, rows: NDArray[np.float64]) -> None:
    means, gram = exact_moments(rows)
    sds = [float(gram[index][index]) ** 0.5 for index in range(len(means))]
    for index, mean in enumerate(means):
        found = Fraction(float(moments.mean[index])) + Fraction(float(moments.mean_low[index]))
        # The mean is known far below the unit in its last place: to the precision of the deviations.
        assert abs(found - mean) <= Fraction(1, 2**48) * Fraction(sds[index]) + abs(mean) * Fraction(1, 2**90)
        for other in range(len(means)):
            error = abs(Fraction(float(moments.comoment[index, other])) - gram[index][other])
            assert error <= 1e-13 * sds[index] * sds[other]


def total(blocks: Iterable[Block], threads: int = 1) -> Moments:
    def moments_of(block: Block) -> Moments:
        return block_moments(block)

    moments = merged(over_blocks(moments_of, blocks, threads))
    assert moments is not None
    return moments


def assert_same_bits(left: Moments, right: Moments) -> None:
    for name, array in left.arrays().items():
        assert array.tobytes() == right.arrays()[name].tobytes(), name


@pytest.mark.parametrize("of", KINDS)
def test_a_block_has_the_exact_moments(rows: NDArray[np.float64], of: Kind) -> None:
    assert_close_to_exact(block_moments(of(rows)), rows)


def test_merged_moments_are_those_of_all_rows(rows: NDArray[np.float64]) -> None:
    pieces = [piece for piece in np.array_split(rows, 3) if len(piece)]
    joined = merged(block_moments(piece) for piece in pieces)
    assert joined is not None
    assert joined.rows == len(rows)
    assert_close_to_exact(joined, rows)


def test_columns_side_by_side_are_one_block(rows: NDArray[np.float64]) -> None:
    assert_same_bits(block_moments(rows[:, :1].copy(), rows[:, 1:].copy()), block_moments(rows))


def test_rows_far_from_the_first_ones_lose_nothing() -> None:
    random = np.random.default_rng(0)
    rows = np.concatenate([random.normal(size=(64, 2)), 1e9 + random.normal(size=(2000, 2))])
    assert_close_to_exact(block_moments(rows), rows)


@pytest.mark.parametrize("of", KINDS)
def test_weighted_rows_count_as_often_as_they_weigh(rows: NDArray[np.float64], of: Kind) -> None:
    weights = np.random.default_rng(1).integers(1, 4, size=len(rows))
    repeated = np.repeat(rows, weights, axis=0)
    found = block_moments(of(rows), weights=of(weights.astype(np.float64)))
    assert (found.rows, float(found.weight)) == (len(rows), float(weights.sum()))
    np.testing.assert_allclose(found.log_weight, np.log(weights).sum(), rtol=1e-12)
    assert_close_to_exact(found, repeated)


def test_ranges_are_the_rows_own(rows: NDArray[np.float64]) -> None:
    moments = total(in_blocks([rows], rows.shape[1]))
    assert (moments.minimum == rows.min(axis=0)).all()
    assert (moments.maximum == rows.max(axis=0)).all()


@settings(max_examples=25, deadline=None)
@given(st.lists(st.integers(0, 30_000), min_size=1, max_size=8), st.sampled_from([1, 2, 3]))
def test_bits_depend_neither_on_batches_nor_on_threads(cuts: list[int], threads: int) -> None:
    rows = np.random.default_rng(3).normal(size=(3 * block_rows(2) + 17, 2)) + 5
    batches = np.array_split(rows, sorted(cut % len(rows) for cut in cuts))
    assert_same_bits(total(in_blocks([rows], 2)), total(in_blocks(batches, 2), threads))


@settings(max_examples=50, deadline=None)
@given(
    arrays.arrays(np.float64, (20, 2), elements=st.floats(-1e6, 1e6)),
    st.integers(-200, 200),
)
def test_scaling_by_a_power_of_two_scales_the_moments_exactly(rows: NDArray[np.float64], power: int) -> None:
    rows = np.where(np.abs(rows) < 1e-60, 0, rows)  # deviations whose square would be subnormal lose bits
    plain, scaled = block_moments(rows), block_moments(np.ldexp(rows, power))
    assert (scaled.mean == np.ldexp(plain.mean, power)).all()
    assert (scaled.comoment == np.ldexp(plain.comoment, 2 * power)).all()


@pytest.mark.parametrize("offset", [0.0, 3.0, 1.7e9, 1.7e15])
def test_products_about_other_means_or_about_0_are_exact_to_the_deviations(offset: float) -> None:
    random = np.random.default_rng(4)
    own, others = (random.integers(-8, 9, size=(rows, 2)) / 4 + offset for rows in (29, 31))
    moments, other = (block_moments(rows) for rows in (own, others))
    zeros = [Fraction(0)] * 2
    for about, means in ((moments.about(other), exact_moments(others)[0]), (moments.gram(intercept=False), zeros)):
        away = [[Fraction(value) - mean for value in column] for column, mean in zip(own.T, means, strict=True)]
        exact = [[float(sum(map(mul, left, right), Fraction(0))) for right in away] for left in away]
        np.testing.assert_allclose(about, exact, rtol=1e-12)
    np.testing.assert_array_equal(moments.gram(intercept=True), moments.comoment)


def test_the_mean_is_its_own_rounded_sum(rows: NDArray[np.float64]) -> None:
    moments = total(in_blocks([rows], rows.shape[1])).merge(block_moments(rows[:1]))
    np.testing.assert_array_equal(moments.mean + moments.mean_low, moments.mean)


@pytest.mark.parametrize("values", [[-0.0], [-0.0, 0.0], [0.0, -0.0], [-0.0, 1.0], [-1.0, -0.0]])
def test_a_zero_at_the_end_of_a_range_has_no_sign(values: list[float]) -> None:
    """Which of two equal zeros is the smallest depends on their order, and the bytes must not."""
    moments = block_moments(np.array(values)[:, None])
    ends = np.concatenate([moments.minimum, moments.maximum])
    assert not np.signbit(ends[ends == 0]).any()
    np.testing.assert_array_equal(ends, [min(values), max(values)])


def test_no_rows_have_no_moments() -> None:
    for batches in ([], [np.empty((0, 2))]):
        assert merged(over_blocks(block_moments, in_blocks(batches, 2))) is None


def test_moments_survive_the_checkpoints_arrays(rows: NDArray[np.float64]) -> None:
    moments = block_moments(rows)
    assert_same_bits(Moments.from_arrays(moments.arrays()), moments)


def test_the_callers_torch_threads_are_restored() -> None:
    before = torch.get_num_threads()
    total(in_blocks([np.ones((3, 1))], 1), threads=2)
    assert torch.get_num_threads() == before
