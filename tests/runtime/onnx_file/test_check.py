"""What may be a model: a regular file of bounded size and known bytes. Strangers are named, or run on demand."""

from __future__ import annotations

import gzip
import io
import os
import pickle
import socket
import stat
import threading
from typing import TYPE_CHECKING, Any

import numpy as np
import onnxruntime
import pytest

from lr_runtime import Predictor
from lr_runtime.contract.contract import METADATA_KEY, Contract
from lr_runtime.errors import (
    DigestError,
    LinedgeError,
    MissingFileError,
    ModelFileError,
    OptionError,
    UnusableFileError,
)
from lr_runtime.onnx_file.check import check_model, read_model
from lr_runtime.onnx_file.kinds import kind_of
from lr_runtime.onnx_file.reader import MAX_BYTES
from lr_runtime.system.files import read_bytes, sha256
from tests.conftest import DATA, one_line
from tests.optional import optional
from tests.runtime.hostile import GOOD

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import onnx
    import torch
    from onnx import TensorProto, helper, numpy_helper

    from tests.conftest import Run
    from tests.runtime.conftest import Model

    Models = Callable[[str], Model]
    Runner = Callable[..., Run]
else:
    onnx, helper, numpy_helper = (optional(name) for name in ("onnx", "onnx.helper", "onnx.numpy_helper"))
    TensorProto, torch = onnx.TensorProto, optional("torch")
safetensors = optional("safetensors.numpy")

GOLDEN = DATA / "golden.onnx"


# --- the path ---


def test_the_bytes_are_those_of_the_file() -> None:
    assert read_model(GOLDEN) == GOOD


def test_a_pipe_is_refused_and_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "m.onnx")
    with pytest.raises(UnusableFileError, match="is a pipe, not a file"):
        Predictor.load(tmp_path / "m.onnx")


def test_a_pipe_that_takes_the_files_place_is_refused_and_not_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    os.mkfifo(tmp_path / "m.onnx")
    regular = GOLDEN.stat()
    monkeypatch.setattr("pathlib.Path.stat", lambda _: regular)  # what it was when it was looked at
    with pytest.raises(UnusableFileError, match="is a pipe, not a file"):
        read_model(tmp_path / "m.onnx")


def test_a_socket_a_device_and_a_folder_are_refused(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "s"))
        with pytest.raises(UnusableFileError, match="is a socket, not a file"):
            read_model(tmp_path / "s")
    with pytest.raises(UnusableFileError, match="is a directory, not a file"):
        read_model(tmp_path)
    zero = type(tmp_path)("/dev/zero")
    with pytest.raises(UnusableFileError, match="is a device, not a file"):
        read_model(zero)


def test_a_file_that_is_too_large_is_refused_unread(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with (tmp_path / "m.onnx").open("wb") as file:
        file.truncate(10_000_000_000)  # no byte of it is on the disk
    monkeypatch.setattr("os.fdopen", _Unreadable(os.fdopen))
    with pytest.raises(UnusableFileError, match="has 10000000000 bytes, and 67108864 are the most"):
        read_model(tmp_path / "m.onnx")


HEAD_BYTES = 64


class _Unreadable:
    """Opens files that fail the test when more than their head, which tells what they are, is read."""

    def __init__(self, opened: Callable[..., io.BufferedReader]) -> None:
        self._opened = opened

    def __call__(self, *arguments: object) -> io.BufferedReader:
        file = self._opened(*arguments)

        class Guarded(io.BufferedReader):
            def read(self, size: int | None = -1) -> bytes:
                if size is None or not 0 <= size <= HEAD_BYTES:
                    pytest.fail("it was read")
                return super().read(size)

        return Guarded(file.detach())


@pytest.mark.parametrize("added", [1, 1000])
def test_a_file_that_grows_while_it_is_read_is_refused(
    added: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "m.onnx"
    path.write_bytes(GOOD)
    looked = os.fstat

    def then_grown(descriptor: int) -> os.stat_result:
        status = looked(descriptor)
        if stat.S_ISREG(status.st_mode) and status.st_size == len(GOOD):
            with path.open("ab") as file:
                file.write(bytes(added))
        return status

    monkeypatch.setattr("os.fstat", then_grown)
    with pytest.raises(UnusableFileError, match="changed while it was read"):
        read_model(path)


def test_a_file_that_is_written_all_the_time_ends_the_reading(tmp_path: Path) -> None:
    path, stop = tmp_path / "m.onnx", threading.Event()
    path.write_bytes(GOOD)

    def grow() -> None:
        with path.open("ab", buffering=0) as file:
            while not stop.is_set() and file.tell() < MAX_BYTES:
                file.write(bytes(1 << 12))

    writer = threading.Thread(target=grow)
    writer.start()
    try:
        with pytest.raises(LinedgeError):
            _load_often(path)
    finally:
        stop.set()
        writer.join()


def _load_often(path: Path) -> None:
    for _ in range(1000):
        Predictor.load(path)


@pytest.mark.usefixtures("typed")
def test_what_is_not_there_or_may_not_be_read_is_said(tmp_path: Path) -> None:
    with pytest.raises(MissingFileError, match="Run lr-export --format onnx first"):
        read_model(tmp_path / "m.onnx")
    (tmp_path / "loop").symlink_to("loop")
    with pytest.raises(UnusableFileError, match="cannot be read"):
        read_model(tmp_path / "loop")
    with pytest.raises(UnusableFileError, match="cannot be read"):
        read_model(GOLDEN / "m.onnx")


def test_the_cap_is_inclusive(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"abc")
    assert read_bytes(tmp_path / "a", "", 3) == b"abc"
    with pytest.raises(UnusableFileError, match="has 3 bytes, and 2 are the most"):
        read_bytes(tmp_path / "a", "", 2)


def test_many_rows_are_evaluated_in_parts_of_bounded_memory(model: Models, monkeypatch: pytest.MonkeyPatch) -> None:
    content = model("two outputs")[1].read_bytes()
    x = np.random.default_rng(5).normal(size=(101, 3))
    whole = Predictor(content).predict(x).values
    assert check_model(content).onnx.cells == 7  # three columns as float64, two outputs as float64 and as float32
    sizes: list[int] = []
    run = onnxruntime.InferenceSession.run

    def counted(session: object, results: object, inputs: dict[str, np.ndarray[Any, Any]]) -> object:
        sizes.append(len(inputs["x"]))
        return run(session, results, inputs)

    monkeypatch.setattr(onnxruntime.InferenceSession, "run", counted)
    monkeypatch.setattr("lr_runtime.onnx_file.check.VALUES_AT_ONCE", 200)
    assert Predictor(content).predict(x).values.tobytes() == whole.tobytes()
    assert sizes == [28, 28, 28, 17]  # 200 values at 7 a row


# --- the digest ---


def test_the_right_digest_lets_it_pass(run: Runner) -> None:
    digest = sha256(GOOD)
    for text in (digest, digest.upper(), f" {digest}\n"):
        assert Predictor.load(GOLDEN, sha256=text).sha256 == digest
    assert run("lr-infer", GOLDEN, "4", "--sha256", digest).returncode == 0


def test_another_digest_ends_with_3_and_shows_both(run: Runner) -> None:
    other = sha256(b"another")
    with pytest.raises(DigestError):
        Predictor.load(GOLDEN, sha256=other)
    line = one_line(run("lr-infer", GOLDEN, "4", "--sha256", other), 3)
    assert other in line
    assert sha256(GOOD) in line


def test_the_digest_goes_before_everything_else(tmp_path: Path) -> None:
    (tmp_path / "m.onnx").write_bytes(b"no model")
    with pytest.raises(DigestError):
        Predictor.load(tmp_path / "m.onnx", sha256=sha256(GOOD))
    with pytest.raises(ModelFileError):
        Predictor.load(tmp_path / "m.onnx", sha256=sha256(b"no model"))


@pytest.mark.parametrize("text", ["", "abc", "g" * 64, "0" * 63, "0" * 65, "\u0660" * 64])
def test_what_is_no_digest_is_wrong_usage(text: str, run: Runner) -> None:
    with pytest.raises(OptionError, match="64 hexadecimal digits"):
        Predictor.load(GOLDEN, sha256=text)
    assert "64 hexadecimal digits" in one_line(run("lr-infer", GOLDEN, "4", f"--sha256={text}"), 2)


# --- other kinds of files ---


def _torchscript() -> bytes:
    sink = io.BytesIO()
    torch.jit.save(torch.jit.script(torch.nn.Linear(1, 1)), sink)
    return sink.getvalue()


def _pt2() -> bytes:
    sink = io.BytesIO()
    torch.export.save(torch.export.export(torch.nn.Linear(1, 1), (torch.ones(1, 1),)), sink)
    return sink.getvalue()


def _state() -> bytes:
    sink = io.BytesIO()
    torch.save(torch.nn.Linear(1, 1).state_dict(), sink)
    return sink.getvalue()


def _npz() -> bytes:
    sink = io.BytesIO()
    np.savez(sink, a=np.zeros(1))
    return sink.getvalue()


def _npy() -> bytes:
    sink = io.BytesIO()
    np.save(sink, np.zeros(1))
    return sink.getvalue()


_CHECKPOINT = {METADATA_KEY: "{}"}
STRANGERS: dict[str, tuple[Callable[[], bytes], str]] = {
    "TorchScript": (_torchscript, "a TorchScript model, which torch.jit.load reads"),
    "pt2": (_pt2, "a PyTorch .pt2 model, which torch.export.load reads"),
    "torch.save": (_state, "a file of torch.save, which torch.load reads"),
    "a checkpoint of linedge": (
        lambda: safetensors.save({"a": np.zeros(2)}, _CHECKPOINT),
        "a safetensors checkpoint, which lr-export reads",
    ),
    "safetensors": (lambda: safetensors.save({"a": np.zeros(2)}), "a safetensors file, which safetensors reads"),
    **{
        f"pickle {version}": ((lambda version=version: pickle.dumps([1], version)), "runs whatever code is in it")  # type: ignore[misc]
        for version in (2, 3, 4, 5)
    },
    "npz": (_npz, "a NumPy archive, which numpy.load reads"),
    "npy": (_npy, "a NumPy array (.npy), which numpy.load reads"),
    "ORT": (lambda: b"\x10\0\0\0ORTM" + bytes(60), "an ORT flatbuffer model, which onnxruntime reads"),
    "ORT that begins as ONNX does": (lambda: b"\x08\0\0\0ORTM" + bytes(60), "an ORT flatbuffer model"),
    "TFLite": (lambda: b"\x1c\0\0\0TFL3" + bytes(60), "a TensorFlow Lite model"),
    "HDF5": (lambda: b"\x89HDF\r\n\x1a\n", "an HDF5 file"),
    "GGUF": (lambda: b"GGUF\3\0\0\0", "a GGUF model"),
    "PDF": (lambda: b"%PDF-1.7\n", "a PDF file"),
    "gzip": (lambda: gzip.compress(GOOD), "a gzip file"),
    "zip": (lambda: b"PK\x03\x04" + bytes(60), "a zip archive"),
    "Parquet": (lambda: b"PAR1", "a Parquet file"),
    "a picture": (lambda: b"\x89PNG\r\n\x1a\n", "a picture"),
    "a program": (lambda: b"\x7fELF", "a program"),
    "a git-LFS pointer": (lambda: b"version https://git-lfs.github.com/spec/v1\n", "git lfs pull"),
    "a table": (lambda: b"x,y\n1,2\n", "a text file"),
    "a long text": (("größer" * 2000).encode, "a text file"),
    "C": (lambda: b"/* linedge */\n#include <math.h>\n", "a text file"),
}


@pytest.mark.parametrize("allow_foreign", [False, True])
@pytest.mark.parametrize("case", STRANGERS)
def test_a_stranger_is_named_with_what_reads_it(
    case: str, allow_foreign: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lr_runtime.onnx_file.session.Session.__init__", lambda *_: pytest.fail("a session was made"))
    make, said = STRANGERS[case]
    (tmp_path / "m.onnx").write_bytes(make())
    with pytest.raises(ModelFileError) as caught:
        Predictor.load(tmp_path / "m.onnx", allow_foreign=allow_foreign)
    assert f"it is {said}" in str(caught.value) or said in str(caught.value)
    assert "not an ONNX model" in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("content", [b"", b"\x08", bytes(1000), b"\xff" * 1000, bytes(range(256))])
def test_what_nothing_tells_is_still_refused(content: bytes) -> None:
    assert kind_of(content) is None
    with pytest.raises(ModelFileError, match="not an ONNX model, or a damaged one"):
        Predictor(content)


# --- the contract ---


def _wider(contract: Contract) -> Contract:
    columns = (*contract.columns, contract.columns[0]._replace(name="new"))
    return contract._replace(columns=columns, equation=None, golden_rows=())


def _more_outputs(contract: Contract) -> Contract:
    outputs = (*contract.outputs, contract.outputs[0]._replace(name="z"))
    return contract._replace(outputs=outputs, equation=None, bound=None, input_rounding=None, golden_rows=())


def _in_float64(contract: Contract) -> Contract:
    return contract._replace(precision="float64")


@pytest.mark.parametrize("change", [_wider, _more_outputs, _in_float64])
def test_a_contract_that_does_not_fit_the_graph_is_refused(
    change: Callable[[Contract], Contract], model: Models
) -> None:
    made = onnx.load_model_from_string(model("weather")[1].read_bytes())
    contract = Contract.from_json(made.metadata_props[0].value)
    made.metadata_props[0].value = change(contract).to_json()
    with pytest.raises(ModelFileError, match="its graph does not fit its contract"):
        Predictor(made.SerializeToString())


def _renamed_input(graph: onnx.GraphProto) -> None:
    graph.input[0].name = graph.node[0].input[0] = "input"


def _renamed_output(graph: onnx.GraphProto) -> None:
    graph.output[0].name = graph.node[-1].output[0] = "output"


def _second_output(graph: onnx.GraphProto) -> None:
    graph.node.append(helper.make_node("Add", ["y", "y"], ["z"]))
    graph.output.append(onnx.ValueInfoProto.FromString(graph.output[0].SerializeToString()))
    graph.output[1].name = "z"


@pytest.mark.parametrize("change", [_renamed_input, _renamed_output, _second_output])
def test_a_graph_that_does_not_fit_its_contract_is_refused(
    change: Callable[[onnx.GraphProto], None], model: Models
) -> None:
    made = onnx.load_model_from_string(model("weather")[1].read_bytes())
    change(made.graph)
    with pytest.raises(ModelFileError, match="its graph does not fit its contract"):
        Predictor(made.SerializeToString())
