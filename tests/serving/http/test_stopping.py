"""How lr-serve ends: what it has accepted is finished first."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import time
from contextlib import ExitStack, closing, suppress
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest

from tests.conftest import SCRIPTS
from tests.serving.conftest import SECONDS
from tests.serving.http.test_malformed import get

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.serving.conftest import Serving

READY = get(b"/v2/health/ready")


class Connections:
    """Connections that are open before a server is told to stop."""

    def __init__(self, address: tuple[str, int], stack: ExitStack, number: int = 60) -> None:
        self.slow = stack.enter_context(closing(socket.create_connection(address, timeout=SECONDS)))
        self.slow.sendall(b"POST /predict?model=line HTTP/1.1\r\nHost: here\r\nContent-Length: 7\r\n\r\n[[4")
        self._idle = [
            stack.enter_context(closing(socket.create_connection(address, timeout=SECONDS))) for _ in range(number)
        ]

    def ask(self, request: bytes) -> bytes:
        """Ask on one of them that has asked nothing."""
        client = self._idle.pop()
        client.sendall(request)
        return client.recv(1 << 16)

    def wait_until_not_ready(self) -> bytes:
        while (said := self.ask(READY)).startswith(b"HTTP/1.1 200"):
            time.sleep(0.02)
        return said


def wait_until_nobody_listens(address: tuple[str, int]) -> None:
    with suppress(ConnectionError):
        while True:
            socket.create_connection(address, timeout=SECONDS).close()
            time.sleep(0.02)


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_what_was_accepted_is_finished(start: Callable[..., Serving], stack: ExitStack, number: signal.Signals) -> None:
    serving = start(model="line.onnx")
    connections = Connections(serving.address, stack)
    serving.process.send_signal(number)
    said = connections.wait_until_not_ready()
    assert said.startswith(b"HTTP/1.1 503 ")
    assert b"connection: close" in said.lower()
    said = connections.ask(get(b"/v2/health/live"))
    assert said.startswith(b"HTTP/1.1 200 ")
    assert b"connection: close" in said.lower()
    wait_until_nobody_listens(serving.address)
    connections.slow.sendall(b".0]]")
    assert connections.slow.recv(1 << 16).startswith(b"HTTP/1.1 200 ")
    assert connections.slow.recv(1 << 16) == b""
    assert serving.process.wait(SECONDS) == 0


def test_a_second_signal_ends_it_at_once(models: Path, stack: ExitStack) -> None:
    command = [str(SCRIPTS / "lr-serve"), str(models / "line.onnx"), "--port", "0", "--json", "--quiet"]
    process = stack.enter_context(subprocess.Popen(command, stdout=subprocess.PIPE, text=True))
    assert process.stdout is not None
    port = urlsplit(json.loads(process.stdout.readline())["url"]).port
    connections = Connections(("127.0.0.1", port or 0), stack)
    process.terminate()
    connections.wait_until_not_ready()
    time.sleep(0.3)  # what comes sooner is the first once more, as timeout(1) sends it
    process.terminate()
    assert process.wait(SECONDS) == 128 + signal.SIGTERM
