"""The kind and the contract of any file of linedge, recognised by its bytes alone. Nothing in it is executed."""

from __future__ import annotations

import io
import zipfile
from collections import Counter
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from lr_runtime.contract.comment import from_comment
from lr_runtime.contract.contract import METADATA_KEY, Contract
from lr_runtime.contract.formats import EXPORT_FORMATS, FormatName
from lr_runtime.errors import ForeignModelError, LinedgeError, ModelFileError
from lr_runtime.system.files import is_checkpoint, read_bytes, sha256
from lr_runtime.system.signatures import ZIP, what_it_is

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

FileKind = Literal["checkpoint", FormatName]
_LARGEST_CONTRACT = 64 << 20
"""Bounds the memory that a hostile file can take."""
_PAGE = b"<!DOCTYPE html>"
_FEW = 24
"""More operators than these are counted, not listed: a graph with functions has a hundred."""
_ANOTHER = "Name a file that lr-train or lr-export wrote"


@dataclass(frozen=True)
class Graph:
    """The graph of an ONNX file: `nodes` are its operators in order, all of the standard domain."""

    nodes: tuple[str, ...]
    opset: int
    ir_version: int

    def __str__(self) -> str:
        listed = self.nodes if len(self.nodes) <= _FEW else [f"{n} {each}" for each, n in Counter(self.nodes).items()]
        return f"{', '.join(listed)}; opset {self.opset}, IR {self.ir_version}"

    def to_json(self) -> dict[str, object]:
        """Return JSON values."""
        return asdict(self)


@dataclass(frozen=True)
class Artefact:
    """A file of linedge.

    Attributes:
        contract: the contract of the model; for a checkpoint, with the checkpoint's `equation`.
        fit: the report of the fit, as JSON values; empty unless the file is a checkpoint.
        graph: the graph of an ONNX file; None for every other kind.
    """

    kind: FileKind
    content: bytes
    contract: Contract
    fit: Mapping[str, Any] = field(default_factory=dict)
    graph: Graph | None = None

    @property
    def title(self) -> str:
        """The name of this kind of file."""
        return "checkpoint (safetensors)" if self.kind == "checkpoint" else EXPORT_FORMATS[self.kind].title

    @property
    def size(self) -> int:
        """The size of the file in bytes."""
        return len(self.content)

    @property
    def sha256(self) -> str:
        """The SHA-256 of the bytes, 64 hexadecimal digits."""
        return sha256(self.content)

    @staticmethod
    def load(path: Path) -> Artefact:
        """Read a checkpoint, or a file of any of the formats of lr-export.

        Raises:
            MissingFileError: there is no such file.
            ModelFileError: linedge did not write it, or it is damaged; the message says what it is.
        """
        content = read_bytes(path, _ANOTHER)
        try:
            return Artefact.of(content)
        except LinedgeError as error:
            what = error.what if isinstance(error, ForeignModelError) else str(error).removesuffix(".")
            raise ModelFileError(f"{path}: {what}. {_ANOTHER}") from error

    @staticmethod
    def of(content: bytes) -> Artefact:
        """Read the bytes of a file.

        Raises:
            LinedgeError: the bytes are not a file of linedge.
        """
        if is_checkpoint(content):
            return _checkpoint(content)
        if content.startswith(ZIP):
            return _archive(content)
        if content.startswith((b"/", b"#", b"-", _PAGE)):
            return _source(content)
        return _onnx(content)


def _checkpoint(content: bytes) -> Artefact:
    from lr_runtime.contract.checkpoint import Checkpoint

    checkpoint = Checkpoint.from_bytes(content)
    contract = checkpoint.contract._replace(equation=checkpoint.equation)
    return Artefact("checkpoint", content, contract, checkpoint.fit)


def _source(content: bytes) -> Artefact:
    found = from_comment(content)
    if found is None or found[0] not in EXPORT_FORMATS:
        what = "a web page" if content.startswith(_PAGE) else "source code"
        raise ModelFileError(f"{what} that carries no contract of linedge")
    kind: FormatName = "html" if content.startswith(_PAGE) else found[0]
    return Artefact(kind, content, Contract.from_json(found[1]))


def _archive(content: bytes) -> Artefact:
    """Read one record of a zip archive as torch writes it: by its bytes, never as a pickle."""
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            records = {name.partition("/")[2]: name for name in archive.namelist()}
            name = records.get(f"extra/{METADATA_KEY}")
            if name is None:
                raise ModelFileError(f"{what_it_is(content[:512])} that carries no contract of linedge")
            text = _stored(archive, name).decode("utf-8")
    except (zipfile.BadZipFile, ValueError, NotImplementedError, RuntimeError, EOFError, OSError) as error:
        if isinstance(error, LinedgeError):
            raise
        raise ModelFileError(f"a damaged zip archive ({str(error)[:60]})") from error
    return Artefact("pt2" if "archive_format" in records else "torchscript", content, Contract.from_json(text))


def _stored(archive: zipfile.ZipFile, name: str) -> bytes:
    """Return an uncompressed record: torch compresses none, so a decompression bomb is refused."""
    record = archive.getinfo(name)
    if record.compress_type != zipfile.ZIP_STORED or record.file_size > _LARGEST_CONTRACT:
        raise ModelFileError("its contract is compressed or too long, which torch never writes")
    return archive.read(record)


def _onnx(content: bytes) -> Artefact:
    from lr_runtime.onnx_file.check import check_model

    model = check_model(content)
    nodes = tuple(node.operator for node in model.onnx.nodes)
    return Artefact("onnx", content, model.contract, graph=Graph(nodes, model.onnx.opset, model.onnx.ir_version))
