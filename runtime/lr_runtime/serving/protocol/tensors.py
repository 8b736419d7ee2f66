"""Tensors as arrays: the protocol's datatypes, and their values in JSON or in raw bytes.

A floating number in JSON is read as float64 and rounded by the model's own rule, so that a row has the bits and the
messages that it has from Python. As in MLServer, `null` is a missing value: JSON has no NaN, and text has none at all.
"""

from __future__ import annotations

import re
import struct
from itertools import chain
from math import prod
from types import GenericAlias
from typing import TYPE_CHECKING, Annotated, NamedTuple

import msgspec
import numpy as np

from lr_runtime.errors import escaped
from lr_runtime.serving.http import HttpError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from lr_runtime.serving.protocol.inference import RequestInput

_NESTED = re.compile(rb"\[\s*\[")


class Datatype(NamedTuple):
    """A datatype: its dtype, object for text, and what decodes its values from JSON, flat or in rows."""

    dtype: np.dtype[np.generic]
    flat: msgspec.json.Decoder[list[object]]
    rows: msgspec.json.Decoder[list[list[object]]]


def _datatype(dtype: str, kind: object) -> Datatype:
    values = GenericAlias(list, (kind,))
    rows = GenericAlias(list, (values,))
    return Datatype(np.dtype(dtype), msgspec.json.Decoder(values), msgspec.json.Decoder(rows))


def _integers(dtype: str) -> Datatype:
    bounds = np.iinfo(dtype)
    most = None if bounds.max > np.iinfo("i8").max else int(bounds.max)  # msgspec has no greater bound, but numpy
    return _datatype(dtype, Annotated[int, msgspec.Meta(ge=int(bounds.min), le=most)])


DATATYPES = {
    "BOOL": _datatype("?", bool),
    **{f"UINT{8 * size}": _integers(f"<u{size}") for size in (1, 2, 4, 8)},
    **{f"INT{8 * size}": _integers(f"<i{size}") for size in (1, 2, 4, 8)},
    **{f"FP{8 * size}": _datatype(f"<f{size}", float | None) for size in (2, 4, 8)},
    "BYTES": _datatype("O", str | None),
}
NAMES = {datatype.dtype: name for name, datatype in DATATYPES.items()}
"""The datatype of an array, by its dtype."""


def array_of(tensor: RequestInput, raw: bytes | None) -> NDArray[np.generic]:
    """Return a tensor's values in its shape, (rows,) or (rows, columns).

    Args:
        tensor: a tensor of the request.
        raw: its values as raw bytes; None where they are in JSON.

    Raises:
        HttpError: 400, the values are not of the datatype, or more or fewer than the shape says.
    """
    name, shape = escaped(tensor.name), tensor.shape
    if (datatype := DATATYPES.get(tensor.datatype)) is None:
        said = escaped(tensor.datatype)
        raise HttpError(400, f"the input {name} has datatype {said}; expected one of {', '.join(DATATYPES)}")
    if (raw is None) == (bytes(tensor.data) == b"null"):
        raise HttpError(400, f"the input {name} is to have data, or binary_data_size and its bytes behind the JSON")
    try:
        values = _from_json(tensor, datatype) if raw is None else _from_bytes(raw, datatype.dtype)
        if len(values) == prod(shape):
            return values.reshape(shape)
    except (msgspec.MsgspecError, ValueError, OverflowError, struct.error) as error:
        raise HttpError(400, f"the input {name} does not hold {tensor.datatype} of shape {shape}: {error}") from error
    raise HttpError(400, f"the input {name} has shape {shape}, but {len(values)} values")


def _from_json(tensor: RequestInput, datatype: Datatype) -> NDArray[np.generic]:
    if _NESTED.match(tensor.data) is None:
        values = datatype.flat.decode(tensor.data)
    else:
        rows = datatype.rows.decode(tensor.data)
        if {*map(len, rows)} != {*tensor.shape[1:]}:
            raise ValueError("the data are nested in another way. Give them flat, or in that shape")
        values = [*chain.from_iterable(rows)]
    return np.array(values, np.float64 if datatype.dtype.kind == "f" else datatype.dtype)


def _from_bytes(raw: bytes, dtype: np.dtype[np.generic]) -> NDArray[np.generic]:
    if dtype.kind == "O":
        return np.array(_texts(raw), dtype)
    if dtype.kind == "b" and raw.strip(b"\0\1"):
        raise ValueError("a byte is neither 0 nor 1")
    return np.frombuffer(raw, dtype)


def _texts(raw: bytes) -> list[str]:
    """Return the elements of BYTES: of each its length in 4 bytes, then text in UTF-8."""
    texts, place = list[str](), 0
    while place < len(raw):
        end = place + 4 + struct.unpack_from("<I", raw, place)[0]
        texts.append(raw[place + 4 : end].decode())
        place = end
    if place > len(raw):
        raise ValueError(f"{place - len(raw)} bytes of the last element are missing")
    return texts
