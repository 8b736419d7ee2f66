"""Where a predictor comes from, and where it goes: paths, bytes and open files in; pickles and copies out."""

from __future__ import annotations

import copy
import io
import os
import pickle
from typing import IO, TYPE_CHECKING, Any, cast

import pytest

from lr_runtime import LinedgeError, Predictor, errors
from lr_runtime.errors import DigestError, ModelFileError, OptionError, UnusableFileError
from lr_runtime.onnx_file.reader import MAX_BYTES
from lr_runtime.system.files import sha256
from tests.conftest import DATA

if TYPE_CHECKING:
    from collections.abc import Callable

GOLDEN = DATA / "golden.onnx"
CONTENT = GOLDEN.read_bytes()


def unpickled(content: bytes) -> Any:
    return pickle.loads(content)  # noqa: S301 - our own


class Place:
    """A path of another library."""

    def __fspath__(self) -> str:
        return str(GOLDEN)


class Drops(io.RawIOBase):
    """A file that gives 100 bytes at a time, as a socket may."""

    def __init__(self, content: bytes) -> None:
        self._rest = io.BytesIO(content)

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        return self._rest.read(min(size, 100))


SOURCES: dict[str, Callable[[], Any]] = {
    "a path": lambda: GOLDEN,
    "text": lambda: str(GOLDEN),
    "another path": Place,
    "bytes": lambda: CONTENT,
    "a bytearray": lambda: bytearray(CONTENT),
    "a view": lambda: memoryview(CONTENT),
    "a view of every second byte": lambda: memoryview(bytes(byte for one in CONTENT for byte in (one, 0)))[::2],
    "a file": lambda: GOLDEN.open("rb"),
    "a file without a buffer": lambda: GOLDEN.open("rb", buffering=0),
    "a file in memory": lambda: io.BytesIO(CONTENT),
    "a file in drops": lambda: Drops(CONTENT),
}


@pytest.mark.parametrize("case", SOURCES)
def test_a_model_is_a_path_or_bytes_or_a_file(case: str) -> None:
    source = SOURCES[case]()
    predictor = Predictor.load(source, sha256=sha256(CONTENT))
    if hasattr(source, "close"):
        source.close()
    assert predictor.predict([[4.0]]).values.tolist() == Predictor(CONTENT).predict([[4.0]]).values.tolist()


class Endless(io.RawIOBase):
    """A file without an end; counts what was read of it."""

    count = 0

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        assert size >= 0, "read without a limit"
        part = bytes(min(size, 1 << 20))
        self.count += len(part)
        return part


def test_no_more_is_read_of_an_open_file_than_a_model_may_have() -> None:
    endless = Endless()
    with pytest.raises(UnusableFileError, match=f"the model's bytes: has more than the {MAX_BYTES} bytes"):
        Predictor.load(cast("IO[bytes]", endless))
    assert endless.count <= MAX_BYTES + (1 << 20)


def closed() -> io.BytesIO:
    file = io.BytesIO(CONTENT)
    file.close()
    return file


NO_SOURCES: dict[str, tuple[Callable[[], Any], type[LinedgeError], str]] = {
    "a number": (lambda: 3, OptionError, 'not "3"'),
    "nothing": (lambda: None, OptionError, 'not "None"'),
    "a list": (lambda: [CONTENT], OptionError, "its bytes or a file opened in binary mode"),
    "a class": (lambda: Predictor, OptionError, "the path of a file"),
    "a file of text": (GOLDEN.open, OptionError, "golden.onnx: gives text"),
    "text in memory": (lambda: io.StringIO("x"), OptionError, "Open the file in binary mode"),
    "a closed file": (closed, UnusableFileError, "closed file"),
    "a file to write": (lambda: os.fdopen(os.open(os.devnull, os.O_WRONLY), "wb"), UnusableFileError, "cannot be read"),
    "half of the bytes": (lambda: CONTENT[:99], ModelFileError, "the model's bytes: not an ONNX model"),
    "no bytes": (lambda: b"", ModelFileError, "the model's bytes: "),
    "a path as bytes": (lambda: os.fsencode(GOLDEN), ModelFileError, "not an ONNX model"),
    "a path with a NUL": (lambda: "a\0b", UnusableFileError, r"a\x00b: is no path"),
    "a path with half a character": (lambda: "\ud800", UnusableFileError, "is no path"),
}


@pytest.mark.parametrize("case", NO_SOURCES)
def test_what_is_none_of_these_is_said(case: str) -> None:
    make, kind, said = NO_SOURCES[case]
    source = make()
    with pytest.raises(kind) as caught:
        Predictor.load(source)
    if hasattr(source, "close"):
        source.close()
    assert said in str(caught.value)


WAYS: dict[str, Callable[[Predictor], Predictor]] = {
    "pickle": lambda predictor: unpickled(pickle.dumps(predictor)),
    "the first pickle": lambda predictor: unpickled(pickle.dumps(predictor, 0)),
    "copy": copy.copy,
    "deepcopy": copy.deepcopy,
    "twice": lambda predictor: unpickled(pickle.dumps(copy.deepcopy(predictor))),
}


@pytest.mark.parametrize("way", WAYS)
def test_a_predictor_goes_anywhere_as_it_was_loaded(way: str) -> None:
    wanted = {"sha256": sha256(CONTENT), "threads": 2, "only_y": True, "allow_foreign": True, "provider": "cpu"}
    predictor = Predictor.load(GOLDEN, **wanted)  # type: ignore[arg-type]
    predictor.predict([[4.0]])
    other = WAYS[way](predictor)
    assert other is not predictor
    assert other.sha256 == predictor.sha256
    assert other.contract == predictor.contract
    assert other.predict([[4.0]]).values.tobytes() == predictor.predict([[4.0]]).values.tobytes()
    assert pickle.dumps(other) == pickle.dumps(predictor)
    assert wanted.items() <= other._loaded.keywords.items()


@pytest.mark.parametrize("digest", [None, sha256(CONTENT)])
def test_a_pickle_is_checked_as_a_file_is(digest: str | None) -> None:
    content = pickle.dumps(Predictor.load(CONTENT, sha256=digest))
    at = content.index(CONTENT) + CONTENT.index(b"Gemm")
    with pytest.raises(ModelFileError if digest is None else DigestError, match="the model's bytes: "):
        unpickled(content[:at] + b"If" + content[at + 2 :])


ERRORS: list[LinedgeError] = [
    errors.RowError(3, "what"),
    errors.MissingFileError("m.onnx", "Name another"),
    errors.MissingColumnError("t.csv", ["a"], ["b", "c"]),
    errors.DigestError("m.onnx", "0" * 64, "1" * 64),
    errors.ForeignModelError("pytorch", "it has a Relu"),
    errors.MissingExtraError("onnx", "export"),
    errors.UnusableFileError("m.onnx: cannot be read"),
    errors.ForkedError("no device"),
]


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
@pytest.mark.parametrize("way", [lambda error: unpickled(pickle.dumps(error)), copy.deepcopy, copy.copy])
def test_an_error_comes_back_from_another_process(error: LinedgeError, way: Callable[[Any], Any]) -> None:
    other = way(error)
    assert (type(other), str(other), vars(other)) == (type(error), str(error), vars(error))
