"""The allowlist reader: it lets in what linedge writes, and refuses, in one line and without a session, all else."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lr_runtime import Predictor
from lr_runtime.contract.contract import METADATA_KEY
from lr_runtime.errors import LinedgeError, ModelFileError, RowError
from lr_runtime.onnx_file import reader
from lr_runtime.onnx_file.check import check_model
from lr_runtime.onnx_file.operators import OPERATORS
from lr_runtime.onnx_file.protobuf import LENGTH, VARINT, Message
from lr_runtime.onnx_file.reader import IR_VERSIONS, OPSETS, OnnxFile, ValueInfo, read_onnx
from tests.conftest import DATA
from tests.optional import needs, optional
from tests.runtime.conftest import MODELS
from tests.runtime.hostile import CHANGES, GOOD, HOSTILE, changed, file_name, hostile

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import onnx

    from tests.runtime.conftest import Model

    Models = Callable[[str], Model]
else:
    onnx = optional("onnx")


def test_the_golden_model_is_read_as_it_is() -> None:
    parsed = onnx.load_model_from_string(GOOD)
    read = read_onnx(GOOD)
    assert read.inputs == (ValueInfo("x", "float32", 1),)
    assert read.outputs == (ValueInfo("y", "float32", 1),)
    assert_equal(read, parsed)


@pytest.mark.parametrize("name", MODELS)
def test_every_model_of_lr_export_passes_and_is_read_as_onnx_reads_it(name: str, model: Models) -> None:
    content = model(name)[1].read_bytes()
    assert_equal(read_onnx(content), onnx.load_model_from_string(content))
    assert check_model(content).contract.column_names == Predictor(content).contract.column_names


def assert_equal(read: OnnxFile, parsed: onnx.ModelProto) -> None:
    """The reader and the onnx package find the same in a file."""
    graph = parsed.graph
    assert (read.ir_version, read.opset) == (parsed.ir_version, parsed.opset_import[0].version)
    assert (read.producer, read.name) == (parsed.producer_name, graph.name)
    assert dict(read.metadata) == {entry.key: entry.value for entry in parsed.metadata_props}
    assert [value.name for value in (*read.inputs, *read.outputs)] == [
        value.name for value in (*graph.input, *graph.output)
    ]
    assert [(n.operator, list(n.inputs), list(n.outputs)) for n in read.nodes] == [
        (n.op_type, list(n.input), list(n.output)) for n in graph.node
    ]
    assert [n.attributes for n in read.nodes] == [
        {a.name: onnx.helper.get_attribute_value(a) for a in n.attribute} for n in graph.node
    ]
    stored = {tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in graph.initializer}
    assert list(read.initializers) == list(stored)
    for name, constant in read.initializers.items():
        assert (constant.dtype, constant.shape) == (str(stored[name].dtype), stored[name].shape)
        assert constant.values.tobytes() == stored[name].tobytes()


def test_cells_and_work_of_a_row_are_those_of_the_graph() -> None:
    read = read_onnx(GOOD)
    # x -> Cast -> Gemm with a 1 x 1 matrix and a bias -> Cast: three values; three read, three made, two numbers.
    assert (read.cells, read.work) == (3, 3 + 3 + 2)


@pytest.fixture
def no_session(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the making of a session fail the test."""

    def never(*_: object) -> None:
        pytest.fail("a session was made")

    monkeypatch.setattr("lr_runtime.onnx_file.session.Session.__init__", never)


@pytest.mark.usefixtures("no_session")
@pytest.mark.parametrize("case", HOSTILE)
def test_what_is_no_good_model_is_refused_in_one_line_before_a_session(case: str, tmp_path: Path) -> None:
    _, words = HOSTILE[case]
    path = tmp_path / "m.onnx"
    path.write_bytes(hostile(case))
    with pytest.raises(LinedgeError) as caught:
        Predictor.load(path)
    line = str(caught.value)
    assert line.startswith(f"{path}: ")
    assert words in line
    assert "\n" not in line
    assert len(line) < 500 + len(str(path))
    assert caught.value.exit_code == 1


@pytest.mark.parametrize("case", CHANGES)
def test_a_change_is_what_it_says_and_the_golden_model_without_it_passes(case: str) -> None:
    change, _ = CHANGES[case]
    assert changed(change) != changed(lambda _: None) == GOOD
    check_model(GOOD)


REFUSE_ALL = """\
import pathlib, resource, sys
from lr_runtime.errors import LinedgeError
from lr_runtime.onnx_file.check import check_model
import lr_runtime.onnx_file.kinds
size = int(next(line.split()[1] for line in open("/proc/self/status") if line.startswith("VmSize"))) << 10
resource.setrlimit(resource.RLIMIT_AS, (size + (256 << 20),) * 2)
for path in sorted(pathlib.Path(sys.argv[1]).iterdir()):
    try:
        check_model(path.read_bytes())
    except LinedgeError:
        continue
    sys.exit(f"{path} was let in")
assert "onnxruntime" not in sys.modules
print(resource.getrusage(resource.RUSAGE_SELF).ru_utime)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="the limit of memory and /proc are Linux's")
def test_all_of_them_are_refused_within_256_mebibytes(tmp_path: Path) -> None:
    for case in HOSTILE:
        (tmp_path / file_name(case)).write_bytes(hostile(case))
    done = subprocess.run([sys.executable, "-c", REFUSE_ALL, tmp_path], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


# --- damage of any kind ---


def survives(content: bytes) -> None:
    """Damaged bytes are refused in one line, or are a model that onnx finds right and that predicts."""
    try:
        predictor = Predictor(content)
    except ModelFileError as error:
        assert "\n" not in str(error)  # noqa: PT017 - either end is right
        return
    onnx.checker.check_model(onnx.load_model_from_string(content), full_check=True)
    columns = len(predictor.contract.columns)
    try:
        values = predictor.predict(np.ones((3, columns))).values
    except RowError:
        return
    assert values.shape == (3, len(predictor.contract.outputs))


OTHER = "two outputs"
GOOD_MODELS = ("golden", OTHER, "an offset column", "scales")


@pytest.fixture(scope="module")
def good(model: Models) -> dict[str, bytes]:
    """Good files to damage."""
    return {"golden": GOOD, **{name: model(name)[1].read_bytes() for name in GOOD_MODELS[1:]}}


MUTATION = st.tuples(st.sampled_from(["flip", "cut", "repeat", "insert"]), st.floats(0, 1), st.binary(min_size=1))


@given(name=st.sampled_from(GOOD_MODELS), mutations=st.lists(MUTATION, min_size=1, max_size=4))
@settings(deadline=None, max_examples=400)
def test_damaged_bytes_are_refused_or_are_still_a_model(
    name: str, mutations: list[tuple[str, float, bytes]], good: dict[str, bytes]
) -> None:
    content = bytearray(good[name])
    for kind, share, extra in mutations:
        place = int(share * (len(content) - 1)) if content else 0
        if kind == "flip" and content:
            content[place] ^= extra[0] or 1
        elif kind == "cut":
            del content[place : place + extra[0]]
        elif kind == "repeat":
            content[place:place] = content[place : place + extra[0]]
        else:
            content[place:place] = extra
    survives(bytes(content))


@given(name=st.sampled_from(GOOD_MODELS), kept=st.integers(0, 1 << 20))
@settings(deadline=None, max_examples=60)
def test_a_file_that_is_cut_off_is_refused(name: str, kept: int, good: dict[str, bytes]) -> None:
    content = good[name]
    with pytest.raises(ModelFileError):
        Predictor(content[: kept % len(content)])


def _scalars(message: Any) -> list[tuple[Any, Any, int | None]]:
    """List every number and text of a message: where it stands, its field, and its place in a list."""
    found: list[tuple[Any, Any, int | None]] = []
    for descriptor, value in message.ListFields():
        several = not hasattr(value, "ListFields") and hasattr(value, "extend")
        for index, one in enumerate(value) if several else [(None, value)]:
            if hasattr(one, "ListFields"):
                found += _scalars(one)
            else:
                found.append((message, descriptor, index))
    return found


NUMBERS = st.one_of(st.integers(-3, 30), st.sampled_from([1 << 31, 1 << 40, -(1 << 63), (1 << 63) - 1]))
NAMES = st.sampled_from(["", "x", "y", "v0", "v1", "w", "b", "rows", "axis", *OPERATORS, "Loop"])


@given(name=st.sampled_from(GOOD_MODELS), data=st.data())
@settings(deadline=None, max_examples=400)
def test_edited_fields_are_refused_or_are_still_a_model(name: str, data: st.DataObject, good: dict[str, bytes]) -> None:
    model = onnx.load_model_from_string(good[name])
    for _ in range(data.draw(st.integers(1, 3))):
        message, descriptor, index = data.draw(st.sampled_from(_scalars(model)))
        old = getattr(message, descriptor.name)
        new: Any
        match old if index is None else old[index]:
            case bool() | int():
                new = data.draw(NUMBERS)
            case float():
                new = data.draw(st.floats(width=32))
            case bytes():
                new = data.draw(st.binary(max_size=40))
            case _:
                new = data.draw(NAMES)
        try:
            if index is None:
                setattr(message, descriptor.name, new)
            else:
                old[index] = new
        except ValueError:  # out of the field's range
            continue
    survives(model.SerializeToString())


# --- every operator against onnx ---

FLOAT, DOUBLE = onnx.TensorProto.FLOAT, onnx.TensorProto.DOUBLE


def test_the_versions_are_those_of_the_onnx_that_the_rules_were_compared_with() -> None:
    assert onnx.defs.onnx_opset_version() in OPSETS
    assert onnx.IR_VERSION in IR_VERSIONS
    assert all(onnx.defs.has(operator) for operator in OPERATORS)


def test_metadata_is_that_of_the_file() -> None:
    assert Predictor(GOOD).contract == check_model(GOOD).contract
    assert METADATA_KEY in read_onnx(GOOD).metadata
    assert (DATA / "golden.onnx").read_bytes() == GOOD


@needs(onnx)
def test_the_numbers_of_the_fields_are_those_of_the_format() -> None:
    seen = []

    def check(message: Message, descriptor: Any) -> None:
        seen.append(descriptor.name)
        for tag, field in message.fields.items():
            there = descriptor.fields_by_name[field.name]
            is_varint = there.type not in {there.TYPE_MESSAGE, there.TYPE_STRING, there.TYPE_BYTES}
            assert (tag >> 3, tag & 7) == (there.number, VARINT if is_varint else LENGTH), (descriptor.name, field.name)
            if isinstance(field.read, Message):
                check(field.read, there.message_type)
        assert not {tag >> 3 for tag in message.fields} & set(message.refused)
        assert {tag >> 3 for tag in message.fields} | set(message.refused) >= set(descriptor.fields_by_number)

    check(reader._MODEL, onnx.ModelProto.DESCRIPTOR)
    assert len(set(seen)) == 12
