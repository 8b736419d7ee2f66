"""A model file: read once, held to what linedge writes, and only then given to ONNX Runtime, the same bytes.

What `read_onnx` lets in cannot run code, open a file or reach a network, and costs a bounded time and memory for a row.
What it refuses gets one line: what the file is, and what reads it.
"""

from __future__ import annotations

import os
from typing import IO, TYPE_CHECKING, NamedTuple, TypeAlias

from lr_runtime.contract.contract import METADATA_KEY, Contract
from lr_runtime.errors import DigestError, ForeignModelError, ModelFileError, OptionError, UnusableFileError, escaped
from lr_runtime.onnx_file.protobuf import WireError
from lr_runtime.onnx_file.reader import MAX_BYTES, OnnxFile, ValueInfo, read_onnx
from lr_runtime.system.files import read_bytes, sha256

if TYPE_CHECKING:
    from lr_runtime.onnx_file.session import Session

Source: TypeAlias = "str | os.PathLike[str] | bytes | bytearray | memoryview | IO[bytes]"
"""What a model file comes as: its path, its bytes, or a file opened in binary mode."""

_HINT = "Run lr-export --format onnx first, or name a model"
VALUES_AT_ONCE = 1 << 24
"""Values that a session computes before it gives the results of a first part of the rows: 128 MiB of them."""
_HEXADECIMAL = frozenset("0123456789abcdef")


class ModelFile(NamedTuple):
    """The bytes of a model that linedge wrote, and what they hold."""

    content: bytes
    onnx: OnnxFile
    contract: Contract


def read_model(source: Source, digest: str | None = None) -> bytes:
    """Return the bytes of a file, at most MAX_BYTES; a path is not opened again.

    Args:
        source: a regular file's path, or what holds its bytes.
        digest: the SHA-256 that its bytes must have, in hexadecimal.

    Raises:
        MissingFileError: there is no such file.
        UnusableFileError: it is none, is too large, or changed while it was read.
        OptionError: `digest` is no SHA-256, or `source` is neither a path nor bytes nor a file.
        DigestError: the bytes have another one.
    """
    expected = None if digest is None else _digest(digest)
    content = _content(source)
    if expected is not None and (found := sha256(content)) != expected:
        raise DigestError(called(source), expected, found)
    return content


def _content(source: Source) -> bytes:
    if isinstance(source, str | os.PathLike):
        return read_bytes(os.fsdecode(source), _HINT, MAX_BYTES)
    if isinstance(source, bytes | bytearray | memoryview):
        return bytes(source)
    if not hasattr(source, "read"):
        raise OptionError(
            f"a model is the path of a file, its bytes or a file opened in binary mode, not {escaped(repr(source))}"
        )
    return _read(source)


def _read(file: IO[bytes]) -> bytes:
    """Read an open file to its end, in the parts that it gives, but no more than is looked at."""
    parts: list[bytes] = []
    left = MAX_BYTES + 1
    try:
        if not isinstance(file.read(0), bytes):  # before text is decoded
            raise OptionError(f"{called(file)}: gives text, and a model is bytes. Open the file in binary mode")
        while left > 0 and (part := file.read(left)):
            parts.append(part)
            left -= len(part)
    except OptionError:
        raise
    except (OSError, ValueError, TypeError) as error:  # ValueError: it is closed
        raise UnusableFileError(f"{called(file)}: cannot be read ({error})") from error
    if left <= 0:
        raise UnusableFileError(f"{called(file)}: has more than the {MAX_BYTES} bytes that are read at most")
    return b"".join(parts)


def called(source: Source) -> str:
    """Return what messages call the place that a model came from."""
    if isinstance(source, str | os.PathLike):
        return str(source)
    name = getattr(source, "name", None)
    return name if isinstance(name, str) else "the model's bytes"


def _digest(text: str) -> str:
    digest = text.strip().lower() if isinstance(text, str) else ""
    if len(digest) != 64 or not _HEXADECIMAL.issuperset(digest):
        raise OptionError(f"a SHA-256 has 64 hexadecimal digits: {escaped(str(text), 70)} is none")
    return digest


def check_model(content: bytes) -> ModelFile:
    """Hold bytes to what linedge writes; nothing is run. Raises ForeignModelError for an ONNX model that something else
    wrote; ModelFileError for what is none, or could not be of linedge: one line says what it is.
    """
    try:
        onnx = read_onnx(content)
    except WireError as error:
        from lr_runtime.onnx_file.kinds import kind_of

        raise ModelFileError(kind_of(content) or f"not an ONNX model, or a damaged one ({error})") from error
    except ModelFileError as error:
        from lr_runtime.onnx_file.kinds import foreign_producer

        producer = foreign_producer(content)
        raise error if producer is None else ForeignModelError(producer, str(error)) from error
    text = onnx.metadata.get(METADATA_KEY)
    if text is None:
        raise ForeignModelError(onnx.producer, "it carries no contract")
    contract = Contract.from_json(text)
    if (onnx.inputs, onnx.outputs) != signature_of(contract):
        raise ModelFileError("its graph does not fit its contract. Export the model again")
    return ModelFile(content, onnx, contract)


def signature_of(contract: Contract) -> tuple[tuple[ValueInfo, ...], tuple[ValueInfo, ...]]:
    """Return the inputs and the outputs of a graph that keeps a contract."""
    kinds = {"in_range": ("bool", 1), "leverage": (contract.output_dtype, 1)}
    usual = (contract.output_dtype, len(contract.outputs))
    return (
        (ValueInfo("x", contract.input_dtype, len(contract.columns)),),
        tuple(ValueInfo(result, *kinds.get(result, usual)) for result in contract.results),
    )


def open_model(
    content: bytes, *, allow_foreign: bool = False, threads: int = 1, provider: str = "cpu"
) -> tuple[Session, Contract]:
    """Make a session from bytes that hold a model that linedge wrote, or with `allow_foreign` from any ONNX model.
    Raises OptionError where the provider is not here; ModelFileError as `check_model`, or of ONNX Runtime's refusal.
    """
    try:
        model = check_model(content)
    except ForeignModelError:
        if not allow_foreign:
            raise
        from lr_runtime.onnx_file.foreign import open_foreign

        return open_foreign(content, threads=threads, provider=provider)
    from lr_runtime.onnx_file.session import Session

    rows = max(1, VALUES_AT_ONCE // model.onnx.cells)
    try:
        return Session(content, threads=threads, provider=provider, rows=rows), model.contract
    except OptionError:
        raise
    except ValueError as error:
        raise ModelFileError(f"it is not an ONNX model that runs here ({error})") from error
