"""Models that are served, lr-serve that serves them, and a client of a few lines."""

from __future__ import annotations

import http.client
import json
import signal
import subprocess
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlsplit

import pytest

from tests.conftest import SCRIPTS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

SECONDS = 30
"""After which a test gives up waiting for what takes milliseconds."""


class Answer(NamedTuple):
    """What a server said; the names of the headers in lower case."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def error(self) -> str:
        """The one line of a refusal, which is all that its body holds."""
        assert self.status >= 400, self
        assert self.headers["content-type"] == "application/json"
        (said,) = self.json.items()
        assert said[0] == "error"
        assert "\n" not in said[1]
        assert "Traceback" not in said[1]
        return str(said[1])


class Serving(NamedTuple):
    """A running lr-serve."""

    process: subprocess.Popen[str]
    url: str
    models: list[str]

    @property
    def address(self) -> tuple[str, int]:
        parts = urlsplit(self.url)
        assert parts.hostname is not None
        assert parts.port is not None
        return parts.hostname, parts.port

    def ask(
        self, path: str, body: object = None, method: str | None = None, headers: Mapping[str, str] | None = None
    ) -> Answer:
        """Ask on a connection of its own: GET without a body, else POST; a body that is no bytes is sent as JSON."""
        raw = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
        connection = http.client.HTTPConnection(*self.address, timeout=SECONDS)
        try:
            connection.request(method or ("GET" if body is None else "POST"), path, raw, dict(headers or {}))
            answer = connection.getresponse()
            return Answer(answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read())
        finally:
            connection.close()


@contextmanager
def serving(model: Path, *options: object) -> Iterator[Serving]:
    """Run lr-serve on a free port, with options; it has ended when the block has, and well."""
    command = [SCRIPTS / "lr-serve", model, "--port", "0", "--json", *options]
    with subprocess.Popen(
        [str(word) for word in command], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            if not line:
                _, said = process.communicate(timeout=SECONDS)
                raise RuntimeError(said)
            yield Serving(process, **json.loads(line))
        except BaseException:
            process.kill()
            raise
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
        process.communicate(timeout=SECONDS)
        assert process.returncode == 0


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of models: `line`, y = 2 x + 1; `plane`, of a and b, float64; `site`, with a category and intervals."""
    import lr_export
    import lr_trainer

    folder = tmp_path_factory.mktemp("served")
    x = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]
    b, site, y = [0.5, 1.0, 0.0, 2.0, 1.5, 0.25], ["p", "q", "r", "p", "q", "r"], [3.0, 5.5, 7.0, 9.1, 11.0, 13.2]
    line = lr_trainer.fit({"x": x, "y": [2 * each + 1 for each in x]}, target="y")
    lr_export.export(line, folder / "line.onnx", without_eager=True)
    plane = lr_trainer.fit({"a": x, "b": b, "y": y}, target="y", units={"a": "V"})
    lr_export.export(plane, folder / "plane.onnx", precision="float64", input_dtype="float64", without_eager=True)
    with_site = lr_trainer.fit({"a": x, "site": site, "y": y}, target="y")
    lr_export.export(with_site, folder / "site.onnx", interval=0.95, flags=True, without_eager=True)
    return folder


@pytest.fixture(scope="session")
def server(models: Path) -> Iterator[Serving]:
    """The folder of `models` served by one lr-serve for all tests, which must leave it as it is."""
    with serving(models) as running:
        yield running


@pytest.fixture
def start(models: Path) -> Iterator[Callable[..., Serving]]:
    """Start an lr-serve of a test's own with options: of the folder, or of the model that is named first."""
    with ExitStack() as stack:

        def started(*options: object, model: str | Path = "") -> Serving:
            return stack.enter_context(serving(models / model, *options))

        yield started
