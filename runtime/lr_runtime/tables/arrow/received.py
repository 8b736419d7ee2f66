"""Arrow as somebody sent it: each buffer is as long as it is, and no row costs more than its share of the bytes.

A few bytes of Arrow can stand for any number: by compressed buffers, by lists of values that many rows point to, and by
runs. pyarrow reads what it is given, and leaves it to its callers to check that places inside of it are inside of it.
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
_FILE_HEAD = 8
"""Bytes in front of the stream that an Arrow file holds; the index behind that is left alone."""
_MOST_TEXT = 256 << 20
"""Bytes of a column's text once each row has its own: what a body of 16 MB has no honest need for."""
_HEADER, _DATA, _COMPRESSION = 2, 1, 3
"""The fields of the Arrow format: of a Message its header, of a DictionaryBatch its batch, of a RecordBatch how its
buffers are compressed."""


def records_of(content: bytes, name: str) -> Records:
    """Return what starts passes over an Arrow stream or file, of which every batch was checked.

    Raises:
        TableError: it is neither, damaged, or compressed; or it has nested columns, runs, or lists of long text.
    """
    if not content.startswith((_STREAM, ARROW)):
        raise TableError(f"{name}: not an Arrow stream or file (it does not begin as one)")
    stream = memoryview(content)[_FILE_HEAD * content.startswith(ARROW) :]
    try:
        schema, batches = _checked(stream, name)
    except (pa.ArrowException, OSError, EOFError, StructError) as error:
        raise TableError(f"{name}: a damaged Arrow stream ({str(error).partition(chr(10))[0][:200]})") from error

    @contextmanager
    def started(_: Sequence[str]) -> Iterator[Read]:
        yield schema, sum(batch.num_rows for batch in batches), iter(batches)

    return started


def _checked(stream: memoryview, name: str) -> tuple[pa.Schema, list[pa.RecordBatch]]:
    for message in pa.ipc.MessageReader.open_stream(pa.py_buffer(stream)):
        if _is_compressed(message):
            raise TableError(f"{name}: its buffers are compressed. Write it without (pyarrow: IpcWriteOptions())")
    reader = pa.ipc.open_stream(pa.py_buffer(stream))
    for field in reader.schema:
        kind = field.type
        if pa.types.is_nested(kind) or pa.types.is_run_end_encoded(kind) or _lists_no_text(kind):
            raise TableError(f"{name}, column {escaped(field.name)}: holds {kind}. Send plain numbers and text")
    batches = list(reader)
    for batch in batches:
        batch.validate(full=True)
        for field, column in zip(reader.schema, batch.columns, strict=True):
            if is_text(field.type) and len(column) * _longest(column) > _MOST_TEXT:
                raise TableError(f"{name}, column {escaped(field.name)}: its text is too long, row by row")
    return reader.schema, batches


def _lists_no_text(kind: pa.DataType) -> bool:
    return bool(pa.types.is_dictionary(kind)) and not is_text(kind)


def _longest(column: pa.Array) -> int:
    """Return the bytes of the longest value that rows may share; 0 of text that each row has for itself."""
    values = column.dictionary if pa.types.is_dictionary(column.type) else column
    if not len(values) or (values is column and not pa.types.is_string_view(values.type)):
        return 0
    if pa.types.is_string_view(values.type):  # an integer of 32 bits at the start of 16 bytes
        return int(np.frombuffer(values.buffers()[1], np.int32)[::4].max(initial=0))
    offsets = np.frombuffer(values.buffers()[1], np.int64 if pa.types.is_large_string(values.type) else np.int32)
    return int(np.diff(offsets[: values.offset + len(values) + 1]).max(initial=0))


def _is_compressed(message: pa.Message) -> bool:
    content = message.metadata.to_pybytes()
    header = _field(content, int(unpack_from("<I", content)[0]), _HEADER)
    if message.type == "dictionary":
        header = _field(content, header, _DATA)
    old_way = b"ARROW:experimental_compression" in content
    is_batch = message.type in {"dictionary", "record batch"}
    return old_way or (is_batch and _place(content, header, _COMPRESSION) is not None)


def _field(content: bytes, table: int, index: int) -> int:
    """Return where the table is that a field of a FlatBuffers table points to; 0 where it has none."""
    place = _place(content, table, index)
    return 0 if place is None else place + int(unpack_from("<I", content, place)[0])


def _place(content: bytes, table: int, index: int) -> int | None:
    """Return where a field of a FlatBuffers table stands, by the table of offsets that belongs to it."""
    offsets = table - int(unpack_from("<i", content, table)[0])
    size, slot = unpack_from("<H", content, offsets)[0], 4 + 2 * index
    at = int(unpack_from("<H", content, offsets + slot)[0]) if slot < size else 0
    return table + at if at else None
