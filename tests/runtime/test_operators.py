"""The rule of every operator against what onnx and ONNX Runtime make of it, on graphs drawn at random."""

from __future__ import annotations

from random import Random
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator

from lr_runtime.errors import ModelFileError
from lr_runtime.onnx_file import OPSETS
from lr_runtime.operators import OPERATORS, Constant, Node, Rows, widths

TYPES = {"float32": TensorProto.FLOAT, "float64": TensorProto.DOUBLE, "bool": TensorProto.BOOL}
ROWS = 3
COLUMNS = 3


def constants() -> dict[str, Constant]:
    """Return initializers of each type, of shapes that fit and of shapes that do not."""
    arrays: dict[str, Any] = {}
    for dtype in ("float32", "float64"):
        for shape in ((), (1,), (3,), (1, 3), (3, 1), (3, 2), (2, 3), (3, 3), (2,)):
            arrays[f"{dtype}{shape}"] = np.full(shape, 0.5, dtype)
    arrays |= {"true": np.array(True), "flags": np.array([True, False, True])}
    arrays |= {f"i{values}": np.array(values) for values in ([0], [1], [2], [3], [1, 2], [2, 1], [1, 1, 1], [2, 0])}
    return {name: Constant(name, str(array.dtype), array.shape, array) for name, array in arrays.items()}


CONSTANTS = constants()
KNOWN: dict[str, Rows | Constant] = {"x": Rows("float32", (COLUMNS,)), **CONSTANTS}
PLACES = [name for name, constant in CONSTANTS.items() if constant.dtype == "int64"]
TAKE_PLACES = {"Gather", "ReduceMin", "ReduceSum", "Slice", "Split", "Squeeze", "Unsqueeze"}
ATTRIBUTES: dict[str, list[int | tuple[int, ...]]] = {
    "to": [1, 7, 9, 11],
    "axis": [1, 1, 1, 0, 2, -1],
    "transA": [0, 1],
    "transB": [0, 1],
    "keepdims": [0, 1],
    "axes": [(0,), (1,), (0, 1)],
    "num_outputs": [1, 2, 3],
}


def drawn_nodes(random: Random, opset: int) -> list[Node]:
    """Draw nodes of each operator until one is let in, each of values before it."""
    kept: list[Node] = []
    values: list[str] = ["x"]
    for name in random.sample([*OPERATORS, *OPERATORS], 2 * len(OPERATORS)):
        for _ in range(300):
            node = drawn_node(random, name, values, len(kept))
            try:
                widths([*kept, node], KNOWN, opset)
            except ModelFileError:
                continue
            kept.append(node)
            values += node.outputs
            break
    return kept


def drawn_node(random: Random, name: str, values: list[str], number: int) -> Node:
    operator = OPERATORS[name]
    constants = PLACES if name in TAKE_PLACES else list(CONSTANTS)
    count = random.randint(operator.least, min(operator.most, 5))
    inputs = [random.choice(values), *(random.choice([random.choice(values), *constants]) for _ in range(count - 1))]

    attributes = {
        attribute: random.choice(ATTRIBUTES[attribute]) for attribute in operator.attributes if random.random() < 0.6
    }
    outputs = random.randint(1, 3) if name == "Split" else 1
    return Node(name, tuple(inputs), tuple(f"v{number}_{output}" for output in range(outputs)), attributes)


def _node_of(node: Node) -> onnx.NodeProto:
    made = helper.make_node(node.operator, node.inputs, node.outputs)
    made.attribute.extend(helper.make_attribute(name, value) for name, value in node.attributes.items())
    return made


def model_of(nodes: list[Node], made: dict[str, Rows], opset: int) -> onnx.ModelProto:
    """Return an ONNX model with every value as an output, of the type and shape that the rules give."""
    used = {name for node in nodes for name in node.inputs if name in CONSTANTS}
    graph = helper.make_graph(
        [_node_of(node) for node in nodes],
        "drawn",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["rows", COLUMNS])],
        [helper.make_tensor_value_info(name, TYPES[v.dtype], ["rows", *v.shape]) for name, v in made.items()],
        [numpy_helper.from_array(CONSTANTS[name].values, name) for name in sorted(used)],
    )
    imports = [helper.make_opsetid("", opset)]
    return helper.make_model(graph, opset_imports=imports, ir_version=helper.find_min_ir_version_for(imports))


@pytest.mark.parametrize("opset", [13, 17, 18, 21, OPSETS[-1]])
@pytest.mark.parametrize("seed", range(8))
def test_what_a_node_makes_has_the_type_and_the_width_that_its_rule_says(opset: int, seed: int) -> None:
    nodes = drawn_nodes(Random(seed), opset)  # noqa: S311 - draws graphs, no secrets
    assert len({node.operator for node in nodes}) > len(OPERATORS) - 6
    made = dict(widths(nodes, KNOWN, opset).made)
    model = model_of(nodes, made, opset)
    onnx.checker.check_model(model, full_check=True)
    x = np.linspace(-1, 2, ROWS * COLUMNS, dtype=np.float32).reshape(ROWS, COLUMNS)
    with np.errstate(all="ignore"):
        results = ReferenceEvaluator(model).run(None, {"x": x})
    for (name, value), result in zip(made.items(), results, strict=True):
        assert (str(np.asarray(result).dtype), np.shape(result)) == (value.dtype, (ROWS, *value.shape)), name
