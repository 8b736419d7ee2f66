"""Golden rows: synthetic inputs with correctly rounded outputs, by which a device can check itself."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from lr_export.exact.box import spread_row
from lr_export.program.evaluation import evaluated
from lr_runtime.contract.contract import Contract, GoldenRow

if TYPE_CHECKING:
    from collections.abc import Callable

    from lr_export.bounds.response import Near
    from lr_export.model.exact import Floats
    from lr_export.model.numbers import Numbers
    from lr_export.program.program import Program

GOLDEN_ROWS = 3
_TRIED = 64
"""Candidate rows; only where terms cancel do nearly all of them lie near a tie."""


def golden_rows(contract: Contract, numbers: Numbers, at: Callable[[Floats], Near]) -> tuple[GoldenRow, ...]:
    """Return rows in the training box whose outputs every engine must round alike.

    In every second row, columns with a policy for missing values are missing. No two columns are at the same share of
    their ranges, so that swapped columns show and a difference of two columns is not always 0.

    Rows whose exact output lies within the float64 bound of a rounding tie are left out; where nearly all do (terms
    that cancel), there may be fewer rows than GOLDEN_ROWS.

    Args:
        contract: with the columns and their ranges.
        numbers: the dtypes.
        at: gives the exact outputs at rows, and their bounds before they are rounded to the outputs' dtype.
    """
    found = list[GoldenRow]()
    for step in range(_TRIED):
        with np.errstate(over="ignore"):
            x = spread_row(contract, step).astype(numbers.input)
        if np.isinf(x).any():
            continue
        row = _golden(numbers, at, x[None, :])
        if row is not None and row not in found:
            found.append(row)
        if len(found) == GOLDEN_ROWS:
            break
    return tuple(found)


def as_computed(rows: tuple[GoldenRow, ...], program: Program) -> tuple[GoldenRow, ...]:
    """Return the rows with the outputs of ordered float32 sums: equal in every engine, if not correctly rounded."""
    if not rows:
        return rows
    x = np.array([row.x for row in rows], dtype=program.x.dtype)  # None becomes NaN
    return tuple(row._replace(y=tuple(y)) for row, y in zip(rows, evaluated(program, x)["y"].tolist(), strict=True))


def _golden(numbers: Numbers, at: Callable[[Floats], Near], x: Floats) -> GoldenRow | None:
    exact, bound = at(x)
    wanted = exact.rounded(numbers.output, "nearest")
    if (np.abs(wanted) > np.finfo(numbers.output).max).any():
        return None
    if numbers.output != numbers.compute:
        # Without a rounding at the end, a device's result is compared with the bound, and ties do not matter.
        ends = [end.rounded(numbers.output, "nearest") for end in (exact - bound, exact + bound)]
        if (ends[0] != ends[1]).any():
            return None
    given = (None if math.isnan(value) else value for value in x[0].tolist())
    return GoldenRow(tuple(given), tuple(wanted[0].tolist()))
