"""From the tensors of a request to rows that `Predictor.predict` takes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lr_runtime.errors import escaped, listed
from lr_runtime.serving.http import HttpError
from lr_runtime.serving.protocol.tensors import array_of
from lr_runtime.system.text import composed

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from lr_runtime.serving.http import Request
    from lr_runtime.serving.protocol.inference import RequestInput

HEADER = "inference-header-content-length"  # how many bytes of a body are JSON, where raw tensors stand behind it
PACKED = "x"  # the input that holds all columns, as the models' files call it


def parted(request: Request, columns: int) -> tuple[bytes, bytes]:
    """Return the JSON of a body, and the raw bytes behind it.

    Raises:
        HttpError: 400, the header is no such length. 413, the JSON has more values than the most rows of all columns:
            decoded, they take thirty times the memory of their text.
    """
    body, length = request.body, request.headers.get(HEADER, str(len(request.body)))
    size = int(length) if length.isdecimal() and len(length) < 20 else -1  # Python refuses to read thousands of digits
    if not 0 <= size <= len(body):
        raise HttpError(400, f"{HEADER} is {escaped(length)}; expected a number of bytes, {len(body)} at most")
    rows = request.limits.max_rows
    if body.count(b",", 0, size) > (rows + 16) * columns + 1000:  # the rest is for names, shapes, parameters
        raise HttpError(
            413, f"the request has more values than {rows} rows of {columns} columns, the most that are taken"
        )
    return body[:size], body[size:]


def arrays_of(inputs: Sequence[RequestInput], raw: bytes, most_rows: int) -> dict[str, NDArray[np.generic]]:
    """Return the tensors by name; `raw` has the values of those that have a `binary_data_size`, in their order.

    Raises:
        HttpError: 400, a name stands twice, or `raw` is not what the tensors say; see `array_of`. 413, too many rows.
    """
    found, place = dict[str, "NDArray[np.generic]"](), 0
    for each in inputs:
        if (name := composed(each.name)) in found:
            raise HttpError(400, f"the input {escaped(name)} stands twice")
        size = None if each.parameters is None else each.parameters.binary_data_size
        found[name] = array_of(each, None if size is None else raw[place : place + size])
        place += size or 0
        if each.shape[0] > most_rows:
            raise HttpError(413, f"the input {escaped(name)} has {each.shape[0]} rows; at most {most_rows} are taken")
    if place != len(raw):
        raise HttpError(400, f"behind the JSON stand {len(raw)} bytes; the sizes of the inputs come to {place}")
    return found


def rows_of(arrays: Mapping[str, NDArray[np.generic]], names: Sequence[str]) -> object:
    """Return rows as `Predictor.predict` takes them: `x` with all columns, or the columns by name.

    Args:
        arrays: the tensors: `x` (rows, columns), or for each column (rows,) or (rows, 1).
        names: the model's columns.

    Raises:
        HttpError: 400, an input is none of these.
    """
    if [*arrays] == [PACKED] and [*names] != [PACKED]:
        if arrays[PACKED].dtype.kind == "O":
            raise HttpError(400, f"the input {escaped(PACKED)} holds BYTES, not numbers. Send an input for each column")
        return arrays[PACKED]
    if (unknown := next((name for name in arrays if name not in names), None)) is not None:
        ways = f"{escaped(PACKED)} alone, of shape [rows, {len(names)}], or an input for each of {listed(names)}"
        raise HttpError(400, f"the input {escaped(unknown)} is no column of the model. Expected {ways}")
    if all(each.size == 1 and each.dtype.kind != "O" for each in arrays.values()):
        return {name: each.item() for name, each in arrays.items()}  # one row of numbers has a faster path
    return {name: each[:, 0] if each.shape[1:] == (1,) else each for name, each in arrays.items()}
