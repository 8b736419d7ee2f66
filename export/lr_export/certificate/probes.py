"""The rows that a file is checked on: where a wrong file, or a wrong engine, has nowhere to hide."""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING, Any

import numpy as np

from lr_export.exact.box import are_categories, box

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from lr_runtime.contract.checkpoint import Checkpoint
    from lr_runtime.contract.columns import Column
    from lr_runtime.contract.terms import Term

    Row = NDArray[np.float64]

BATCH_SIZES = (0, 1, 2, 7, 1000)
GRID_STEPS = 9
_MOST_CORNERS = 2**8
_SHARE_MISSING = 0.1
_SEED = 20240229


def probe_rows(checkpoint: Checkpoint, dtype: str) -> NDArray[np.floating[Any]]:
    """Return rows (at least 1000, columns) of the artefact's input dtype that the model takes.

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
    usable: NDArray[np.floating[Any]] = array[~np.isinf(array).any(axis=1)]
    return usable


def refused_rows(checkpoint: Checkpoint, dtype: str) -> NDArray[np.floating[Any]]:
    """Return rows with one value that the model does not take, at which every output has to be NaN.

    An index that is none of a category column's, and NaN where it is no missing value with a policy.
    """
    middle = _middle(checkpoint)
    rows = []
    for place, column in enumerate(checkpoint.contract.columns):
        levels = len(column.categories)
        values = [-1.0, 0.5, levels - 0.5, float(levels)] if column.kind == "category" else []
        for value in values + [np.nan] * (column.missing == "error"):
            rows.append(middle.copy())
            rows[-1][place] = value
    return np.array(rows).reshape(-1, len(middle)).astype(dtype)


def _middle(checkpoint: Checkpoint) -> Row:
    low, high = box(checkpoint)
    return _whole(checkpoint, low / 2 + high / 2)


def _whole(checkpoint: Checkpoint, rows: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the rows with the next lower index in category columns."""
    return np.where(are_categories(checkpoint.contract), np.floor(rows), rows)


def _values(column: Column) -> list[float]:
    """Return the steps of a column's range, or its categories; and NaN if missing values have a policy."""
    if column.kind == "category":
        values = [float(level) for level in range(len(column.categories))]
    else:
        values = [column.minimum * (1 - share) + column.maximum * share for share in np.linspace(0, 1, GRID_STEPS)]
    return values + [np.nan] * (column.missing != "error")


def _corners(checkpoint: Checkpoint, random: np.random.Generator) -> Iterator[Row]:
    """Yield all corners up to 2^8, beyond that those that minimise and maximise each output and 254 seeded ones."""
    low, high = box(checkpoint)
    if 2 ** len(low) <= _MOST_CORNERS:
        for choice in product((False, True), repeat=len(low)):
            yield np.where(choice, high, low)
    else:
        for choice in random.integers(0, 2, size=(_MOST_CORNERS - 2, len(low))).astype(bool):
            yield np.where(choice, high, low)
    yield from _extremes(checkpoint)


def _extremes(checkpoint: Checkpoint) -> Iterator[Row]:
    """Yield, for each output, the rows that minimise and maximise it among the values of each column."""
    columns = [_values(column) for column in checkpoint.contract.columns]
    for weight in checkpoint.weight:
        shares = [_share(checkpoint, place, weight, np.array(values)) for place, values in enumerate(columns)]
        for pick in (np.argmax, np.argmin):
            yield np.array([values[int(pick(share))] for values, share in zip(columns, shares, strict=True)])


def _share(checkpoint: Checkpoint, place: int, weight: Row, values: Row) -> Row:
    """Return what one column adds to an output at some values of it, in float64."""
    share = np.zeros(len(values))
    for term, factor in zip(checkpoint.terms, weight, strict=True):
        if term.column == place:
            share += factor * _term(checkpoint, term, values)
    return share


def _term(checkpoint: Checkpoint, term: Term, values: Row) -> Row:
    if term.category is not None:
        return np.asarray(values == term.category, dtype=np.float64)
    if term.missing:
        return np.isnan(values).astype(np.float64)
    given = np.where(np.isnan(values), checkpoint.fill[term.column], values)
    return np.asarray(((given - checkpoint.origin[term.column]) / checkpoint.scale[term.column]) ** term.power)


def _steps(checkpoint: Checkpoint) -> Iterator[Row]:
    """Yield the values of each column, the others in the middle."""
    middle = _middle(checkpoint)
    for place, column in enumerate(checkpoint.contract.columns):
        for value in _values(column):
            row = middle.copy()
            row[place] = value
            yield row


def _missing(checkpoint: Checkpoint) -> Iterator[Row]:
    """Yield the corners and the middle with everything missing that may be."""
    may = [column.missing != "error" for column in checkpoint.contract.columns]
    if any(may):
        for row in (*box(checkpoint), _middle(checkpoint)):
            yield np.where(may, np.nan, row)


def _small(checkpoint: Checkpoint, dtype: str) -> Iterator[Row]:
    """Yield zero and subnormal numbers, in numeric columns."""
    smallest, tiny = float(np.finfo(dtype).smallest_subnormal), float(np.finfo(dtype).tiny)
    for value in (0.0, smallest, -smallest, tiny / 2, -tiny / 2, tiny):
        yield np.where(are_categories(checkpoint.contract), 0.0, value)


def _inside(checkpoint: Checkpoint, random: np.random.Generator) -> Iterator[Row]:
    """Yield seeded rows inside the box, of those with a policy some values missing."""
    columns = checkpoint.contract.columns
    low, high = box(checkpoint)
    share = random.uniform(size=(max(BATCH_SIZES), len(low)))
    # low + (high - low) * share would overflow for ranges near the largest float64.
    rows = np.where(are_categories(checkpoint.contract), np.floor(share * (high + 1)), low * (1 - share) + high * share)
    may = np.array([column.missing != "error" for column in columns])
    yield from np.where(may & (random.uniform(size=rows.shape) < _SHARE_MISSING), np.nan, rows)


def _cancelling(checkpoint: Checkpoint, dtype: str) -> Iterator[Row]:
    """Yield rows where y is as near to 0 as one input can bring it: the absolute error counts there, ulps do not."""
    low, high = box(checkpoint)
    for weight, bias in zip(checkpoint.weight, checkpoint.bias, strict=True):
        place = _widest(checkpoint, weight)
        if place is None:
            continue
        for start in (low, _middle(checkpoint), high):
            row = start.astype(dtype).astype(np.float64)
            others = bias + sum(
                float(_share(checkpoint, other, weight, row[[other]])[0]) for other in range(len(low)) if other != place
            )
            for root in _roots(checkpoint, place, weight, others):
                yield np.where(np.arange(len(low)) == place, root, row)


def _widest(checkpoint: Checkpoint, weight: Row) -> int | None:
    """Return the numeric column over whose range an output moves most; None where none moves it."""
    moves = np.zeros(len(checkpoint.contract.columns))
    for place, column in enumerate(checkpoint.contract.columns):
        if column.kind == "number":
            share = _share(checkpoint, place, weight, np.array([column.minimum, column.maximum])) / 2
            moves[place] = abs(share[1] - share[0])
    place = int(np.argmax(moves))
    return place if moves[place] > 0 else None


def _roots(checkpoint: Checkpoint, place: int, weight: Row, others: float) -> list[float]:
    """Return the values of a column at which what it adds to an output is -others."""
    coefficients = [others]
    for term, factor in zip(checkpoint.terms, weight, strict=True):
        if term.column == place and not term.missing:
            coefficients += [0.0] * (term.power + 1 - len(coefficients))
            coefficients[term.power] = float(factor)
    origin, scale = checkpoint.origin[place], checkpoint.scale[place]
    if len(coefficients) == 2:
        return [float(origin - others / (coefficients[1] / scale))]
    roots = np.polynomial.polynomial.polyroots(coefficients)
    return [float(origin + scale * root.real) for root in roots if abs(root.imag) <= 1e-9 * abs(root)]
