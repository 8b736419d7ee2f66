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
from lr_runtime.onnx_file.operators import OPERATORS, Initializer, Node, RowTensor, widths
from lr_runtime.onnx_file.reader import OPSETS

TYPES = {"float32": TensorProto.FLOAT, "float64": TensorProto.DOUBLE, "bool": TensorProto.BOOL}
ROWS = 3
COLUMNS = 3


def constants() -> dict[str, Initializer]:
    """Return initializers of each type, of shapes that fit and of shapes that do not."""
    arrays: dict[str, Any] = {}
    for dtype in ("float32", "float64"):
        for shape in ((), (1,), (3,), (1, 3), (3, 1), (3, 2), (2, 3), (3, 3), (2,)):
            arrays[f"{dtype}{shape}"] = np.full(shape, 0.5, dtype)
    arrays |= {"true": np.array(True), "flags": np.array([True, False, True])}
    arrays |= {f"i{values}": np.array(values) for values in ([0], [1], [2], [3], [1, 2], [2, 1], [1, 1, 1], [2, 0])}
    return {name: Initializer(name, str(array.dtype), array.shape, array) for name, array in arrays.items()}


CONSTANTS = constants()
KNOWN: dict[str, RowTensor | Initializer] = {"x": RowTensor("float32", (COLUMNS,)), **CONSTANTS}
PLACES = [name for name, constant in CONSTANTS.items() if constant.dtype == "int64"]
TAKE_PLACES = {"Gather", "ReduceSum", "Squeeze", "Unsqueeze"}
ATTRIBUTES: dict[str, list[int]] = {
    "to": [1, 7, 9, 11],
    "axis": [1, 1, 2, 0, -1],
    "num_outputs": [1, 2, 3],
}


def drawn_nodes(random: Random, opset: int) -> tuple[list[Node], dict[str, RowTensor]]:
    """Draw nodes, each of values before it, until two of every operator are let in, or many were drawn in vain.

    Returns:
        The nodes, and what their rules say that they make.
    """
    kept: list[Node] = []
    values = {"x": RowTensor("float32", (COLUMNS,))}
    wanted = [*OPERATORS, *OPERATORS]
    for _ in range(20_000):
        # Squeeze takes what these two alone can make together.
        name = random.choice([*wanted, "Unsqueeze", "Split"])
        node = drawn_node(random, name, values, len(kept))
        try:
            made = widths([node], {**values, **CONSTANTS}, opset).made
        except ModelFileError:
            continue
        kept.append(node)
        values |= made
        if name in wanted:
            wanted.remove(name)
        if not wanted:
            break
    del values["x"]
    return kept, values


def drawn_node(random: Random, name: str, values: dict[str, RowTensor], number: int) -> Node:
    operator = OPERATORS[name]
    constants = [] if name == "Concat" else PLACES if name in TAKE_PLACES else list(CONSTANTS)
    count = random.randint(operator.least, min(operator.most, 4))
    # Values of three dimensions are few, and are all that Squeeze takes.
    dimensions = random.choice([1, 2])
    alike = [value for value, rows in values.items() if len(rows.shape) == dimensions] or ["x"]
    others = [random.choice([random.choice(alike), *constants]) for _ in range(count - 1)]

    attributes = {attribute: random.choice(ATTRIBUTES[attribute]) for attribute in operator.attributes}
    if attributes and random.random() < 0.2:
        attributes.popitem()
    outputs = random.randint(1, 3) if name == "Split" else 1
    return Node(
        name, (random.choice(alike), *others), tuple(f"v{number}_{output}" for output in range(outputs)), attributes
    )


def _node_of(node: Node) -> onnx.NodeProto:
    made = helper.make_node(node.operator, node.inputs, node.outputs)
    made.attribute.extend(helper.make_attribute(name, value) for name, value in node.attributes.items())
    return made


def model_of(nodes: list[Node], made: dict[str, RowTensor], opset: int) -> onnx.ModelProto:
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
    nodes, made = drawn_nodes(Random(seed), opset)  # noqa: S311 - draws graphs, no secrets
    assert {node.operator for node in nodes} == set(OPERATORS)
    assert widths(nodes, KNOWN, opset).made == made
    model = model_of(nodes, made, opset)
    onnx.checker.check_model(model, full_check=True)
    x = np.linspace(-1, 2, ROWS * COLUMNS, dtype=np.float32).reshape(ROWS, COLUMNS)
    with np.errstate(all="ignore"):
        results = ReferenceEvaluator(model).run(None, {"x": x})
    for (name, value), result in zip(made.items(), results, strict=True):
        assert (str(np.asarray(result).dtype), np.shape(result)) == (value.dtype, (ROWS, *value.shape)), name
