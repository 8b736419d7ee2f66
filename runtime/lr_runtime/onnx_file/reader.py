"""An ONNX file, read without the onnx package, and refused unless linedge could have written it.

The tables below are the whole of what is let in; `operators.py` says the same of the operators. What the tables
leave out is how a model file hurts: external data reads another file, functions and subgraphs run others, sparse and
text tensors, quantisation annotations and training information reach code that nobody tests.

    bytes -> fields (protobuf.py) -> names, tensors, nodes (here) -> every value's width (operators.py) -> OnnxFile
"""

from __future__ import annotations

import math
from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from lr_runtime.errors import ModelFileError, escaped
from lr_runtime.onnx_file.operators import MAX_WIDTH, Initializer, Node, RowTensor, widths
from lr_runtime.onnx_file.protobuf import LENGTH, VARINT, Decoded, Field, Message, Source, WireError, integer, raw, text

if TYPE_CHECKING:
    from collections.abc import Mapping

MAX_BYTES = 1 << 26
"""Of a file: 64 MiB hold 1,000 terms times 1,000 outputs in float64, and their equation as text; ONNX Runtime takes a
few times as much memory as the file has bytes."""
MAX_METADATA = 1 << 22
"""Of the contract, in bytes of JSON: 4 MiB hold the equation of 150,000 weights; a parser can need 30 times that."""
MAX_NODES = 8192
"""64 columns in ordered multiplications and additions take some 200; ONNX Runtime needs about 20 us for each."""
MAX_FIELDS = 1 << 17
"""Of the format's fields, over the whole file: MAX_NODES nodes of 16 fields each."""
MAX_NAME = 1024
"""Of a value's or a graph's name, in bytes."""
OPSETS = range(13, 29)
"""From the first that linedge writes to the last whose operators were compared with the rules of `operators`."""
IR_VERSIONS = range(7, 15)
"""Of the format; before 4 a caller could replace weights."""

_DTYPES = {1: "float32", 7: "int64", 9: "bool", 11: "float64"}
_STORED = {"float32": "<f4", "int64": "<i8", "bool": "u1", "float64": "<f8"}
_INT = 2
"""The type of an attribute that is a whole number."""

_NAME = text(MAX_NAME)


def _tag(number: int, wire_type: int = LENGTH) -> int:
    return number << 3 | wire_type


_DOC = "a doc string"

_ATTRIBUTE = Message(
    "an attribute",
    {_tag(1): Field("name", _NAME), _tag(3, VARINT): Field("i", integer), _tag(20, VARINT): Field("type", integer)},
    ("name", "type"),
    {
        **dict.fromkeys((2, 7), "numbers that are not whole"),
        **dict.fromkeys((4, 9), "text"),
        **dict.fromkeys((5, 10), "tensors"),
        **dict.fromkeys((6, 11), "subgraphs (control flow)"),
        8: "a list of whole numbers",
        13: _DOC,
        **dict.fromkeys((14, 15), "types"),
        21: "a reference to a function's attribute",
        **dict.fromkeys((22, 23), "sparse tensors"),
    },
)
_NODE = Message(
    "a node",
    {
        _tag(1): Field("input", _NAME, MAX_NODES),
        _tag(2): Field("output", _NAME, MAX_NODES),
        _tag(3): Field("name", _NAME),
        _tag(4): Field("op_type", _NAME),
        _tag(5): Field("attribute", _ATTRIBUTE, 8),
    },
    ("op_type", "output"),
    {6: _DOC, 7: "a domain of its own", 8: "an overload of a function", 9: "metadata", 10: "a device's configuration"},
)
_TENSOR = Message(
    "an initializer",
    {
        _tag(1, VARINT): Field("dims", integer, 2),
        _tag(2, VARINT): Field("data_type", integer),
        _tag(8): Field("name", _NAME),
        _tag(9): Field("raw_data", raw),
    },
    ("data_type", "name"),
    {
        3: "segments",
        **dict.fromkeys((4, 5, 7, 10, 11), "numbers outside raw_data"),
        6: "text",
        12: _DOC,
        **dict.fromkeys((13, 14), "external data, in another file,"),
        16: "metadata",
    },
)
_DIMENSION = Message(
    "a dimension",
    {_tag(1, VARINT): Field("dim_value", integer), _tag(2): Field("dim_param", _NAME)},
    refused={3: "a denotation"},
)
_SHAPE = Message("a shape", {_tag(1): Field("dim", _DIMENSION, 2)})
_TENSOR_TYPE = Message(
    "a tensor's type",
    {_tag(1, VARINT): Field("elem_type", integer), _tag(2): Field("shape", _SHAPE)},
    ("elem_type", "shape"),
)
_TYPE = Message(
    "a type",
    {_tag(1): Field("tensor_type", _TENSOR_TYPE)},
    ("tensor_type",),
    {4: "a sequence", 5: "a map", 6: "a denotation", 7: "an opaque type", 8: "a sparse tensor", 9: "an optional value"},
)
_VALUE = Message(
    "an input or output",
    {_tag(1): Field("name", _NAME), _tag(2): Field("type", _TYPE)},
    ("name", "type"),
    {3: _DOC, 4: "metadata"},
)
_GRAPH = Message(
    "its graph",
    {
        _tag(1): Field("node", _NODE, MAX_NODES),
        _tag(2): Field("name", _NAME),
        _tag(5): Field("initializer", _TENSOR, MAX_NODES),
        _tag(10): Field("doc_string", text(1 << 16)),
        _tag(11): Field("input", _VALUE, 2),
        _tag(12): Field("output", _VALUE, 16),
    },
    ("node", "name", "input", "output"),
    {
        13: "shapes of inner values",
        14: "quantization annotations",
        15: "sparse initializers",
        16: "metadata of its own",
    },
)
_OPSET = Message("an opset", {_tag(1): Field("domain", _NAME), _tag(2, VARINT): Field("version", integer)})
_PROPERTY = Message(
    "a property", {_tag(1): Field("key", _NAME), _tag(2): Field("value", text(MAX_METADATA))}, ("key", "value")
)
_MODEL = Message(
    "it",
    {
        _tag(1, VARINT): Field("ir_version", integer),
        _tag(2): Field("producer_name", _NAME),
        _tag(3): Field("producer_version", _NAME),
        _tag(4): Field("domain", _NAME),
        _tag(5, VARINT): Field("model_version", integer),
        _tag(6): Field("doc_string", text(1 << 16)),
        _tag(7): Field("graph", _GRAPH),
        _tag(8): Field("opset_import", _OPSET, 2),
        _tag(14): Field("metadata_props", _PROPERTY, 2),
    },
    ("ir_version", "graph", "opset_import"),
    {20: "training information", 25: "functions", 26: "a configuration of devices"},
)


class ValueInfo(NamedTuple):
    """An input or output of the graph: one row of `width` columns for each row of `x`."""

    name: str
    dtype: str
    width: int


class OnnxFile(NamedTuple):
    """What a file holds that passed every check.

    Attributes:
        ir_version: of the format.
        opset: of the standard domain, the only one.
        producer: who made it, name and version; empty where it does not say.
        name: of the graph.
        metadata: its `metadata_props`.
        inputs: one.
        outputs: in order.
        initializers: by name, in order.
        nodes: in order, each after those that it takes values from.
        cells: values computed for each row, over all nodes: 8 bytes of memory each, at most.
        work: values read, written and multiplied for each row, over all nodes.
    """

    ir_version: int
    opset: int
    producer: str
    name: str
    metadata: Mapping[str, str]
    inputs: tuple[ValueInfo, ...]
    outputs: tuple[ValueInfo, ...]
    initializers: Mapping[str, Initializer]
    nodes: tuple[Node, ...]
    cells: int
    work: int


def read_onnx(content: bytes) -> OnnxFile:
    """Read the bytes of an ONNX file, and refuse what linedge would not write. No file is opened, nothing is run.
    Raises WireError where it is no ONNX file, or damaged; ModelFileError where it holds what linedge never writes.
    """
    if len(content) > MAX_BYTES:
        raise ModelFileError(f"it has {len(content)} bytes, and {MAX_BYTES} are the most that is read")
    if content[:1] != b"\x08":
        raise WireError("it does not begin with the version of its format")
    model = _MODEL(Source(content, MAX_FIELDS), 0, len(content))
    graph = model["graph"]
    if not graph["name"]:
        raise ModelFileError("its graph has an empty name")
    opset = _opset(model)
    rows, given = _given(graph["input"])
    initializers = _initializers(graph.get("initializer", []))
    nodes = tuple(map(_node, graph["node"]))
    if given.name in initializers:
        raise ModelFileError(f"an initializer is called {escaped(given.name)}, as its input is")
    derived = widths(nodes, {given.name: RowTensor(given.dtype, (given.width,)), **initializers}, opset)
    return OnnxFile(
        ir_version=model["ir_version"],
        opset=opset,
        producer=" ".join(filter(None, (model.get("producer_name"), model.get("producer_version")))),
        name=graph["name"],
        metadata=_metadata(model.get("metadata_props", [])),
        inputs=(given,),
        outputs=_outputs(graph["output"], rows, derived.made),
        initializers=MappingProxyType(initializers),
        nodes=nodes,
        cells=derived.cells,
        work=derived.work,
    )


def _opset(model: Decoded) -> int:
    if model["ir_version"] not in IR_VERSIONS:
        raise ModelFileError(f"its format has version {model['ir_version']}, {_not_in(IR_VERSIONS)}")
    domains = [opset.get("domain", "") for opset in model["opset_import"]]
    if domains != [""]:
        foreign = next((domain for domain in domains if domain), "")
        raise ModelFileError(f"it takes operators from the domain {escaped(foreign)}, which linedge never does")
    opset: int = model["opset_import"][0].get("version", 0)
    if opset not in OPSETS:
        raise ModelFileError(f"its operators are of opset {opset}, {_not_in(OPSETS)}")
    return opset


def _not_in(known: range) -> str:
    return f"this linedge reads {known[0]} to {known[-1]}. Upgrade linedge: pip install -U linedge"


def _metadata(properties: list[dict[str, str]]) -> Mapping[str, str]:
    metadata = {entry["key"]: entry["value"] for entry in properties}
    if len(metadata) < len(properties):
        raise ModelFileError("its metadata has one key twice")
    return MappingProxyType(metadata)


def _given(inputs: list[Decoded]) -> tuple[str, ValueInfo]:
    """Return the name of the number of rows, and the input."""
    if len(inputs) != 1:
        raise ModelFileError("it has several inputs; linedge writes one")
    rows, value = _value(inputs[0])
    if value.dtype not in {"float32", "float64"}:
        raise ModelFileError(f"its input {escaped(value.name)} is {value.dtype}, not float32 or float64")
    return rows, value


def _value(declared: Decoded) -> tuple[str, ValueInfo]:
    name, kind = declared["name"], declared["type"]["tensor_type"]
    dimensions = kind["shape"].get("dim", [])
    dtype = _DTYPES.get(kind["elem_type"])
    if dtype is None or len(dimensions) != 2:
        raise ModelFileError(f"{escaped(name)} is no table (rows, columns) of a type that linedge writes")
    rows, columns = dimensions
    width = columns.get("dim_value", 0)
    if set(rows) != {"dim_param"} or set(columns) != {"dim_value"} or not 0 < width <= MAX_WIDTH:
        raise ModelFileError(
            f"{escaped(name)} has not the shape (rows, columns) with a name for rows and 1 to {MAX_WIDTH} columns"
        )
    return rows["dim_param"], ValueInfo(name, dtype, width)


def _outputs(declared: list[Decoded], rows: str, made: Mapping[str, RowTensor]) -> tuple[ValueInfo, ...]:
    outputs: dict[str, ValueInfo] = {}
    for its_rows, value in map(_value, declared):
        if its_rows != rows or made.get(value.name) != RowTensor(value.dtype, (value.width,)) or value.name in outputs:
            raise ModelFileError(f"its output {escaped(value.name)} is not what its graph makes")
        outputs[value.name] = value
    return tuple(outputs.values())


def _initializers(tensors: list[Decoded]) -> dict[str, Initializer]:
    found: dict[str, Initializer] = {}
    for tensor in tensors:
        constant = _constant(tensor)
        if constant.name in found:
            raise ModelFileError(f"two initializers are called {escaped(constant.name)}")
        found[constant.name] = constant
    return found


def _constant(tensor: Decoded) -> Initializer:
    name, shape = tensor["name"], tuple(tensor.get("dims", ()))
    dtype = _DTYPES.get(tensor["data_type"])
    where = f"the initializer {escaped(name)}"
    if dtype is None:
        raise ModelFileError(f"{where} is of a type that linedge never writes")
    if any(not 0 < size <= MAX_BYTES for size in shape):
        raise ModelFileError(f"{where} has the shape {shape}")
    data = tensor.get("raw_data", b"")
    stored = np.dtype(_STORED[dtype])
    expected = math.prod(shape) * stored.itemsize
    if len(data) != expected:
        raise ModelFileError(f"{where} has {len(data)} bytes where its shape {shape} of {dtype} takes {expected}")
    values = np.frombuffer(data, stored).reshape(shape)
    if dtype == "bool" and (values > 1).any():
        raise ModelFileError(f"{where} has truth values that are neither 0 nor 1")
    if not np.isfinite(values).all():
        raise ModelFileError(f"{where} has a number that is not finite")
    return Initializer(name, dtype, shape, values)


def _node(node: Decoded) -> Node:
    attributes: dict[str, int] = {}
    for attribute in node.get("attribute", ()):
        name = attribute["name"]
        if name in attributes or attribute["type"] != _INT or "i" not in attribute:
            raise ModelFileError(f"the attribute {escaped(name)} of {escaped(node['op_type'])} is damaged")
        attributes[name] = attribute["i"]
    return Node(node["op_type"], tuple(node.get("input", ())), tuple(node["output"]), attributes)
