"""Which fold a row is in: by chance, from the seed, its number or its group alone."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from lr_trainer.rows.holdout import Parts


@given(st.integers(0, 10), st.integers(2, 12), st.booleans(), st.lists(st.integers(1, 5000), min_size=1, max_size=4))
def test_folds_are_alike_in_size_and_the_same_however_rows_arrive(
    seed: int, folds: int, holds_out: bool, sizes: list[int]
) -> None:
    parts, rows = Parts(folds, holds_out, seed), sum(sizes)
    labels = parts.labels(0, rows)
    starts = np.cumsum([0, *sizes[:-1]])
    np.testing.assert_array_equal(labels, np.concatenate([*map(parts.labels, starts.tolist(), sizes)]))
    counts = np.bincount(labels[labels != parts.held_out], minlength=folds)
    assert counts.max() - counts.min() <= 1


@given(st.integers(0, 10), st.integers(2, 9), st.integers(0, 40))
def test_a_group_lies_in_one_fold_and_each_fold_has_as_many(seed: int, folds: int, more: int) -> None:
    groups = folds + more
    of_rows = np.random.default_rng(seed).integers(0, groups, 500).astype(float)
    labels = Parts(folds, holds_out=False, seed=seed, groups=groups).labels(123, 500, of_rows)
    pairs = set(zip(of_rows.tolist(), labels.tolist(), strict=True))
    assert len(pairs) == len(set(of_rows.tolist()))
    every = Parts(folds, holds_out=False, seed=seed, groups=groups).labels(0, groups, np.arange(float(groups)))
    counts = np.bincount(every, minlength=folds)
    assert counts.min() >= 1
    assert counts.max() - counts.min() <= 1


@given(st.integers(0, 10), st.integers(2, 12))
def test_rows_a_period_apart_come_into_every_fold(seed: int, folds: int) -> None:
    labels = Parts(folds, holds_out=False, seed=seed).labels(0, 100 * folds).reshape(-1, folds)
    assert all(len(set(column.tolist())) == folds for column in labels.T)


def test_another_seed_gives_other_folds() -> None:
    first, second = (Parts(5, holds_out=False, seed=seed).labels(0, 500) for seed in (0, 1))
    assert np.mean(first == second) < 0.5
