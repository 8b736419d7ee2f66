"""The rows that a file is checked on: extremes and edge cases, where a wrong file or a wrong engine shows."""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING

import numpy as np

from lr_export.exact.box import are_categories, box
from lr_export.model.layout import Layout
from lr_runtime.contract.derived import with_derived

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from lr_runtime.contract.checkpoint import Checkpoint
    from lr_runtime.contract.columns import Column

    Row = NDArray[np.float64]

BATCH_SIZES = (0, 1, 2, 7, 1000)
GRID_STEPS = 9
_MOST_CORNERS = 2**8
_SHARE_MISSING = 0.1
_SEED = 20240229
_ROUNDING = 2.0**-45
"""Coefficients below this share of the largest are the rounding of an interpolation."""
_BRACKETS, _HALVINGS = 64, 60
"""Steps of a range between which roots are looked for, and how often one is halved: down to neighbours in float64."""


def probe_rows(checkpoint: Checkpoint, dtype: str) -> NDArray[np.floating]:
    """Return valid rows (at least 1000, columns) in the artefact's input dtype.

    Corners of the training box, even steps of each column's range and every category, missing values where they have a
    policy, zeros, subnormals, rows whose terms cancel, and seeded rows inside the box up to 1000.
    """
    random = np.random.default_rng(_SEED)
    # A row that cancels may lie beyond the range of the dtype; those are left out.
    with np.errstate(over="ignore", under="ignore"):
        rows = [
            *_corners(checkpoint, random),
            *_steps(checkpoint),
            *_missing(checkpoint),
            *_small(checkpoint, dtype),
            *_cancelling(checkpoint, dtype),
            *_inside(checkpoint, random),
        ]
        array = np.array(rows).astype(dtype)
    usable: NDArray[np.floating] = array[~np.isinf(array).any(axis=1)]
    return usable


def refused_rows(checkpoint: Checkpoint, dtype: str) -> NDArray[np.floating]:
    """Return rows with one invalid value, at which every output has to be NaN.

    Invalid are an index that is no category of its column, and NaN in a column without a policy for missing values.
    """
    middle = _middle(checkpoint)
    rows = [np.empty((0, len(middle)))]
    for place, column in enumerate(checkpoint.contract.columns):
        levels = len(column.categories)
        values = [-1.0, 0.5, levels - 0.5, float(levels)] if column.kind == "category" else []
        rows.append(_varied(middle, place, values + [np.nan] * (column.missing == "error")))
    return np.concatenate(rows).astype(dtype)


def rows_outside(checkpoint: Checkpoint, dtype: str) -> NDArray[np.floating]:
    """Return rows with one value outside the domain of a function, at which every output has to be NaN or infinite."""
    middle, smallest = _middle(checkpoint), float(np.finfo(dtype).smallest_subnormal)
    rows = [np.empty((0, len(middle)))]
    for each in checkpoint.contract.derived:
        values = [value for value in (0.0, -0.0, -smallest, -0.5, -1.0, -3.0, -1e30) if not each.holds(value)]
        rows.append(_varied(middle, each.column, values))
    return np.concatenate(rows).astype(dtype)


def _middle(checkpoint: Checkpoint) -> Row:
    """Return the middle of the box; a category column's is rounded down to an index."""
    low, high = box(checkpoint.contract)
    middle = low / 2 + high / 2
    return np.where(are_categories(checkpoint.contract), np.floor(middle), middle)


def _values(column: Column) -> list[float]:
    """Return the steps of a column's range, or its categories; and NaN if missing values have a policy."""
    if column.kind == "category":
        values = [float(level) for level in range(len(column.categories))]
    else:
        values = [column.minimum * (1 - share) + column.maximum * share for share in np.linspace(0, 1, GRID_STEPS)]
    return values + [np.nan] * (column.missing != "error")


def _corners(checkpoint: Checkpoint, random: np.random.Generator) -> Iterator[Row]:
    """Yield all corners, or 254 random ones of more than 2^8, and the rows that are extremes of each output."""
    low, high = box(checkpoint.contract)
    if 2 ** len(low) <= _MOST_CORNERS:
        choices = np.array(list(product((False, True), repeat=len(low))))
    else:
        choices = random.integers(0, 2, size=(_MOST_CORNERS - 2, len(low))).astype(bool)
    yield from np.where(choices, high, low)
    yield from _extremes(checkpoint)


def _extremes(checkpoint: Checkpoint) -> Iterator[Row]:
    """Yield, for each output, the rows that minimise and maximise it among the values of each column."""
    columns, middle = [_values(column) for column in checkpoint.contract.columns], _middle(checkpoint)
    terms = [_numbers_of(checkpoint, place) for place in range(len(columns))]
    tables = [
        _evaluated(checkpoint, terms[place], _varied(middle, place, values)) for place, values in enumerate(columns)
    ]
    for weight in checkpoint.weight:
        shares = [table @ weight[numbers] for table, numbers in zip(tables, terms, strict=True)]
        for pick in (np.argmax, np.argmin):
            yield np.array([values[int(pick(share))] for values, share in zip(columns, shares, strict=True)])


def _numbers_of(checkpoint: Checkpoint, place: int) -> list[int]:
    """Return the numbers of the terms that a column is part of, or a function of it."""
    derived = enumerate(checkpoint.contract.derived, len(checkpoint.contract.columns))
    own = {place, *(variable for variable, each in derived if each.column == place)}
    return [number for number, term in enumerate(checkpoint.terms) if own.intersection(term.columns)]


def _varied(row: Row, place: int, values: Sequence[float] | Row) -> Row:
    """Return copies of a row with the values of a column."""
    return np.where(np.arange(len(row)) == place, np.array(values)[:, None], row)


def _variables(checkpoint: Checkpoint, x: Row) -> Row:
    """Return the variables (rows, variables) at rows in the domains of the model's functions."""
    derived = checkpoint.contract.derived
    return np.array([with_derived(row, derived) for row in x.tolist()]).reshape(-1, len(checkpoint.origin))


def _scaled(checkpoint: Checkpoint, v: Row) -> Row:
    return np.asarray((np.where(np.isnan(v), checkpoint.fill, v) - checkpoint.origin) / checkpoint.scale)


def _evaluated(checkpoint: Checkpoint, numbers: list[int], x: Row, u: Row | None = None) -> Row:
    """Return some terms (rows, numbers) at rows x (rows, columns), in float64; `u` are variables on their scales."""
    v = _variables(checkpoint, x)
    columns = [*v.T], [*(_scaled(checkpoint, v) if u is None else u).T]
    values = np.empty((len(x), len(numbers)))
    for place, number in enumerate(numbers):
        values[:, place] = checkpoint.terms[number].value(*columns)
    return values


def _steps(checkpoint: Checkpoint) -> Iterator[Row]:
    """Yield the values of each column, the others in the middle."""
    middle = _middle(checkpoint)
    for place, column in enumerate(checkpoint.contract.columns):
        yield from _varied(middle, place, _values(column))


def _missing(checkpoint: Checkpoint) -> Iterator[Row]:
    """Yield the end corners and the middle, with all columns missing that have a policy for it."""
    may = [column.missing != "error" for column in checkpoint.contract.columns]
    if any(may):
        for row in (*box(checkpoint.contract), _middle(checkpoint)):
            yield np.where(may, np.nan, row)


def _small(checkpoint: Checkpoint, dtype: str) -> Iterator[Row]:
    """Yield zero and subnormal numbers, in numeric columns."""
    smallest, tiny = float(np.finfo(dtype).smallest_subnormal), float(np.finfo(dtype).tiny)
    for value in (0.0, smallest, -smallest, tiny / 2, -tiny / 2, tiny):
        yield np.where(are_categories(checkpoint.contract), 0.0, value)


def _inside(checkpoint: Checkpoint, random: np.random.Generator) -> Iterator[Row]:
    """Yield random rows inside the box, with missing values in columns that have a policy."""
    columns = checkpoint.contract.columns
    low, high = box(checkpoint.contract)
    share = random.uniform(size=(max(BATCH_SIZES), len(low)))
    # low + (high - low) * share would overflow for ranges near the largest float64.
    rows = np.where(are_categories(checkpoint.contract), np.floor(share * (high + 1)), low * (1 - share) + high * share)
    may = np.array([column.missing != "error" for column in columns])
    yield from np.where(may & (random.uniform(size=rows.shape) < _SHARE_MISSING), np.nan, rows)


def _cancelling(checkpoint: Checkpoint, dtype: str) -> Iterator[Row]:
    """Yield rows where y is as near to 0 as one input can bring it: the absolute error counts there, ulps do not."""
    low, high = box(checkpoint.contract)
    middle, columns = _middle(checkpoint), checkpoint.contract.columns
    terms = {place: _numbers_of(checkpoint, place) for place, each in enumerate(columns) if each.kind == "number"}
    ends = {
        place: _evaluated(checkpoint, own, _varied(middle, place, [columns[place].minimum, columns[place].maximum]))
        for place, own in terms.items()
    }
    for weight, bias in zip(checkpoint.weight, checkpoint.bias, strict=True):
        moves = {place: abs(np.diff(table / 2 @ weight[terms[place]])[0]) for place, table in ends.items()}
        place = max(moves, key=moves.__getitem__, default=None)
        if place is None or not moves[place] > 0:
            continue
        roots_of = _roots_of_functions if place in {each.column for each in checkpoint.contract.derived} else _roots
        for start in (low, middle, high):
            row = start.astype(dtype).astype(np.float64)
            yield from _varied(row, place, roots_of(checkpoint, place, weight, bias, row))


def _roots(checkpoint: Checkpoint, place: int, weight: Row, bias: float, row: Row) -> Row:
    """Return the values of a column at which an output is 0, with the other columns as in `row`.

    The output is a polynomial in u = (x - origin) / scale, interpolated from its values between -1 and 1 (Trefethen
    2013, Approximation Theory and Approximation Practice, 4).
    """
    own, u = _numbers_of(checkpoint, place), _scaled(checkpoint, _variables(checkpoint, row[None]))
    u, rest = u[0], [number for number in range(len(weight)) if number not in own]

    def share(at: Row) -> Row:
        return _evaluated(checkpoint, own, _varied(row, place, at), _varied(u, place, at)) @ weight[own]

    chebyshev, polynomial = np.polynomial.chebyshev, np.polynomial.polynomial
    degree = max(block.degree for block in Layout.of(checkpoint).blocks)
    nodes = chebyshev.chebpts1(degree + 1)
    found = chebyshev.cheb2poly(chebyshev.chebfit(nodes, share(nodes), degree))
    found = polynomial.polytrim(found, _ROUNDING * abs(found).max())
    found[0] += bias + (_evaluated(checkpoint, rest, row[None]) @ weight[rest])[0]
    roots = polynomial.polyroots(found)
    real = roots.real[np.abs(roots.imag) <= 1e-9 * np.abs(roots)]
    return np.asarray(checkpoint.origin[place] + checkpoint.scale[place] * real)


def _roots_of_functions(checkpoint: Checkpoint, place: int, weight: Row, bias: float, row: Row) -> Row:
    """Return the same of a column with functions, within its range: between even steps, by halving."""

    def is_above(at: Row) -> Row:
        terms = _evaluated(checkpoint, [*range(len(weight))], _varied(row, place, at))
        return np.asarray(terms @ weight + bias > 0)

    column = checkpoint.contract.columns[place]
    steps = np.linspace(column.minimum, column.maximum, _BRACKETS + 1)
    crossed = np.diff(is_above(steps)).astype(bool)
    low, high = steps[:-1][crossed], steps[1:][crossed]
    for _ in range(_HALVINGS):
        middle = low / 2 + high / 2
        is_left = is_above(middle) != is_above(high)
        low, high = np.where(is_left, middle, low), np.where(is_left, high, middle)
    return np.asarray(low)
