"""Every figure of a report on ill-conditioned data against at least 60 digits, beyond what statsmodels can follow."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import mpmath
import numpy as np
import pytest

from lr_trainer import fit
from lr_trainer.errors import CollinearError

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    Columns = dict[str, NDArray[np.float64]]

ROWS = 80
DIGITS = 240  # 60 in the results of the worst case, whose Gram matrix spans 120 and has a condition number of 1e22


def near_copies(distance: float) -> Callable[[np.random.Generator], Columns]:
    def columns(random: np.random.Generator) -> Columns:
        a, b = random.normal(size=(2, ROWS))
        return {"a": a, "b": b, "c": a - 2 * b + distance * random.normal(size=ROWS)}

    return columns


def timestamps(random: np.random.Generator) -> Columns:
    time = 1.7e9 + np.sort(random.uniform(-3600, 3600, ROWS))
    return {"time": time, "later": time + 5 + 1e-3 * random.normal(size=ROWS), "load": random.normal(size=ROWS)}


def scales(random: np.random.Generator) -> Columns:
    a = random.normal(size=ROWS)
    return {"tiny": 1e-30 * a, "huge": 1e30 * (a + 1e-5 * random.normal(size=ROWS)), "one": random.normal(size=ROWS)}


CASES: dict[str, Callable[[np.random.Generator], Columns]] = {
    "condition 1e5": near_copies(1e-5),
    "condition 1e7": near_copies(1e-7),
    "condition 1e9": near_copies(1e-9),
    "condition 1e11": near_copies(1e-11),
    "timestamps": timestamps,
    "scales 1e-30 and 1e30": scales,
}


def reference(columns: Columns, y: NDArray[np.float64]) -> dict[str, Any]:
    """Least squares from the normal equations in so many digits that their condition does not matter."""
    design = mpmath.matrix([[1, *row] for row in np.column_stack(list(columns.values())).tolist()])
    target = mpmath.matrix(y.tolist())
    inverse = (design.T * design) ** -1
    estimates = inverse * (design.T * target)
    rows, terms = design.rows, design.cols
    residual = sum((r**2 for r in target - design * estimates), mpmath.mpf(0))
    mean = sum(target) / rows
    total = sum(((value - mean) ** 2 for value in target), mpmath.mpf(0))
    degrees = rows - terms
    variance = residual / degrees
    errors = [mpmath.sqrt(variance * inverse[i, i]) for i in range(terms)]
    likelihood = -mpmath.mpf(rows) / 2 * (mpmath.log(2 * mpmath.pi * residual / rows) + 1)
    return {
        "estimate": list(estimates),
        "standard_error": errors,
        "t": [estimate / error for estimate, error in zip(estimates, errors, strict=True)],
        "r2": 1 - residual / total,
        "adjusted_r2": 1 - (rows - 1) / mpmath.mpf(degrees) * residual / total,
        "residual_sd": mpmath.sqrt(variance),
        "f": (total - residual) / (terms - 1) / variance,
        "log_likelihood": likelihood,
        "aic": 2 * terms - 2 * likelihood,
        "bic": mpmath.log(rows) * terms - 2 * likelihood,
    }


@pytest.mark.parametrize("noise", [1.0, 1e-6])
@pytest.mark.parametrize("case", CASES)
def test_every_figure_has_nine_digits(case: str, noise: float) -> None:
    random = np.random.default_rng(ROWS)
    columns = CASES[case](random)
    y = sum(column / np.std(column) for column in columns.values()) + noise * random.normal(size=ROWS)
    report = fit({**columns, "y": y}, target="y").fit
    with mpmath.workdps(DIGITS):
        expected = reference(columns, y)
    assert report["condition_number"] > 1e4
    rows = report["coefficients"]
    for figure in ("estimate", "standard_error", "t"):
        np.testing.assert_allclose([row[figure] for row in rows], [float(v) for v in expected[figure]], rtol=1e-9)
    for figure in ("r2", "adjusted_r2", "residual_sd", "f", "log_likelihood", "aic", "bic"):
        np.testing.assert_allclose(report[figure], float(expected[figure]), rtol=1e-9, err_msg=figure)


def two_valued(low: float, high: float) -> dict[str, Any]:
    return {"x": np.where(np.random.default_rng(0).random(40) < 0.4, low, high)}


def beside(make: Callable[[Any, Any], Any], unit: float = 1.0) -> dict[str, Any]:
    a, b = np.random.default_rng(0).uniform(900, 1100, size=(2, 40))
    b = b * unit
    return {"a": a, "b": b, "z": make(a, b)}


DEPENDENT: dict[str, tuple[Callable[[], dict[str, Any]], int, str]] = {
    "a multiple": (lambda: beside(lambda a, _: 3 * a), 1, '"z" = 3 * "a" (but'),
    "a multiple beside powers": (lambda: beside(lambda a, _: 3 * a), 2, '"z" = 3 * "a" (but'),
    "a sum beside powers": (lambda: beside(lambda a, b: 2 * a - b + 7), 3, '"z" = 2 * "a" + -1 * "b" (but'),
    "a square": (lambda: beside(lambda a, _: a * a), 2, '"z" = 1 * "a^2" (but'),
    "0 and 1": (lambda: two_valued(0, 1), 2, '"x^2" = 1 * "x" (but'),
    "1000 and 1002": (lambda: two_valued(1000, 1002), 2, '"x^2" = 2002 * "x" (but'),
    # On -1, 0 and 1, x^3 = x; moved by 100: (x - 100)^3 - (x - 100).
    "three values": (
        lambda: {"x": 100.0 + np.arange(30) % 3 - 1},
        3,
        '"x^3" = -29999 * "x" + 300 * "x^2" (but',
    ),
    "scales far apart": (
        lambda: beside(lambda a, b: a + 1e-10 * b, unit=1e10),
        1,
        '"z" = 1 * "a" + 1e-10 * "b" (but',
    ),
}


@pytest.mark.parametrize("case", DEPENDENT)
def test_a_relation_between_columns_is_said_of_the_raw_ones(case: str) -> None:
    make, degree, relation = DEPENDENT[case]
    columns = make()
    rows = len(next(iter(columns.values())))
    with pytest.raises(CollinearError) as caught:
        fit({**columns, "y": np.random.default_rng(1).normal(size=rows)}, target="y", degree=degree)
    assert relation in str(caught.value)


@pytest.mark.parametrize("seed", range(4))
def test_as_many_coefficients_as_rows_leave_no_figure_of_the_residuals(seed: int) -> None:
    random = np.random.default_rng(seed)
    x, y = random.normal(size=(5, 4)), random.normal(size=5)
    found = fit({"x": x, "y": y}, target="y").fit
    for figure in ("adjusted_r2", "residual_sd", "f", "f_p", "log_likelihood", "aic", "bic"):
        assert found[figure] is None, figure
    assert found["rmse"] == 0
