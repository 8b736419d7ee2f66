"""The program as source code: what the C header and the JavaScript module have in common.

Both languages loop and index alike, so one function emits every operation, one loop for each, and a `Dialect` says what
differs: how an array is declared, how a number is spelled, and how an operation is held to the rounding of its dtype.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from lr_export.program.program import Constant
from lr_runtime.contract.equation import number
from lr_runtime.errors import escaped

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

    from lr_export.program.program import Operand, Program, Step, ValueType
    from lr_runtime.contract.columns import Column
    from lr_runtime.contract.contract import Contract, Output

_OPERATORS = {
    "add": "+",
    "subtract": "-",
    "multiply": "*",
    "divide": "/",
    "and": "&",
}
_ON_A_LINE = 4


class Dialect(ABC):
    """What the languages differ in."""

    counter: str
    """How a loop's counter is declared: `int` or `let`."""
    equals: str
    differs: str
    """The comparisons that convert nothing."""

    @abstractmethod
    def array(self, name: str, dtype: ValueType, width: int) -> str:
        """Return the declaration of an array."""

    @abstractmethod
    def local(self, name: str, dtype: ValueType, expression: str) -> str:
        """Return the declaration of a variable."""

    @abstractmethod
    def constant(self, constant: Constant) -> str:
        """Return the definition of an array of constants, row by row."""

    @abstractmethod
    def constant_name(self, name: str) -> str:
        """Return the name that a constant has in the file."""

    @abstractmethod
    def rounded(self, expression: str, dtype: ValueType) -> str:
        """Return the expression of one arithmetic operation, rounded to `dtype`."""

    @abstractmethod
    def cast(self, expression: str, dtype: ValueType) -> str:
        """Return the expression converted to `dtype`."""

    @abstractmethod
    def sqrt(self, expression: str, dtype: ValueType) -> str:
        """Return the square root, rounded to `dtype`."""


def constants(program: Program, dialect: Dialect) -> list[str]:
    """Return the definitions of the program's numbers."""
    return [dialect.constant(Constant(name, array)) for name, array in program.constants.items()]


def body(program: Program, dialect: Dialect) -> list[str]:
    """Return the statements that compute every value of the program from the array `x`."""
    return [statement for step in program.steps for statement in _statements(step, dialect)]


def _statements(step: Step, dialect: Dialect) -> Iterator[str]:
    result = step.result
    yield dialect.array(result.name, result.dtype, result.width)
    match step.operation:
        case "affine" | "ordered_affine":
            yield from _affine(step, dialect)
        case "sum" | "ordered_sum":
            yield from _sum(step, dialect)
        case "concatenate":
            yield from _concatenate(step, dialect)
        case "select":
            for place, column in enumerate(step.columns):
                yield f"{result.name}[{place}] = {_name(step.operands[0], dialect)}[{column}];"
        case _:
            yield each(result.width, f"{result.name}[@] = {_element(step, dialect)};", dialect)


def each(width: int, statement: str, dialect: Dialect) -> str:
    """Return a statement for each of `width` places, which it calls @: a loop, where there are several."""
    if width == 1:
        return statement.replace("@", "0")
    return f"for ({dialect.counter} i = 0; i < {width}; i += 1) {{ {statement.replace('@', 'i')} }}"


def _element(step: Step, dialect: Dialect) -> str:
    """Return the expression of element @ of an operation that works element by element."""
    dtype = step.result.dtype
    operands = [f"{_name(operand, dialect)}[{'0' if operand.width == 1 else '@'}]" for operand in step.operands]
    match step.operation:
        case "cast":
            return dialect.cast(operands[0], dtype)
        case "sqrt":
            return dialect.sqrt(operands[0], dtype)
        case "is_nan":
            return f"{operands[0]} {dialect.differs} {operands[0]}"
        case "equal":
            return f"{operands[0]} {dialect.equals} {operands[1]}"
        case "where":
            return f"{operands[0]} ? {operands[1]} : {operands[2]}"
        case _:
            return dialect.rounded(f"{operands[0]} {_OPERATORS[step.operation]} {operands[1]}", dtype)


def _affine(step: Step, dialect: Dialect) -> Iterator[str]:
    """Yield the sums from left to right: a product and a sum are a statement each, so that none is fused."""
    a, w, b = (_name(operand, dialect) for operand in step.operands)
    name, dtype, places = step.result.name, step.result.dtype, step.operands[0].width
    product = dialect.rounded(f"{a}[i] * {w}[k * {places} + i]", dtype)
    yield f"for ({dialect.counter} k = 0; k < {step.result.width}; k += 1) {{"
    yield f"  {name}[k] = {dialect.rounded(f'{a}[0] * {w}[k * {places}]', dtype)};"
    if places > 1:
        yield f"  for ({dialect.counter} i = 1; i < {places}; i += 1) {{"
        yield f"    {dialect.local('p', dtype, product)}"
        yield f"    {name}[k] = {dialect.rounded(f'{name}[k] + p', dtype)};"
        yield "  }"
    yield f"  {name}[k] = {dialect.rounded(f'{name}[k] + {b}[k]', dtype)};"
    yield "}"


def _sum(step: Step, dialect: Dialect) -> Iterator[str]:
    (value,) = step.operands
    name, a = step.result.name, _name(value, dialect)
    yield f"{name}[0] = {a}[0];"
    if value.width > 1:
        summed = dialect.rounded(f"{name}[0] + {a}[i]", step.result.dtype)
        yield f"for ({dialect.counter} i = 1; i < {value.width}; i += 1) {{ {name}[0] = {summed}; }}"


def _concatenate(step: Step, dialect: Dialect) -> Iterator[str]:
    start, result = 0, step.result.name
    for operand in step.operands:
        place = str(start) if operand.width == 1 else f"{start} + @" if start else "@"
        yield each(operand.width, f"{result}[{place}] = {_name(operand, dialect)}[@];", dialect)
        start += operand.width


def _name(operand: Operand, dialect: Dialect) -> str:
    return dialect.constant_name(operand.name) if isinstance(operand, Constant) else operand.name


def dtype_of(array: NDArray[Any]) -> ValueType:
    """Return the dtype of a program's constant."""
    return cast("ValueType", array.dtype.name)


def rows_of(words: list[str], indent: str) -> str:
    """Return numbers as the inside of an array's initializer, a few on each line."""
    rows = [", ".join(words[start : start + _ON_A_LINE]) for start in range(0, len(words), _ON_A_LINE)]
    return rows[0] if len(rows) == 1 else "\n" + ",\n".join(indent + row for row in rows) + "\n"


def documented(program: Program, contract: Contract) -> Iterator[str]:
    """Yield what a caller has to know: the inputs in order, the results, and how right they are."""
    yield f"x, {program.x.dtype}, holds in this order"
    for place, column in enumerate(contract.columns):
        yield f"  x[{place}]  {escaped(column.name)}  {_column(column)}"
    yield f"y, {contract.output_dtype}, holds in this order"
    for place, output in enumerate(contract.outputs):
        yield f"  y[{place}]  {escaped(output.name)}{_unit(output)}"
    if contract.interval_level is not None:
        yield f"y_lower, y_upper: the ends of the prediction interval at the level {number(contract.interval_level)}"
    if "in_range" in program.results:
        yield "in_range: whether every column is within the range above"
    if "leverage" in program.results:
        yield "leverage: how far the row is from the training rows, at most 1 for each of those"
    if contract.bound is not None:
        bounds = ", ".join(f"{bound:.3g}" for bound in contract.bound)
        yield f"y is within {bounds} of the exact model anywhere in the ranges above (precision {contract.precision})"


def _column(column: Column) -> str:
    missing = "" if column.missing == "error" else "; NaN where it is missing"
    if column.kind == "category":
        levels = ", ".join(f"{index} for {escaped(level)}" for index, level in enumerate(column.categories))
        return f"{levels}{missing}"
    return f"{number(column.minimum)} to {number(column.maximum)}{_unit(column)}{missing}"


def _unit(described: Column | Output) -> str:
    return f" in {escaped(described.unit)}" if described.unit else ""


def stored(text: str, shape: tuple[int, ...], dtype: str, spelled: Callable[[np.generic], str]) -> NDArray[Any]:
    """Return the numbers between an initializer's braces; each is spelled as it would be written, or the file is wrong.

    Raises:
        ValueError: they are not as many as the shape takes, or not of the dtype.
    """
    words = [word.strip() for word in text.replace("\n", " ").split(",") if word.strip()]
    with np.errstate(over="ignore"):
        array: NDArray[Any] = np.array([float(word.rstrip("f")) for word in words]).astype(dtype).reshape(shape)
    if [spelled(value) for value in array.ravel()] != words:
        raise ValueError(f"a number is not {dtype}")
    return array
