"""The program in numpy: sums in order, every operation rounded by itself, so that the bits are the same everywhere."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from lr_export.program.program import Array, Operation, Program

    Operations = Mapping[Operation, Callable[..., Array]]


def ordered_sum(terms: Array) -> Array:
    """Return the sums over the last axis, of length 1 then, added from left to right."""
    return np.add.accumulate(terms, axis=-1)[..., -1:]


def ordered_affine(value: Array, weight: Array, bias: Array) -> Array:
    """Return value @ weight.T + bias, products and bias added from left to right."""
    return ordered_sum(value[:, None] * weight)[..., 0] + bias


_OPERATIONS: Operations = {
    "cast": lambda value, dtype: value.astype(dtype),
    "add": np.add,
    "subtract": np.subtract,
    "multiply": np.multiply,
    "divide": np.divide,
    "sqrt": np.sqrt,
    "log": np.log,
    "exp": np.exp,
    "ordered_affine": ordered_affine,
    "ordered_sum": ordered_sum,
    "concatenate": lambda *values: np.concatenate(values, axis=1),
    "select": lambda value, columns: value[:, list(columns)],
    "is_nan": np.isnan,
    "equal": np.equal,
    "less": np.less,
    "and": np.logical_and,
    "where": np.where,
}


def evaluated(program: Program, x: Array, others: Operations | None = None) -> dict[str, Array]:
    """Return a program's results by name, each (rows, width), sums from left to right; `others` replace operations."""
    with np.errstate(all="ignore"):  # what is refused is NaN, and what is out of range infinite
        return program.in_order.run(x, program.constants, {**_OPERATIONS, **(others or {})})
