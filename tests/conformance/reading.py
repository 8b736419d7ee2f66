"""An answer, taken apart: each function returns what it finds, and raises FailedError where it finds something else."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, NoReturn

from .check import FailedError, require
from .tensors import DATATYPES, Tensor, array_from, array_of

if TYPE_CHECKING:
    from .client import Answer

HEADER_LENGTH = "inference-header-content-length"


def parsed(body: bytes) -> object:
    """Return JSON as RFC 8259 has it: in UTF-8, without NaN and Infinity."""

    def refused(token: str) -> NoReturn:
        raise ValueError(f"{token} is not of JSON")

    try:
        return json.loads(body.decode("utf-8"), parse_constant=refused)
    except (ValueError, RecursionError) as error:
        raise FailedError(f"the body is not JSON ({error}): {body[:80]!r}") from error


def members(value: object, what: str) -> dict[str, object]:
    """Return an object of JSON."""
    if not isinstance(value, dict):
        raise FailedError(f"{what} is not an object: {short(value)}")
    return value


def items(value: object, what: str) -> list[object]:
    """Return an array of JSON."""
    if not isinstance(value, list):
        raise FailedError(f"{what} is not an array: {short(value)}")
    return value


def text(value: object, what: str) -> str:
    """Return a string of JSON."""
    if not isinstance(value, str):
        raise FailedError(f"{what} is not a string: {short(value)}")
    return value


def short(value: object) -> str:
    """Return a value as a report says it."""
    said = "null or absent" if value is None else json.dumps(value, default=str)
    return said if len(said) <= 100 else said[:100] + "..."


def answered(answer: Answer) -> dict[str, object]:
    """Return the object that a request is answered with, by 200."""
    require(answer.status == 200, answer)
    return members(parsed(answer.body), "the body")


def error_of(answer: Answer) -> str:
    """Return the message of an error in the form of the protocol; the status says that it is one."""
    require(400 <= answer.status < 600, answer)
    said = members(parsed(answer.body), f"{answer.status} has a body that")
    require("error" in said, f'the body has no "error": {answer}')
    return text(said["error"], f'{answer.status} has an "error" that')


def dimensions(value: object, what: str) -> tuple[int, ...]:
    """Return a shape of an answer: whole numbers of at least 0, below 2**64."""
    found: list[int] = []
    for each in items(value, what):
        if not isinstance(each, int) or isinstance(each, bool) or not 0 <= each < 2**64:
            raise FailedError(f"{what} has a dimension that is no unsigned integer of 64 bits: {short(each)}")
        found.append(each)
    return tuple(found)


@dataclass(frozen=True)
class Inference:
    """A good answer to an inference request.

    Attributes:
        said: the object of JSON.
        outputs: the tensors, in their order.
        sizes: the `binary_data_size` of each, None of one in JSON.
    """

    said: dict[str, object]
    outputs: tuple[Tensor, ...]
    sizes: tuple[int | None, ...]

    @property
    def names(self) -> list[str]:
        """The names of the outputs."""
        return [each.name for each in self.outputs]


def inference(answer: Answer) -> Inference:
    """Return what a request for inference is answered with, by 200: JSON, or JSON and bytes."""
    require(answer.status == 200, answer)
    head, rest = _split(answer)
    said = members(parsed(head), "the body")
    outputs: list[Tensor] = []
    sizes: list[int | None] = []
    for each in items(said.get("outputs"), '"outputs"'):
        described = members(each, "an output")
        size = _binary_size(described)
        require(size is None or 0 <= size <= len(rest), f"binary_data_size is {size}, and {len(rest)} bytes are left")
        outputs.append(_output(described, None if size is None else rest[:size]))
        sizes.append(size)
        rest = rest[size or 0 :]
    require(not rest, f"{len(rest)} bytes follow those that the outputs name")
    return Inference(said, tuple(outputs), tuple(sizes))


def _split(answer: Answer) -> tuple[bytes, bytes]:
    """Return the JSON and the bytes behind it."""
    length = answer.headers.get(HEADER_LENGTH)
    if length is None:
        return answer.body, b""
    is_fitting = length.isascii() and length.isdigit() and int(length) <= len(answer.body)
    require(is_fitting, f"Inference-Header-Content-Length is {length}, and the body has {len(answer.body)} bytes")
    return answer.body[: int(length)], answer.body[int(length) :]


def _binary_size(described: dict[str, object]) -> int | None:
    """Return the `binary_data_size` of an output, None where its elements are in JSON."""
    parameters = described.get("parameters")
    size = parameters.get("binary_data_size") if isinstance(parameters, dict) else None
    require(size is None or type(size) is int, f"binary_data_size is {short(size)}")
    return size if isinstance(size, int) else None


def _output(described: dict[str, object], raw: bytes | None) -> Tensor:
    name = text(described.get("name"), "the name of an output")
    what = f"output {name}"
    datatype = text(described.get("datatype"), f"the datatype of {what}")
    require(datatype in DATATYPES, f"{what} has a datatype that the protocol has not: {short(datatype)}")
    shape = dimensions(described.get("shape"), f"the shape of {what}")
    if raw is None:
        values = array_of(flattened(described.get("data"), shape, what), datatype, what)
    else:
        require("data" not in described, f'{what} has "data" beside its binary data')
        values = array_from(raw, datatype, what)
    require(values.size == math.prod(shape), f"{what} has shape {[*shape]} and {values.size} elements")
    return Tensor(name, datatype, values.reshape(shape))


def flattened(data: object, shape: tuple[int, ...], what: str) -> list[object]:
    """Return elements given flat or nested, in one list; nested lists have to have the shape."""
    found = items(data, f"the data of {what}")
    if not any(isinstance(each, list) for each in found):
        return found
    for size in shape[1:]:
        lists = [each if isinstance(each, list) else [] for each in found]
        require(all(len(each) == size for each in lists), f"the nested data of {what} do not have shape {[*shape]}")
        found = [element for each in lists for element in each]
    return found
