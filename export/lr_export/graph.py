"""The ONNX graph, emitted from the program: standard-domain operators, one file, a symbolic number of rows.

    exact     x float32 -> Cast float64 [-> Sub origin] -> Gemm -> Cast float32 -> y
    float32   x float32 [-> Sub origin] -> Gemm -> y
    float64   x float64 [-> Sub origin] -> Gemm -> y
    portable  x float32 [-> Sub origin] -> Mul -> Split -> Add, Add, ... -> Add -> y

torch.onnx.export takes seconds, writes source paths of the machine into the file and gives over ten times the bytes;
the tests hold this graph against its result.
"""

from __future__ import annotations

from string import ascii_uppercase
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from lr_export.program import Constant
from lr_runtime.contract import METADATA_KEY

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from lr_export.program import Operand, Program, Step, Value
    from lr_runtime.contract import Contract

OPSET = 13
"""The lowest that has every operator below in its present form."""
SPLIT_NEEDS_ITS_NUMBER = 18
_TYPES = {"float32": TensorProto.FLOAT, "float64": TensorProto.DOUBLE, "bool": TensorProto.BOOL}
_SPELLING = {
    "weight": "w",
    "bias": "b",
    "origin": "o",
    "inverse_scale": "s",
    "fill": "f",
    "filled": "p",
    "center": "c",
    "factor": "l",
    "shift": "d",
    "constant": "n",
    "one": "e",
    "width": "t",
    "low": "r",
    "high": "h",
    "checks": "k",
}
"""Names of constants that a file spells shorter; others are kept."""
_LONG = {short: name for name, short in _SPELLING.items()}
_OPERATORS = {
    "add": "Add",
    "subtract": "Sub",
    "multiply": "Mul",
    "divide": "Div",
    "sqrt": "Sqrt",
    "is_nan": "IsNaN",
    "equal": "Equal",
    "less_or_equal": "LessOrEqual",
    "and": "And",
    "where": "Where",
}


class _Emitter:
    """Turns steps into nodes; `initializers` are the program's constants and the indices that operators need."""

    def __init__(self, program: Program, opset: int) -> None:
        self.program = program
        self.opset = opset
        self.nodes: list[onnx.NodeProto] = []
        self.initializers: dict[str, NDArray[Any]] = {}
        self._results = {value.name: name for name, value in program.results.items()}
        self._short = {step.result.name: _letters(place) for place, step in enumerate(program.steps)}
        for step in program.steps:
            self._emit(step)

    def _emit(self, step: Step) -> None:
        inputs = [self._name(operand) for operand in step.operands]
        output = self._name(step.result)
        match step.operation:
            case "cast":
                self._node("Cast", inputs, output, to=_TYPES[step.result.dtype])
            case "affine":
                self._node("Gemm", inputs, output)
                self.initializers[inputs[1]] = np.ascontiguousarray(self.initializers[inputs[1]].T)
            case "concatenate":
                self._node("Concat", inputs, output, axis=1)
            case "select":
                self._node("Gather", [*inputs, self._integers(step.columns)], output, axis=1)
            case "sum":
                self._node("ReduceSum", [*inputs, self._integers((1,))], output)
            case "ordered_sum":
                self._in_order(self._split(inputs[0], step.operands[0].width, axis=1), output)
            case "ordered_affine":
                self._ordered_affine(step, output)
            case _:
                self._node(_OPERATORS[step.operation], inputs, output)

    def _ordered_affine(self, step: Step, output: str) -> None:
        """Emit the products of all places at once, their sums from left to right, and the bias.

        With several outputs the products stand in (rows, outputs, places).
        """
        value, weight, bias = map(self._name, step.operands)
        outputs, places = step.result.width, step.operands[0].width
        if outputs > 1:
            self._node("Unsqueeze", [value, self._integers((1,))], f"{output}u")
            value = f"{output}u"
        self._node("Mul", [value, weight], f"{output}m")
        total = f"{output}t"
        self._in_order(self._split(f"{output}m", places, axis=1 + (outputs > 1)), total)
        if outputs > 1:
            self._node("Squeeze", [total, self._integers((2,))], f"{output}q")
            total = f"{output}q"
        self._node("Add", [total, bias], output)

    def _in_order(self, terms: list[str], total: str) -> None:
        """Emit the sum of the terms, from left to right; a single term is renamed."""
        if len(terms) == 1:
            self.nodes[-1].output[0] = total
        for place, term in enumerate(terms[1:], 1):
            so_far = terms[0] if place == 1 else f"{total}{place - 1}"
            self._node("Add", [so_far, term], total if place == len(terms) - 1 else f"{total}{place}")

    def _split(self, value: str, width: int, axis: int) -> list[str]:
        """Emit the columns of a value, each of width 1."""
        if width == 1:
            return [value]
        columns = [f"{value}{place}" for place in range(width)]
        number: dict[str, Any] = {"num_outputs": width} if self.opset >= SPLIT_NEEDS_ITS_NUMBER else {}
        self.nodes.append(helper.make_node("Split", [value], columns, axis=axis, **number))
        return columns

    def _node(self, operator: str, inputs: list[str], output: str, **attributes: Any) -> None:
        self.nodes.append(helper.make_node(operator, inputs, [output], **attributes))

    def _name(self, operand: Operand) -> str:
        if not isinstance(operand, Constant):
            return self._results.get(operand.name, self._short.get(operand.name, operand.name))
        name = _SPELLING.get(operand.name, operand.name)
        self.initializers[name] = operand.array
        return name

    def _integers(self, values: tuple[int, ...]) -> str:
        name = "i" + "_".join(map(str, values))
        self.initializers[name] = np.array(values, dtype=np.int64)
        return name


def _letters(place: int) -> str:
    """Return A, B, ..., Z, AA, AB, ...: a name that no constant has, in as few bytes as can be."""
    more, letter = divmod(place, len(ascii_uppercase))
    return (_letters(more - 1) if more else "") + ascii_uppercase[letter]


def onnx_bytes(program: Program, contract: Contract, opset: int = OPSET, name: str = "linedge") -> bytes:
    """Return the ONNX file; equal programs and contracts give equal bytes."""
    emitted = _Emitter(program, opset)
    graph = helper.make_graph(
        emitted.nodes,
        name,
        [_described("x", program.x)],
        [_described(name, value) for name, value in program.results.items()],
        [numpy_helper.from_array(array, name) for name, array in emitted.initializers.items()],
    )
    imports = [helper.make_opsetid("", opset)]
    model = helper.make_model(graph, opset_imports=imports, ir_version=helper.find_min_ir_version_for(imports))
    model.producer_name = "linedge"
    helper.set_model_props(model, {METADATA_KEY: contract.to_json()})
    content: bytes = model.SerializeToString(deterministic=True)
    return content


def _described(name: str, value: Value) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, _TYPES[value.dtype], ["rows", value.width])


def read_onnx(content: bytes) -> tuple[onnx.ModelProto, dict[str, NDArray[Any]], str]:
    """Return the checked model, its numbers under the names of the program's constants, and its contract as text.

    The indices of columns, which are no numbers of the model, are left out.

    Raises:
        Exception: onnx finds the file wrong (its exceptions share no base).
    """
    model = onnx.load_model_from_string(content)
    onnx.checker.check_model(model, full_check=True)
    onnx.shape_inference.infer_shapes(model, check_type=True, strict_mode=True, data_prop=True)
    multiplied = {node.input[1] for node in model.graph.node if node.op_type == "Gemm"}
    numbers = {}
    for tensor in model.graph.initializer:
        if tensor.data_type != TensorProto.INT64:
            array = numpy_helper.to_array(tensor)
            # Gemm multiplies by (columns, outputs) without an attribute.
            numbers[_LONG.get(tensor.name, tensor.name)] = array.T if tensor.name in multiplied else array
    metadata = {entry.key: entry.value for entry in model.metadata_props}
    return model, numbers, metadata.get(METADATA_KEY, "")
