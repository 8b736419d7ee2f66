"""The conversion of input rows to the array `x` of the model: the same rules for commands, files and Python.

A number is rounded to the model's input type, as the certificate states; a value beyond the range of that type, one
that is then outside the domain of a function of its column, and an integer that would become another, are faults of the
row. A category becomes its index in the contract, a missing value NaN where the column has a policy for it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from lr_runtime.contract.derived import DOMAINS
from lr_runtime.errors import escaped, listed
from lr_runtime.prediction.inputs import Cells, Given, as_instants, as_numbers, as_text, as_text_or_index

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from lr_runtime.choices import Unknown
    from lr_runtime.contract.columns import Column
    from lr_runtime.contract.contract import Contract, Dtype
    from lr_runtime.tables.batch import Coded

DENSE = {"float32": 2.0**24, "float64": 2.0**53}
"""A type represents every integer below its number exactly."""

_NEAR = 3
_MOST_GUESSES, _LONGEST_GUESSED = 100, 100
"""Unknown values that are looked for among the categories, and their characters: that takes the square of both."""


class Coercion:
    """The conversion to the `x` of one model's contract; `unknown` says how to treat an unknown category."""

    def __init__(self, contract: Contract, unknown: Unknown = "error") -> None:
        self._columns = contract.columns
        self._domains = [each for each in contract.derived if each.function in DOMAINS]
        self._dtype = contract.input_dtype
        self._dense = DENSE[contract.input_dtype]
        self._has_policy = np.array([column.missing != "error" for column in contract.columns])
        self._unknown = unknown
        self._indices = [
            {value: float(index) for index, value in enumerate(column.categories)}
            if column.kind == "category"
            else None
            for column in contract.columns
        ]

    def __call__(self, rows: Given) -> tuple[NDArray[np.floating], dict[int, str]]:
        """Return `x` (rows, columns) in the model's input type, and the fault of each bad row."""
        faults = dict(rows.faults)
        wide = self._wide(rows, faults)
        with np.errstate(over="ignore"):
            x = np.ascontiguousarray(wide, dtype=self._dtype)
        if not self._is_plain(wide):
            for row, column in np.argwhere(self._is_bad(wide, x, rows)).tolist():
                if row not in faults:
                    integer = None if rows.integer is None else rows.integer(row, column)
                    faults[row] = self._why(wide[row, column].item(), column, x[row, column], integer)
        return x, faults

    def _wide(self, rows: Given, faults: dict[int, str]) -> NDArray[np.floating]:
        if rows.matrix is not None:
            return rows.matrix if rows.matrix.dtype.type in {np.float32, np.float64} else rows.matrix.astype(np.float64)
        wide = np.empty((len(_codes(rows.columns[0])), len(self._columns)))
        for index, cells in enumerate(rows.columns):
            wide[:, index] = self._one(index, cells, faults, by_position=rows.by_position)
        return wide

    def _one(self, index: int, cells: Cells, faults: dict[int, str], *, by_position: bool) -> NDArray[np.float64]:
        if self._indices[index] is not None:
            if isinstance(cells, np.ndarray):
                from lr_runtime.tables.batch import coded

                categories = self._columns[index].categories
                cells = coded(as_text_or_index(cells, categories) if by_position else as_text(cells))
            return self._category(index, cells, faults)
        assert isinstance(cells, np.ndarray), "only categories are coded"
        column = self._columns[index]
        if column.time is not None:
            return as_instants(cells, column.name, column.time, faults)
        return as_numbers(cells, column.name, faults)

    def _category(self, index: int, text: Coded, faults: dict[int, str]) -> NDArray[np.float64]:
        """Return the indices of a column's categories; NaN where one is missing or unknown."""
        known, column = self._indices[index] or {}, self._columns[index]
        places = np.array([*(known.get(value, np.nan) for value in text.values), np.nan])
        if self._unknown == "error" or column.missing == "error":
            strangers = [code for code, value in enumerate(text.values) if value not in known]
            said = {
                code: _unknown_category(text.values[code], column, guess=at < _MOST_GUESSES)
                for at, code in enumerate(strangers)
            }
            for row in np.flatnonzero(np.isin(text.codes, strangers)).tolist() if strangers else ():
                faults.setdefault(row, said[text.codes[row]])
        return places[text.codes]  # the code -1, missing, takes the NaN at the end

    def _is_plain(self, wide: NDArray[np.floating]) -> bool:
        """Return whether all values are numbers so small that the input type represents every integer exactly."""
        if self._domains or any(indices is not None for indices in self._indices) or not wide.size:
            return not wide.size
        return bool(-self._dense < wide.min() and wide.max() < self._dense)  # NaN is neither

    def _is_bad(self, wide: NDArray[np.floating], x: NDArray[np.floating], rows: Given) -> NDArray[np.bool_]:
        bad: NDArray[np.bool_] = (np.isnan(wide) & ~self._has_policy) | np.isinf(x)
        for index, indices in enumerate(self._indices):
            if indices is not None:
                ours = wide[:, index]
                bad[:, index] |= ~(np.isnan(ours) | ((ours >= 0) & (ours < len(indices)) & (ours == np.floor(ours))))
        for each in self._domains:
            ours = x[:, each.column]
            bad[:, each.column] |= ~(np.isnan(ours) | each.holds(ours))
        if rows.integer is not None:
            size = np.abs(wide)
            rounded = (size >= self._dense) & np.isfinite(x) & ((wide != x) | (size >= DENSE["float64"]))
            for row, column in np.argwhere(rounded & (wide == np.trunc(wide))).tolist():
                integer = rows.integer(row, column)
                bad[row, column] |= integer is not None and integer != int(x[row, column])
        return bad

    def _why(self, value: float, place: int, held: np.floating, integer: int | None) -> str:
        column = self._columns[place]
        outside = [each for each in self._domains if each.column == place and not each.holds(held)]
        if np.isnan(value):
            what = "the value is missing. Fill it in or leave the row out"
        elif np.isinf(value):
            what = f"{value!r} is not a finite number"
        elif column.kind == "category":
            what = f"{value!r} is none of its indices, 0 to {len(column.categories) - 1}"
        elif np.isinf(held):
            what = f"{value!r} is beyond the range of {self._dtype}"
        elif outside:
            name, domain = outside[0].name(self._columns), DOMAINS[outside[0].function].words
            given = repr(value) if value == float(held) else f"{value!r}, {held!s} in {self._dtype},"
            what = f"{given} is outside the domain of {escaped(name)}. Give a number {domain}"
        else:
            way = "Write it with a decimal point if it is no identifier"
            if self._dtype == "float32":
                way = "Try a model of lr-export --input float64"
            what = f"{integer} is an integer that {self._dtype} does not hold exactly (it holds {held:.0f}). {way}"
        return f"column {escaped(column.name)}: {what}"


def outward(ends: Sequence[float], dtype: Dtype, direction: float) -> NDArray[np.floating]:
    """Return ends of training ranges in a model's input type, rounded outward: every training row, rounded to that, is
    in range.

    Args:
        ends: minima or maxima, (columns,).
        dtype: the input type.
        direction: minus infinity for minima, infinity for maxima.
    """
    exact = np.array(ends, np.float64)
    with np.errstate(over="ignore"):
        near = exact.astype(dtype)
        further = np.nextafter(near, near.dtype.type(direction))
    outside = np.where((near < exact) if direction > 0 else (near > exact), further, near)
    # Beyond the largest number of the dtype there is none for a row to round to.
    return np.asarray(np.where(np.isfinite(outside), outside, near))


def _codes(cells: Cells) -> NDArray[np.generic]:
    return cells if isinstance(cells, np.ndarray) else cells.codes


def _unknown_category(value: str, column: Column, *, guess: bool) -> str:
    near = _near(value, column.categories) if guess and len(value) <= _LONGEST_GUESSED else []
    meant = f"Did you mean {listed(near)}? " if near else ""
    way = "" if column.missing == "error" else ". To take it as missing: --unknown missing"
    return (
        f"column {escaped(column.name)}: the category {escaped(value)} is unknown. "
        f"{meant}The model knows {listed(column.categories)}{way}"
    )


def _near(value: str, categories: Sequence[str]) -> list[str]:
    """Return the categories of similar spelling, in upper or lower case."""
    from difflib import get_close_matches

    folded = {category.casefold(): category for category in reversed(categories)}
    return [folded[near] for near in get_close_matches(value.casefold(), list(folded), _NEAR)]
