"""No figure is printed of which fewer than 6 digits are right: 500 random fits against exact fractions."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from scipy import special

from lr_export.errors import UnsupportedModelError
from lr_runtime.contract.interval import interval_of
from lr_runtime.errors import FitError
from lr_trainer import Checkpoint, Descent, fit, merge
from lr_trainer.moments.blocks import block_moments
from lr_trainer.solvers.least_squares import solved_alone
from lr_trainer.solvers.normal_equations import NormalEquations
from tests.conftest import Run, one_line

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from numpy.typing import NDArray

    Columns = dict[str, NDArray[np.float64]]
    Random = np.random.Generator

SIX = 1e-6
OWN = ("r2", "adjusted_r2", "rmse", "residual_sd", "f", "f_p", "log_likelihood", "aic", "bic")
OF_ERRORS = ("standard_error", "t", "p", "lower", "upper")


def inverse(matrix: list[list[Fraction]]) -> list[list[Fraction]]:
    size = len(matrix)
    rows = [[*row, *(Fraction(int(i == j)) for j in range(size))] for i, row in enumerate(matrix)]
    for k in range(size):
        pivot = next(i for i in range(k, size) if rows[i][k])
        rows[k], rows[pivot] = rows[pivot], [value / rows[pivot][k] for value in rows[pivot]]
        if pivot != k:
            rows[k], rows[pivot] = rows[pivot], rows[k]
            rows[k] = [value / rows[k][k] for value in rows[k]]
        for i in range(size):
            if i != k and rows[i][k]:
                rows[i] = [a - rows[i][k] * b for a, b in zip(rows[i], rows[k], strict=True)]
    return [row[size:] for row in rows]


def root(value: Fraction) -> float:
    return math.sqrt(value) if value > 1e-300 or not value else float(np.sqrt(float(value * 2**800))) * 2.0**-400


class Exact:
    """The report of least squares in fractions; columns "w" is the weight, targets are named y..."""

    def __init__(self, columns: Columns, target: str, *, intercept: bool) -> None:
        self.names = [name for name in columns if name[0] not in "wy"]
        exact = {name: [Fraction(value) for value in column.tolist()] for name, column in columns.items()}
        y = exact[target]
        w = exact.get("w", [Fraction(1)] * len(y))
        ones = [[Fraction(1)] * len(y)] if intercept else []
        x = [*ones, *(exact[name] for name in self.names)]

        def product(a: list[Fraction], b: list[Fraction]) -> Fraction:
            return sum((p * q * r for p, q, r in zip(w, a, b, strict=True)), Fraction(0))

        self.inverse = inverse([[product(a, b) for b in x] for a in x])
        cross = [product(a, y) for a in x]
        self.estimates = [sum((a * b for a, b in zip(row, cross, strict=True)), Fraction(0)) for row in self.inverse]
        self.total = product(y, y) - (product(ones[0], y) ** 2 / sum(w) if intercept else 0)
        self.residual = product(y, y) - sum((a * b for a, b in zip(self.estimates, cross, strict=True)), Fraction(0))
        self.rows, self.model, self.weight = len(y), len(self.names), w
        self.about = self.rows - int(intercept)
        self.degrees = self.about - self.model

    def figures(self) -> dict[str, float]:
        """Return what is determined of a target's own figures."""
        share, explained = self.residual / self.total, self.total - self.residual
        found = {"r2": float(1 - share), "rmse": root(self.residual / sum(self.weight))}
        if self.degrees > 0:
            found["adjusted_r2"] = float(1 - Fraction(self.about, self.degrees) * share)
            found["residual_sd"] = root(self.residual / self.degrees)
        if self.degrees > 0 and self.residual:
            found["f"] = float(explained / self.model / (self.residual / self.degrees))
            found["f_p"] = float(special.fdtrc(self.model, self.degrees, found["f"]))
            logs = math.fsum(math.log(value) for value in self.weight)
            size = math.log(self.residual.numerator) - math.log(self.residual.denominator)
            likelihood = logs / 2 - self.rows / 2 * (math.log(2 * math.pi / self.rows) + size + 1)
            parameters = self.model + self.rows - self.about
            found["log_likelihood"] = likelihood
            found["aic"] = 2 * parameters - 2 * likelihood
            found["bic"] = math.log(self.rows) * parameters - 2 * likelihood
        return found

    def coefficient(self, place: int) -> dict[str, float]:
        """Return what is determined of the figures of a coefficient beside its estimate."""
        if self.degrees <= 0:
            return {}
        estimate, error = self.estimates[place], root(self.residual / self.degrees * self.inverse[place][place])
        half = Fraction(float(special.stdtrit(self.degrees, 0.975)) * error)
        found = {"standard_error": error, "lower": float(estimate - half), "upper": float(estimate + half)}
        if error:
            found["t"] = float(estimate) / error
            found["p"] = float(2 * special.stdtr(self.degrees, -abs(found["t"])))
        return found


def is_right(found: float, exact: float) -> bool:
    return abs(found - exact) <= SIX * abs(exact) + 1e-307


def check(checkpoint: Checkpoint, columns: Columns, *, intercept: bool) -> int:
    """Assert that every figure is right to 6 digits or None, said in a line; return how many are None for that."""
    report, cautions, missing = checkpoint.fit, " ".join(checkpoint.fit["cautions"]), 0
    targets = [name for name in columns if name[0] == "y"]
    for output, target in enumerate(targets):
        exact = Exact(columns, target, intercept=intercept)
        own = {name: report[name][output] if len(targets) > 1 else report[name] for name in OWN}
        pairs = [(own, exact.figures())]
        rows = [row for row in report["coefficients"] if row["target"] == target]
        for place, row in enumerate(rows):
            pairs.append((row, exact.coefficient(place)))
            estimate, known = exact.estimates[place], exact.coefficient(place).get("standard_error", 0.0)
            size = max(abs(float(estimate)), known)
            off = abs(float(Fraction(row["estimate"]) - estimate))
            assert off <= SIX * size or f'"{row["term"]}"' in cautions.partition("of the coefficients")[2], row
        for found, wanted in pairs:
            for name, value in wanted.items():
                assert found[name] is None or is_right(found[name], value), (name, found[name], value)
                missing += found[name] is None
    assert not missing or "digits" in cautions
    return missing


def plain(random: Random, rows: int, terms: int) -> Columns:
    x = random.normal(size=(rows, terms)) * 10.0 ** random.integers(-3, 4, size=terms)
    y = x @ random.normal(size=terms) + 10.0 ** random.uniform(-3, 1) * random.normal(size=rows)
    return {**{f"x{i}": x[:, i] for i in range(terms)}, "y": y + random.normal()}


def perfect(random: Random, rows: int, terms: int) -> Columns:
    x = random.integers(-50, 50, size=(rows, terms)) * random.choice([1.0, 0.1])
    return {**{f"x{i}": x[:, i] for i in range(terms)}, "y": x @ np.arange(1.0, terms + 1)}


def nearly_perfect(random: Random, rows: int, terms: int) -> Columns:
    columns = perfect(random, rows, terms)
    columns["y"] = columns["y"] + 10.0 ** random.uniform(-17, -6) * random.normal(size=rows)
    return columns


def nearly_collinear(random: Random, rows: int, terms: int) -> Columns:
    columns = plain(random, rows, max(terms, 2))
    size = columns["x0"].std()
    columns["x1"] = columns["x0"] * random.choice([1, -3]) + 10.0 ** random.uniform(-14, 0) * size * columns["x1"]
    return columns


def tiny_r2(random: Random, rows: int, terms: int) -> Columns:
    columns = plain(random, rows, terms)
    design = np.column_stack([np.ones(rows), *(columns[f"x{i}"] for i in range(terms))])
    noise = random.normal(size=rows)
    noise -= design @ np.linalg.lstsq(design, noise)[0]
    columns["y"] = 10.0 ** random.uniform(-10, -1) * columns["x0"] / columns["x0"].std() + noise
    return columns


def far_and_skewed(random: Random, rows: int, terms: int) -> Columns:
    """Sorted, the largest first, far from 0: deviations from a first row would lose digits."""
    columns = plain(random, rows, terms)
    order = np.argsort(columns["y"])[::-1]
    return {
        name: np.exp((column[order] - column.mean()) / column.std()) + 10.0 ** random.integers(0, 8)
        for name, column in columns.items()
    }


KINDS: dict[str, Callable[[Random, int, int], Columns]] = {
    each.__name__: each for each in (plain, perfect, nearly_perfect, nearly_collinear, tiny_r2, far_and_skewed)
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("seed", range(4))
def test_every_figure_has_its_six_digits_or_is_none(kind: str, seed: int) -> None:
    random = np.random.default_rng([seed, len(kind)])
    checked = missing = 0
    for place in range(24):
        rows, terms = int(random.integers(5 if place % 7 != 3 else 16, 40)), int(random.integers(1, 4))
        columns, intercept = KINDS[kind](random, rows, terms), bool(place % 3)
        options: dict[str, Any] = {"intercept": intercept}
        if place % 4 == 1:
            columns["w"] = 10.0 ** random.uniform(-3, 3, size=rows)
            options["weight"] = "w"
        if place % 5 == 2:
            columns["y2"] = random.normal(size=rows)
        options["target"] = [name for name in columns if name[0] == "y"]
        halves = [{name: column[part] for name, column in columns.items()} for part in (slice(9), slice(9, None))]
        try:
            found = merge(*(fit(half, **options) for half in halves)) if place % 7 == 3 else fit(columns, **options)
        except FitError:
            continue
        is_joined = "digits" in found.fit
        lost = check(found, columns, intercept=intercept)
        missing += 0 if is_joined else lost
        checked += 1
    assert checked >= 10
    # Where there are digits they are given, and where there are none they are not.
    assert (missing > 0) == (kind in {"perfect", "nearly_perfect"}) or kind == "tiny_r2"


def exactly(x: NDArray[np.float64], weight: NDArray[np.float64], **more: NDArray[np.float64]) -> Columns:
    return {**{f"x{i}": x[:, i] for i in range(x.shape[1])}, "y": x @ weight, **more}


PERFECT: dict[str, Callable[[Random], Columns]] = {
    "a tenth": lambda _: exactly(np.arange(1.0, 21)[:, None], np.array([0.1])),
    "three columns": lambda random: exactly(random.normal(size=(1000, 3)), np.array([1.0, 2, 3])),
    "wide": lambda random: exactly(random.normal(size=(60, 12)), np.arange(12.0)),
    "integers": lambda random: exactly(np.floor(random.uniform(-9, 9, size=(30, 2))), np.array([2.0, -3])),
    "weighted": lambda random: exactly(random.normal(size=(90, 1)), np.array([7.0]), w=random.uniform(1, 2, size=90)),
    "two targets": lambda random: exactly(x := random.normal(size=(90, 1)), np.array([7.0]), y2=x[:, 0] / 3),
}


@pytest.mark.parametrize("case", PERFECT)
@pytest.mark.parametrize("intercept", [True, False])
def test_a_perfect_fit_has_no_figures_of_its_residuals_and_one_line_says_so(case: str, intercept: bool) -> None:
    columns = PERFECT[case](np.random.default_rng(1))
    targets = [name for name in columns if name[0] == "y"]
    found = fit(columns, target=targets, weight="w" if "w" in columns else None, intercept=intercept)
    assert check(found, columns, intercept=intercept) > 0
    for name in OWN:
        values = found.fit[name] if len(targets) > 1 else [found.fit[name]]
        assert values == [1.0 if "r2" in name else None] * len(targets)
    assert all(row[name] is None for row in found.fit["coefficients"] for name in OF_ERRORS)
    assert len([line for line in found.fit["cautions"] if "fitted so well" in line]) == 1
    with pytest.raises(UnsupportedModelError, match="Leave interval out"):
        interval_of(found, 0.95, special.stdtrit)


def test_the_commands_say_so_in_one_line_each(run: Callable[..., Run], tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("x,y\n" + "".join(f"{k},{0.1 * k!r}\n" for k in range(1, 21)))
    said = run("lr-train", "t.csv", "--target", "y")
    assert said.returncode == 0
    assert said.stderr.count("fitted so well that rounding leaves") == 1
    assert "root mean squared residual none" in said.stdout
    refused = run("lr-export", "model.safetensors", "--interval", "0.95")
    assert "so small that fewer than 6 of their digits are certain" in one_line(refused, refused.returncode or 1)


@pytest.mark.parametrize("size", [1e-5, 1e-7, 1e-9, 1e-11])
@pytest.mark.parametrize("options", [{}, {"intercept": False}, {"weight": "w"}])
def test_a_tiny_r2_has_its_digits(size: float, options: dict[str, Any]) -> None:
    random = np.random.default_rng(3)
    x, noise = np.repeat(random.normal(size=(3, 50)), 2, axis=1), np.repeat(random.normal(size=50), 2)
    # Each pair of rows cancels to the last bit, so that what is left of the noise along the columns is the size alone.
    columns = {"a": x[0], "b": x[1], "y": noise * np.tile([1.0, -1.0], 50) + size * (x[0] - x[1])}
    if options:
        columns["w"] = np.repeat(random.uniform(1, 2, size=50), 2)
    columns = columns if "weight" in options else {name: column for name, column in columns.items() if name != "w"}
    intercept = options.get("intercept", True)
    found = fit(columns, target="y", **options)
    assert check(found, columns, intercept=intercept) <= 1  # the intercept's t, where it is near 0
    assert found.fit["r2"] is not None
    assert found.fit["f"] is not None
    assert found.fit["r2"] < 10 * size**2 + 1e-15


@pytest.mark.parametrize("power", [12, 12.5, 13])
def test_nearly_collinear_columns_keep_their_digits(power: float) -> None:
    random = np.random.default_rng(5)
    a, b = random.normal(size=(2, 60))
    columns = {"a": a, "b": b, "c": 2 * a + b + 10.0**-power * random.normal(size=60), "y": a + random.normal(size=60)}
    found = fit(columns, target="y")
    assert check(found, columns, intercept=True) == 0
    assert not [line for line in found.fit["cautions"] if "of the coefficients" in line]


@pytest.mark.parametrize("seed", range(6))
def test_penalised_fits_too(seed: int) -> None:
    random = np.random.default_rng(seed)
    x, ridge = np.round(random.normal(size=(20, 2)), 3), 10.0 ** random.uniform(-8, 0)
    y = x @ [1.0, 2.0] * 10.0 ** random.uniform(-6, 0) + 10.0 ** random.uniform(-9, 0) * random.normal(size=20)
    found = fit({"x0": x[:, 0], "x1": x[:, 1], "y": y}, target="y", l2=ridge).fit
    columns = [[Fraction(value) for value in column] for column in (*x.T.tolist(), y.tolist())]
    centred = [[value - sum(column, Fraction(0)) / 20 for value in column] for column in columns]
    gram: list[list[Fraction]] = [
        [sum((p * q for p, q in zip(a, b, strict=True)), Fraction(0)) for b in centred] for a in centred
    ]
    matrix = [[gram[i][j] * (1 + Fraction(ridge) * int(i == j)) for j in range(2)] for i in range(2)]
    weight = [sum((p * gram[j][2] for j, p in enumerate(row)), Fraction(0)) for row in inverse(matrix)]
    parts = [*(-value for value in weight), Fraction(1)]
    residual = sum((parts[i] * parts[j] * gram[i][j] for i in range(3) for j in range(3)), Fraction(0))
    assert is_right(found["rmse"], root(residual / 20))
    assert is_right(found["r2"], float(1 - residual / gram[2][2]))
    for row, value in zip(found["coefficients"][1:], weight, strict=True):
        assert is_right(row["estimate"], float(value))


PATHS: dict[str, dict[str, Any]] = {
    "minimum norm": {"minimum_norm": True},
    "a descent": {"descent": Descent(epochs=200)},
    "a penalty": {"l2": 1e-30},
}


@pytest.mark.parametrize("case", PATHS)
def test_no_path_prints_the_rounding_of_a_perfect_fit(case: str) -> None:
    x = np.random.default_rng(2).normal(size=(60, 3))
    found = fit({"x": x, "y": x @ [1.0, 2, 3]}, target="y", **PATHS[case])
    assert found.fit["rmse"] is None
    assert "fitted so well" in " ".join(found.fit["cautions"])
    assert found.fit["r2"] == 1


def test_an_interval_of_rows_held_out_that_are_fitted_to_the_last_digit_is_refused() -> None:
    x = np.random.default_rng(2).normal(size=(400, 3))
    found = fit({"x": x, "y": x @ [1.0, 2, 3]}, target="y", l2=1e-30, interval=0.9)
    assert found.fit["conformal"]["half_width"] == [None]
    assert "of the rows held out: no interval" in found.fit["cautions"][-1]
    with pytest.raises(UnsupportedModelError, match="Leave interval out"):
        interval_of(found, 0.9, special.stdtrit)


@pytest.mark.parametrize("kind", ["plain", "nearly_collinear", "far_and_skewed"])
def test_the_bounds_are_seven_times_what_rounding_does(kind: str) -> None:
    random = np.random.default_rng(7)
    for _ in range(12):
        columns = KINDS[kind](random, 60, 3)
        table = np.column_stack(list(columns.values()))
        normal = NormalEquations.of_moments(block_moments(table), 3, intercept=True)
        found, exact = (
            solved_alone(normal),
            Exact(columns, "y", intercept=True),
        )
        if found is None or found.condition_number > 1e5:
            continue
        rounding = found.rounding
        inverse = found.factor @ found.factor.T
        spread = np.abs(inverse) @ rounding.lengths
        off = [found.weight.fraction(0, place) - value for place, value in enumerate(exact.estimates[1:])]
        assert (np.abs(np.array(off, dtype=float)) <= rounding.unit * rounding.reach[0] * spread / 7).all()
        variances = [Fraction(inverse[i, i]) - exact.inverse[i + 1][i + 1] for i in range(len(off))]
        assert (np.abs(np.array(variances, dtype=float)) <= rounding.unit * spread**2 / 7).all()
        assert abs(Fraction(float(found.ssr[0])) - exact.residual) <= rounding.residual[0] / 7
        explained = exact.total - exact.residual
        assert abs(Fraction(float(found.ess[0])) - explained) <= rounding.explained[0] / 7
