"""Data types of the protocol, and tensors as JSON and as bytes."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from .check import FailedError, require

Json: TypeAlias = "dict[str, Json] | list[Json] | str | int | float | bool | None"
Values: TypeAlias = npt.NDArray[Any]

DATATYPES = {
    "BOOL": np.dtype("?"),
    "UINT8": np.dtype("u1"),
    "UINT16": np.dtype("<u2"),
    "UINT32": np.dtype("<u4"),
    "UINT64": np.dtype("<u8"),
    "INT8": np.dtype("i1"),
    "INT16": np.dtype("<i2"),
    "INT32": np.dtype("<i4"),
    "INT64": np.dtype("<i8"),
    "FP16": np.dtype("<f2"),
    "FP32": np.dtype("<f4"),
    "FP64": np.dtype("<f8"),
    "BYTES": np.dtype(object),
}
"""The table "Tensor Data Types", as numpy and little-endian bytes have them; an element of BYTES is a `bytes`."""


@dataclass(frozen=True)
class Tensor:
    """A tensor with its values, of the dtype that `DATATYPES` says."""

    name: str
    datatype: str
    values: Values

    @property
    def shape(self) -> list[Json]:
        """Its shape, as JSON has it."""
        return [*self.values.shape]

    def nested(self) -> Json:
        """Return its elements as nested lists of its shape."""
        texts = [each.decode() for each in self.values.ravel()] if self.datatype == "BYTES" else None
        values = self.values if texts is None else np.array(texts, object).reshape(self.values.shape)
        listed: Json = values.tolist()
        return listed

    def flat(self) -> list[Json]:
        """Return its elements in one list, row by row."""
        listed = Tensor(self.name, self.datatype, self.values.ravel()).nested()
        return listed if isinstance(listed, list) else [listed]

    def raw(self) -> bytes:
        """Return its elements as the bytes of the binary tensor extension."""
        if self.datatype != "BYTES":
            return self.values.tobytes()
        return b"".join(struct.pack("<I", len(each)) + each for each in self.values.ravel())

    def described(self) -> dict[str, Json]:
        """Return what a request says of it, without its elements."""
        return {"name": self.name, "shape": self.shape, "datatype": self.datatype}

    def as_json(self) -> dict[str, Json]:
        """Return it as an input of a request, its elements in one list."""
        return {**self.described(), "data": self.flat()}

    def as_binary(self) -> dict[str, Json]:
        """Return it as an input of a request whose elements follow as bytes."""
        return {**self.described(), "parameters": {"binary_data_size": len(self.raw())}}

    def rows(self, start: int, stop: int) -> Tensor:
        """Return some of its rows."""
        return Tensor(self.name, self.datatype, self.values[start:stop])


def array_of(flat: list[object], datatype: str, what: str) -> Values:
    """Return elements of JSON as an array of a data type. Raises FailedError where one is of another."""
    dtype = DATATYPES[datatype]
    fitting: dict[str, set[type]] = {"b": {bool}, "u": {int}, "i": {int}, "f": {int, float}, "O": {str}}
    for each in flat:
        require(type(each) in fitting[dtype.kind], f"{what} is {datatype}, and an element of it is {str(each)[:40]!r}")
    if dtype.kind == "O":
        return np.array([str(each).encode() for each in flat], dtype=object)
    try:
        return np.array(flat, dtype=dtype)
    except OverflowError as error:
        raise FailedError(f"{what} is {datatype}, and an element of it is out of its range: {error}") from error


def array_from(raw: bytes, datatype: str, what: str) -> Values:
    """Return the elements that bytes of the binary tensor extension hold. Raises FailedError where they are none."""
    dtype = DATATYPES[datatype]
    if dtype.kind == "O":
        return np.array(_texts(raw, what), dtype=object)
    require(len(raw) % dtype.itemsize == 0, f"{what} is {datatype}, and has {len(raw)} bytes")
    return np.frombuffer(raw, dtype=dtype)


def _texts(raw: bytes, what: str) -> list[bytes]:
    found: list[bytes] = []
    at = 0
    while at < len(raw):
        require(at + 4 <= len(raw), f"{what}: a length of BYTES is cut off at byte {at} of {len(raw)}")
        (length,) = struct.unpack_from("<I", raw, at)
        require(at + 4 + length <= len(raw), f"{what}: an element of {length} bytes goes beyond its {len(raw)} bytes")
        found.append(raw[at + 4 : at + 4 + length])
        at += 4 + length
    return found


def are_close(one: Tensor, other: Tensor) -> bool:
    """Whether two tensors are the same, floats to the rounding of their printing and of sums in another order."""
    if (one.name, one.datatype, one.values.shape) != (other.name, other.datatype, other.values.shape):
        return False
    if DATATYPES[one.datatype].kind != "f":
        return bool(np.array_equal(one.values, other.values))
    tolerance = {"FP16": 1e-2, "FP32": 1e-5, "FP64": 1e-9}[one.datatype]
    wanted, found = one.values.astype(np.float64), other.values.astype(np.float64)
    return bool(np.allclose(wanted, found, rtol=tolerance, atol=tolerance, equal_nan=True))
