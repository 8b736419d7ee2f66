"""The box of the training ranges, and rows that are spread over it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from lr_runtime.contract.contract import Contract

    Row = NDArray[np.float64]


def box(contract: Contract) -> tuple[Row, Row]:
    """Return the training ranges' lower and upper corner, float64 (columns,); a category goes from 0 to its last."""
    ends = [
        (0.0, len(column.categories) - 1.0) if column.kind == "category" else (column.minimum, column.maximum)
        for column in contract.columns
    ]
    low, high = np.array(ends).T
    return low, high


def are_categories(contract: Contract) -> NDArray[np.bool_]:
    """Return which columns are categories, (columns,)."""
    return np.array([column.kind == "category" for column in contract.columns])


def mirrored(index: int) -> float:
    """Return number `index` of 1/2, 1/4, 3/4, 1/8, ..., its bits mirrored at the point (van der Corput 1935)."""
    return int(f"{index:b}"[::-1], 2) / (1 << index.bit_length())


def irrational(index: int) -> float:
    """Return the fraction of a multiple of the golden ratio (Weyl 1916): unlike `mirrored`, numbers of many digits."""
    return index * 0.6180339887498949 % 1.0


def spread_row(contract: Contract, step: int, spread: Callable[[int], float] = mirrored) -> Row:
    """Return row number `step` of a sequence in the box, float64 (columns,).

    Columns with a missing-value policy are missing in every second row. No two columns are at one share of a range.
    """
    low, high = box(contract)
    share = np.array([spread(1 + step + column) for column in range(len(low))])
    x = np.where(are_categories(contract), np.floor(share * (high + 1)), low * (1 - share) + high * share)
    missing = [column.missing != "error" and step % 2 == 1 for column in contract.columns]
    return np.where(missing, np.nan, x)
