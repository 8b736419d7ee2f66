"""What wrong servers are made of: the right answer, and one thing changed."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypeAlias

from .. import reference
from ..reference import Reply, Request, reply_of

if TYPE_CHECKING:
    from ..tensors import Json

Server: TypeAlias = Callable[[Request], Reply]
Object: TypeAlias = "dict[str, Json]"


@dataclass(frozen=True)
class Fault:
    """A wrong server, and the ids of the checks that have to see it; one that ends in a point is that of a group."""

    server: Server
    sees: tuple[str, ...]

    def __call__(self, request: Request) -> Reply:
        """Return what it answers."""
        return self.server(request)


def fault(*sees: str) -> Callable[[Server], Fault]:
    """Make a fault of a wrong server."""
    return lambda server: Fault(server, sees)


def is_inference(request: Request) -> bool:
    return request.path.endswith("/infer") and request.method == "POST"


def metadata_with(request: Request, change: Callable[[Object], object]) -> Reply:
    """Return the right answer, the model's metadata changed."""
    reply = reference.answer(request)
    is_of_model = request.method == "GET" and b'"platform"' in reply.body
    return changed(reply, change) if is_of_model and reply.status == 200 else reply


def inference_with(request: Request, change: Callable[[Object], object]) -> Reply:
    """Return the right answer, that to inference in JSON changed."""
    reply = reference.answer(request)
    return changed(reply, change) if is_inference(request) and reply.status == 200 and not reply.length else reply


def request_with(request: Request, change: Callable[[Object], object]) -> Reply:
    """Return the right answer to another request than came: its JSON changed."""
    if not is_inference(request) or "inference-header-content-length" in request.headers:
        return reference.answer(request)
    try:
        said: Object = json.loads(request.body)
        change(said)
    except (ValueError, TypeError, KeyError, AttributeError, IndexError):
        return reference.answer(request)
    return reference.answer(replace(request, body=json.dumps(said).encode()))


def changed(reply: Reply, change: Callable[[Object], object]) -> Reply:
    said: Object = json.loads(reply.body)
    change(said)
    return replace(reply, body=json.dumps(said).encode())


def each_output(change: Callable[[Object], object]) -> Callable[[Object], object]:
    def changed(said: Object) -> None:
        outputs = said["outputs"]
        for each in outputs if isinstance(outputs, list) else []:
            if isinstance(each, dict):
                change(each)

    return changed


def refusing(request: Request, *, is_refused: bool, status: int = 400) -> Reply:
    if is_inference(request) and is_refused:
        return reply_of(status, {"error": "this is not taken"})
    return reference.answer(request)


def reversed_rows(request: Request) -> Reply:
    """Return the right answer, the elements of each output in reverse."""
    return inference_with(request, each_output(lambda each: listed(each["data"]).reverse()))


def listed(value: Json) -> list[Json]:
    assert isinstance(value, list)
    return value


def name_of(value: Json) -> str:
    assert isinstance(value, dict)
    return str(value["name"])
