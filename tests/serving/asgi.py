"""A client of an ASGI application in this process, without a socket: what a server does, by the specification 3.0."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Mapping, MutableMapping

    Message = MutableMapping[str, Any]
    App = Callable[[Message, Callable[[], Awaitable[Message]], Callable[[Message], Awaitable[None]]], Awaitable[None]]


@dataclass(frozen=True)
class Answer:
    """What came back; names of headers are in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """The body as JSON, which has no NaN or Infinity."""
        return json.loads(self.body, parse_constant=_refuse)

    @property
    def error(self) -> str:
        """The one line of an error."""
        assert self.json.keys() == {"error"}, self.body
        said = self.json["error"]
        assert isinstance(said, str)
        assert "\n" not in said
        return said


class Client:
    """Sends requests to an application: `Client(app).post("/predict", b"[[4.0]]")`."""

    def __init__(self, app: App, scheme: str = "http") -> None:
        self.app, self._scheme = app, scheme

    def get(self, url: str, **headers: str) -> Answer:
        return self.request("GET", url, None, **headers)

    def post(
        self, url: str, body: object = b"", content_type: str | None = "application/json", **headers: str
    ) -> Answer:
        """Send bytes as they are, any other body as JSON."""
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        kind = {} if content_type is None else {"content_type": content_type}
        return self.request("POST", url, content, **{**kind, **headers})

    def request(self, method: str, url: str, body: bytes | Iterable[bytes] | None = None, **headers: str) -> Answer:
        """Send a request: `accept="text/csv"` is a header, `content_type` is content-type; pieces come one by one."""
        pieces = [body] if isinstance(body, bytes) else [b""] if body is None else [*body]
        named = {"host": "127.0.0.1"} | {name.replace("_", "-"): value for name, value in headers.items()}
        if body is not None:
            named.setdefault("content-length", str(sum(map(len, pieces))))
        path, _, query = url.partition("?")
        scope: Message = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": method,
            "scheme": self._scheme,
            "path": unquote(path),
            "raw_path": path.encode(),
            "query_string": query.encode(),
            "root_path": "",
            "headers": [(name.encode("latin-1"), value.encode("latin-1")) for name, value in named.items()],
            "client": ("127.0.0.1", 50_000),
            "server": ("127.0.0.1", 8080),
        }
        return asyncio.run(self._exchange(scope, pieces))

    async def _exchange(self, scope: Message, pieces: list[bytes]) -> Answer:
        waiting = [*pieces]
        sent: list[Message] = []

        async def receive() -> Message:
            if not waiting:
                return {"type": "http.disconnect"}
            return {"type": "http.request", "body": waiting.pop(0), "more_body": bool(waiting)}

        async def send(message: Message) -> None:
            sent.append(message)

        await self.app(scope, receive, send)
        start, *bodies = sent
        assert start["type"] == "http.response.start"
        assert all(each["type"] == "http.response.body" for each in bodies)
        assert not bodies[-1].get("more_body")
        named = {name.decode("latin-1"): value.decode("latin-1") for name, value in start["headers"]}
        assert len(named) == len(start["headers"]), "a header stands twice"
        return Answer(start["status"], named, b"".join(each.get("body", b"") for each in bodies))


def _refuse(constant: str) -> float:
    raise AssertionError(f"{constant} is no JSON")
