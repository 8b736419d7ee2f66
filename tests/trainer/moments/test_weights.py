"""Weights of rows: only their ratios matter, however small, large or unlike they are."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from lr_trainer import fit

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[np.float64]

ROWS = 40


def columns(distance: float) -> dict[str, Array]:
    random = np.random.default_rng(3)
    x, away, noise = random.normal(size=(3, ROWS))
    weights = random.uniform(0.5, 2.0, ROWS)
    return {"x": x, "z": x + distance * away, "y": 3 * x + noise, "w": weights}


CASES: dict[str, tuple[float, dict[str, Any]]] = {
    "well-conditioned": (1.0, {}),
    "ill-conditioned": (1e-6, {}),
    "powers": (1.0, {"degree": 2}),
    "drop-collinear": (0.0, {"drop_collinear": True}),
    "ridge": (0.0, {"l2": 0.1}),
    "lasso": (1.0, {"l1": 0.1}),
    "minimum norm": (0.0, {"minimum_norm": True}),
    "without an intercept": (1e-6, {"intercept": False}),
}


@pytest.mark.parametrize("case", CASES)
@settings(max_examples=4, deadline=None)
@given(power=st.integers(-50, 50))
@example(power=-50)
@example(power=50)
def test_a_factor_in_all_weights_changes_nothing(case: str, power: int) -> None:
    distance, options = CASES[case]
    given_columns = columns(distance)
    plain = fit(given_columns, target="y", weight="w", **options)
    # Square roots are of lengths, so that a power of 4 scales them exactly.
    by_four = fit(given_columns | {"w": np.ldexp(given_columns["w"], 2 * power)}, target="y", weight="w", **options)
    assert by_four.fit["collinear"] == plain.fit["collinear"]
    np.testing.assert_array_equal(by_four.weight, plain.weight)
    np.testing.assert_array_equal(by_four.bias, plain.bias)
    factor = 10.0 ** (0.6 * power)
    other = fit(given_columns | {"w": given_columns["w"] * factor}, target="y", weight="w", **options)
    assert other.fit["collinear"] == plain.fit["collinear"]
    # The product with a factor rounds each weight, which an ill-conditioned fit magnifies.
    rtol = 1e-11 / max(distance, 1e-6) if distance else 1e-10
    np.testing.assert_allclose(other.weight, plain.weight, rtol=rtol, atol=0)


def weighted(table: Array, y: Array, weights: Array) -> list[float]:
    """Return the least-squares coefficients, intercept first, from the normal equations in fractions."""
    rows = [[Fraction(1), *map(Fraction, row)] for row in table.tolist()]
    targets, shares = [Fraction(value) for value in y.tolist()], [Fraction(value) for value in weights.tolist()]
    size = len(rows[0])

    def product(i: int, values: list[Fraction]) -> Fraction:
        return sum((w * row[i] * value for w, row, value in zip(shares, rows, values, strict=True)), Fraction(0))

    system = [[product(i, [row[j] for row in rows]) for j in range(size)] + [product(i, targets)] for i in range(size)]
    for k in range(size):
        system[k] = [value / system[k][k] for value in system[k]]
        for i in range(size):
            if i != k:
                system[i] = [a - system[i][k] * b for a, b in zip(system[i], system[k], strict=True)]
    return [float(row[-1]) for row in system]


@pytest.mark.parametrize("weight", [1e10, 1e22, 1e28, 1e30])
@pytest.mark.parametrize("distance", [1.0, 1e-5])
def test_a_row_that_outweighs_all_others_costs_no_digits(weight: float, distance: float) -> None:
    found = columns(distance)
    found["w"][5] = weight
    report = fit(found, target="y", weight="w", degree=1).fit
    table = np.column_stack([found["x"], found["z"]])
    expected = weighted(table, found["y"], found["w"])
    np.testing.assert_allclose([row["estimate"] for row in report["coefficients"]], expected, rtol=1e-9)
    powers = fit({**found, "z": found["x"] ** 3}, target="y", weight="w", degree=2, features=["x"]).fit
    expected = weighted(np.column_stack([found["x"], found["x"] ** 2]), found["y"], found["w"])
    np.testing.assert_allclose([row["estimate"] for row in powers["coefficients"]], expected, rtol=1e-9)
