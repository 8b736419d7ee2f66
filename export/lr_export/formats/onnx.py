"""The ONNX graph, emitted from the program: standard-domain operators, one file, a symbolic number of rows.

    exact     x float32 -> Cast float64 [-> Sub origin] -> Gemm -> Cast float32 -> y
    float32   x float32 [-> Sub origin] -> Gemm -> y
    float64   x float64 [-> Sub origin] -> Gemm -> y
    portable  x float32 [-> Sub origin] -> Mul -> Split -> Add, Add, ... -> Add -> y

No constant stands where an optimiser may drop it. ONNX Runtime (`NoopElimination`, at every level but `none`) takes an
Add or Sub of a one-element constant that is 0 once rounded to float32, and a Mul or Div by one that is 1 in float32,
for operations that change nothing, in float64 too. Where that would change numbers, the graph has the same operation in
other words, with the same bits: a Sum, or twice the value and half the factor. Other constants stay as they are.

torch.onnx.export takes seconds, writes source paths of the machine into the file and gives over ten times the bytes;
the tests hold this graph against its result.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator

from lr_export.choices import NAME, OPSET
from lr_export.formats.backend import Backend, Opened
from lr_export.program.program import Constant, Operand, Program, Step, Value
from lr_runtime.contract.contract import METADATA_KEY, Contract
from lr_runtime.errors import OptionError
from lr_runtime.onnx_file.operators import SPLIT_STATES_NUMBER
from lr_runtime.onnx_file.reader import read_onnx
from lr_runtime.onnx_file.session import ENGINE, OPTIMISATIONS, Optimisation, Session

if TYPE_CHECKING:
    from lr_export.formats.backend import Engine
    from lr_export.model.exact import Floats
    from lr_export.program.program import Array

REFERENCE = f"onnx reference evaluator {onnx.__version__}"
ROWS = "N"
"""What a file calls the number of rows."""
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
    "width": "t",
    "square": "q",
    "low": "r",
    "high": "h",
}
"""Names of constants that a file spells shorter; others are kept."""
_LONG = {short: name for name, short in _SPELLING.items()}
_COMMUTATIVE = {"add", "multiply"}
_REWRITTEN = {
    "add": (0.0, "Sum", 1.0, ""),
    "subtract": (0.0, "Sum", -1.0, "_negative"),
    "multiply": (1.0, "Mul", 0.5, "_half"),
    "divide": (1.0, "Div", 2.0, "_double"),
}
"""Of operations that an optimiser may drop: the second operand that changes no number, the operator in place of the
usual one, what its constant is multiplied by, and its name's end."""
_FACTORS = {ending: factor for *_, factor, ending in _REWRITTEN.values() if ending}
_OPERATORS = {"subtract": "Sub", "multiply": "Mul", "divide": "Div", "is_nan": "IsNaN"}
_OPERATORS |= {each: each.title() for each in ("add", "sqrt", "log", "exp", "equal", "less", "and", "where")}
_OPERATIONS = {operator: operation for operation, operator in _OPERATORS.items()}


class _Emitter:
    """Turns steps into nodes; `initializers` are the program's constants and the indices that operators need."""

    def __init__(self, program: Program, opset: int) -> None:
        self.opset = opset
        self.nodes: list[onnx.NodeProto] = []
        self.initializers: dict[str, Array] = {}
        # A value that is a result has its name.
        self._names = {value.name: name for name, value in program.results.items()} | {program.x.name: "x"}
        self._count = 0
        for step in program.steps:
            self._emit(step)

    def _emit(self, step: Step) -> None:
        if _may_be_dropped(step):
            self._rewritten(step)
            return
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
                self._node("Gather", [*inputs, self._integers(*step.columns)], output, axis=1)
            case "sum":
                self._node("ReduceSum", [*inputs, self._integers(1)], output)
            case "ordered_sum":
                self._add_up(inputs[0], step.operands[0].width, 1, output)
            case "ordered_affine":
                self._ordered_affine(inputs, step.operands[0].width, step.result.width, output)
            case _:
                self._node(_OPERATORS[step.operation], inputs, output)

    def _rewritten(self, step: Step) -> None:
        """Emit an operation of a value and a constant so that no optimiser takes it for one that changes nothing."""
        _, operator, factor, ending = _REWRITTEN[step.operation]
        constant = next(operand for operand in step.operands if isinstance(operand, Constant))
        value = next(self._name(operand) for operand in step.operands if operand is not constant)
        if operator != "Sum":
            value = self._node("Add", [value, value])
        name = _SPELLING.get(constant.name, constant.name) + ending
        self.initializers[name] = constant.array * constant.array.dtype.type(factor)
        self._node(operator, [value, name], self._name(step.result))

    def _ordered_affine(self, inputs: list[str], places: int, outputs: int, output: str) -> None:
        """Emit the products of all places at once, their sums from left to right, and the bias.

        With several outputs the products stand in (rows, outputs, places).
        """
        value, weight, bias = inputs
        if outputs > 1:
            value = self._node("Unsqueeze", [value, self._integers(1)])
        total = self._add_up(self._node("Mul", [value, weight]), places, 1 + (outputs > 1))
        if outputs > 1:
            total = self._node("Squeeze", [total, self._integers(2)])
        self._node("Add", [total, bias], output)

    def _add_up(self, value: str, width: int, axis: int, output: str | None = None) -> str:
        """Emit the sum over an axis of this width, from left to right."""
        if width == 1:
            return value
        columns = [self._fresh() for _ in range(width)]
        number: dict[str, Any] = {"num_outputs": width} if self.opset >= SPLIT_STATES_NUMBER else {}
        self.nodes.append(helper.make_node("Split", [value], columns, axis=axis, **number))
        total = columns[0]
        for place, column in enumerate(columns[1:], 2):
            total = self._node("Add", [total, column], output if place == width else None)
        return total

    def _node(self, operator: str, inputs: list[str], output: str | None = None, **attributes: Any) -> str:
        name = output or self._fresh()
        self.nodes.append(helper.make_node(operator, inputs, [name], **attributes))
        return name

    def _name(self, operand: Operand) -> str:
        if isinstance(operand, Constant):
            name = _SPELLING.get(operand.name, operand.name)
            self.initializers[name] = operand.array
            return name
        return self._names.get(operand.name) or self._names.setdefault(operand.name, self._fresh())

    def _fresh(self) -> str:
        """Return A, B, ..., Z, A1, B1, ...: constants, inputs and results begin with small letters."""
        turn, letter = divmod(self._count, 26)
        self._count += 1
        return f"{chr(ord('A') + letter)}{turn or ''}"

    def _integers(self, *values: int) -> str:
        name = "i" + "_".join(map(str, values))
        self.initializers[name] = np.array(values, dtype=np.int64)
        return name


def _may_be_dropped(step: Step) -> bool:
    """Whether an optimiser may take the step's constant for one that changes nothing, and be wrong."""
    seconds = step.operands[0 if step.operation in _COMMUTATIVE else 1 :]
    return _is_mistaken(step.operation, [each.array for each in seconds if isinstance(each, Constant)])


def _is_mistaken(operation: str, constants: list[Array]) -> bool:
    """Whether one of these second operands is neutral in float32 and is not in its own dtype.

    Without harm exact zeros and ones are dropped: all they change is the sign of a zero.
    """
    neutral = _REWRITTEN[operation][0] if operation in _REWRITTEN else None
    singles = [array for array in constants if array.size == 1]
    with np.errstate(over="ignore", under="ignore"):
        return neutral is not None and any(bool(each.astype(np.float32) == neutral != each) for each in singles)


def _check_kept(model: onnx.ModelProto) -> None:
    """Raise ValueError where an optimiser may drop a constant, which need not show in the bits of any one row."""
    held = {tensor.name: tensor for tensor in model.graph.initializer}
    for node in model.graph.node:
        operation = _OPERATIONS.get(node.op_type, "")
        names = [name for name in node.input[0 if operation in _COMMUTATIVE else 1 :] if name in held]
        if _is_mistaken(operation, [numpy_helper.to_array(held[name]) for name in names]):
            raise ValueError(f"an optimiser may drop its {node.op_type} of {', '.join(names)}")


def onnx_bytes(program: Program, contract: Contract, *, opset: int = OPSET, name: str = NAME) -> bytes:
    """Return the ONNX file; equal programs and contracts give equal bytes. `opset` is of the standard domain, OPSET or
    later, the IR version the lowest that goes with it, and `name` the graph's.
    Raises OptionError where the opset is too low, or beyond those that onnx knows; or the name is empty.
    """
    if not OPSET <= opset <= onnx.defs.onnx_opset_version():
        raise OptionError(f"--opset takes {OPSET} to {onnx.defs.onnx_opset_version()}, not {opset}")
    if not name:
        raise OptionError("--name takes a name that is not empty")
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
    helper.set_model_props(model, {METADATA_KEY: contract.to_json()})
    content: bytes = model.SerializeToString(deterministic=True)
    return content


def _described(name: str, value: Value) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, _TYPES[value.dtype], [ROWS, value.width])


def read_checked(content: bytes) -> tuple[onnx.ModelProto, dict[str, Array], str]:
    """Return the checked model, its numbers under the names of the program's constants, and its contract as text.
    The indices of columns, which are no numbers of the model, are left out. Where onnx finds the file wrong it raises
    any Exception, for its own share no base.
    """
    model = onnx.load_model_from_string(content)
    onnx.checker.check_model(model, full_check=True)
    onnx.shape_inference.infer_shapes(model, check_type=True, strict_mode=True, data_prop=True)
    _check_kept(model)
    multiplied = {node.input[1] for node in model.graph.node if node.op_type == "Gemm"}
    numbers: dict[str, Array] = {}
    for tensor in model.graph.initializer:
        if tensor.data_type != TensorProto.INT64:
            array = numpy_helper.to_array(tensor)
            # Gemm multiplies by (columns, outputs) without an attribute.
            name, array = _as_in_the_program(tensor.name, array.T if tensor.name in multiplied else array)
            if numbers.setdefault(name, array).tobytes() != array.tobytes():
                raise ValueError(f"it holds two different numbers for the {name}")
    metadata = {entry.key: entry.value for entry in model.metadata_props}
    return model, numbers, metadata.get(METADATA_KEY, "")


def _as_in_the_program(name: str, array: Array) -> tuple[str, Array]:
    """Return an initializer's name and numbers as the program has them."""
    for ending, factor in _FACTORS.items():
        if name.endswith(ending):
            name, array = name.removesuffix(ending), array / factor
    return _LONG.get(name, name), array


def _reopen(content: bytes, program: Program) -> Opened:
    read_onnx(content)  # what the runtime does not let in, such as a model too large for it, is no file of ours
    model, numbers, contract = read_checked(content)
    reference, names = ReferenceEvaluator(model), list(program.results)

    def at(optimisation: Optimisation) -> Engine:
        session = Session(content, optimisation=optimisation)
        return lambda x: dict(zip(names, session.evaluate(x, names), strict=True))

    engines: dict[str, Engine] = {
        ENGINE: at("all"),
        REFERENCE: lambda x: dict(zip(names, _refer(reference, names, x), strict=True)),
    }
    optimised = {f"{ENGINE}, optimisation {level}": at(level) for level in OPTIMISATIONS if level != "all"}
    return Opened(numbers, contract, engines, optimised=optimised)


def _refer(reference: ReferenceEvaluator, names: list[str], x: Floats) -> list[Array]:
    # What is refused is NaN or infinite in the graph, 0 / 0 or log 0, of which numpy would warn.
    with np.errstate(all="ignore"):
        return cast("list[Array]", reference.run(names, {"x": x}))


BACKEND = Backend(onnx_bytes, _reopen)
