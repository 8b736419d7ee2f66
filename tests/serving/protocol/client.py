"""A client of the protocol, of the standard library alone. It sends what tritonclient sends, byte for byte."""

from __future__ import annotations

import http.client
import json
import struct
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple
from urllib.parse import quote, urlsplit

Value = float | str
Headers = Mapping[str, str]

HEADER = "Inference-Header-Content-Length"
_SIZED = [f"{kind}{bits}" for kind in ("INT", "UINT") for bits in (8, 16, 32, 64)]
FORMATS = dict(zip(["BOOL", *_SIZED, "FP16", "FP32", "FP64"], "?bhiqBHIQefd", strict=True))
"""Of the module struct."""


@dataclass(frozen=True)
class Tensor:
    """A tensor, its values in row-major order."""

    name: str
    datatype: str
    shape: tuple[int, ...]
    values: Sequence[Value | None]
    is_raw: bool = True
    is_nested: bool = False

    @property
    def raw(self) -> bytes:
        if self.datatype == "BYTES":
            texts = [str(value).encode() for value in self.values]
            return b"".join(struct.pack("<I", len(text)) + text for text in texts)
        return struct.pack(f"<{len(self.values)}{FORMATS[self.datatype]}", *self.values)

    def to_json(self) -> dict[str, object]:
        about = {"name": self.name, "shape": self.shape, "datatype": self.datatype}
        if self.is_raw:
            return {**about, "parameters": {"binary_data_size": len(self.raw)}}
        width = self.shape[1] if self.is_nested else 0
        return {
            **about,
            "data": [self.values[i * width :][:width] for i in range(self.shape[0])] if width else self.values,
        }


class Wanted(NamedTuple):
    """An output that is asked for."""

    name: str
    is_raw: bool = True

    def to_json(self) -> dict[str, object]:
        return {"name": self.name, "parameters": {"binary_data": self.is_raw}}


class Answer(NamedTuple):
    """What a server said."""

    status: int
    headers: Headers
    body: bytes

    @property
    def head(self) -> dict[str, object]:
        length = self.headers.get(HEADER.lower())
        value: dict[str, object] = json.loads(self.body if length is None else self.body[: int(length)])
        return value

    @property
    def error(self) -> str:
        """The one line of a refusal."""
        assert self.status >= 400, self
        ((key, line),) = self.head.items()
        assert key == "error"
        assert isinstance(line, str)
        assert "\n" not in line
        return line

    @property
    def tensors(self) -> dict[str, Tensor]:
        """The outputs by name; all bytes behind the JSON are theirs."""
        assert self.status == 200, self
        found, rest = {}, self.body[int(self.headers.get(HEADER.lower(), len(self.body))) :]
        outputs = self.head["outputs"]
        assert isinstance(outputs, list)
        for each in outputs:
            about = each["name"], each["datatype"], tuple(each["shape"])
            size = each.get("parameters", {}).get("binary_data_size")
            if size is None:
                found[each["name"]] = Tensor(*about, each["data"], is_raw=False)
            else:
                form = f"<{size // struct.calcsize(FORMATS[each['datatype']])}{FORMATS[each['datatype']]}"
                found[each["name"]] = Tensor(*about, struct.unpack(form, rest[:size]))
                rest = rest[size:]
        assert not rest
        return found


Ask = Callable[[str, str, Headers, bytes], Answer]
"""Sends a method, a path, headers and a body."""


def request_of(
    inputs: Sequence[Tensor], wanted: Sequence[Wanted] = (), *, identity: str = "", **parameters: Value
) -> tuple[bytes, dict[str, str]]:
    """Return the body of a request and its headers; without outputs that are wanted, all are, as raw bytes."""
    said: dict[str, object] = {"id": identity} if identity else {}
    said["inputs"] = [each.to_json() for each in inputs]
    if wanted:
        said["outputs"] = [each.to_json() for each in wanted]
    else:
        parameters = {"binary_data_output": True, **parameters}
    if parameters:
        said["parameters"] = parameters
    head = json.dumps(said, separators=(",", ":")).encode()
    raw = [each.raw for each in inputs if each.is_raw]
    return b"".join([head, *raw]), {HEADER: str(len(head))} if raw else {}


def infer(
    ask: Ask,
    model: str,
    inputs: Sequence[Tensor],
    wanted: Sequence[Wanted] = (),
    *,
    identity: str = "",
    **parameters: Value,
) -> Answer:
    """Ask a server for the outputs of a model."""
    body, headers = request_of(inputs, wanted, identity=identity, **parameters)
    return ask("POST", f"/v2/models/{quote(model)}/infer", headers, body)


def over_http(url: str) -> Ask:
    """Ask a server at a URL, one connection for each question."""
    parts = urlsplit(url)

    def ask(method: str, path: str, headers: Headers, body: bytes) -> Answer:
        connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=30)
        try:
            connection.request(method, path, body or None, dict(headers))
            answer = connection.getresponse()
            return Answer(answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read())
        finally:
            connection.close()

    return ask
