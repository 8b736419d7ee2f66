"""Models as the bytes of their files, and an application that is asked without a server."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

import lr_export
import lr_trainer
from lr_runtime.serving.models import Models
from tests.serving.asgi import Client

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


def ask(app: Application, path: str, body: object = None, **headers: str) -> tuple[int, Any]:
    """Ask an application: GET without a body, else POST; return the status and the body, of JSON its value."""
    answer = Client(app).get(path, **headers) if body is None else Client(app).post(path, body, **headers)
    is_json = answer.headers["content-type"] == "application/json"
    return answer.status, answer.json if is_json else answer.body.decode()
