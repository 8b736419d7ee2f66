"""Planted faults: each has to be found, and nothing may be written or replaced."""

from __future__ import annotations

import json
from dataclasses import replace
from hashlib import sha256
from typing import TYPE_CHECKING

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from lr_export import Certificate, export
from lr_export.choices import that_have
from lr_export.formats import pt2, torchscript
from lr_export.formats.registry import BACKENDS
from lr_export.model.build import program_of
from lr_export.model.numbers import numbers_at
from lr_export.program.program import Constant
from lr_runtime.errors import CheckFailedError
from lr_trainer import fit
from tests.conftest import CHECKPOINTS, EXPANDED, checkpoint_of
from tests.export import faulty
from tests.export.formats.test_formats import CHECKPOINT
from tests.export.present import FORMAT_NAMES, in_every_format, param

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from types import ModuleType

    from lr_export.formats.torch_module import ProgramModule
    from lr_export.model.numbers import Numbers
    from lr_export.program.program import Program, Step
    from lr_runtime.contract.contract import Contract, Precision
    from lr_runtime.contract.formats import FormatName
    from tests.export.oracle import Floats

    Run = Callable[[Floats], Floats]


def plant(monkeypatch: pytest.MonkeyPatch, format_name: FormatName, **parts: Callable[..., object]) -> None:
    monkeypatch.setitem(BACKENDS, format_name, replace(BACKENDS[format_name], **parts))  # type: ignore[arg-type]


def next_up(values: Floats) -> Floats:
    up: Floats = np.nextafter(values, np.array(np.inf, dtype=values.dtype))
    return up


@in_every_format
def test_without_a_fault_the_file_is_written(format_name: FormatName, tmp_path: Path) -> None:
    target = tmp_path / "model"
    target.write_text("an old file")
    found = export(CHECKPOINT, target, format=format_name)
    content = target.read_bytes()
    assert [path.name for path in tmp_path.iterdir()] == ["model"]
    assert (found.sha256, found.size) == (sha256(content).hexdigest(), len(content))
    assert (found.format, found.precision) == (format_name, "exact")
    assert found.rows >= 1000
    assert len(found.engines) == {"onnx": 3}.get(format_name, 2)
    for measured in found.engines:
        assert 0 < measured.worst_error["y"] <= found.bounds["y"][0]
        assert 0 < measured.worst_share <= 1
    assert json.loads(json.dumps(found.to_json()))["sha256"] == found.sha256
    assert isinstance(found, Certificate)


NUMBERS_AND_CONTRACTS: dict[str, Callable[[Numbers, Contract], tuple[Numbers, Contract]]] = {
    "the last bit of a weight": lambda n, c: (replace(n, weight=next_up(n.weight)), c),
    "the last bit of the bias": lambda n, c: (replace(n, bias=next_up(n.bias)), c),
    "swapped columns": lambda n, c: (replace(n, weight=n.weight[:, ::-1].copy()), c),
    "another sign of zero": lambda n, c: (replace(n, origin=np.array([1004.0, -0.0])), c),
    "no origin": lambda n, c: (replace(n, origin=None), c),
    "float32 inside": lambda _, c: (numbers_at(CHECKPOINT, "float32"), c),
    "another model": lambda _, c: (numbers_at(checkpoint_of([[1.0, 2.0]], 0.0), "exact"), c),
    "one more column": lambda _, c: (
        numbers_at(checkpoint_of([[1.0, 2.0, 3.0]], 0.0), "exact"),
        c._replace(columns=(*c.columns, c.columns[0]), golden_rows=()),
    ),
    "another number of training rows": lambda n, c: (n, c._replace(rows=(c.rows or 0) + 1)),
    "a smaller bound": lambda n, c: (n, c._replace(bound=(0.0,))),
    "no golden rows": lambda n, c: (n, c._replace(golden_rows=())),
    "renamed outputs": lambda n, c: (n, c._replace(outputs=tuple(o._replace(name="z") for o in c.outputs))),
}


@in_every_format
@pytest.mark.parametrize("fault", NUMBERS_AND_CONTRACTS.values(), ids=NUMBERS_AND_CONTRACTS)
def test_a_file_with_other_contents(
    fault: Callable[[Numbers, Contract], tuple[Numbers, Contract]],
    format_name: FormatName,
    refused: Callable[..., str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    honest = BACKENDS[format_name].build

    def build(_: Program, contract: Contract) -> bytes:
        numbers, contract = fault(numbers_at(CHECKPOINT, "exact"), contract)
        return honest(program_of(numbers), contract)

    plant(monkeypatch, format_name, build=build)
    assert "the file as written" in refused(format_name)


@in_every_format
def test_a_file_with_other_inputs_and_outputs(
    format_name: FormatName, refused: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    honest = BACKENDS[format_name].build
    plant(
        monkeypatch,
        format_name,
        build=lambda _, contract: honest(program_of(numbers_at(CHECKPOINT, "float64")), contract),
    )
    wrong_result = "a result is not float32"
    said = {"c": "incompatible pointer type", "js": wrong_result, "html": wrong_result}.get(format_name, "float64")
    assert said in refused(format_name).replace("double", "float64")


@in_every_format
def test_a_first_file_that_fails_leaves_an_empty_folder(
    format_name: FormatName, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plant(monkeypatch, format_name, build=lambda *_: b"garbage")
    with pytest.raises(CheckFailedError):
        export(CHECKPOINT, tmp_path / "model", format=format_name)
    assert list(tmp_path.iterdir()) == []


BYTES: dict[str, Callable[[bytes], bytes]] = {
    "the last byte is missing": lambda content: content[:-1],
    "half is missing": lambda content: content[: len(content) // 2],
    "empty": lambda _: b"",
    "garbage": lambda content: bytes(np.random.default_rng(1).integers(0, 256, len(content), dtype=np.uint8)),
    "text": lambda _: b"linedge\n" * 100,
}


@in_every_format
@pytest.mark.parametrize("fault", BYTES.values(), ids=BYTES)
def test_damaged_bytes(
    fault: Callable[[bytes], bytes],
    format_name: FormatName,
    refused: Callable[..., str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    honest = BACKENDS[format_name].build
    plant(monkeypatch, format_name, build=lambda program, contract: fault(honest(program, contract)))
    assert "does not load" in refused(format_name)


@in_every_format
def test_a_stale_file(
    format_name: FormatName,
    refused: Callable[..., str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    other = tmp_path_factory.mktemp("other") / "model"
    export(CHECKPOINTS["an offset column"](), other, format=format_name)
    plant(monkeypatch, format_name, build=lambda *_: other.read_bytes())
    assert "is not the checkpoint's" in refused(format_name)


def _in_float32(graph: onnx.GraphProto) -> None:
    """Cast the numbers to float32 in the graph, and compute there: the initializers stay as they are."""
    casts = [helper.make_node("Cast", [name], [f"{name}32"], to=TensorProto.FLOAT) for name in ("o", "w", "b")]
    steps = [helper.make_node("Sub", ["x", "o32"], ["d"]), helper.make_node("Gemm", ["d", "w32", "b32"], ["y"])]
    _set_nodes(graph, [*casts, *steps])


def _reversed(graph: onnx.GraphProto) -> None:
    index = helper.make_node("Constant", [], ["i"], value=helper.make_tensor("i", TensorProto.INT64, [2], [1, 0]))
    gather = helper.make_node("Gather", ["x", "i"], ["g"], axis=1)
    nodes = list(graph.node)
    nodes[0].input[0] = "g"
    _set_nodes(graph, [index, gather, *nodes])


def _without_origin(graph: onnx.GraphProto) -> None:
    cast, subtract, gemm, back = graph.node
    gemm.input[0] = subtract.input[0]
    _set_nodes(graph, [cast, gemm, back])


def _clipped(graph: onnx.GraphProto) -> None:
    nodes = list(graph.node)
    nodes[-1].output[0] = "before"
    _set_nodes(graph, [*nodes, helper.make_node("Relu", ["before"], ["y"])])


def _transposed_output(graph: onnx.GraphProto) -> None:
    nodes = list(graph.node)
    nodes[-1].output[0] = "before"
    _set_nodes(graph, [*nodes, helper.make_node("Transpose", ["before"], ["y"])])


def _one_more_number(graph: onnx.GraphProto) -> None:
    graph.initializer.append(helper.make_tensor("c", TensorProto.DOUBLE, [1], [0.0]))


def _set_nodes(graph: onnx.GraphProto, nodes: list[onnx.NodeProto]) -> None:
    copies = [onnx.NodeProto.FromString(node.SerializeToString()) for node in nodes]
    del graph.node[:]
    graph.node.extend(copies)


GRAPHS: dict[str, Callable[[onnx.GraphProto], None]] = {
    "computes in float32": _in_float32,
    "columns in the wrong order": _reversed,
    "origin not used": _without_origin,
    "clipped at 0": _clipped,
    "rows and outputs swapped": _transposed_output,
    "one more number": _one_more_number,
}


@pytest.mark.parametrize("fault", GRAPHS.values(), ids=GRAPHS)
def test_a_graph_with_the_right_numbers_and_a_wrong_step(
    fault: Callable[[onnx.GraphProto], None], refused: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    honest = BACKENDS["onnx"].build

    def build(program: Program, contract: Contract) -> bytes:
        model = onnx.load_model_from_string(honest(program, contract))
        fault(model.graph)
        content: bytes = model.SerializeToString()
        return content

    plant(monkeypatch, "onnx", build=build)
    refused("onnx")


MODULES: dict[str, type[ProgramModule]] = {
    "computes in float32": faulty.InFloat32,
    "columns in the wrong order": faulty.Reversed,
    "origin not used": faulty.WithoutOrigin,
    "clipped at 0": faulty.Clipped,
}


@pytest.mark.parametrize("home", [torchscript, pt2], ids=["torchscript", "pt2"])
@pytest.mark.parametrize("module", MODULES.values(), ids=MODULES)
def test_a_module_with_the_right_numbers_and_a_wrong_step(
    module: type[ProgramModule], home: ModuleType, refused: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(home, "ProgramModule", module)
    assert "the bound there is" in refused(home.__name__.rpartition(".")[2])


SOURCES: dict[str, dict[FormatName, tuple[bytes, bytes]]] = {
    "computes in float32": {
        "c": (b"double v", b"float v"),
        "js": (b"= new Float64Array(", b"= new Float32Array("),
    },
    "columns in the wrong order": {"c": (b"(double)x[i]", b"(double)x[1 - i]"), "js": (b"= x[i];", b"= x[1 - i];")},
    "origin not used": {"c": (b" - linedge_origin[i]", b""), "js": (b" - c_origin[i]", b"")},
    "clipped at 0": {
        "c": (b"results.y[0] = v3[0]", b"results.y[0] = v3[0] > 0 ? v3[0] : 0"),
        "js": (b"Array.from(v3)", b"Array.from(v3, (value) => Math.max(value, 0))"),
    },
}


@pytest.mark.parametrize("format_name", [param("c"), param("js")])
@pytest.mark.parametrize("fault", SOURCES.values(), ids=SOURCES)
def test_source_code_with_the_right_numbers_and_a_wrong_step(
    fault: dict[FormatName, tuple[bytes, bytes]],
    format_name: FormatName,
    refused: Callable[..., str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    honest, (right, wrong) = BACKENDS[format_name].build, fault[format_name]

    def build(program: Program, contract: Contract) -> bytes:
        content = honest(program, contract)
        assert right in content
        return content.replace(right, wrong)

    plant(monkeypatch, format_name, build=build)
    assert "the bound there is" in refused(format_name)


def _changed(program: Program, operation: str, change: Callable[[Step], Step]) -> Program:
    """Return the program with its first step of an operation changed."""
    place = next(place for place, step in enumerate(program.steps) if step.operation == operation)
    steps = [*program.steps[:place], change(program.steps[place]), *program.steps[place + 1 :]]
    return replace(program, steps=tuple(steps))


def _left_out(program: Program, operation: str, operand: int = 0) -> Program:
    """Return the program without its first step of an operation; one of its operands takes its place."""
    left_out = next(step for step in program.steps if step.operation == operation)
    stand_in = left_out.operands[operand]
    steps = [
        replace(step, operands=tuple(stand_in if o == left_out.result else o for o in step.operands))
        for step in program.steps
        if step is not left_out
    ]
    return replace(program, steps=tuple(steps))


def _other_order(step: Step) -> Step:
    index, levels = step.operands
    assert isinstance(levels, Constant)
    return replace(step, operands=(index, Constant(levels.name, levels.array[::-1].copy())))


def _square_for_cube(program: Program) -> Program:
    cube = [step for step in program.steps if step.operation == "multiply"][-1]
    steps = [replace(step, operands=(cube.operands[1],) * 2) if step is cube else step for step in program.steps]
    return replace(program, steps=tuple(steps))


PROGRAMS: dict[str, Callable[[Program], Program]] = {
    "another category order": lambda p: _changed(p, "equal", _other_order),
    "columns taken in another order": lambda p: _changed(p, "select", lambda s: replace(s, columns=s.columns[::-1])),
    "an unknown category taken for the reference level": lambda p: _left_out(p, "divide"),
    "missing values not filled in": lambda p: _left_out(p, "where", 2),
    "all missing values filled in": lambda p: _left_out(p, "and"),
    "the origin left out": lambda p: _left_out(p, "subtract"),
    "the scale left out": lambda p: _left_out(p, "multiply"),
    "a square for a cube": _square_for_cube,
}


@pytest.mark.parametrize(
    ("format_name", "precision"),
    [
        *(param(name, "exact") for name in FORMAT_NAMES if name != "html"),  # whose model is the module of js
        *(param(name, "portable") for name in that_have("portable") if name != "html"),
        param("torchscript", "float32"),
    ],
)
@pytest.mark.parametrize("fault", PROGRAMS.values(), ids=PROGRAMS)
def test_a_wrong_step_among_powers_categories_and_missing_values(
    fault: Callable[[Program], Program],
    precision: Precision,
    format_name: FormatName,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    honest, checkpoint = BACKENDS[format_name].build, EXPANDED["powers, categories and missing values"]()
    export(checkpoint, tmp_path / "model", format=format_name, precision=precision)
    before = (tmp_path / "model").read_bytes()
    plant(monkeypatch, format_name, build=lambda program, contract: honest(fault(program), contract))
    with pytest.raises(CheckFailedError):
        export(checkpoint, tmp_path / "model", format=format_name, precision=precision)
    assert (tmp_path / "model").read_bytes() == before


MORE_DIGITS: dict[FormatName, tuple[bytes, bytes]] = {
    "c": (b"const float p = ", b"const double p = (double)"),
    "js": (b"const p = Math.fround(", b"const p = ("),
}


@pytest.mark.parametrize("format_name", [param(name) for name in MORE_DIGITS])
def test_a_product_of_more_digits_has_other_bits_than_portable_promises(
    format_name: FormatName, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    checkpoint, honest = CHECKPOINTS["ten columns"](), BACKENDS[format_name].build
    replaced, by = MORE_DIGITS[format_name]

    def build(program: Program, contract: Contract) -> bytes:
        content = honest(program, contract)
        assert replaced in content
        return content.replace(replaced, by)

    plant(monkeypatch, format_name, build=build)
    with pytest.raises(CheckFailedError, match="give y with other bits"):
        export(checkpoint, tmp_path / "model", format=format_name, precision="portable")
    assert list(tmp_path.iterdir()) == []


def _contract_with_other_categories(contract: Contract) -> Contract:
    columns = [column._replace(categories=column.categories[::-1]) for column in contract.columns]
    return contract._replace(columns=tuple(columns))


@in_every_format
def test_a_contract_with_the_categories_in_another_order(
    format_name: FormatName, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    honest = BACKENDS[format_name].build
    plant(
        monkeypatch,
        format_name,
        build=lambda program, contract: honest(program, _contract_with_other_categories(contract)),
    )
    with pytest.raises(CheckFailedError, match="the contract in the file as written"):
        export(EXPANDED["categories"](), tmp_path / "model", format=format_name)


def test_a_notebook_shows_a_checkpoint_and_its_certificate(tmp_path: Path) -> None:
    checkpoint = fit({"<b>": [1.0, 2.0, 3.0, 4.0], "y": [3.0, 5.0, 7.0, 9.5]}, target="y")
    shown = checkpoint._repr_html_()
    assert "&lt;b&gt;" in shown
    assert "<b>" not in shown
    certificate = export(checkpoint, tmp_path / "line.onnx")
    shown = certificate._repr_html_()
    assert all(each.engine in shown and str(each.worst_error["y"]) in shown for each in certificate.engines)
    assert str(certificate.bounds["y"][0]) in shown
