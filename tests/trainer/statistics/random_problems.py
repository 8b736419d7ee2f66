"""Random regressions, and how many digits a fit of each claims, beside those that are right by exact arithmetic.

`python -m tests.trainer.statistics.random_problems 5000` takes about five minutes.
"""

from __future__ import annotations

import sys
from collections import Counter
from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple
from unittest.mock import patch

import click
import numpy as np
from mpmath import mp, mpf

from lr_runtime.errors import FitError
from lr_trainer import fit, merge, update
from tests.trainer.exact_solution import exact_solutions

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.random import Generator
    from numpy.typing import NDArray

    from lr_trainer import Checkpoint
    from tests.trainer.exact_solution import Exact

    Array = NDArray[np.float64]

WAYS = ("whole", "blocks", "merged", "updated")
"""How the rows come to a fit: as one block, as several, as checkpoints of parts, as a checkpoint and more rows."""

_BLOCK = 64
_BITS = 48
"""Of the numbers: a weight's root, up to 2^4, is then taken into them without rounding."""


class Problem(NamedTuple):
    """A regression: float64 columns (rows, terms), target (rows,), roots of weights (rows,), powers of two."""

    x: Array
    y: Array
    roots: Array | None
    intercept: bool

    @staticmethod
    def random(number: int) -> Problem:
        """Return the problem of a number: any condition, residuals, offsets and scales, some with special rows."""
        random = np.random.default_rng([20261127, number])
        terms = int(random.integers(1, 7))
        rows = int((terms + 2) * (3000 / (terms + 2)) ** random.random())
        x = _columns(random, rows, terms) * 2.0 ** random.integers(-20, 21, terms)
        y = x @ (random.standard_normal(terms) / x.std(axis=0))
        y += y.std() * 10 ** -random.uniform(0, 13) * random.standard_normal(rows)
        x, y = (_moved(random, each) for each in (x, y[:, None]))
        if random.random() < 0.15:  # integers
            x = np.rint(x / x.std(axis=0) * 10.0 ** random.integers(1, 6))
        for chance, chosen in (
            (0.15, random.integers(0, max(terms + 2, rows // 4), rows)),  # rows that are there many times
            (0.1, np.argsort(x[:, random.integers(terms)])),  # sorted, so that the first block is unlike the others
            (0.1, np.argsort(y[:, 0])),
        ):
            if random.random() < chance:
                x, y = x[chosen], y[chosen]
        if random.random() < 0.1:  # a value far from all others
            x[random.integers(rows), random.integers(terms)] *= 10 ** random.uniform(1, 6)
        if random.random() < 0.1:  # a column that jumps to another level
            x[rows // 2 :, random.integers(terms)] += x.std() * 10 ** random.uniform(0, 6)
        if random.random() < 0.1:  # rows of another scale
            x[rows // 2 :] *= 10 ** random.uniform(-4, 4)
        roots = np.ldexp(1.0, random.integers(0, 5, rows)) if random.random() < 0.2 else None
        return Problem(_held(x), _held(y)[:, 0], roots, bool(random.random() < 0.8))

    @property
    def exact(self) -> Exact:
        """The exact solution, the intercept first where there is one."""
        columns = np.column_stack([np.ones(len(self.x)), self.x]) if self.intercept else self.x
        roots = np.ones(len(self.x)) if self.roots is None else self.roots
        (found,) = exact_solutions(columns * roots[:, None], (self.y * roots)[:, None], intercept=False)
        return found

    def fit(self, way: str) -> Checkpoint | None:
        """Return the fit; None where it is refused."""
        middle = slice(len(self.x) // 3), slice(len(self.x) // 3, None)
        try:
            if way == "whole":
                return self._fit(slice(None))
            with blocks_of(_BLOCK if way == "blocks" else 1 << 16):
                if way == "blocks":
                    return self._fit(slice(None))
                first = self._fit(middle[0])
                return merge(first, self._fit(middle[1])) if way == "merged" else update(first, self._table(middle[1]))
        except FitError:
            return None

    def _fit(self, rows: slice) -> Checkpoint:
        weight = None if self.roots is None else "w"
        return fit(self._table(rows), target="y", weight=weight, intercept=self.intercept)

    def _table(self, rows: slice) -> dict[str, Array]:
        weights = {} if self.roots is None else {"w": self.roots[rows] ** 2}
        return {"x": self.x[rows], "y": self.y[rows]} | weights


class Claims(NamedTuple):
    """The digits that a fit claims of its coefficients, and those that are right; both at most 15.9."""

    claimed: tuple[float, ...]
    right: tuple[float, ...]

    @property
    def understated(self) -> list[float]:
        """How many digits are right beyond those claimed; below 0 where too many are claimed."""
        return [right - claimed for claimed, right in zip(self.claimed, self.right, strict=True)]


def claims(found: Checkpoint, exact: Exact) -> Claims:
    """Return what a fit claims of each coefficient, and what is right."""
    rows = [row for row in found.report.coefficients if row.estimate is not None]
    assert len(rows) == len(exact.estimates)
    right = []
    for row, estimate, error in zip(rows, exact.estimates, exact.errors, strict=True):
        # Residuals of 0 leave the root of a number near 0, of either sign.
        off = abs(mpf(row.estimate) - estimate) / max(abs(estimate), abs(error))
        right.append(float(max(0, min(mpf("15.9"), -mp.log10(off)))) if off else 15.9)
    return Claims(tuple(row.digits or 0.0 for row in rows), tuple(right))


def _columns(random: Generator, rows: int, terms: int) -> Array:
    """Return float64 (rows, terms) of a condition number up to 1e12, or nearly so where rows are few."""
    x = random.standard_normal((rows, terms))
    if terms > 1:
        left, _, right = np.linalg.svd(x - x.mean(axis=0), full_matrices=False)
        x = left * 10 ** -np.sort(random.uniform(0, random.uniform(0, 12), terms)) @ right
    return x


def _moved(random: Generator, columns: Array) -> Array:
    offsets = np.where(random.random(columns.shape[1]) < 0.6, 10 ** random.uniform(-2, 6, columns.shape[1]), 0.0)
    return np.asarray(columns + columns.std(axis=0) * offsets)


def _held(columns: Array) -> Array:
    """Return the columns rounded to 48 bits below their largest values."""
    largest = np.maximum(np.abs(columns).max(axis=0), sys.float_info.min)
    unit = np.ldexp(1.0, np.frexp(largest)[1] - _BITS)
    return np.asarray(np.rint(columns / unit) * unit)


@contextmanager
def blocks_of(rows: int) -> Iterator[None]:
    """Let a block have so many rows."""
    with (
        patch("lr_trainer.rows.blocks.block_rows", lambda _: rows),
        patch("lr_trainer.moments.passes.block_rows", lambda _: rows),
    ):
        yield


def measured(number: int, ways: Sequence[str] = WAYS) -> Iterator[tuple[str, Claims | None]]:
    """Yield the claims of the fits of a problem in each way; None where it, or a column, is refused."""
    problem, exact = Problem.random(number), None
    for way in ways:
        found = problem.fit(way)
        if found is not None and (found.report.constant or found.report.collinear):
            found = None  # of other columns
        if found is not None and exact is None:
            exact = problem.exact
        yield way, None if found is None or exact is None else claims(found, exact)


def main(count: int) -> int:
    """Print the claims of so many problems, by how the rows came; return how many claim too much."""
    found: dict[str, list[float]] = {way: [] for way in WAYS}
    refused, overstated = Counter[str](), 0
    for number in range(count):
        for way, each in measured(number):
            if each is None:
                refused[way] += 1
                continue
            found[way] += each.understated
            if min(each.understated) < 0:
                overstated += 1
                click.echo(f"problem {number}, {way}: claims {each.claimed}, right are {each.right}")
    for way, left in found.items():
        middle, most = (np.median(left), np.percentile(left, 95)) if left else (0.0, 0.0)
        click.echo(
            f"{way:8} {len(left):6} coefficients, {refused[way]} fits refused, {sum(each < 0 for each in left)} "
            f"overstated; understated by {middle:.2f} digits in the median, {most:.2f} in 95 of 100"
        )
    return overstated


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else 5000) > 0)
