"""The operators that linedge writes, each with the rule for what it makes: its dtype and its width.

Every value of a graph has one row for each row of `x`, a dtype and a fixed shape of each row (`Rows`), or is an
initializer (`Constant`). The rules give a node's values from its inputs, so that what a graph takes in memory and time
for a row is known, and bounded, before anything runs. There is no rule for an operator that takes a size from a value
(Expand, Range, Reshape), nor for one on constants alone: those are worked out while a session is made, at any size.

The rules are of the standard domain ("" in the format), https://onnx.ai/onnx/operators/, from opset 13.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from lr_runtime.errors import ModelFileError, escaped

if TYPE_CHECKING:
    from numpy.typing import NDArray

MAX_WIDTH = 1 << 16
"""Numbers in a row of any one value: 1,000 columns of 64 categories each."""
MAX_CELLS = 1 << 20
"""Values computed for a row, over all nodes: at most 8 MiB of them."""
MAX_WORK = 1 << 24
"""Values read, written and multiplied for a row, over all nodes: some hundredths of a second. 3,000 terms need
9 million for their leverage. It bounds what ONNX Runtime copies of the weights, too: 128 MiB."""
SPLIT_STATES_NUMBER = 18
"""The opset from which Split has an attribute for the number of its outputs."""

_FLOATS = frozenset({"float32", "float64"})
_CASTS = {1: "float32", 11: "float64"}


class RowTensor(NamedTuple):
    """A value with one row for each row of `x`: (rows, *shape)."""

    dtype: str
    shape: tuple[int, ...]

    @property
    def width(self) -> int:
        """How many numbers a row has."""
        return math.prod(self.shape)


class Initializer(NamedTuple):
    """An initializer; `values` is read-only and has `shape`."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    values: NDArray[np.generic]


class Node(NamedTuple):
    """One operator applied to values by name."""

    operator: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attributes: Mapping[str, int]


class Derived(NamedTuple):
    """What the nodes make, by name, and what one row costs; see `OnnxFile`."""

    made: Mapping[str, RowTensor]
    cells: int
    work: int


class _Call(NamedTuple):
    """A node with its inputs as values; a rule makes of it the values of its outputs."""

    node: Node
    inputs: list[RowTensor | Initializer]
    opset: int

    def rows(self, index: int) -> RowTensor:
        """Return an input that is no initializer."""
        value = self.inputs[index]
        if isinstance(value, Initializer):
            raise ModelFileError(f"its input {escaped(value.name)} is an initializer")
        return value

    def table(self, index: int) -> RowTensor:
        """Return an input (rows, columns)."""
        rows = self.rows(index)
        if len(rows.shape) != 1:
            raise ModelFileError("its input is no table (rows, columns)")
        return rows

    def matrix(self, index: int) -> Initializer:
        """Return an initializer of two dimensions."""
        value = self.inputs[index]
        if not isinstance(value, Initializer) or len(value.shape) != 2:
            raise ModelFileError("it multiplies by what is no initializer of two dimensions")
        return value

    def whole_numbers(self, index: int) -> list[int]:
        """Return an initializer of integers: places or sizes."""
        value = self.inputs[index]
        if not isinstance(value, Initializer) or value.dtype != "int64" or len(value.shape) != 1:
            raise ModelFileError(f"its input {index + 1} is no initializer of integers")
        numbers: list[int] = value.values.tolist()
        return numbers


_Rule = Callable[[_Call], "list[RowTensor]"]


class _Operator(NamedTuple):
    """How many inputs an operator takes, at least and at most, and the names of its attributes."""

    rule: _Rule
    least: int
    most: int
    attributes: tuple[str, ...] = ()


def widths(nodes: Sequence[Node], known: Mapping[str, RowTensor | Initializer], opset: int) -> Derived:
    """Derive what every node makes, each of which stands after those that it takes values from; `known` are the graph's
    input and its initializers. Raises ModelFileError for an operator that linedge does not write, or used as linedge
    does not use it, or too much for a row.
    """
    values, made, cells, work = dict(known), {}, 0, 0
    for number, node in enumerate(nodes, 1):
        try:
            operator = _operator(node)
            call = _Call(node, [_known(name, values) for name in node.inputs], opset)
            results = _results(operator, call)
            sizes = [result.width for result in results]
            if not 0 < min(sizes) <= max(sizes) <= MAX_WIDTH:
                raise ModelFileError(f"what it makes does not have 1 to {MAX_WIDTH} numbers a row")
            for name, result in zip(node.outputs, results, strict=True):
                if not name or name in values:
                    raise ModelFileError(f"what it makes is called {escaped(name)}, as another value is")
                values[name] = made[name] = result
        except ModelFileError as error:
            raise ModelFileError(f"node {number}, {escaped(node.operator)}: {error}") from error
        wide = sum(sizes)
        cells += wide
        work += wide + _read(call)
        if cells > MAX_CELLS or work > MAX_WORK:
            raise ModelFileError(f"its graph takes over {MAX_CELLS} values or {MAX_WORK} steps for one row")
    return Derived(made, cells, work)


def _known(name: str, values: Mapping[str, RowTensor | Initializer]) -> RowTensor | Initializer:
    if name not in values:
        raise ModelFileError(f"it takes {escaped(name)}, which nothing before it makes")
    return values[name]


def _read(call: _Call) -> int:
    """Count the numbers that a node reads of a row, and the multiplications of a matrix product."""
    read = 0
    for value in call.inputs:
        if isinstance(value, RowTensor):
            read += value.width
        elif call.node.operator == "Gemm":
            read += value.values.size
    return read


def _operator(node: Node) -> _Operator:
    operator = OPERATORS.get(node.operator)
    if operator is None:
        raise ModelFileError("an operator that linedge never writes")
    if not operator.least <= len(node.inputs) <= operator.most:
        raise ModelFileError(f"it has {len(node.inputs)} inputs")
    for name in node.attributes:
        if name not in operator.attributes:
            raise ModelFileError(f"its attribute {escaped(name)} is none that linedge writes")
    return operator


def _results(operator: _Operator, call: _Call) -> list[RowTensor]:
    if RowTensor not in map(type, call.inputs):
        raise ModelFileError("it takes initializers alone")
    results = operator.rule(call)
    if len(results) != len(call.node.outputs):
        raise ModelFileError(f"it has {len(call.node.outputs)} outputs")
    return results


# --- the rules ---


def _common(values: Sequence[RowTensor | Initializer], dtypes: frozenset[str]) -> RowTensor:
    """Return what values make that are combined element by element, each repeated where it has one number."""
    dtype = values[0].dtype
    if dtype not in dtypes or {value.dtype for value in values} != {dtype}:
        raise ModelFileError(f"it combines values of the types {', '.join(value.dtype for value in values)}")
    return RowTensor(dtype, _broadcast(values))


def _broadcast(values: Sequence[RowTensor | Initializer]) -> tuple[int, ...]:
    shapes = {value.shape for value in values if isinstance(value, RowTensor)}
    ranks = set(map(len, shapes))
    if len(ranks) > 1:
        raise ModelFileError("it combines values of several ranks")
    shapes |= {_beside_rows(value, *ranks) for value in values if isinstance(value, Initializer)}
    if len(shapes) == 1:
        return shapes.pop()
    try:
        return np.broadcast_shapes(*shapes)
    except ValueError as error:
        raise ModelFileError(f"it combines values of the widths {', '.join(map(str, sorted(shapes)))}") from error


def _beside_rows(constant: Initializer, rank: int) -> tuple[int, ...]:
    """Return the shape of a constant that stands beside each row alike."""
    shape = constant.shape
    if len(shape) > rank and shape[: len(shape) - rank] != (1,):
        raise ModelFileError(f"the initializer {escaped(constant.name)} has the shape {shape}, not that of a row")
    return shape[-rank:]


def _arithmetic(call: _Call) -> list[RowTensor]:
    return [_common(call.inputs, _FLOATS)]


def _comparison(call: _Call) -> list[RowTensor]:
    return [RowTensor("bool", _common(call.inputs, _FLOATS).shape)]


def _logic(call: _Call) -> list[RowTensor]:
    return [_common(call.inputs, frozenset({"bool"}))]


def _cast(call: _Call) -> list[RowTensor]:
    to = call.node.attributes.get("to")
    if to not in _CASTS:
        raise ModelFileError("it casts to a type that linedge never writes")
    return [RowTensor(_CASTS[to], call.rows(0).shape)]


def _where(call: _Call) -> list[RowTensor]:
    if call.inputs[0].dtype != "bool":
        raise ModelFileError(f"it chooses by {call.inputs[0].dtype}")
    first, second = call.inputs[1:]
    if first.dtype != second.dtype or first.dtype not in _FLOATS:
        raise ModelFileError(f"it chooses between {first.dtype} and {second.dtype}")
    return [RowTensor(first.dtype, _broadcast(call.inputs))]


def _gemm(call: _Call) -> list[RowTensor]:
    """Rows (rows, k), then a matrix (k, n), then what is added to each row."""
    rows, matrix = call.table(0), call.matrix(1)
    size, width = matrix.shape
    if rows.dtype != matrix.dtype or rows.width != size:
        raise ModelFileError(f"it multiplies {rows.width} columns of {rows.dtype} by {size} rows of {matrix.dtype}")
    result = RowTensor(rows.dtype, (width,))
    if _common([result, call.inputs[2]], _FLOATS) != result:
        raise ModelFileError("it adds more columns than it has")
    return [result]


def _concat(call: _Call) -> list[RowTensor]:
    parts = [call.table(index) for index in range(len(call.inputs))]
    if len({part.dtype for part in parts}) > 1 or _axis(call, 1) != 1:
        raise ModelFileError("it does not join columns of one type")
    return [RowTensor(parts[0].dtype, (sum(part.width for part in parts),))]


def _gather(call: _Call) -> list[RowTensor]:
    rows, indices = call.table(0), call.whole_numbers(1)
    if _axis(call, 1) != 1 or not all(0 <= index < rows.width for index in indices):
        raise ModelFileError(f"it takes what is none of {rows.width} columns")
    return [RowTensor(rows.dtype, (len(indices),))]


def _split(call: _Call) -> list[RowTensor]:
    rows = call.rows(0)
    axis, parts = _axis(call, len(rows.shape)), len(call.node.outputs)
    size, stated = rows.shape[axis - 1], {} if call.opset < SPLIT_STATES_NUMBER else {"num_outputs": parts}
    if size != parts or call.node.attributes != {"axis": axis, **stated}:
        raise ModelFileError(f"it does not split {size} into {parts} parts as linedge does")
    return [RowTensor(rows.dtype, (*rows.shape[: axis - 1], 1, *rows.shape[axis:]))] * parts


def _axis(call: _Call, last: int) -> int:
    axis = call.node.attributes.get("axis")
    if axis is None or not 1 <= axis <= last:
        raise ModelFileError("its axis is none of its columns")
    return axis


def _unsqueeze(call: _Call) -> list[RowTensor]:
    rows = call.table(0)
    if call.whole_numbers(1) != [1]:
        raise ModelFileError("it adds an axis where linedge never does")
    return [RowTensor(rows.dtype, (1, rows.width))]


def _squeeze(call: _Call) -> list[RowTensor]:
    rows = call.rows(0)
    if len(rows.shape) != 2 or rows.shape[1] != 1 or call.whole_numbers(1) != [2]:
        raise ModelFileError("it takes away an axis where linedge never does")
    return [RowTensor(rows.dtype, rows.shape[:1])]


def _reduce_sum(call: _Call) -> list[RowTensor]:
    rows = call.table(0)
    if rows.dtype not in _FLOATS or call.whole_numbers(1) != [1]:
        raise ModelFileError("it does not add up numbers along the columns")
    return [RowTensor(rows.dtype, (1,))]


_MANY = 1 << 13

OPERATORS: Mapping[str, _Operator] = {
    "Add": _Operator(_arithmetic, 2, 2),
    "And": _Operator(_logic, 2, 2),
    "Cast": _Operator(_cast, 1, 1, ("to",)),
    "Concat": _Operator(_concat, 2, _MANY, ("axis",)),
    "Div": _Operator(_arithmetic, 2, 2),
    "Equal": _Operator(_comparison, 2, 2),
    "Exp": _Operator(_arithmetic, 1, 1),
    "Gather": _Operator(_gather, 2, 2, ("axis",)),
    "Gemm": _Operator(_gemm, 3, 3),
    "IsNaN": _Operator(_comparison, 1, 1),
    "Less": _Operator(_comparison, 2, 2),
    "Log": _Operator(_arithmetic, 1, 1),
    "Mul": _Operator(_arithmetic, 2, 2),
    "ReduceSum": _Operator(_reduce_sum, 2, 2),
    "Split": _Operator(_split, 1, 1, ("axis", "num_outputs")),
    "Sqrt": _Operator(_arithmetic, 1, 1),
    "Squeeze": _Operator(_squeeze, 2, 2),
    "Sub": _Operator(_arithmetic, 2, 2),
    "Sum": _Operator(_arithmetic, 2, 2),
    "Unsqueeze": _Operator(_unsqueeze, 2, 2),
    "Where": _Operator(_where, 3, 3),
}
