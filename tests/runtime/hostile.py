"""Files that are no good models: what an attacker, a bad disk or a wrong tool makes of one, and words of the refusal.

Every file is the golden model, contract and all, but for one thing. Built by code, so that the repository holds none.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np

from lr_runtime.onnx_file.operators import MAX_WIDTH
from lr_runtime.onnx_file.reader import MAX_BYTES, MAX_FIELDS, MAX_METADATA, MAX_NAME, MAX_NODES
from tests.conftest import DATA
from tests.optional import optional
from tests.runtime import prebuilt

if TYPE_CHECKING:
    from collections.abc import Callable

    import onnx
    from onnx import TensorProto, helper, numpy_helper

    Change = Callable[[onnx.ModelProto], object]
else:
    onnx, helper, numpy_helper = (optional(name) for name in ("onnx", "onnx.helper", "onnx.numpy_helper"))
    TensorProto = onnx.TensorProto

GOOD = (DATA / "golden.onnx").read_bytes()


def changed(change: Change) -> bytes:
    """Return the golden model after a change of its parsed form."""
    model = onnx.load_model_from_string(GOOD)
    change(model)
    return bytes(model.SerializeToString())


def node(operator: str, inputs: list[str], outputs: list[str], **attributes: Any) -> Change:
    """Append a node that nothing else takes values from."""
    return lambda model: model.graph.node.append(helper.make_node(operator, inputs, outputs, **attributes))


def weight(array: Any, name: str = "w") -> Change:
    """Put an array in the place of an initializer, or beside the others."""

    def change(model: onnx.ModelProto) -> None:
        kept = [tensor for tensor in model.graph.initializer if tensor.name != name]
        del model.graph.initializer[:]
        model.graph.initializer.extend([*kept, numpy_helper.from_array(np.asarray(array), name)])

    return change


def both(*changes: Change) -> Change:
    """Make several changes."""
    return lambda model: [change(model) for change in changes]


def external(location: str, offset: str = "0") -> Change:
    """Let the weight lie in another file."""

    def change(model: onnx.ModelProto) -> None:
        tensor = model.graph.initializer[0]
        tensor.ClearField("raw_data")
        tensor.data_location = TensorProto.EXTERNAL
        for key, value in (("location", location), ("offset", offset), ("length", "8")):
            tensor.external_data.add(key=key, value=value)

    return change


def rank_one_input(model: onnx.ModelProto) -> None:
    del model.graph.input[0].type.tensor_type.shape.dim[0]


def contract(fields: str) -> Change:
    """Put a contract of these fields, and of the right version unless they say another, in the contract's place."""
    return assign("metadata_props.0.value", f'{{"contract":1,{fields}}}')


def said_by(linedge: str) -> Change:
    """Have the contract, good otherwise, name this linedge as its own."""

    def change(model: onnx.ModelProto) -> None:
        (entry,) = model.metadata_props
        entry.value = json.dumps({**json.loads(entry.value), "linedge": linedge})

    return change


def dimension(size: int) -> Change:
    """Let a weight say that it has this many rows."""
    return lambda model: model.graph.initializer[0].dims.__setitem__(0, size)


def branch() -> onnx.GraphProto:
    return helper.make_graph(
        [helper.make_node("Identity", ["x"], ["t"])],
        "branch",
        [],
        [helper.make_tensor_value_info("t", TensorProto.FLOAT, ["rows", 1])],
    )


def function(nested: int) -> Change:
    """Add functions, each of which calls the one before it twice."""

    def change(model: onnx.ModelProto) -> None:
        opset = [helper.make_opsetid("", 13)]
        for level in range(nested):
            inner = f"f{level - 1}" if level else "Identity"
            calls = [helper.make_node(inner, ["a"], ["b"]), helper.make_node(inner, ["b"], ["c"])]
            model.functions.append(helper.make_function("mine", f"f{level}", ["a"], ["c"], calls, opset))
        model.opset_import.append(helper.make_opsetid("mine", 1))

    return change


def nested(depth: int) -> onnx.GraphProto:
    graph = branch()
    for level in range(depth):
        outer = branch()
        outer.node[0].CopyFrom(helper.make_node("If", ["c"], [f"t{level}"], then_branch=graph, else_branch=branch()))
        graph = outer
    return graph


def deeply(model: onnx.ModelProto) -> None:
    attribute(g=nested(20), type=5)(model)


def doubling(model: onnx.ModelProto) -> None:
    """Join a value with itself 40 times: 2^40 columns."""
    value = "x"
    for level in range(40):
        model.graph.node.append(helper.make_node("Concat", [value, value], [f"c{level}"], axis=1))
        value = f"c{level}"


def narrow_again(model: onnx.ModelProto) -> None:
    """Widen to the most that one value may have, again and again, and never give it back."""
    both(weight(np.ones((1, MAX_WIDTH), np.float32), "wide"), _ZERO)(model)
    for level in range(40):
        model.graph.node.append(helper.make_node("Gemm", ["x", "wide", "zero"], [f"c{level}"]))


def work(model: onnx.ModelProto) -> None:
    """Multiply by one large matrix over and over."""
    weight(np.ones((1024, 1024), np.float32), "square")(model)
    both(weight(np.ones((1, 1024), np.float32), "wide"), _ZERO)(model)
    model.graph.node.append(helper.make_node("Gemm", ["x", "wide", "zero"], ["m0"]))
    for level in range(40):
        model.graph.node.append(helper.make_node("Gemm", [f"m{level}", "square", "zero"], [f"m{level + 1}"]))


def attribute(**fields: Any) -> Change:
    """Give the first node an attribute with these fields."""

    def change(model: onnx.ModelProto) -> None:
        added = model.graph.node[0].attribute.add(name="odd")
        for name, value in fields.items():
            field = getattr(added, name)
            if isinstance(value, list):
                field.extend(value)
            elif hasattr(field, "CopyFrom"):
                field.CopyFrom(value)
            else:
                setattr(added, name, value)

    return change


def assign(path: str, value: object) -> Change:
    """Set a field, its path written as in `graph.node.0.name`."""

    def change(model: onnx.ModelProto) -> None:
        *steps, last = path.split(".")
        target: Any = model
        for step in steps:
            target = target[int(step)] if step.isdigit() else getattr(target, step)
        setattr(target, last, value)

    return change


def copy_of(path: str) -> Change:
    """Repeat the first element of a list."""

    def change(model: onnx.ModelProto) -> None:
        target: Any = model
        for step in path.split("."):
            target = getattr(target, step)
        target.add().CopyFrom(target[0])

    return change


_VALUE = "graph.input.0.type.tensor_type"
_IF = helper.make_node("If", ["c"], ["t"], then_branch=branch(), else_branch=branch())
_SCALAR = np.array(1, np.float32)
_INDEX = weight(np.array([0]), "i")
_ZERO = weight(np.zeros(1, np.float32), "zero")

CHANGES: dict[str, tuple[Change, str]] = {
    # another file, or memory, in the place of the weights
    "external data by an absolute path": (external("/etc/passwd"), "external data"),
    "external data above the folder": (external("../../secret"), "external data"),
    "external data beside it": (external("w.bin"), "external data"),
    "external data on a device": (external("/dev/zero"), "external data"),
    "external data at an address": (external("*/_ORT_MEM_ADDR_/*", "1234567"), "external data"),
    "external data without a place": (assign("graph.initializer.0.data_location", 1), "external data"),
    # code of other kinds
    "a function": (function(1), "functions"),
    "nested functions": (function(60), "functions"),
    "control flow": (lambda model: model.graph.node.append(_IF), "subgraphs"),
    "deep nesting": (deeply, "subgraphs"),
    "subgraphs": (attribute(graphs=[branch()], type=10), "subgraphs"),
    "another domain": (assign("graph.node.0.domain", "com.microsoft"), "a domain of its own"),
    "an opset of another domain": (
        lambda model: model.opset_import.append(helper.make_opsetid("com.microsoft", 1)),
        "the domain",
    ),
    "no standard domain": (assign("opset_import.0.domain", "ai.onnx.ml"), '"ai.onnx.ml"'),
    "an overload": (assign("graph.node.0.overload", "x"), "an overload"),
    "training": (lambda model: model.training_info.add(), "training information"),
    "a loop": (node("Loop", ["", "x"], ["l"]), "an operator that linedge never writes"),
    # sizes out of values
    "ConstantOfShape": (both(_INDEX, node("ConstantOfShape", ["i"], ["v"])), '"ConstantOfShape"'),
    "Expand": (both(weight(np.array([1 << 40, 1 << 40]), "i"), node("Expand", ["x", "i"], ["v"])), '"Expand"'),
    "Range": (node("Range", ["b", "b", "b"], ["v"]), '"Range"'),
    "Einsum": (node("Einsum", ["x", "x", "x"], ["v"], equation="ab,cd,ef->abcdef"), "text"),
    "Tile": (both(_INDEX, node("Tile", ["x", "i"], ["v"])), '"Tile"'),
    "Constant": (node("Constant", [], ["v"], value=numpy_helper.from_array(_SCALAR)), "tensors"),
    "RandomNormal": (node("RandomNormal", [], ["v"], shape=[1 << 20, 1 << 20]), "a list of whole numbers"),
    "Concat doubling": (doubling, "numbers a row"),
    "a graph that widens": (narrow_again, "for one row"),
    "a graph that multiplies": (work, "for one row"),
    "a product of constants": (
        both(
            weight(np.ones((20_000, 1), np.float32), "c"),
            weight(np.ones((1, 20_000), np.float32), "r"),
            node("Gemm", ["c", "r", "b"], ["v"]),
        ),
        "it takes initializers alone",
    ),
    "rows out of a constant": (
        both(weight(np.ones((1000, 1), np.float32), "c"), node("Add", ["x", "c"], ["v"])),
        "not that of a row",
    ),
    "ranks that meet": (
        both(weight(np.array([1]), "i"), node("Unsqueeze", ["x", "i"], ["u"]), node("Add", ["x", "u"], ["v"])),
        "several ranks",
    ),
    "rows that are gone": (both(_INDEX, node("ReduceSum", ["x", "i"], ["v"])), "does not add up numbers along"),
    "rows that are chosen": (both(_INDEX, node("Gather", ["x", "i"], ["v"], axis=0)), "none of its columns"),
    "rows that are cut": (both(_INDEX, node("Slice", ["x", "i", "i", "i"], ["v"])), '"Slice"'),
    "rows that are joined": (node("Concat", ["x", "x"], ["v"], axis=0), "none of its columns"),
    "rows by rows": (node("Gemm", ["x", "x", "b"], ["v"]), "multiplies by what is no initializer"),
    "no columns": (both(weight(np.array([], np.int64), "i"), node("Gather", ["x", "i"], ["v"], axis=1)), "the shape"),
    "a column that is none": (
        both(weight(np.array([7]), "i"), node("Gather", ["x", "i"], ["v"], axis=1)),
        "none of 1 columns",
    ),
    "many nodes": (
        lambda model: model.graph.node.extend([model.graph.node[0]] * MAX_NODES),
        f"over {MAX_NODES} values of node",
    ),
    "many parts": (
        lambda model: model.graph.node.extend([helper.make_node("Add", ["x"] * 1000, ["y"])] * (MAX_FIELDS // 1000)),
        "more parts",
    ),
    # values that are not what they should be
    "dimensions that lie": (dimension(1000), "has 8 bytes where its shape (1000, 1) of float64 takes 8000"),
    "dimensions beyond all size": (dimension(1 << 40), "has the shape"),
    "a negative dimension": (dimension(-1), "has the shape"),
    "no dimension": (dimension(0), "has the shape"),
    "a weight that is NaN": (weight([[np.nan]]), "not finite"),
    "a weight that is infinite": (weight([[np.inf]]), "not finite"),
    "a weight of text": (weight(np.array([["a"]], object)), "text"),
    "a weight of half precision": (weight(np.ones((1, 1), np.float16)), "of a type"),
    "a weight of three dimensions": (weight(np.ones((1, 1, 1))), "values of dims"),
    "numbers outside raw_data": (
        lambda model: model.graph.initializer[0].CopyFrom(helper.make_tensor("w", TensorProto.DOUBLE, [1, 1], [2.0])),
        "numbers outside raw_data",
    ),
    "sparse weights": (lambda model: model.graph.sparse_initializer.add(), "sparse initializers"),
    "quantization": (lambda model: model.graph.quantization_annotation.add(), "quantization annotations"),
    "shapes of inner values": (lambda model: model.graph.value_info.add(name="v0"), "shapes of inner values"),
    "an unknown operator": (node("Relu", ["x"], ["v"]), '"Relu": an operator that linedge never writes'),
    "an attribute that is none": (attribute(i=1, type=2), 'attribute "odd"'),
    "an attribute of another type": (assign("graph.node.0.attribute.0.type", 7), 'attribute "to"'),
    "an attribute without a value": (attribute(type=2), 'attribute "odd"'),
    "a cast to text": (assign("graph.node.0.attribute.0.i", TensorProto.STRING), "casts to a type"),
    "types that do not go together": (node("Add", ["x", "v0"], ["v"]), "the types float32, float64"),
    "widths that do not go together": (
        both(
            node("Concat", ["x", "x"], ["v2"], axis=1),
            node("Concat", ["x", "x", "x"], ["v3"], axis=1),
            node("Mul", ["v2", "v3"], ["v"]),
        ),
        "the widths",
    ),
    "a matrix of another size": (weight(np.ones((2, 1))), "multiplies 1 columns"),
    "logic of numbers": (node("And", ["x", "x"], ["v"]), "the types float32"),
    "too few inputs": (node("Add", ["x"], ["v"]), "it has 1 inputs"),
    "too many outputs": (node("Sqrt", ["x"], ["v", "w2"]), "it has 2 outputs"),
    "a value before it is made": (node("Sqrt", ["later"], ["v"]), '"later", which nothing before it makes'),
    "a loop of values": (node("Add", ["x", "v"], ["v"]), '"v", which nothing before it makes'),
    "a value twice": (node("Sqrt", ["x"], ["y"]), '"y", as another value is'),
    "a value without a name": (node("Sqrt", ["x"], [""]), "as another value is"),
    # what is outside the graph
    "two inputs": (copy_of("graph.input"), "several inputs"),
    "an input of integers": (assign(f"{_VALUE}.elem_type", TensorProto.INT64), "is int64"),
    "an input of text": (assign(f"{_VALUE}.elem_type", TensorProto.STRING), "no table"),
    "an input of one dimension": (rank_one_input, "no table"),
    "one row alone": (assign(f"{_VALUE}.shape.dim.0.dim_value", 1), "has not the shape (rows, columns)"),
    "a huge input": (assign(f"{_VALUE}.shape.dim.1.dim_value", 1 << 40), "has not the shape (rows, columns)"),
    "a negative width": (assign(f"{_VALUE}.shape.dim.1.dim_value", -1), "has not the shape (rows, columns)"),
    "an input that is an initializer": (assign("graph.initializer.1.name", "x"), "as its input is"),
    "two initializers of one name": (copy_of("graph.initializer"), "two initializers"),
    "an output twice": (copy_of("graph.output"), "not what its graph makes"),
    "an output that is not made": (assign("graph.output.0.name", "z"), "not what its graph makes"),
    "an output of another width": (
        assign("graph.output.0.type.tensor_type.shape.dim.1.dim_value", 2),
        "not what its graph makes",
    ),
    "an output of another type": (assign("graph.output.0.type.tensor_type.elem_type", 11), "not what its graph makes"),
    "an output of other rows": (
        assign("graph.output.0.type.tensor_type.shape.dim.0.dim_param", "n"),
        "not what its graph makes",
    ),
    "a sequence": (lambda model: model.graph.input[0].type.sequence_type.SetInParent(), "a type has a sequence"),
    "a later format": (assign("ir_version", 99), "its format has version 99"),
    "an earlier format": (assign("ir_version", 3), "its format has version 3"),
    "a later opset": (assign("opset_import.0.version", 99), "of opset 99"),
    "an earlier opset": (assign("opset_import.0.version", 7), "of opset 7"),
    "no opset": (lambda model: model.ClearField("opset_import"), "no opset_import"),
    "no graph": (lambda model: model.ClearField("graph"), "no graph"),
    "no nodes": (lambda model: model.graph.ClearField("node"), "no node"),
    "no name": (lambda model: model.graph.ClearField("name"), "its graph has no name"),
    "an empty name": (assign("graph.name", ""), "an empty name"),
    "a long name": (assign("graph.name", "g" * (MAX_NAME + 1)), "a text of"),
    "no contract that is one": (assign("metadata_props.0.value", "{}"), "its linedge metadata is damaged"),
    "a later contract": (assign("metadata_props.0.value", '{"contract":99}'), "its contract has version 99"),
    "a contract of any size": (assign("metadata_props.0.value", '{"contract":[' + "9," * 9999), "is damaged"),
    "a deep contract": (assign("metadata_props.0.value", "[" * 100_000), "is damaged"),
    "a contract with a long key": (contract('"columns":[{"' + "\\n" * 9999 + '":1}]'), "is damaged"),
    "a contract of any version": (contract('"contract":[' + "1," * 9999 + "1]"), "its contract has version [1, 1,"),
    "a contract of lists": (contract('"a":[' + "[]," * (MAX_METADATA // 32) + "0]"), "is damaged"),
    "a contract of dicts": (contract('"a":[' + '{"":{}},' * (MAX_METADATA // 64) + "0]"), "is damaged"),
    "a contract of half a character": (contract('"linedge":"\\ud800"'), "is damaged"),
    "a contract of no linedge": (said_by(""), "not the linedge that wrote it"),
    "a contract of a blank": (said_by(" \t"), "not the linedge that wrote it"),
    "two contracts": (copy_of("metadata_props"), "one key twice"),
}
"""Change of the golden model, and words of the line that refuses it."""


def field(number: int, wire_type: int, content: bytes = b"") -> bytes:
    """Encode a field; `content` as it stands."""
    return bytes([number << 3 | wire_type]) + content if number < 16 else _varint(number << 3 | wire_type) + content


def sized(content: bytes) -> bytes:
    """Encode a length and what has it."""
    return _varint(len(content)) + content


def _varint(value: int) -> bytes:
    digits = [value >> shift & 0x7F for shift in range(0, max(value.bit_length(), 1), 7)]
    return bytes([*(digit | 0x80 for digit in digits[:-1]), digits[-1]])


ADD = field(2, 2, sized(b"y")) + field(4, 2, sized(b"Add"))
"""What a node has to have."""


def deep(levels: int) -> bytes:
    """Encode graphs in nodes in graphs."""
    graph = b""
    for _ in range(levels):
        graph = field(1, 2, sized(field(5, 2, sized(field(6, 2, sized(graph))))))
    return field(7, 2, sized(graph))


BYTES: dict[str, tuple[Callable[[], bytes], str]] = {
    "an unknown field": (lambda: GOOD + field(99, 2, sized(b"abc")), "the unknown field 99"),
    "field 0": (lambda: GOOD + b"\0\0", "a field 0"),
    "a second graph": (lambda: GOOD + field(7, 2, sized(b"")), "its graph has no node"),
    "a second version": (lambda: GOOD + b"\x08\x07", "two values of ir_version"),
    "a group": (lambda: GOOD + b"\x1b\x1c", "a damaged producer_version"),
    "nested groups": (lambda: GOOD + b"\x0b" * 100_000, "a damaged ir_version"),
    "nesting of 3,000 levels": (lambda: GOOD + deep(3000), "subgraphs"),
    "a field of another type": (lambda: GOOD + b"\x38\x07", "a damaged graph"),
    "a length beyond the end": (lambda: GOOD + b"\x12\xff\xff\xff\xff\x7f", "cut off or damaged"),
    "a number without an end": (lambda: GOOD + b"\x28" + b"\xff" * 20, "cut off or damaged"),
    "a number of over 64 bits": (lambda: GOOD + b"\x28" + b"\xff" * 9 + b"\x02", "cut off or damaged"),
    "a number that is longer than need be": (lambda: GOOD + b"\x28\x80\x00", "cut off or damaged"),
    "text that is none": (lambda: GOOD + b"\x32\x02\xff\xfe", "not UTF-8"),
    "a byte too few": (lambda: GOOD[:-1], "cut off or damaged"),
    "zeros behind it": (lambda: GOOD + bytes(1000), "a field 0"),
    "a contract beyond all size": (
        lambda: GOOD + field(14, 2, sized(b"\n\x01a\x12" + sized(bytes(MAX_METADATA + 1)))),
        "a text of",
    ),
    "fields without end": (lambda: GOOD + field(8, 2, sized(b"")) * 1_000_000, "over 2 values of opset_import"),
    "inputs without end": (
        lambda: GOOD + field(7, 2, sized(field(1, 2, sized(ADD + field(1, 2, sized(b"")) * 8000)) * 100)),
        "more parts",
    ),
    "beyond all size": (lambda: GOOD + bytes(MAX_BYTES), f"and {MAX_BYTES} are the most that"),
}
"""Bytes, and words of the line that refuses them."""

HOSTILE: dict[str, tuple[Callable[[], bytes], str]] = {
    **{name: (lambda change=change: changed(change), words) for name, (change, words) in CHANGES.items()},  # type: ignore[misc]
    **BYTES,
}


def hostile(case: str) -> bytes:
    """Return the bytes of a case."""
    return prebuilt.content(file_name(case), HOSTILE[case][0])


def file_name(case: str) -> str:
    """Return the name of a case's file."""
    return f"hostile-{list(HOSTILE).index(case)}.onnx"
