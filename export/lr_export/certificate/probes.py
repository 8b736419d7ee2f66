"""The rows that a file is checked on: where a wrong file, or a wrong engine, has nowhere to hide."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING, Any

import numpy as np

from lr_export.exact.box import are_categories, box
from lr_export.model.layout import Layout

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
    columns, middle = [_values(column) for column in checkpoint.contract.columns], _middle(checkpoint)
    effects = [_Effect.of(checkpoint, place, values, middle) for place, values in enumerate(columns)]
    for weight in checkpoint.weight:
        shares = [effect.share(weight) for effect in effects]
        for pick in (np.argmax, np.argmin):
            yield np.array([values[int(pick(share))] for values, share in zip(columns, shares, strict=True)])


@dataclass(frozen=True)
class _Effect:
    """The terms of one column, by number, and float64 (values, terms) what they are at some values of it."""

    numbers: list[int]
    terms: Row

    @staticmethod
    def of(checkpoint: Checkpoint, place: int, values: Sequence[float], row: Row) -> _Effect:
        """Return the effect of values of a column, the others as in a row."""
        x = np.tile(row, (len(values), 1))
        x[:, place] = values
        numbers = [number for number, term in enumerate(checkpoint.terms) if place in term.columns]
        pairs = zip(x, _scaled(checkpoint, x), strict=True)
        found = [[checkpoint.terms[number].value(given, u) for number in numbers] for given, u in pairs]
        return _Effect(numbers, np.array(found).reshape(len(values), len(numbers)))

    def share(self, weight: Row) -> Row:
        """Return what the column adds to an output at each value."""
        return np.asarray((self.terms * weight[self.numbers]).sum(axis=1))


def _scaled(checkpoint: Checkpoint, x: Row) -> Row:
    """Return rows on origin and scale, missing values filled in."""
    return np.asarray((np.where(np.isnan(x), checkpoint.fill, x) - checkpoint.origin) / checkpoint.scale)


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
    layout, middle, columns = Layout.of(checkpoint), _middle(checkpoint), checkpoint.contract.columns
    ends = {
        place: _Effect.of(checkpoint, place, [column.minimum, column.maximum], middle)
        for place, column in enumerate(columns)
        if column.kind == "number"
    }
    for weight, placed, bias in zip(checkpoint.weight, layout.placed(checkpoint.weight), checkpoint.bias, strict=True):
        moves = {place: float(abs(np.diff(effect.share(weight) / 2)[0])) for place, effect in ends.items()}
        place = max(moves, key=moves.__getitem__, default=None)
        if place is None or not moves[place] > 0:
            continue
        for start in (low, middle, high):
            row = start.astype(dtype).astype(np.float64)
            u, terms = _scaled(checkpoint, row), [*zip(checkpoint.terms, weight, strict=True)]
            others = bias + sum(
                factor * term.value([*row], [*u]) for term, factor in terms if place not in term.columns
            )
            for root in _roots(layout.polynomial(placed, place, u, others)):
                value = checkpoint.origin[place] + checkpoint.scale[place] * root
                yield np.where(np.arange(len(low)) == place, value, row)


def _roots(coefficients: list[float]) -> list[float]:
    """Return the real roots of a polynomial, its lowest power first."""
    if len(coefficients) == 2:
        return [-coefficients[0] / coefficients[1]]
    roots = np.polynomial.polynomial.polyroots(coefficients)
    return [float(root.real) for root in roots if abs(root.imag) <= 1e-9 * abs(root)]
