"""The model as a straight-line program: the one description that every format is emitted from, step by step.

A program is a list of steps in static single assignment form (Cytron et al. 1991): each step makes one new value of
earlier ones. A value holds, for every row, `width` numbers of one dtype, so it is an array (rows, width); constants are
rows (width,), repeated for every row, or a matrix where a step says so. Values of width 1 are repeated over the columns
of the other operand. Nothing depends on the number of rows, nothing branches, nothing loops.

    operation        operands               result
    cast             a                      a in the step's dtype: to nearest, ties to even; True is 1, False is 0
    add, subtract,   a, b                   element by element, each rounded once (IEEE 754)
      multiply, divide
    sqrt             a                      element by element, correctly rounded
    log, exp         a                      of the engine, within 1 % of b for log b and of the result for exp: good to
                                            pick an integer or a power of two, and for nothing else; see `functions`
    affine           a, weight, bias        a @ weight.T + bias, weight (outputs, width), bias (outputs,); sums in any
                                            order, with or without fused multiply-add (Gemm)
    ordered_affine   a, weight, bias        the same in one fixed order: products and bias added from left to right,
                                            ((a1 w1 + a2 w2) + ...) + bias, every product and every sum rounded by
                                            itself: the same bits in every IEEE engine
    sum              a                      (rows, 1), in any order
    ordered_sum      a                      (rows, 1), added from left to right, every sum rounded by itself
    concatenate      a, b, ...              side by side
    select           a                      the step's columns of a, in that order
    is_nan           a                      bool
    equal, less      a, b                   bool, a == b and a < b; False where either is NaN
    and              a, b                   bool, of bool
    where            mask, a, b             a where the bool mask is True, else b

The results are named values: `y` (rows, outputs) first; an interval and flags are further ones. A result is appended by
appending steps to the builder that `model.build.program_of` hands to its extensions:

    def lower(build: Builder, model: ModelValues) -> None:
        width = build.multiply(...model.design...)
        build.result("y_lower", build.cast(build.subtract(model.y, width), model.output))

An emitter is one function from a `Program` to a file and has one case for each operation, no more: `onnx.py`
gives ONNX nodes, `torch_module.py` a PyTorch module (the eager reference of certificates); `evaluation.py` is numpy.
`constants` are the numbers of the artefact by name; an artefact stores them under these names (or a fixed spelling of
them), bit for bit, and the certificate compares them. No constant is NaN or infinite.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, TypeVar

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from numpy.typing import NDArray

    Array: TypeAlias = NDArray[Any]
    """Numbers of one of a program's dtypes: float32, float64 or bool."""

ValueType = Literal["float32", "float64", "bool"]
Arithmetic = Literal["add", "subtract", "multiply", "divide"]
Function = Literal["sqrt", "log", "exp"]
Sum = Literal["affine", "ordered_affine", "sum", "ordered_sum"]
Test = Literal["is_nan", "equal", "less", "and"]
Operation = Literal["cast", Arithmetic, Function, Sum, "concatenate", "select", Test, "where"]

T = TypeVar("T")
_IN_ORDER: dict[Operation, Operation] = {"affine": "ordered_affine", "sum": "ordered_sum"}


@dataclass(frozen=True)
class Value:
    """What a step makes, or the input: (rows, `width`) numbers of `dtype`; `name` is unique in its program."""

    name: str
    width: int
    dtype: ValueType


@dataclass(frozen=True, eq=False)
class Constant:
    """Numbers that the artefact holds: a row (width,), or a matrix (outputs, width) of `affine`.

    `name` is an identifier, unique in its program.
    """

    name: str
    array: Array

    @property
    def width(self) -> int:
        """The number of columns."""
        return int(self.array.shape[-1])


Operand: TypeAlias = Value | Constant


@dataclass(frozen=True)
class Step:
    """One operation of the module's docstring; `columns` belong to `select`, the dtype of `cast` is the result's."""

    operation: Operation
    operands: tuple[Operand, ...]
    result: Value
    columns: tuple[int, ...] = ()


@dataclass(frozen=True)
class Program:
    """Steps from the input `x` (rows, columns) to the named `results`, in order; `y` is the first of them."""

    x: Value
    steps: tuple[Step, ...]
    results: Mapping[str, Value]

    @property
    def constants(self) -> dict[str, Array]:
        """The artefact's numbers by name, in the order of their first use."""
        found: dict[str, Array] = {}
        for step in self.steps:
            found |= {operand.name: operand.array for operand in step.operands if isinstance(operand, Constant)}
        return found

    @property
    def in_order(self) -> Program:
        """The same program with every sum in one fixed order, as source code takes it."""
        steps = (replace(step, operation=_IN_ORDER.get(step.operation, step.operation)) for step in self.steps)
        return replace(self, steps=tuple(steps))

    def run(self, x: T, constants: Mapping[str, T], operations: Mapping[Operation, Callable[..., T]]) -> dict[str, T]:
        """Return the results by name for x, in the library whose operations these are.

        They take their operands; behind them `cast` takes the dtype, and `select` the columns.
        """
        values = {**constants, self.x.name: x}
        for step in self.steps:
            operands = (values[operand.name] for operand in step.operands)
            further = {"cast": (step.result.dtype,), "select": (step.columns,)}.get(step.operation, ())
            values[step.result.name] = operations[step.operation](*operands, *further)
        return {name: values[value.name] for name, value in self.results.items()}


class Builder:
    """A program under construction: each method appends a step and returns its value.

    Args:
        columns: the number of columns of the input `x`.
        dtype: the dtype of the input `x`.
        ordered: whether sums have one fixed order, for the same bits in every engine (precision `portable`).

    Attributes:
        x: the input.
    """

    def __init__(self, columns: int, dtype: Literal["float32", "float64"], *, ordered: bool = False) -> None:
        self.x = Value("x", columns, dtype)
        self._ordered = ordered
        self._steps: list[Step] = []
        self._constants: dict[str, Array] = {}
        self._results: dict[str, Value] = {}

    def program(self) -> Program:
        """Return the program of all steps so far."""
        return Program(self.x, tuple(self._steps), dict(self._results))

    def result(self, name: str, value: Value) -> None:
        """Make a value a result of the program."""
        self._results[name] = value

    def cast(self, value: Value, dtype: ValueType) -> Value:
        """Append a cast, where the dtype is another."""
        return value if value.dtype == dtype else self._append("cast", (value,), value.width, dtype)

    def add(self, a: Operand, b: Operand) -> Value:
        """Append a + b."""
        return self._arithmetic("add", a, b)

    def subtract(self, a: Operand, b: Operand) -> Value:
        """Append a - b."""
        return self._arithmetic("subtract", a, b)

    def multiply(self, a: Operand, b: Operand) -> Value:
        """Append a * b."""
        return self._arithmetic("multiply", a, b)

    def divide(self, a: Operand, b: Operand) -> Value:
        """Append a / b."""
        return self._arithmetic("divide", a, b)

    def sqrt(self, value: Value) -> Value:
        """Append the square root."""
        return self._append("sqrt", (value,), value.width, value.dtype)

    def rough_log(self, value: Value) -> Value:
        """Append the engine's logarithm, good to pick an integer and for nothing else."""
        return self._append("log", (value,), value.width, value.dtype)

    def rough_exp(self, value: Value) -> Value:
        """Append the engine's exponential function, good to pick a power of two and for nothing else."""
        return self._append("exp", (value,), value.width, value.dtype)

    def affine(self, value: Value, weight: Constant, bias: Constant) -> Value:
        """Append value @ weight.T + bias."""
        operation: Operation = "ordered_affine" if self._ordered else "affine"
        return self._append(operation, (value, weight, bias), len(weight.array), value.dtype)

    def sum(self, value: Value) -> Value:
        """Append the sum over each row, where it has several numbers."""
        if value.width == 1:
            return value
        return self._append("ordered_sum" if self._ordered else "sum", (value,), 1, value.dtype)

    def count(self, flags: Value) -> Value:
        """Append the sum over each row of zeros and ones, or of marks that are NaN or not: any order gives the same."""
        return self._append("sum", (flags,), 1, flags.dtype)

    def concatenate(self, *values: Value) -> Value:
        """Append the values side by side, where there are several."""
        if len(values) == 1:
            return values[0]
        return self._append("concatenate", values, sum(value.width for value in values), values[0].dtype)

    def select(self, value: Value, columns: Sequence[int]) -> Value:
        """Append the columns of a value, where they are not all of them in order."""
        if list(columns) == list(range(value.width)):
            return value
        return self._append("select", (value,), len(columns), value.dtype, tuple(columns))

    def is_nan(self, value: Value) -> Value:
        """Append whether each number is NaN."""
        return self._append("is_nan", (value,), value.width, "bool")

    def equal(self, a: Operand, b: Operand) -> Value:
        """Append a == b."""
        return self._append("equal", (a, b), _width(a, b), "bool")

    def less(self, a: Operand, b: Operand) -> Value:
        """Append a < b."""
        return self._append("less", (a, b), _width(a, b), "bool")

    def both(self, a: Operand, b: Operand) -> Value:
        """Append a and b, of bool."""
        return self._append("and", (a, b), _width(a, b), "bool")

    def where(self, mask: Value, a: Operand, b: Operand) -> Value:
        """Append a where the mask is True, else b."""
        return self._append("where", (mask, a, b), _width(mask, a, b), _dtype(a, b))

    def _arithmetic(self, operation: Operation, a: Operand, b: Operand) -> Value:
        return self._append(operation, (a, b), _width(a, b), _dtype(a, b))

    def _append(
        self,
        operation: Operation,
        operands: tuple[Operand, ...],
        width: int,
        dtype: ValueType,
        columns: tuple[int, ...] = (),
    ) -> Value:
        for operand in operands:
            if isinstance(operand, Constant):
                assert np.isfinite(operand.array).all(), f"the constant {operand.name} is not finite"
                first = self._constants.setdefault(operand.name, operand.array)
                assert np.array_equal(first, operand.array), f"two constants are called {operand.name}"
        result = Value(f"v{len(self._steps)}", width, dtype)
        self._steps.append(Step(operation, operands, result, columns))
        return result


def _width(*operands: Operand) -> int:
    widths = {operand.width for operand in operands} - {1}
    assert len(widths) <= 1, f"operands of the widths {widths}"
    return widths.pop() if widths else 1


def _dtype(a: Operand, b: Operand) -> ValueType:
    dtypes = {operand.dtype if isinstance(operand, Value) else str(operand.array.dtype) for operand in (a, b)}
    assert len(dtypes) == 1, f"operands of the dtypes {dtypes}"
    return dtypes.pop()  # type: ignore[return-value]
