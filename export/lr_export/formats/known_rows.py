"""Rows with known results, by which source code tests itself on the machine that it ends up on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from lr_export.exact.box import are_categories, box, irrational, spread_row
from lr_export.program.evaluation import evaluated, ordered_affine, ordered_sum

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from lr_export.program.evaluation import Operations
    from lr_export.program.program import Array, Program
    from lr_runtime.contract.contract import Contract

_TRIED = 256
_TELLING = 6
"""Rows for each other way of rounding: a compiler's own order agrees with some, seldom with all of them."""


@dataclass(frozen=True)
class KnownRows:
    """The golden rows, rows that tell orders of sums apart, one out of range, and one that the model refuses.

    Attributes:
        x: (rows, columns) in the dtype of x, NaN where a value is missing.
        results: by name what the program gives there, (rows, its width), every sum taken from left to right.
        refused: (rows,), whether every floating-point result is NaN; in the other rows all are finite.
    """

    x: Array
    results: Mapping[str, Array]
    refused: NDArray[np.bool_]

    def results_by_row(self) -> Iterator[dict[str, Array]]:
        """Yield the results of each row, by name, each (its width,)."""
        for row in range(len(self.x)):
            yield {name: values[row] for name, values in self.results.items()}

    @staticmethod
    def of(program: Program, contract: Contract) -> KnownRows:
        """Return the rows of a program, whose contract has its columns and golden rows."""
        golden = _rows([row.x for row in contract.golden_rows], program)
        spread = _rows([spread_row(contract, step, irrational) for step in range(_TRIED)], program)
        x = np.concatenate([golden, _telling(program, spread), _rows(_odd(contract), program)])
        results = evaluated(program, x)
        floats = np.concatenate([each for each in results.values() if each.dtype != np.bool_], axis=1)
        refused = np.isnan(floats).all(axis=1)
        known = refused | np.isfinite(floats).all(axis=1)
        return KnownRows(x[known], {name: each[known] for name, each in results.items()}, refused[known])


def _rows(rows: Sequence[Sequence[float | None] | Array], program: Program) -> Array:
    """Return rows in the dtype of x, NaN for None, without those beyond its range."""
    with np.errstate(over="ignore"):
        x: Array = np.array(rows, dtype=np.float64).reshape(-1, program.x.width).astype(program.x.dtype)
    return np.asarray(x[~np.isinf(x).any(axis=1)])


def _fused(value: Array, weight: Array, bias: Array) -> Array:
    """Return an ordered affine map whose products are added without being rounded."""
    products = value[:, None].astype(np.float64) * weight.astype(np.float64)
    total = (value[:, :1] * weight[:, 0]).astype(np.float64)
    for place in range(1, value.shape[1]):
        total = (total + products[:, :, place]).astype(value.dtype).astype(np.float64)
    return ((total if value.shape[1] > 1 else products[:, :, 0]) + bias).astype(value.dtype)


_OTHERS: tuple[Operations, ...] = (
    {"ordered_affine": _fused},
    {
        "ordered_affine": lambda value, weight, bias: ordered_affine(value[:, ::-1], weight[:, ::-1], bias),
        "ordered_sum": lambda terms: ordered_sum(terms[:, ::-1]),
    },
)
"""Other ways of rounding: products that are not rounded, and sums from right to left."""


def _telling(program: Program, x: Array) -> Array:
    """Return the first row, and some at which another way of rounding gives other bits."""
    right = evaluated(program, x)
    told = [0]
    for other in _OTHERS:
        got = evaluated(program, x, other)
        differ = np.any([(got[name] != right[name]).any(axis=1) for name in right], axis=0)
        told += np.flatnonzero(differ)[:_TELLING].tolist()
    return x[sorted(set(told))]


def _odd(contract: Contract) -> list[Array]:
    """Return a row beyond every range, and one with the first value that the model does not take, if there is any."""
    low, high = box(contract)
    category = are_categories(contract)
    rows = [np.where(category, 0.0, high + np.maximum(high - low, np.abs(high) / 8 + (high == low)))]
    for place, column in enumerate(contract.columns):
        if column.missing == "error" or column.kind == "category":
            rows.append(np.where(category, 0.0, low / 2 + high / 2))
            rows[-1][place] = np.nan if column.missing == "error" else len(column.categories)
            break
    return rows
