"""Gross outliers among the first rows: values of another unit, or without their decimal mark, or codes for missing."""

from __future__ import annotations

from math import ceil
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from lr_runtime.errors import escaped
from lr_runtime.tables.sample import FIRST_ROWS
from lr_trainer.arithmetic.rounding import varies

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from numpy.typing import NDArray

_FAR = 50.0
"""Interquartile ranges from the median: of a normal column 67 standard deviations."""

_BESIDE = 5.0
"""Interquartile ranges where a tail begins. A tail that falls no faster than 1 / x, the slowest with a mean, has nine
times as many values from here to `_FAR` as beyond; values wrong by a factor of 100 leave few in between."""

_MOST_BETWEEN, _PER_ROWS = 2, 2000
"""Values in between for each value beyond, and rows for one value more: a heavy tail has several times as many."""

_LOG_RANGES = 3.0
"""Interquartile ranges of the logarithm, tested too where the quartiles have one sign: four standard deviations of a
log-normal column, however wide, and less than a factor of 100 where the upper quartile is 4 times the lower."""

_MOST_SHARE, _FEWEST = 0.05, 20
"""A larger share of outliers is a second state, not a mistake; of fewer values a single one is a larger share."""

_MOST_NAMED = 5

_TOGETHER = 16


class Found(NamedTuple):
    """The gross outliers of a column: how many there are, and the number of the first one's row, counted from 0."""

    name: str
    cells: int
    row: int


@np.errstate(over="ignore", invalid="ignore", divide="ignore")
def are_outliers(values: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Return whether each value of a column is a gross outlier, bool (rows,); NaN is a missing value.

    Where the middle half of the values is one number, as in counts that are mostly 0, the quartiles are those of the
    other values; a column of two distinct values has no outliers.
    """
    ordered = np.sort(values)
    ordered = ordered[: len(values) - np.count_nonzero(np.isnan(values))]  # NaN comes last
    low, median, high = _quartiles(ordered)
    if not varies(low, high):
        ordered = ordered[varies(np.minimum(ordered, median), np.maximum(ordered, median))]
        low, median, high = _quartiles(ordered)
    count, nothing = len(ordered), np.zeros(len(values), dtype=np.bool_)
    if count < _FEWEST or not varies(low, high):
        return nothing
    if max(median - float(ordered[0]), float(ordered[-1]) - median) / (high - low) <= _FAR:
        return nothing
    away = np.abs(values - median) / (high - low)
    far = away > _FAR
    if low > 0 or high < 0:  # values of the other sign, whose logarithm is NaN, are far in any ratio
        far &= ~(np.abs(np.log(values / median)) <= _LOG_RANGES * abs(np.log(high / low)))
    found = np.count_nonzero(far)
    between = np.count_nonzero(away > _BESIDE) - np.count_nonzero(away > _FAR)
    is_tail = between > _MOST_BETWEEN * found + count // _PER_ROWS
    return nothing if is_tail or found > _MOST_SHARE * count else far


def _quartiles(ordered: NDArray[np.float64]) -> list[float]:
    """Return the three quartiles of values in their order, by linear interpolation; NaN without values."""
    if not len(ordered):
        return [np.nan] * 3
    places = [share * (len(ordered) - 1) for share in (0.25, 0.5, 0.75)]
    ends = [(float(ordered[int(place)]), float(ordered[ceil(place)])) for place in places]
    return [(place - int(place)) * (high - low) + low for place, (low, high) in zip(places, ends, strict=True)]


class FirstRows:
    """The first rows of a pass, in which gross outliers are sought in `columns`, named by their places in a row."""

    def __init__(self, columns: Mapping[int, str]) -> None:
        self.left = FIRST_ROWS
        self._columns = columns
        self._parts: list[tuple[NDArray[np.float64], ...]] = []
        self._rows: list[NDArray[np.intp]] = []

    def take(self, parts: Sequence[NDArray[np.float64]], rows: NDArray[np.intp]) -> None:
        """Append rows, float64 (rows, columns) in `parts` of the columns, with their numbers `rows`, until full."""
        if self.left > 0 and len(rows):
            self._parts.append(tuple(part[: self.left] for part in parts))
            self._rows.append(rows[: self.left])
            self.left -= len(rows)

    def outliers(self) -> tuple[Found, ...]:
        """Return the gross outliers of each column that has any."""
        found = []
        for place, values in enumerate(self._each()):
            if place in self._columns and (far := np.flatnonzero(are_outliers(values))).size:
                row = np.concatenate(self._rows)[far[0]]
                found.append(Found(self._columns[place], len(far), int(row)))
        return tuple(found)

    def _each(self) -> Iterator[NDArray[np.float64]]:
        """Yield every column, copied with those beside it: alone it would take a cache line a number."""
        for pieces in zip(*self._parts, strict=True):
            for first in range(0, pieces[0].shape[1], _TOGETHER):
                yield from np.concatenate([piece[:, first : first + _TOGETHER] for piece in pieces]).T


def caution(found: Sequence[Found]) -> list[str]:
    """Return one line on all gross outliers, an empty list without any."""
    if not found:
        return []
    each = [f"{escaped(name)} {cells} (the first in row {row + 1})" for name, cells, row in found[:_MOST_NAMED]]
    more = f" and {len(found) - _MOST_NAMED} columns more" if len(found) > _MOST_NAMED else ""
    return [
        f"gross outliers in the first {FIRST_ROWS:,} rows, over {_FAR:.0f} interquartile ranges from the median: "
        f"{', '.join(each)}{more}. Another unit, a lost decimal mark, or codes for missing values?"
    ]
