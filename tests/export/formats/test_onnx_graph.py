"""The files themselves: what the graph is made of, how small it is, and that it tells nothing of where it was made."""

from __future__ import annotations

import getpass
import io
import os
import re
import socket
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto

from lr_export import export
from lr_export.choices import OPSET
from lr_export.formats.onnx import onnx_bytes, read_checked
from lr_export.model.build import program_of
from lr_export.model.numbers import numbers_at
from lr_runtime.contract.contract import METADATA_KEY, PRECISIONS, Contract
from lr_runtime.contract.formats import EXPORT_FORMATS
from lr_runtime.onnx_file.session import Session
from tests.conftest import CHECKPOINTS, EXPANDED, ROOT, checkpoint_of
from tests.export.in_page import without_the_pages_own
from tests.export.oracle import bounds, fractions, outputs
from tests.export.present import FORMAT_NAMES, in_every_format

if TYPE_CHECKING:
    from lr_runtime.contract.checkpoint import Checkpoint
    from lr_runtime.contract.contract import Precision
    from lr_runtime.contract.formats import FormatName

IO_TYPES = {
    "exact": TensorProto.FLOAT,
    "float32": TensorProto.FLOAT,
    "float64": TensorProto.DOUBLE,
    "portable": TensorProto.FLOAT,
}
ALL = {**CHECKPOINTS, **EXPANDED}


def graph_of(checkpoint: Checkpoint, precision: Precision = "exact") -> onnx.ModelProto:
    return onnx.load_model_from_string(onnx_bytes(program_of(numbers_at(checkpoint, precision)), checkpoint.contract))


def exported(checkpoint: Checkpoint, format_name: FormatName, folder: Path) -> bytes:
    target = folder / f"model{EXPORT_FORMATS[format_name].suffix}"
    export(checkpoint, target, format=format_name)
    return target.read_bytes()


@pytest.mark.parametrize("precision", PRECISIONS)
def test_the_checker_of_onnx_finds_nothing(checkpoint: Checkpoint, precision: Precision) -> None:
    model = graph_of(checkpoint, precision)
    onnx.checker.check_model(model, full_check=True)
    onnx.shape_inference.infer_shapes(model, check_type=True, strict_mode=True, data_prop=True)


@pytest.mark.parametrize("precision", PRECISIONS)
def test_every_phone_and_browser_knows_its_operators(checkpoint: Checkpoint, precision: Precision) -> None:
    model = graph_of(checkpoint, precision)
    assert [(entry.domain, entry.version) for entry in model.opset_import] == [("", 13)]
    assert (OPSET, model.ir_version) == (13, 7)
    assert {node.domain for node in model.graph.node} == {""}
    assert not model.functions


@pytest.mark.parametrize("precision", PRECISIONS)
def test_one_table_in_and_one_out(checkpoint: Checkpoint, precision: Precision) -> None:
    graph = graph_of(checkpoint, precision).graph
    found = [
        (
            value.name,
            value.type.tensor_type.elem_type,
            [d.dim_param or d.dim_value for d in value.type.tensor_type.shape.dim],
        )
        for value in (*graph.input, *graph.output)
    ]
    outputs_, columns = checkpoint.weight.shape
    assert found == [("x", IO_TYPES[precision], ["N", columns]), ("y", IO_TYPES[precision], ["N", outputs_])]


NODES: dict[tuple[Precision, bool], list[str]] = {
    ("exact", False): ["Cast", "Gemm", "Cast"],
    ("exact", True): ["Cast", "Sub", "Gemm", "Cast"],
    ("float32", False): ["Gemm"],
    ("float32", True): ["Sub", "Gemm"],
    ("float64", False): ["Gemm"],
    ("float64", True): ["Sub", "Gemm"],
}


def nodes_of_portable(checkpoint: Checkpoint) -> list[str]:
    """All products at once, then sums from left to right."""
    outputs_, columns = checkpoint.weight.shape
    sums = [*(["Split"] if columns > 1 else []), *["Add"] * (columns - 1)]
    products = ["Unsqueeze", "Mul", *sums, "Squeeze"] if outputs_ > 1 else ["Mul", *sums]
    return [*(["Sub"] if checkpoint.origin.any() else []), *products, "Add"]


@pytest.mark.parametrize("precision", PRECISIONS)
def test_the_graph_has_no_node_too_many(checkpoint: Checkpoint, precision: Precision) -> None:
    graph = graph_of(checkpoint, precision).graph
    offset = bool(checkpoint.origin.any())
    expected = nodes_of_portable(checkpoint) if precision == "portable" else NODES[precision, offset]
    assert [node.op_type for node in graph.node] == expected
    if precision == "portable" and checkpoint.weight.shape[0] > 1:
        return
    assert {tensor.name for tensor in graph.initializer} == {"w", "b", *(["o"] if offset else [])}


@pytest.mark.parametrize("precision", PRECISIONS)
def test_the_numbers_come_back_bit_for_bit(checkpoint: Checkpoint, precision: Precision) -> None:
    program = program_of(numbers_at(checkpoint, precision))
    _, found, contract = read_checked(onnx_bytes(program, checkpoint.contract))
    assert Contract.from_json(contract) == checkpoint.contract
    assert {name: array.tobytes() for name, array in found.items()} == {
        name: array.tobytes() for name, array in program.constants.items()
    }


def test_the_lesson_is_small(tmp_path: Path) -> None:
    content = exported(CHECKPOINTS["the published lesson"](), "onnx", tmp_path)
    assert len(content) <= 3000
    model = onnx.load_model_from_string(content)
    assert {entry.key for entry in model.metadata_props} == {METADATA_KEY}
    del model.metadata_props[:]
    assert model.ByteSize() <= 400


@pytest.mark.parametrize(("origin", "most"), [(0.0, 200), (1004.0, 300)])
def test_three_columns_take_few_bytes(origin: float, most: int) -> None:
    model = graph_of(checkpoint_of([[1.0, 2.0, 3.0]], 4.0, origin=origin))
    del model.metadata_props[:]
    assert model.ByteSize() <= most


SHAPES = {name: ALL[name] for name in ("one column", "an offset column", "two outputs", "the same with two outputs")}
SECOND_PROCESS = """
import sys
from pathlib import Path
from lr_export import export
from lr_export.choices import OPSET
from lr_runtime.contract.formats import EXPORT_FORMATS
for name, each in EXPORT_FORMATS.items():
    for checkpoint in sorted(Path(sys.argv[1]).glob("*.safetensors")):
        export(checkpoint, checkpoint.stem + each.suffix, format=name, unverified=True)
"""


def test_another_process_and_folder_write_the_same_bytes(tmp_path: Path) -> None:

    here, there = tmp_path / "here", tmp_path / "there"
    here.mkdir()
    there.mkdir()
    for name, make in SHAPES.items():
        make().save(here / f"{name}.safetensors")
    elsewhere = {**os.environ, "HOME": str(there), "USER": "someone", "LOGNAME": "someone", "TZ": "Asia/Tokyo"}
    elsewhere |= {"PYTHONHASHSEED": "7"}
    subprocess.run([sys.executable, "-c", SECOND_PROCESS, here], cwd=there, env=elsewhere, check=True)
    # In another order, because torch names what it scripts by what it scripted before.
    for name in reversed(SHAPES):
        for format_name in reversed(FORMAT_NAMES):
            target = here / f"{name}{EXPORT_FORMATS[format_name].suffix}"
            export(here / f"{name}.safetensors", target, format=format_name, unverified=True)
            assert target.read_bytes() == (there / target.name).read_bytes(), target.name


@pytest.mark.parametrize("name", SHAPES)
@in_every_format
def test_an_artefact_tells_nothing_of_where_it_was_made(name: str, format_name: FormatName, tmp_path: Path) -> None:
    content = exported(SHAPES[name](), format_name, tmp_path)
    if format_name == "html":  # its own style and scripts, which stand in every page, speak of :root and of dates
        content = without_the_pages_own(content.decode()).encode()
    places = {
        str(tmp_path),
        str(Path.cwd()),
        str(ROOT),
        str(Path.home()),
        sys.prefix,
        "site-packages",
        "export/lr_export",
    }
    people = {socket.gethostname(), getpass.getuser()}
    assert [name for name in places | people if name.encode() in content] == []
    assert not re.search(rb"\d{4}-\d\d-\d\d|\d\d:\d\d", content)


@pytest.mark.parametrize("name", SHAPES)
def test_the_records_of_a_torchscript_file_have_no_date_and_no_source_paths(name: str, tmp_path: Path) -> None:
    records = zipfile.ZipFile(io.BytesIO(exported(SHAPES[name](), "torchscript", tmp_path))).infolist()
    assert {record.date_time for record in records} == {(1980, 1, 1, 0, 0, 0)}
    assert not [record.filename for record in records if "debug" in record.filename]


@pytest.mark.filterwarnings(
    # The exporter of torch warns of its own internals; it is only the second opinion here.
    "ignore::DeprecationWarning",
    "ignore::FutureWarning",
    "ignore::UserWarning",
)
@pytest.mark.parametrize("name", ["one column", "two outputs"])
def test_the_exporter_of_torch_agrees(name: str, tmp_path: Path) -> None:
    checkpoint = CHECKPOINTS[name]()
    outputs_, columns = checkpoint.weight.shape
    linear = torch.nn.Linear(columns, outputs_, dtype=torch.float64)
    with torch.no_grad():
        linear.weight.copy_(torch.from_numpy(checkpoint.weight))
        linear.bias.copy_(torch.from_numpy(checkpoint.bias))
    x = np.random.default_rng(1).normal(size=(50, columns))
    target = tmp_path / "torch.onnx"
    torch.onnx.export(
        linear,
        (torch.from_numpy(x),),
        target,
        dynamo=True,
        input_names=["x"],
        output_names=["y"],
        dynamic_shapes={"input": {0: torch.export.Dim("rows")}},
        verbose=False,
    )
    ours = onnx_bytes(program_of(numbers_at(checkpoint, "float64")), checkpoint.contract)
    bound, exact = bounds(checkpoint, numbers_at(checkpoint, "float64"), x), outputs(checkpoint, x)
    for content in (target.read_bytes(), ours):
        assert (abs(fractions(Session(content).run(x)) - exact) <= bound).all()
    assert len(ours) < target.stat().st_size
