"""The ONNX graph, written directly: standard-domain operators, one file, a symbolic number of rows.

    exact     x float32 -> Cast float64 [-> Sub origin] -> Gemm -> Cast float32 -> y
    float32   x float32 [-> Sub origin] -> Gemm -> y
    float64   x float64 [-> Sub origin] -> Gemm -> y

torch.onnx.export takes seconds, writes source paths of the machine into the file and gives over ten times the bytes;
the tests hold this graph against its result.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from lr_runtime.contract import METADATA_KEY

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from lr_export.numbers import Numbers
    from lr_runtime.contract import Contract

OPSET = 13
IR_VERSION = 7
_TYPES = {"float32": TensorProto.FLOAT, "float64": TensorProto.DOUBLE}
_INITIALIZERS = {"weight": "w", "bias": "b", "origin": "o"}


def onnx_bytes(numbers: Numbers, contract: Contract) -> bytes:
    """Return the ONNX file; equal numbers and contracts give equal bytes."""
    outputs, columns = numbers.weight.shape
    nodes: list[onnx.NodeProto] = []
    value = "x"

    def then(operator: str, *constants: str, **attributes: Any) -> None:
        nonlocal value
        result = f"v{len(nodes)}"
        nodes.append(helper.make_node(operator, [value, *constants], [result], **attributes))
        value = result

    if numbers.io != numbers.compute:
        then("Cast", to=_TYPES[numbers.compute])
    if numbers.origin is not None:
        then("Sub", "o")
    then("Gemm", "w", "b")
    if numbers.io != numbers.compute:
        then("Cast", to=_TYPES[numbers.io])
    nodes[-1].output[0] = "y"
    io = _TYPES[numbers.io]
    graph = helper.make_graph(
        nodes,
        "linedge",
        [helper.make_tensor_value_info("x", io, ["rows", columns])],
        [helper.make_tensor_value_info("y", io, ["rows", outputs])],
        [
            numpy_helper.from_array(_stored(name, array), _INITIALIZERS[name])
            for name, array in numbers.arrays().items()
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION)
    model.producer_name = "linedge"
    helper.set_model_props(model, {METADATA_KEY: contract.to_json()})
    content: bytes = model.SerializeToString(deterministic=True)
    return content


def _stored(name: str, array: NDArray[np.floating[Any]]) -> NDArray[np.floating[Any]]:
    """Gemm multiplies by (columns, outputs) without an attribute."""
    return np.ascontiguousarray(array.T) if name == "weight" else array


def read_onnx(content: bytes) -> tuple[onnx.ModelProto, dict[str, NDArray[np.floating[Any]]], str]:
    """Return the checked model, its numbers as `Numbers.arrays` names them, and its contract as text.

    Raises:
        Exception: onnx finds the file wrong (its exceptions share no base).
    """
    model = onnx.load_model_from_string(content)
    onnx.checker.check_model(model, full_check=True)
    onnx.shape_inference.infer_shapes(model, check_type=True, strict_mode=True, data_prop=True)
    stored = {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
    numbers = {name: _stored(name, stored.pop(short)) for name, short in _INITIALIZERS.items() if short in stored}
    metadata = {entry.key: entry.value for entry in model.metadata_props}
    return model, numbers | stored, metadata.get(METADATA_KEY, "")
