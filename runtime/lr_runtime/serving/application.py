"""The ASGI application: a request's way in and out, its limits, and one line for whatever is wrong with it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from typing import TYPE_CHECKING, Any, TypeAlias

from lr_runtime.choices import LoadOptions
from lr_runtime.errors import LinedgeError
from lr_runtime.serving import rows
from lr_runtime.serving.http import HttpError, Request, Response
from lr_runtime.serving.models import Models
from lr_runtime.serving.options import Limits
from lr_runtime.serving.protocol import handlers
from lr_runtime.serving.routes import Router

if TYPE_CHECKING:
    import os

Scope: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send: TypeAlias = Callable[[MutableMapping[str, Any]], Awaitable[None]]

_INLINE_BYTES = 1 << 16
"""A body below this is answered in the loop: a few thousand rows at most, done in less time than a thread takes to."""
_WITHOUT_BODY = frozenset({"GET", "HEAD"})


class Application:
    """An ASGI application that serves models; see `create_app`.

    Attributes:
        models: what it serves.
        is_ready: whether it takes requests: a server that is about to stop says so here.
    """

    def __init__(self, models: Models, limits: Limits) -> None:
        self.models, self._limits = models, limits
        self._router = Router([*handlers.ROUTES, *rows.ROUTES])
        self.is_ready = True

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See the ASGI specification, 3.0."""
        if scope["type"] == "lifespan":
            await _lifespan(receive, send)
        elif scope["type"] == "http":
            await self._answer(scope, receive, send)

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            response = await self._response(scope, receive)
        except HttpError as error:
            response = error.response()
        except LinedgeError as error:
            response = HttpError(400, str(error)).response()
        await _send(response, send)

    async def _response(self, scope: Scope, receive: Receive) -> Response:
        method = scope["method"]
        route, path = self._router.found(method, scope["path"])
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        body = b"" if method in _WITHOUT_BODY else await self._body(headers, receive)
        request = Request(headers, body, scope["query_string"].decode("latin-1"), path, self._limits)
        if len(body) < _INLINE_BYTES:
            return route.handler(request, self.models)
        return await asyncio.to_thread(route.handler, request, self.models)

    async def _body(self, headers: dict[str, str], receive: Receive) -> bytes:
        """Return the body; HttpError 411 without a length, 413 of too many bytes, 408 where they come too late."""
        most = self._limits.max_body
        if (length := headers.get("content-length")) is None:
            raise HttpError(411, "the request does not say how long its body is. Send Content-Length")
        if int(length) > most:
            raise HttpError(413, f"the body has {length} bytes; at most {most} are read")
        parts: list[bytes] = []
        try:
            async with asyncio.timeout(self._limits.deadline):
                while True:
                    message = await receive()
                    parts.append(message.get("body", b""))
                    if not message.get("more_body"):
                        return b"".join(parts) if len(parts) > 1 else parts[0]
        except TimeoutError as error:
            raise HttpError(408, f"the body did not come within {self._limits.deadline:g} s") from error


async def _send(response: Response, send: Send) -> None:
    headers = [
        (b"content-type", response.content_type.encode("latin-1")),
        (b"content-length", str(len(response.body)).encode("latin-1")),
        *((name.encode("latin-1"), value.encode("latin-1")) for name, value in response.headers),
    ]
    await send({"type": "http.response.start", "status": response.status, "headers": headers})
    await send({"type": "http.response.body", "body": response.body})


async def _lifespan(receive: Receive, send: Send) -> None:
    while True:
        message = await receive()
        await send({"type": f"{message['type']}.complete"})
        if message["type"] == "lifespan.shutdown":
            return


def create_app(
    source: str | os.PathLike[str], loading: LoadOptions | None = None, limits: Limits | None = None
) -> Application:
    """Return an ASGI application that serves a model, or every model of a folder.

    Args:
        source: the path of a model, or of a folder of them, `*.onnx`.
        loading: how each is loaded.
        limits: the most that one request may take.

    Raises:
        MissingFileError: there is no such file, or no model in the folder.
        LinedgeError: see `Predictor.load`.
    """
    return Application(Models(source, loading or LoadOptions()), limits or Limits())
