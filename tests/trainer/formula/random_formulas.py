"""Seeded random formulas, each fitted here and by formulaic's model matrix with the least squares of statsmodels.

`python -m tests.trainer.formula.random_formulas 500` prints how far apart the two are at most.
"""

from __future__ import annotations

import sys
from itertools import count, islice
from typing import TYPE_CHECKING, NamedTuple

import click
import numpy as np
import pandas as pd
import statsmodels.api as sm
from formulaic import model_matrix

from lr_trainer import fit
from lr_trainer.arithmetic.functions import with_functions

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from lr_trainer import Checkpoint

    Floats = NDArray[np.float64]

ROWS = 300
NUMBERS = ["x", "z", "w", "my r"]
CATEGORIES = ["site", "`the kind`", "C(day)"]
MOST_COLUMNS, MOST_CONDITION = 60, 1e4
"""Of a matrix of which statsmodels, in plain float64, still has 9 digits of the standard errors to compare with."""

FUNCTIONS = {
    "sqrt": np.sqrt,
    "log": np.log,
    "log1p": np.log1p,
    "exp": np.exp,
    "hinge": lambda x, knot: np.maximum(x - knot, 0.0),
    "np": np,
}


class Distances(NamedTuple):
    """How far a fit is from the oracle: of the matrix and R2 as they are, else in shares of the size.

    The size of a coefficient is its own or its standard error, whichever is more.
    """

    matrix: float
    coefficients: float
    errors: float
    r2: float


class Draw:
    """The draws of one formula and its table."""

    def __init__(self, seed: int) -> None:
        self.random = np.random.default_rng(seed)

    def one_of(self, *choices: str) -> str:
        return choices[self.random.integers(len(choices))]

    def table(self) -> pd.DataFrame:
        """Positive numbers near 1, and categories, of which each level has many rows."""
        numbers = {name: self.random.uniform(0.3, 3.0, ROWS) for name in NUMBERS}
        return pd.DataFrame(
            {
                **numbers,
                "site": self.random.choice(["north", "south", "west"], ROWS),
                "the kind": self.random.choice(["a", "b c"], ROWS),
                "day": self.random.choice([1, 2, 3], ROWS),
                "y": self.random.normal(3.0, 1.0, ROWS) + numbers["x"] * numbers["z"],
            }
        )

    def number(self) -> str:
        name = self.one_of(*NUMBERS)
        return f"`{name}`" if " " in name else name

    def part(self) -> str:
        """A column, a function of one, or a category."""
        x, z = self.number(), self.number()
        functions = [f"log({x})", f"np.log({x})", f"sqrt({x})", f"exp({x})", f"log1p({x})", f"hinge({x}, 1.25)"]
        products = [f"I({x}**2)", f"I({x}**3)", f"I({x} * {z})", f"I(1/{x})", f"I({x}/{z})", f"I(log({x})**2)"]
        kind = self.random.uniform()
        if kind < 0.4:
            return x
        return self.one_of(*CATEGORIES) if kind < 0.75 else self.one_of(*functions, *products, f"{{{x}**2 * {z}}}")

    def side(self, depth: int) -> str:
        """Terms with operators between them."""
        if depth == 0 or self.random.uniform() < 0.25:
            return self.part()
        left, right = self.side(depth - 1), self.side(depth - 1)
        operator = self.one_of("+", "+", "+", "*", ":", "/", "%in%", "-")
        inner = f"{left} {operator} {right}"
        return f"({inner})**2" if self.random.uniform() < 0.1 else f"({inner})"

    def formula(self) -> str:
        sides = [self.side(int(self.random.integers(0, 3))) for _ in range(int(self.random.integers(1, 5)))]
        start = self.one_of("", "", "", "0 + ", "1 + ", "-1 + ")
        end = self.one_of("", "", "", "", " - 1", f" - {self.part()}", " + .")
        if end == " + .":
            sides = [side.replace("C(day)", "day") for side in sides]  # it is not both a number and a category
        return f"y ~ {start}{' + '.join(sides)}{end}"


def matrix_of(model: Checkpoint, table: pd.DataFrame) -> Floats:
    """Return float64 (rows, terms): the terms of a model on the raw columns, first 1 where it has an intercept."""
    columns = [
        table[column.name].astype(str).map({level: place for place, level in enumerate(column.categories)})
        if column.categories
        else table[column.name]
        for column in model.contract.columns
    ]
    variables = tuple(with_functions(np.column_stack(columns).astype(np.float64), model.contract.derived).T)
    terms = [term.value(variables, variables) for term in model.terms]
    return np.column_stack([*([np.ones(len(table))] if model.report.intercept else []), *terms]).astype(np.float64)


class Problem(NamedTuple):
    """A formula whose model matrix is well-conditioned, with its table."""

    formula: str
    table: pd.DataFrame
    matrix: pd.DataFrame

    @staticmethod
    def random(seed: int) -> Problem | None:
        """Return a problem; None where what was drawn has no columns, too many, or some that depend on others."""
        draw = Draw(seed)
        table, formula = draw.table(), draw.formula()
        try:
            matrix = model_matrix(formula, table, context=FUNCTIONS).rhs
        except TypeError:  # of formulaic, where terms are nested in none
            return None
        if not 0 < matrix.shape[1] <= MOST_COLUMNS or list(matrix) == ["Intercept"]:
            return None
        sizes = np.sqrt((matrix.to_numpy(np.float64) ** 2).sum(axis=0))
        if not sizes.all() or np.linalg.cond(matrix.to_numpy(np.float64) / sizes) > MOST_CONDITION:
            return None
        return Problem(formula, table, matrix)

    def distances(self) -> Distances:
        model = fit(self.table, formula=self.formula)
        expected, found = self.matrix.to_numpy(np.float64), matrix_of(model, self.table)
        assert found.shape == expected.shape, (list(self.matrix), [line.term for line in model.report.coefficients])
        oracle = sm.OLS(self.table["y"], expected, hasconst=model.report.intercept).fit()
        estimates = np.array([line.estimate for line in model.report.coefficients])
        errors = np.array([line.stderror for line in model.report.coefficients])
        size = np.maximum(abs(oracle.params), oracle.bse)
        (output,) = model.contract.outputs
        assert output.r2 is not None
        return Distances(
            float((abs(found - expected) / np.maximum(abs(expected), 1.0)).max()),
            float((abs(estimates - oracle.params) / size).max()),
            float((abs(errors - oracle.bse) / oracle.bse).max()),
            abs(output.r2 - float(oracle.rsquared)),
        )


def problems(start: int = 0) -> Iterator[Problem]:
    """Yield problems without end."""
    return (problem for seed in count(start) if (problem := Problem.random(seed)) is not None)


def main(number: int) -> int:
    """Hold so many random formulas against formulaic and statsmodels; return how many are more than 1e-9 apart."""
    apart, most = 0, Distances(0.0, 0.0, 0.0, 0.0)
    sizes = []
    for problem in islice(problems(), number):
        distances = problem.distances()
        sizes.append(problem.matrix.shape[1])
        most = Distances(*map(max, most, distances))
        if max(distances) > 1e-9:
            apart += 1
            click.echo(f"{problem.formula}: {distances}")
    click.echo(
        f"{number} formulas of {min(sizes)} to {max(sizes)} columns, {apart} more than 1e-9 apart; at most {most}"
    )
    return apart


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else 500) > 0)
