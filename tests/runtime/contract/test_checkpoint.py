"""The reader of checkpoints, in the standard library, against the safetensors library, and on damaged files."""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import safetensors.numpy
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from lr_runtime.contract.checkpoint import Checkpoint
from lr_runtime.contract.contract import METADATA_KEY
from lr_runtime.contract.leverage import Leverage
from lr_runtime.errors import CheckpointError, LinedgeError, MissingFileError
from tests.conftest import CHECKPOINTS, checkpoint_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from numpy.typing import NDArray

    from lr_trainer import Checkpoint as TrainedCheckpoint


def bits(array: NDArray[np.float64]) -> tuple[tuple[int, ...], bytes]:
    return array.shape, array.tobytes()


def content_of(case: str = "two outputs") -> bytes:
    checkpoint = CHECKPOINTS[case]()
    terms = len(checkpoint.terms)
    factor = np.triu(np.ones((terms, terms)) / 7)
    leverage = Leverage(np.array(0.2), np.arange(terms) / 3, factor, np.zeros(terms))
    moments = {"mean": np.array([1.0, 2.0]), "n": np.array(5.0)}
    return replace(checkpoint, moments=moments, fit={"rows": 5}, leverage=leverage).to_bytes()


def split(content: bytes) -> tuple[dict[str, Any], bytes]:
    length = int.from_bytes(content[:8], "little")
    header: dict[str, Any] = json.loads(content[8 : 8 + length])
    return header, content[8 + length :]


def joined(header: object, data: bytes) -> bytes:
    raw = json.dumps(header).encode()
    return len(raw).to_bytes(8, "little") + raw + data


@pytest.mark.parametrize("case", CHECKPOINTS)
def test_writes_the_bytes_that_the_library_writes(case: str) -> None:
    content = content_of(case)
    checkpoint = Checkpoint.from_bytes(content)
    assert content == safetensors.numpy.save(checkpoint.tensors(), metadata=checkpoint.metadata())


def test_reads_what_the_library_wrote(checkpoint: TrainedCheckpoint) -> None:
    content = checkpoint.to_bytes()
    read = Checkpoint.from_bytes(content)
    library = safetensors.numpy.load(content)
    assert {name: bits(array) for name, array in read.tensors().items()} == {
        name: bits(array) for name, array in library.items()
    }
    assert read.contract == checkpoint.contract


@given(
    npst.arrays(np.float64, st.tuples(st.integers(1, 3), st.integers(1, 4)), elements={"allow_nan": False}),
    st.dictionaries(
        st.sampled_from(["n", "mean", "größe", "a b"]),
        npst.arrays(np.float64, npst.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=3)),
    ),
)
@settings(max_examples=50, deadline=None)
def test_the_library_and_the_reader_agree_on_every_bit(
    weight: NDArray[np.float64], moments: dict[str, NDArray[np.float64]]
) -> None:
    finite = np.where(np.isfinite(weight), weight, 1.0)
    content = replace(checkpoint_of(finite, 0.0), moments=moments).to_bytes()
    read = Checkpoint.from_bytes(content)
    assert {name: bits(array) for name, array in read.tensors().items()} == {
        name: bits(array) for name, array in safetensors.numpy.load(content).items()
    }
    assert bits(read.weight) == bits(finite)
    assert {name: bits(array) for name, array in read.moments.items()} == {
        name: bits(array) for name, array in moments.items()
    }


def test_the_report_of_the_fit_comes_back() -> None:
    assert Checkpoint.from_bytes(content_of()).fit == {"rows": 5}


def test_the_leverage_comes_back_bit_for_bit() -> None:
    leverage = Checkpoint.from_bytes(content_of()).leverage
    assert leverage is not None
    assert leverage.constant == 0.2
    assert leverage.mean.tolist() == [0.0, 1 / 3, 2 / 3]
    assert leverage.factor.tolist() == [[1 / 7, 1 / 7, 1 / 7], [0.0, 1 / 7, 1 / 7], [0.0, 0.0, 1 / 7]]


def test_the_numbers_do_not_hold_on_to_the_file() -> None:
    weight = Checkpoint.from_bytes(content_of()).weight
    assert weight.flags.owndata or weight.base is None or weight.base.nbytes == weight.nbytes
    assert weight.flags.writeable


def edited(change: Callable[[dict[str, Any]], object]) -> bytes:
    header, data = split(content_of())
    change(header)
    return joined(header, data)


def _described(change: Callable[[dict[str, Any]], object]) -> bytes:
    def edit(header: dict[str, Any]) -> None:
        described = json.loads(header["__metadata__"][METADATA_KEY])
        change(described)
        header["__metadata__"][METADATA_KEY] = json.dumps(described)

    return edited(edit)


def _move(header: dict[str, Any], start: int, stop: int) -> None:
    header["weight"]["data_offsets"] = [start, stop]


def _empty(shape: list[int]) -> dict[str, Any]:
    return {"dtype": "F64", "shape": shape, "data_offsets": [0, 0]}


LYING: dict[str, bytes] = {
    "nothing": b"",
    "seven bytes": b"1234567",
    "a header longer than the file": (10**6).to_bytes(8, "little") + b"{}",
    "a header of 2^64 - 1 bytes": b"\xff" * 8 + b"{}",
    "no header": (0).to_bytes(8, "little"),
    "a header that is no JSON": (2).to_bytes(8, "little") + b"{]",
    "a header that is no text": (2).to_bytes(8, "little") + b"{\xff",
    "a header that is a list": joined([1, 2], b""),
    "a deep header": (200_000).to_bytes(8, "little") + b"[" * 200_000,
    "no metadata": edited(lambda header: header.pop("__metadata__")),
    "other metadata": edited(lambda header: header.update(__metadata__={"format": "pt"})),
    "metadata that is text": edited(lambda header: header.update(__metadata__="linedge")),
    "a description that is no JSON": edited(lambda header: header.update(__metadata__={METADATA_KEY: "{"})),
    "a description that is a list": edited(lambda header: header.update(__metadata__={METADATA_KEY: "[]"})),
    "no contract": _described(lambda described: described.pop("contract")),
    "no fit": _described(lambda described: described.pop("fit")),
    "a contract of another width": _described(lambda described: described["contract"]["columns"].pop()),
    "no weight": edited(lambda header: header.pop("weight")),
    "a weight that is a list": edited(lambda header: header.update(weight=[])),
    "a weight in float32": edited(lambda header: header["weight"].update(dtype="F32")),
    "a weight with another shape": edited(lambda header: header["weight"].update(shape=[3, 2])),
    "a shape that lies": edited(lambda header: header["weight"].update(shape=[2, 300])),
    "a huge shape": edited(lambda header: header["weight"].update(shape=[2**62, 2**62])),
    "a huge empty shape": edited(lambda header: header.update({"moments.a": _empty([0, 10**30])})),
    "a shape of 100 dimensions": edited(lambda header: header.update({"moments.a": _empty([0] * 100)})),
    "a negative shape": edited(lambda header: header["weight"].update(shape=[-2, -3])),
    "a shape of floats": edited(lambda header: header["weight"].update(shape=[2.0, 3.0])),
    "offsets beyond the file": edited(lambda header: _move(header, 10**6, 10**6 + 48)),
    "offsets before the data": edited(lambda header: _move(header, -48, 0)),
    "offsets the wrong way round": edited(lambda header: _move(header, 48, 0)),
    "offsets that are floats": edited(lambda header: header["weight"].update(data_offsets=[0.0, 48.0])),
    "three offsets": edited(lambda header: header["weight"].update(data_offsets=[0, 24, 48])),
    "two tensors in one place": edited(lambda header: header.update({"moments.a": header["weight"]})),
    "a tensor of another name": edited(lambda header: header.update(other=header.pop("moments.mean"))),
    "half a leverage": edited(lambda header: header.pop("leverage.mean")),
    "a leverage of another name": edited(lambda header: header.update({"leverage.a": header.pop("leverage.mean")})),
    "a leverage of another shape": edited(lambda header: header["leverage.factor"].update(shape=[9])),
    "a leverage's mean as a matrix": edited(lambda header: header["leverage.mean"].update(shape=[1, 3])),
    "bytes behind the last tensor": content_of() + b"12345678",
}


@pytest.mark.parametrize("case", LYING)
def test_a_file_that_lies_is_refused(case: str, tmp_path: Path) -> None:
    path = tmp_path / "m.safetensors"
    path.write_bytes(LYING[case])
    with pytest.raises(CheckpointError, match=r"m\.safetensors: not a linedge checkpoint"):
        Checkpoint.load(path)


@pytest.mark.parametrize("size", range(0, len(content_of()), 37))
def test_a_file_cut_anywhere_is_refused(size: int) -> None:
    with pytest.raises(LinedgeError):
        Checkpoint.from_bytes(content_of()[:size])


@given(st.data())
@settings(max_examples=200, deadline=None)
def test_a_mutant_is_refused_or_read_as_the_library_reads_it(data: st.DataObject) -> None:
    mutant = bytearray(content_of("one column"))
    header = 8 + int.from_bytes(mutant[:8], "little")
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, header + 16))
        mutant[at : at + data.draw(st.integers(0, 2))] = data.draw(
            st.binary(max_size=2) | st.sampled_from([b"0", b"9"])
        )
    with suppress(LinedgeError):
        read = Checkpoint.from_bytes(bytes(mutant))
        library = safetensors.numpy.load(bytes(mutant))
        assert {name: bits(array) for name, array in read.tensors().items()} == {
            name: bits(array) for name, array in library.items()
        }


BAD_NUMBERS: dict[str, tuple[dict[str, Any], str]] = {
    "a weight that is NaN": ({"weight": np.array([[np.nan]])}, "weight holds a number that is not finite"),
    "a bias that is infinite": ({"bias": np.array([np.inf])}, "bias holds a number that is not finite"),
    "a bias of two": ({"bias": np.zeros(2)}, r"bias is float64 \(2,\)"),
    "a weight in float32": ({"weight": np.zeros((1, 1), np.float32)}, "weight is float32"),
    "a scale of three": ({"scale": np.array([3.0])}, "scale holds a number that is no positive power of two"),
    "a scale of zero": ({"scale": np.array([0.0])}, "scale"),
    "a scale of minus two": ({"scale": np.array([-2.0])}, "scale"),
}


BAD_LEVERAGES: dict[str, tuple[dict[str, Any], str]] = {
    "a negative constant": ({"constant": np.array(-0.1)}, "leverage.constant is negative"),
    "a constant that is a list": ({"constant": np.array([0.1])}, r"leverage.constant is float64 \(1,\)"),
    "a mean that is NaN": ({"mean": np.array([np.nan])}, "leverage.mean holds a number that is not finite"),
    "a mean too many": (
        {"mean": np.zeros(2), "factor": np.zeros((2, 2)), "shift": np.zeros(2)},
        "leverage.mean has 2 numbers for 1 terms",
    ),
    "a mean without shape": ({"mean": np.array(0.0)}, r"leverage.mean is float64 \(\)"),
    "a factor of another size": ({"factor": np.zeros((2, 2))}, r"leverage.factor is float64 \(2, 2\)"),
    "a factor in float32": ({"factor": np.zeros((1, 1), np.float32)}, "leverage.factor is float32"),
    "a factor that is no triangle": (
        {"mean": np.zeros(2), "factor": np.ones((2, 2)), "shift": np.zeros(2)},
        "not upper triangular",
    ),
    "a shift too many": ({"shift": np.zeros(2)}, r"leverage.shift is float64 \(2,\)"),
}


@pytest.mark.parametrize("case", BAD_LEVERAGES)
def test_a_leverage_that_is_none(case: str) -> None:
    change, said = BAD_LEVERAGES[case]
    good = Leverage(np.array(0.1), np.zeros(1), np.eye(1), np.zeros(1))
    with pytest.raises(CheckpointError, match=said):
        replace(CHECKPOINTS["one column"](), leverage=replace(good, **change))


@pytest.mark.parametrize("case", BAD_NUMBERS)
def test_numbers_that_are_no_model(case: str) -> None:
    change, said = BAD_NUMBERS[case]
    with pytest.raises(CheckpointError, match=said):
        replace(CHECKPOINTS["one column"](), **change)


def test_other_files_are_named(tmp_path: Path) -> None:
    path = tmp_path / "m.safetensors"
    for content, kind in ((b"PK\x03\x04" + bytes(60), "zip"), (b"x,y\n1,2\n3,4\n", "unknown"), (b"%PDF-1.7\n", "PDF")):
        path.write_bytes(content)
        with pytest.raises(CheckpointError, match=kind):
            Checkpoint.load(path)


def test_no_file_says_what_to_run(tmp_path: Path) -> None:
    with pytest.raises(MissingFileError, match="Run lr-train first"):
        Checkpoint.load(tmp_path / "m.safetensors")
