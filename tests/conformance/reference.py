"""A small server that does what the protocol says, to test the suite by: what it answers to one request.

Its model takes four inputs, one of each kind of data types, and gives three outputs.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import unquote

import numpy as np

from .check import FailedError, require
from .reading import dimensions, flattened, items, members, parsed, text
from .tensors import DATATYPES, Tensor, array_from, array_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .tensors import Json

MODEL, VERSION = "tank", "2024.1"
INPUTS: dict[str, tuple[str, list[int]]] = {
    "level": ("FP32", [-1, 2]),
    "count": ("INT32", [-1, 1]),
    "open": ("BOOL", [-1]),
    "site": ("BYTES", [-1]),
}
OUTPUTS = {"volume": ("FP64", [-1, 1]), "label": ("BYTES", [-1]), "alarm": ("BOOL", [-1])}
SITES = ["north", "süd"]


@dataclass(frozen=True)
class Request:
    """A request; the names of its headers are in lower case."""

    method: str
    path: str
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""


@dataclass(frozen=True)
class Reply:
    """What is answered, and by which content type; `length` is that of the JSON where bytes follow it."""

    status: int
    body: bytes
    media_type: str = "application/json"
    length: int | None = None


def reply_of(status: int, said: Json) -> Reply:
    """Return JSON."""
    return Reply(status, json.dumps(said).encode())


def answer(request: Request) -> Reply:
    """Return what the server answers."""
    parts = [unquote(part) for part in request.path.rstrip("/").split("/")[1:]]
    try:
        return _of_path(request, parts)
    except FailedError as error:
        return reply_of(400, {"error": str(error)})


def _of_path(request: Request, parts: list[str]) -> Reply:
    match parts:
        case ["v2"]:
            extensions: list[Json] = ["binary_tensor_data"]
            return _got(request, {"name": "reference", "version": "1", "extensions": extensions})
        case ["v2", "health", ("live" | "ready") as what]:
            return _got(request, {what: True})
        case ["v2", "models", name, *rest] if name == MODEL:
            known = rest[2:] if rest[:2] == ["versions", VERSION] else rest
            if known == ["infer"]:
                return _inferred(request) if request.method == "POST" else _other_verb(request)
            if known in ([], ["ready"]):
                return _got(request, {"name": MODEL, "ready": True} if known else metadata())
    return reply_of(404, {"error": f"there is nothing at {request.path}"})


def _got(request: Request, said: Json) -> Reply:
    return reply_of(200, said) if request.method == "GET" else _other_verb(request)


def _other_verb(request: Request) -> Reply:
    return reply_of(405, {"error": f"{request.path} does not take {request.method}"})


def metadata() -> dict[str, Json]:
    """Return what is said of the model."""
    inputs: list[Json] = [{"name": name, "datatype": kind, "shape": [*dims]} for name, (kind, dims) in INPUTS.items()]
    outputs: list[Json] = [{"name": name, "datatype": kind, "shape": [*dims]} for name, (kind, dims) in OUTPUTS.items()]
    site = inputs[-1]
    if isinstance(site, dict):
        site["parameters"] = {"categories": json.dumps(SITES)}
    return {"name": MODEL, "versions": [VERSION], "platform": "onnx_onnxv1", "inputs": inputs, "outputs": outputs}


def _inferred(request: Request) -> Reply:
    said, rest = _parted(request)
    tensors: dict[str, Tensor] = {}
    for each in items(said.get("inputs"), '"inputs"'):
        tensor, rest = _input(members(each, "an input"), rest)
        require(tensor.name not in tensors, f"{tensor.name} is given twice")
        tensors[tensor.name] = tensor
    require(not rest, f"{len(rest)} bytes are left")
    require(tensors.keys() == INPUTS.keys(), f"the inputs are {[*INPUTS]}, given are {[*tensors]}")
    require(len({len(each.values) for each in tensors.values()}) == 1, "the inputs have different numbers of rows")
    parameters = members(said.get("parameters", {}), '"parameters"')
    head: dict[str, Json] = {"model_name": MODEL, "model_version": VERSION}
    if "id" in said:
        head["id"] = text(said["id"], '"id"')
    asked = said.get("outputs") or [{"name": name} for name in OUTPUTS]
    return _outputs(head, asked, _results(tensors), is_binary=parameters.get("binary_data_output") is True)


def _parted(request: Request) -> tuple[dict[str, object], bytes]:
    length = request.headers.get("inference-header-content-length")
    if length is None:
        return members(parsed(request.body), "the body"), b""
    require(length.isdigit() and int(length) <= len(request.body), f"the header is {length}")
    return members(parsed(request.body[: int(length)]), "the body"), request.body[int(length) :]


def _input(described: dict[str, object], rest: bytes) -> tuple[Tensor, bytes]:
    name = text(described.get("name"), "a name")
    require(name in INPUTS, f"the inputs are {[*INPUTS]}, given is {name}")
    datatype, wanted = INPUTS[name]
    require(described.get("datatype") == datatype, f"{name} is {datatype}")
    shape = dimensions(described.get("shape"), name)
    require(len(shape) == len(wanted) and shape[1:] == (*wanted[1:],), f"{name} has shape {wanted}, given is {shape}")
    size = members(described.get("parameters", {}), "parameters").get("binary_data_size")
    require(size is None or type(size) is int, f"binary_data_size is {size}")
    require(size is None or "data" not in described, f"{name} has data twice")
    if isinstance(size, int):
        require(0 <= size <= len(rest), f"binary_data_size is {size}, and {len(rest)} bytes are left")
        values, rest = array_from(rest[:size], datatype, name), rest[size:]
    else:
        values = array_of(flattened(described.get("data"), shape, name), datatype, name)
    require(values.size == math.prod(shape), f"{name} has shape {shape} and {values.size} elements")
    return Tensor(name, datatype, values.reshape(shape)), rest


def _results(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    level, count, is_open, site = (tensors[name].values for name in INPUTS)
    volume = level.astype(np.float64) @ [2.0, 3.0] + count[:, 0] + 10.0 * is_open
    values = {
        "volume": volume[:, None],
        "label": np.array([b"%s %d" % pair for pair in zip(site, count[:, 0], strict=True)], dtype=object),
        "alarm": volume > 20,
    }
    return {name: Tensor(name, kind, values[name].astype(DATATYPES[kind])) for name, (kind, _) in OUTPUTS.items()}


def _outputs(head: dict[str, Json], asked: object, results: dict[str, Tensor], *, is_binary: bool) -> Reply:
    described: list[Json] = []
    raw = b""
    for each in items(asked, '"outputs"'):
        wanted = members(each, "an output")
        name = text(wanted.get("name"), "the name of an output")
        require(name in results, f"the outputs are {[*results]}, asked for is {name}")
        own = members(wanted.get("parameters", {}), "parameters").get("binary_data", is_binary)
        described.append(results[name].as_binary() if own else results[name].as_json())
        raw += results[name].raw() if own else b""
    body = json.dumps({**head, "outputs": described}).encode()
    if not raw:
        return Reply(200, body)
    return Reply(200, body + raw, "application/octet-stream", len(body))
