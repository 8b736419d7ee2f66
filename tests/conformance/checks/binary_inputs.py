"""Inputs as bytes behind the JSON: the binary tensor extension, for servers that say that they have it."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from .. import sources
from ..check import Check, Level, applies, check, require
from ..reading import error_of, short
from ..target import encoded, request_of
from ..tensors import are_close

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ..reading import Inference
    from ..target import Target
    from ..tensors import Json

NAME = "binary_tensor_data"


def listed(target: Target) -> None:
    """Raise NotApplicableError unless the server says that it has the extension."""
    applies(
        NAME in target.extensions, f"the server does not list {NAME}: its extensions are {short(target.extensions)}"
    )


@check("binary.input", "Inputs as binary data are the same as in JSON.", Level.EXTENSION, sources.BINARY_DATA)
def binary(target: Target) -> str:
    return _same(target, _sent(target, *_parts(target)))


@check(
    "binary.input-no-type", "Inputs as binary data are taken without a content type.", Level.SHOULD, sources.BINARY_TYPE
)
def no_type(target: Target) -> str:
    described, raw = _parts(target)
    head = encoded({"inputs": described})
    return _same(target, target.inferred(head + raw, {"Inference-Header-Content-Length": str(len(head))}))


@check("binary.input-mixed", "One input as binary data, another in JSON.", Level.EXTENSION, sources.BINARY_ORDER)
def mixed(target: Target) -> str:
    listed(target)
    tensors = target.sample()
    applies(len(tensors) > 1, "the model has one input")
    inputs: list[Json] = [each.as_binary() if i % 2 else each.as_json() for i, each in enumerate(tensors)]
    return _same(target, _sent(target, inputs, b"".join(each.raw() for each in tensors[1::2])))


@check(
    "binary.input-order", "Binary data are in the order of the inputs in JSON.", Level.EXTENSION, sources.BINARY_ORDER
)
def order(target: Target) -> str:
    listed(target)
    tensors = target.sample()[::-1]
    applies(len(tensors) > 1, "the model has one input")
    return _same(
        target, _sent(target, [each.as_binary() for each in tensors], b"".join(each.raw() for each in tensors))
    )


@check("binary.input-json", "A request all of JSON may have the header.", Level.SHOULD, sources.BINARY_HEADER)
def all_json(target: Target) -> str:
    listed(target)
    return _same(target, _sent(target, [each.as_json() for each in target.sample()], b""))


@check("binary.input-bytes", "Elements of BYTES are a length and their bytes.", Level.EXTENSION, sources.BINARY_BYTES)
def texts(target: Target) -> str:
    listed(target)
    found = [each for each in target.sample() if each.datatype == "BYTES"]
    applies(bool(found), "no input is of BYTES")
    return binary.run(target) + f"; {len(found)} of BYTES"


@check("binary.input-bool", "Elements of BOOL are one byte.", Level.EXTENSION, sources.BINARY_BOOL)
def booleans(target: Target) -> str:
    listed(target)
    found = [each for each in target.sample() if each.datatype == "BOOL"]
    applies(bool(found), "no input is of BOOL")
    return binary.run(target) + f"; {len(found)} of BOOL"


def _refused(
    name: str, sentence: str, level: Level, source: sources.Source
) -> Callable[[Callable[[Target], tuple[bytes, Mapping[str, str]]]], Check]:
    def made(wrong: Callable[[Target], tuple[bytes, Mapping[str, str]]]) -> Check:
        return check(f"binary.{name}", f"{sentence} is refused, with the error object.", level, source)(
            lambda target: error_of(target.post(*wrong(target)))
        )

    return made


@_refused("cut", "A body shorter than its sizes", Level.EXTENSION, sources.BINARY_SIZE)
def cut(target: Target) -> tuple[bytes, Mapping[str, str]]:
    described, raw = _parts(target)
    return _request(described, raw[:-1])


@_refused("trailing", "A body longer than its sizes", Level.EXTENSION, sources.BINARY_SIZE)
def trailing(target: Target) -> tuple[bytes, Mapping[str, str]]:
    described, raw = _parts(target)
    return _request(described, raw + b"\0")


@_refused("size-small", "A binary_data_size below that of the shape", Level.EXTENSION, sources.BINARY_SIZE)
def size_small(target: Target) -> tuple[bytes, Mapping[str, str]]:
    return _resized(target, lambda size: size - 1, lambda raw: raw[:-1])


@_refused("size-large", "A binary_data_size above that of the shape", Level.EXTENSION, sources.BINARY_SIZE)
def size_large(target: Target) -> tuple[bytes, Mapping[str, str]]:
    return _resized(target, lambda size: size + 8, lambda raw: raw + b"\0" * 8)


@_refused("size-negative", "A negative binary_data_size", Level.EXTENSION, sources.BINARY_SIZE)
def size_negative(target: Target) -> tuple[bytes, Mapping[str, str]]:
    return _resized(target, lambda size: -size, lambda raw: raw)


@_refused("size-text", "A binary_data_size that is a string", Level.EXTENSION, sources.BINARY_SIZE)
def size_text(target: Target) -> tuple[bytes, Mapping[str, str]]:
    return _resized(target, str, lambda raw: raw)


@_refused("no-header", "Binary data without the header", Level.EXTENSION, sources.BINARY_HEADER)
def no_header(target: Target) -> tuple[bytes, Mapping[str, str]]:
    body, headers = _request(*_parts(target))
    return body, {name: value for name, value in headers.items() if name != "Inference-Header-Content-Length"}


@_refused("header-long", "A header that is longer than the body", Level.EXTENSION, sources.BINARY_HEADER)
def header_long(target: Target) -> tuple[bytes, Mapping[str, str]]:
    body, headers = _request(*_parts(target))
    return body, {**headers, "Inference-Header-Content-Length": str(len(body) + 1)}


@_refused("header-short", "A header that cuts the JSON", Level.EXTENSION, sources.BINARY_HEADER)
def header_short(target: Target) -> tuple[bytes, Mapping[str, str]]:
    body, headers = _request(*_parts(target))
    return body, {**headers, "Inference-Header-Content-Length": "10"}


@_refused("header-text", "A header that is no number", Level.EXTENSION, sources.BINARY_HEADER)
def header_text(target: Target) -> tuple[bytes, Mapping[str, str]]:
    body, headers = _request(*_parts(target))
    return body, {**headers, "Inference-Header-Content-Length": "all"}


@_refused("header-negative", "A negative header", Level.EXTENSION, sources.BINARY_HEADER)
def header_negative(target: Target) -> tuple[bytes, Mapping[str, str]]:
    body, headers = _request(*_parts(target))
    return body, {**headers, "Inference-Header-Content-Length": "-1"}


@_refused("bytes-length", "A length of BYTES that goes beyond the tensor", Level.EXTENSION, sources.BINARY_BYTES)
def bytes_length(target: Target) -> tuple[bytes, Mapping[str, str]]:
    listed(target)
    tensors = target.sample()
    found = next((each for each in tensors if each.datatype == "BYTES"), None)
    applies(found is not None, "no input is of BYTES")
    raws = [struct.pack("<I", 2**31) + each.raw()[4:] if each is found else each.raw() for each in tensors]
    return _request([each.as_binary() for each in tensors], b"".join(raws))


def _parts(target: Target) -> tuple[list[Json], bytes]:
    """Return the plain request's inputs as binary data: what JSON says of them, and the bytes."""
    listed(target)
    tensors = target.sample()
    return [each.as_binary() for each in tensors], b"".join(each.raw() for each in tensors)


def _request(inputs: list[Json], raw: bytes) -> tuple[bytes, Mapping[str, str]]:
    head = encoded({"inputs": inputs})
    headers = {"Content-Type": "application/octet-stream", "Inference-Header-Content-Length": str(len(head))}
    return head + raw, headers


def _sent(target: Target, inputs: list[Json], raw: bytes) -> Inference:
    return target.inferred(*_request(inputs, raw))


def _resized(
    target: Target, size: Callable[[int], Json], raw: Callable[[bytes], bytes]
) -> tuple[bytes, Mapping[str, str]]:
    """Return the plain request as binary data, the size of the last input and its bytes changed."""
    listed(target)
    *others, last = target.sample()
    changed: Json = {**last.described(), "parameters": {"binary_data_size": size(len(last.raw()))}}
    return _request(
        [*(each.as_binary() for each in others), changed], b"".join(each.raw() for each in others) + raw(last.raw())
    )


def _same(target: Target, found: Inference) -> str:
    wanted = target.inferred(request_of(target.sample()))
    pairs = zip(wanted.outputs, found.outputs, strict=False)
    are_same = wanted.names == found.names and all(are_close(*pair) for pair in pairs)
    require(are_same, "the outputs are other than of JSON")
    return f"the same outputs as of JSON: {short(found.names)}"
