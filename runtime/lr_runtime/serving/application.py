"""The ASGI application: a request's way in and out, its limits, and one line for whatever is wrong with it.

No answer has a header of CORS, so that a page of another origin cannot read what a browser here may.
"""

from __future__ import annotations

import asyncio
import hmac
import re
from base64 import b64decode
from collections.abc import Awaitable, Callable
from contextlib import suppress
from time import perf_counter
from typing import TYPE_CHECKING, TypeAlias

from lr_runtime.choices import LoadOptions
from lr_runtime.errors import LinedgeError
from lr_runtime.serving import page_routes, rows
from lr_runtime.serving.bodies import SMALL, Bodies, Message, Receive
from lr_runtime.serving.http import HttpError, Request, Response
from lr_runtime.serving.log import Log
from lr_runtime.serving.metrics import Metrics
from lr_runtime.serving.models import Models
from lr_runtime.serving.openapi import documented
from lr_runtime.serving.options import Limits
from lr_runtime.serving.protocol import handlers
from lr_runtime.serving.routes import Route, Router, path_of

if TYPE_CHECKING:
    import os
    from collections.abc import Mapping

Send: TypeAlias = Callable[[Message], Awaitable[None]]

_AT_ONCE = 1 << 17
"""A body up to this is answered where it is read, in 2 ms at most; a thread of its own would take memory and time."""
_THREADS = 2
"""Large bodies that are computed at once: Python runs one at a time, and the other may wait for ONNX Runtime."""
_WITHOUT_BODY = frozenset({"GET", "HEAD"})
_PROBES = frozenset({"/v2/health/live", "/v2/health/ready"})
"""What is answered without a token: probes carry none, and it says nothing of the models."""
_BODY_UNREAD = frozenset({401, 405, 408, 411, 413, 415})
"""What is said before a body has been read, whose rest would be taken for the next request: the connection ends."""
_SCHEMES = (("www-authenticate", "Bearer"), ("www-authenticate", 'Basic realm="linedge, the token as password"'))
_HOST = re.compile(r"[\w.~%!$&'()*+,;=:\[\]-]*", re.ASCII)  # RFC 9110, 7.2
_ONCE = ("authorization", "content-encoding", "content-length", "content-type", "host")


class Application:
    """An ASGI application that serves models; see `create_app`.

    Attributes:
        models: what it serves.
        is_ready: whether it takes requests: a server that is about to stop says so here.
    """

    def __init__(self, models: Models, limits: Limits, token: str | None = None, log: Log | None = None) -> None:
        self.models, self._limits, self._log = models, limits, log or Log()
        self._metrics = Metrics(models, self._log)
        metrics = Route("GET", "/metrics", self._metrics.answer, "What Prometheus scrapes", gives={"text/plain": None})
        self._router = Router(documented([*handlers.ROUTES, *rows.ROUTES, *page_routes.ROUTES, metrics]))
        self._bodies = Bodies(limits)
        self._threads = asyncio.Semaphore(_THREADS)
        self._token = None if token is None else token.encode("latin-1")
        self.is_ready = True

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """See the ASGI specification, 3.0."""
        if scope["type"] == "lifespan":
            await _lifespan(receive, send)
        elif scope["type"] == "http":
            await self._answer(scope, receive, send)

    async def _answer(self, scope: Message, receive: Receive, send: Send) -> None:
        began = perf_counter()
        self.models.watch()
        try:
            response = await self._response(scope, receive)
        except HttpError as error:
            response = error.response()
        except Exception as error:
            self._log.failure(error)
            response = HttpError(500, "an internal error").response()
        self._metrics.observe(scope, response, began)
        is_last = not self.is_ready or response.status in _BODY_UNREAD
        await _send(response, send, is_last=is_last, has_body=scope["method"] != "HEAD")

    async def _response(self, scope: Message, receive: Receive) -> Response:
        method, path, headers = scope["method"], path_of(scope), _headers(scope)
        self._check(path, headers)
        route, parts = self._router.found(method, path)
        scope["route"], scope["path_params"] = route.path, parts
        query = scope["query_string"].decode(errors="replace")

        def answered(body: bytes) -> Response:
            try:
                return route.handler(Request(headers, body, query, parts, self._limits), self.models)
            except LinedgeError as error:
                raise HttpError(route.refusal, str(error)) from error

        length = 0 if method in _WITHOUT_BODY else self._bodies.length(headers)
        if length <= SMALL:
            return answered(await self._bodies.read(receive, length) if length else b"")
        with self._bodies.counted() as count:
            body = await self._bodies.read(receive, length, count)
            if length <= _AT_ONCE:
                return answered(body)
            async with self._threads:
                return await asyncio.to_thread(answered, body)

    def _check(self, path: str, headers: Mapping[str, str]) -> None:
        """Raise HttpError: 401 without the token, 503 where it is asked for readiness and is about to stop."""
        is_known = self._token is None or hmac.compare_digest(_token_of(headers.get("authorization", "")), self._token)
        if not is_known and path not in _PROBES:
            raise HttpError(401, "send the token: Authorization: Bearer TOKEN", _SCHEMES)
        if not self.is_ready and path.endswith("/ready"):
            raise HttpError(503, "the server is about to stop", (("retry-after", "1"),))


def _token_of(authorization: str) -> bytes:
    """Return the token that a request carries, if any: a browser, which has the page, sends it as a password."""
    scheme, _, sent = authorization.partition(" ")
    if scheme.lower() == "bearer":
        return sent.strip().encode("latin-1")
    with suppress(ValueError):
        return b64decode(sent, validate=True).partition(b":")[2] if scheme.lower() == "basic" else b""
    return b""


def _headers(scope: Message) -> dict[str, str]:
    """Return the headers by name. Raises HttpError 400 where two readers could take a different one for the one."""
    given = scope["headers"]
    headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in given}
    if len(headers) < len(given):
        names = [name.decode("latin-1") for name, _ in given]
        if twice := [name for name in _ONCE if names.count(name) > 1]:
            raise HttpError(400, f"the header {twice[0]} comes more than once")
    host = headers.get("host", "")
    if not (_HOST.fullmatch(host) and (host or scope["http_version"] != "1.1")):
        raise HttpError(400, "the header Host does not name a host")
    return headers


async def _send(response: Response, send: Send, *, is_last: bool, has_body: bool) -> None:
    headers = [
        (b"content-type", response.content_type.encode("latin-1")),
        (b"content-length", str(len(response.body)).encode("latin-1")),
        *((name.encode("latin-1"), value.encode("latin-1")) for name, value in response.headers),
    ]
    if is_last:
        headers.append((b"connection", b"close"))
    await send({"type": "http.response.start", "status": response.status, "headers": headers})
    await send({"type": "http.response.body", "body": response.body if has_body else b""})


async def _lifespan(receive: Receive, send: Send) -> None:
    while True:
        message = await receive()
        await send({"type": f"{message['type']}.complete"})
        if message["type"] == "lifespan.shutdown":
            return


def create_app(
    source: str | os.PathLike[str],
    loading: LoadOptions | None = None,
    limits: Limits | None = None,
    token: str | None = None,
    log: Log | None = None,
) -> Application:
    """Return an ASGI application that serves a model, or every model of a folder.

    Args:
        source: the path of a model, or of a folder of them, `*.onnx`.
        loading: how each is loaded.
        limits: the most that one request may take.
        token: what requests have to carry, as `Authorization: Bearer TOKEN`; None answers anyone.
        log: takes what happens; by default lines of text on standard error.

    Raises:
        MissingFileError: there is no such file, or no model in the folder.
        LinedgeError: see `Predictor.load`.
    """
    return Application(Models(source, loading or LoadOptions(), (log or Log()).say), limits or Limits(), token, log)
