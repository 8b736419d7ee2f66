"""What a file is that is no model of linedge, and what reads it: for the one line of a refusal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lr_runtime.contract.contract import METADATA_KEY
from lr_runtime.onnx_file.protobuf import LENGTH, VARINT, WireError, varint
from lr_runtime.system.files import is_checkpoint
from lr_runtime.system.signatures import ZIP, format_of

if TYPE_CHECKING:
    from collections.abc import Iterator

_MEMBERS: tuple[tuple[bytes, str], ...] = (
    (b"/archive_format", "a PyTorch .pt2 model, which torch.export.load reads"),
    (b"/constants.pkl", "a TorchScript model, which torch.jit.load reads"),
    (b"/data.pkl", "a file of torch.save, which torch.load reads"),
    (b"[Content_Types].xml", "a spreadsheet or document"),
    (b".npy", "a NumPy archive, which numpy.load reads"),
)
_HEAD_BYTES = 1 << 12

PRODUCER, METADATA = (2, 3), 14
"""Numbers of a model's fields: name and version of what made it, and an entry of its metadata."""
_OUR_KEY = bytes([1 << 3 | LENGTH, len(METADATA_KEY)]) + METADATA_KEY.encode()


def kind_of(content: bytes) -> str | None:
    """Say what bytes are that are no ONNX model; None where nothing tells."""
    kind = _kind_of(content)
    return f"it is {kind}, not an ONNX model" if kind else None


def _kind_of(content: bytes) -> str | None:
    if content.startswith(ZIP):
        directory = content[-(1 << 16) :]  # the last part of an archive
        return next((kind for member, kind in _MEMBERS if member in directory), "a zip archive")
    if is_checkpoint(content):
        return _safetensors(content)
    found = format_of(content[:_HEAD_BYTES])
    if found is None:
        return _text(content[:4096])
    return f"{found.what}, which {found.reader}" if found.reader else found.what


def _safetensors(content: bytes) -> str:
    header = content[8 : 8 + int.from_bytes(content[:8], "little")]
    ours = f'"{METADATA_KEY}"'.encode() in header
    return "a safetensors " + ("checkpoint, which lr-export reads" if ours else "file, which safetensors reads")


def _text(head: bytes) -> str | None:
    try:
        text = head.decode("utf-8", errors="strict" if len(head) < 4096 else "ignore").strip()
    except UnicodeDecodeError:
        return None
    return "a text file" if text and all(character.isprintable() or character.isspace() for character in text) else None


def foreign_producer(content: bytes) -> str | None:
    """Return what made an ONNX file, as it says itself (empty where it does not), or None where it says linedge.

    Only the outermost fields are looked at, and the first 4096 of those.
    """
    said = dict.fromkeys(PRODUCER, "")
    try:
        for number, value in _outermost(content):
            if number == METADATA and value.startswith(_OUR_KEY):
                return None
            if number in said:
                said[number] = value[:200].decode("utf-8", errors="replace")
    except WireError:
        pass
    return " ".join(filter(None, said.values()))


def _outermost(content: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield (number, content) of the fields that have a length."""
    start, end = 0, len(content)
    for _ in range(4096):
        if start >= end:
            return
        tag, start = varint(content, start, end)
        if tag & 7 == LENGTH:
            size, start = varint(content, start, end)
            yield tag >> 3, content[start : start + min(size, 1 << 16)]
            start += size
        elif tag & 7 == VARINT:
            _, start = varint(content, start, end)
        else:
            start += {1: 8, 5: 4}.get(tag & 7, end)
