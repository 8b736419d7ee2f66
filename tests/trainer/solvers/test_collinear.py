"""Which columns are combinations of others: in any order, by exact fractions, and no well-determined ones."""

from __future__ import annotations

from fractions import Fraction
from itertools import permutations
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from lr_trainer import fit
from lr_trainer.errors import CollinearError
from lr_trainer.solvers.collinearity import Floor
from lr_trainer.solvers.digits import DOUBLE_DOUBLE

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[np.float64]


def clocks() -> dict[str, Array]:
    """One clock twice, far from 0 and near it, which the rounding of the first tells apart; and a third column."""
    random = np.random.default_rng(0)
    elapsed = np.sort(random.uniform(0, 3600, 50)).round(2)
    load = random.normal(size=50)
    return {"time": 1.7e9 + elapsed + 0.05, "elapsed": elapsed, "load": load, "y": 0.001 * elapsed + load}


@pytest.mark.parametrize("degree", [1, 2])
@pytest.mark.parametrize("order", list(permutations(["time", "elapsed", "load"])))
def test_the_order_of_the_columns_does_not_matter(order: tuple[str, ...], degree: int) -> None:
    options: dict[str, Any] = {"target": "y", "features": list(order), "degree": degree}
    with pytest.raises(CollinearError, match=r"elapsed|time"):
        fit(clocks(), **options)
    second = max(("time", "elapsed"), key=order.index)
    powers = [second if power == 1 else f"{second}^{power}" for power in range(1, degree + 1)]
    assert fit(clocks(), **options, drop_collinear=True).fit["collinear"] == powers


def rank(table: Array) -> int:
    """Return the rank of the columns beside a column of ones, less 1, by elimination in fractions."""
    rows = [[Fraction(1), *map(Fraction, row)] for row in table.tolist()]
    found = 0
    for column in range(len(rows[0])):
        pivot = next((i for i in range(found, len(rows)) if rows[i][column]), None)
        if pivot is None:
            continue
        rows[found], rows[pivot] = rows[pivot], rows[found]
        for i in range(found + 1, len(rows)):
            share = rows[i][column] / rows[found][column]
            rows[i] = [a - share * b for a, b in zip(rows[i], rows[found], strict=True)]
        found += 1
    return found - 1


@pytest.mark.parametrize("offset", [0, 300, 3000, 100_000])
@pytest.mark.parametrize("intercept", [True, False])
def test_dependent_integers_are_found_and_no_others(offset: int, intercept: bool) -> None:
    for seed in range(60):
        random = np.random.default_rng([seed, offset])
        base = random.integers(-9, 10, (12, 3)) @ random.integers(-3, 4, (3, 4 + seed % 3))
        table = base.astype(float) + offset * intercept
        table = table[:, table.std(axis=0) > 0]
        dropped = fit(
            {"x": table, "y": random.normal(size=12)}, target="y", intercept=intercept, drop_collinear=True
        ).fit["collinear"]
        expected = rank(table) if intercept else rank(np.vstack([table, np.zeros(table.shape[1])]))
        assert table.shape[1] - len(dropped) == expected, seed


@pytest.mark.parametrize("unit", [2.0**-300, 1.0, 2.0**300])
def test_the_pivot_tolerance_is_64_roundings_of_the_squares_of_the_lengths(unit: float) -> None:
    lengths, relation = np.array([3.0, 4.0, 5.0]), np.array([2.0, -1.0])
    exact = Floor(np.zeros((1, 3)), lengths * unit).under(relation, slice(2), 2)
    assert exact == 64 * DOUBLE_DOUBLE * 3 * (5 + 2 * 3 + 4) ** 2 * unit**2
    # The rounding of the values adds up as they do, but is no reason to drop what leaves a quarter of the column.
    values = np.array([[1.0, 0.0, 4.0], [0.0, 2.0, 1.0]]) * unit
    moved = Floor(values * 2.0**-30, lengths * unit).under(relation, slice(2), 2)
    assert moved == ((4 - 2) ** 2 + (1 + 2) ** 2) * 2.0**-60 * unit**2
    assert Floor(values * 2.0**30, lengths * unit).under(relation, slice(2), 2) == 5**2 / 4 * unit**2


@pytest.mark.parametrize("distance", [1e-9, 1e-12])
@pytest.mark.parametrize("order", list(permutations(range(3))))
def test_well_determined_columns_are_kept_in_any_order(order: tuple[int, ...], distance: float) -> None:
    random = np.random.default_rng(1)
    a, b, away = random.normal(size=(3, 60))
    table = np.column_stack([a, 1e3 * b, a - 2 * b + distance * away])[:, list(order)]
    found = fit({"x": table, "y": random.normal(size=60)}, target="y").fit
    assert found["collinear"] == []
    assert found["condition_number"] > 0.1 / distance
