"""Arrow as somebody sent it: checked before anything points into it, with no row that costs more than its bytes.

A few bytes of Arrow can stand for any number, by compression, by runs, by values that many rows share; and pyarrow
leaves it to its callers to check that the places it is told of are inside of what was sent.
"""

from __future__ import annotations

from contextlib import contextmanager
from struct import error as StructError  # noqa: N812 - a class
from struct import unpack_from
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from lr_runtime.errors import TableError, escaped
from lr_runtime.system.signatures import ARROW
from lr_runtime.tables.arrow.table import is_text

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from lr_runtime.tables.arrow.table import Read, Records

_STREAM = b"\xff\xff\xff\xff"
_MOST_TEXT = 256 << 20
"""Bytes of a column's text once each row has its own: a hundred thousand rows of 2 kB."""


def records_of(content: bytes, name: str) -> Records:
    """Return what starts passes over an Arrow stream or file, of which every batch was checked.

    Raises:
        TableError: it is neither, is damaged or compressed, or has columns of other than plain numbers and text.
    """
    if not content.startswith((_STREAM, ARROW)):
        raise TableError(f"{name}: not an Arrow stream or file (it does not begin as one)")
    stream = pa.py_buffer(content)[8 * content.startswith(ARROW) :]  # a file is a stream between a mark and an index
    if not stream[:4].equals(pa.py_buffer(_STREAM)):
        raise TableError(f"{name}: an Arrow file without a stream inside. Send a stream (polars: write_ipc_stream)")
    try:
        if any(map(_is_compressed, pa.ipc.MessageReader.open_stream(stream))):
            raise TableError(f"{name}: its buffers are compressed. Write it without (pyarrow: IpcWriteOptions())")
        reader = pa.ipc.open_stream(stream)
        _check_types(reader.schema, name)
        batches = [_checked(batch, name) for batch in reader]
    except (pa.ArrowException, OSError, EOFError, StructError) as error:
        raise TableError(f"{name}: a damaged Arrow stream ({str(error).partition(chr(10))[0][:200]})") from error

    @contextmanager
    def started(_: Sequence[str]) -> Iterator[Read]:
        yield reader.schema, sum(batch.num_rows for batch in batches), iter(batches)

    return started


def _check_types(schema: pa.Schema, name: str) -> None:
    types = pa.types
    for field in schema:
        kind = field.type
        if not (types.is_primitive(kind) or types.is_decimal(kind) or types.is_null(kind) or is_text(kind)):
            raise TableError(f"{name}, column {escaped(field.name)}: holds {kind}. Send plain numbers and text")


def _checked(batch: pa.RecordBatch, name: str) -> pa.RecordBatch:
    batch.validate(full=True)
    for field, column in zip(batch.schema, batch.columns, strict=True):
        if len(column) * _longest_shared(column) > _MOST_TEXT:
            raise TableError(f"{name}, column {escaped(field.name)}: its text is too long, row by row")
    return batch


def _longest_shared(column: pa.Array) -> int:
    """Return the bytes of the longest text that many rows may share: one of a dictionary, or one that views show."""
    values = column.dictionary if pa.types.is_dictionary(column.type) else column
    if pa.types.is_string_view(values.type):  # whose 16 bytes begin with their length, in 32 bits
        return int(np.frombuffer(values.buffers()[1] or b"", np.int32)[::4].max(initial=0))
    return 0 if values is column else int(values.nbytes)


def _is_compressed(message: pa.Message) -> bool:
    """Return whether the field `compression` of the RecordBatch in a message is there, or the key it once had is."""
    content, kind = message.metadata.to_pybytes(), message.type
    if kind not in {"dictionary", "record batch"}:
        return False
    batch = _table(content, _field(content, _table(content, 0), 2))
    batch = batch if kind == "record batch" else _table(content, _field(content, batch, 1))
    return _field(content, batch, 3) != 0 or b"ARROW:experimental_compression" in content


def _table(content: bytes, place: int) -> int:
    """Return where the FlatBuffers table is that a place points to."""
    return place + int(unpack_from("<I", content, place)[0])


def _field(content: bytes, table: int, index: int) -> int:
    """Return where a field of a FlatBuffers table stands, by the offsets that the table points to; 0 where it lacks."""
    offsets = table - int(unpack_from("<i", content, table)[0])
    size, slot = unpack_from("<H", content, offsets)[0], 4 + 2 * index
    at = int(unpack_from("<H", content, offsets + slot)[0]) if slot < size else 0
    return table + at if at else 0
