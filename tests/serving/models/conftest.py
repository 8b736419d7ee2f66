"""Models as the bytes of their files, and an application that is asked without a server."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

import pytest

import lr_export
import lr_trainer
from lr_runtime.serving.models import Models

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from lr_runtime.serving import Application

X = [1.0, 2.0, 3.0, 4.0]


@pytest.fixture(scope="session")
def files(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, bytes]:
    """The bytes of the lines y = 2 x + 1 and y = 2 x + 3, equally many, and of a line in another column, z."""
    folder, found = tmp_path_factory.mktemp("files"), {}
    for name, column, at_0, graph in (("one", "x", 1, "line1"), ("three", "x", 3, "line"), ("of z", "z", 5, "line")):
        checkpoint = lr_trainer.fit({column: X, "y": [2 * x + at_0 for x in X]}, target="y")
        lr_export.export(checkpoint, folder / "model.onnx", flags=True, name=graph, without_eager=True)
        found[name] = (folder / "model.onnx").read_bytes()
    return found


class Served:
    """Models, and what they said of their files."""

    def __init__(self, source: Path, **loading: Any) -> None:
        from lr_runtime.choices import LoadOptions

        self.said: list[str] = []
        self.models = Models(source, LoadOptions(**loading), self.said.append)

    def look(self) -> list[str]:
        """Look twice, which settles what has changed, and return what is said of that."""
        self.said.clear()
        self.models.look()
        self.models.look()
        return list(self.said)

    def at(self, x: float, name: str | None = None) -> float:
        """Return the prediction of a model."""
        return float(self.models.named(name).predictor.predict([[x]]).values[0, 0])


def ask(app: Application, path: str, body: object = None, headers: Mapping[str, str] | None = None) -> tuple[int, Any]:
    """Ask an application: GET without a body, else POST; return the status and the body, of JSON its value."""
    raw = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
    path, _, query = path.partition("?")
    own = (
        {"host": "a"}
        if raw is None
        else {"host": "a", "content-length": str(len(raw)), "content-type": "application/json"}
    )
    got: dict[str, Any] = {}

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": raw or b"", "more_body": False}

    async def send(message: Mapping[str, Any]) -> None:
        got.update(message)

    scope = {
        "type": "http",
        "http_version": "1.1",
        "method": "GET" if raw is None else "POST",
        "path": path,
        "query_string": query.encode(),
        "headers": [(name.encode(), value.encode()) for name, value in {**own, **(headers or {})}.items()],
        "client": ("192.0.2.7", 5000),
    }
    asyncio.run(app(scope, receive, send))
    content_type = dict(got["headers"])[b"content-type"]
    return got["status"], json.loads(got["body"]) if content_type == b"application/json" else got["body"].decode()
