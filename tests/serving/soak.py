"""`make soak`: what a server can only promise over a long time, in four parts of about 15 minutes altogether.

Each part prints what it saw; the exit code is 3 where a promise is broken. A request counts as accepted once its client
has a connection: who finds nobody listening asks again, as at any server that is down.
"""

from __future__ import annotations

import http.client
import multiprocessing
import os
import shutil
import socket
import sys
import tempfile
import threading
import time
from contextlib import ExitStack, closing, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from tests.serving.conftest import serving

if TYPE_CHECKING:
    from collections.abc import Iterator

Address = tuple[str, int]

HALF_OPEN, BODIES, RESTARTS, SWAPS, REQUESTS = 1000, 10, 200, 100, 1_000_000
WITHIN = 0.1
SHARE = 0.999
MOST_GROWTH = 3 << 20
"""Bytes of PSS that a million requests may add: 3 of each; the allocators of Python and Rust keep what a peak took."""
ROW = b"[[4.0]]"
SECONDS = 15.0


class Seen(NamedTuple):
    """What clients saw of one part.

    Attributes:
        answered: requests that were answered with 200.
        lost: what happened to each of the others.
        times: seconds of each that was answered.
    """

    answered: int
    lost: list[str]
    times: list[float]

    @property
    def late(self) -> int:
        return sum(1 for each in self.times if each > WITHIN)


class Clients:
    """Clients in threads that ask for one row after another until they are told to stop: half of them on connections
    that they keep, half on a new one each time.
    """

    def __init__(self, address: Address, number: int = 4, pause: float = 0.0) -> None:
        self._address, self._pause = address, pause
        self._lost: list[str] = []
        self._times: list[float] = []
        self._ended = threading.Event()
        self._threads = [threading.Thread(target=self._ask, args=(each % 2 == 0,)) for each in range(number)]
        for thread in self._threads:
            thread.start()

    def stop(self) -> Seen:
        self._ended.set()
        for thread in self._threads:
            thread.join()
        return Seen(len(self._times), self._lost, self._times)

    def _ask(self, keeps: bool) -> None:
        while not self._ended.is_set():
            with closing(http.client.HTTPConnection(*self._address, timeout=SECONDS)) as connection:
                started = time.monotonic()
                try:
                    connection.connect()
                except OSError:  # nobody listens
                    time.sleep(0.01)
                    continue
                while self._asked(connection, started) and keeps and not self._ended.is_set():
                    started = time.monotonic()

    def _asked(self, connection: http.client.HTTPConnection, started: float) -> bool:
        """Ask once; return whether the connection goes on."""
        try:
            connection.request("POST", "/predict?model=line", ROW)
            answer = connection.getresponse()
            content = answer.read()
        except (OSError, http.client.HTTPException) as error:
            self._lost.append(repr(error))
            return False
        if answer.status == http.HTTPStatus.OK and b'"y":' in content:
            self._times.append(time.monotonic() - started)
        else:
            self._lost.append(f"{answer.status} {content[:200]!r}")
        time.sleep(self._pause)
        return not answer.will_close


def hold_open(address: Address, number: int, ended: threading.Event) -> None:
    """Keep connections open that begin a request and do not go on; one that the server closes is opened again."""
    held: list[socket.socket] = []
    while not ended.is_set():
        for client in [*held]:
            with suppress(BlockingIOError):
                try:
                    is_closed = not client.recv(1024)
                except ConnectionError:
                    is_closed = True
                if is_closed:
                    client.close()
                    held.remove(client)
        for _ in range(number - len(held)):
            with suppress(OSError):
                client = socket.create_connection(address, timeout=SECONDS)
                client.sendall(b"POST /predict HTTP/1.1\r\nHost: he")
                client.setblocking(False)
                held.append(client)
        time.sleep(0.05)


def send_body(address: Address, ended: threading.Event) -> None:
    """Send 300 MB again and again, for as long as the server lets."""
    part = b" " * (1 << 16)
    head = b"POST /predict HTTP/1.1\r\nHost: here\r\nContent-Length: 300000000\r\n\r\n"
    while not ended.is_set():
        with suppress(OSError), socket.create_connection(address, timeout=SECONDS) as client:
            client.sendall(head)
            for _ in range(300_000_000 // len(part)):
                client.sendall(part)
        time.sleep(0.1)


def _abuse(address: Address, half_open: int, bodies: int, ended: threading.Event) -> None:
    os.nice(10)  # what abusers have to do costs them, on machines of their own, and not the server
    workers = [threading.Thread(target=hold_open, args=(address, half_open, ended))]
    workers += [threading.Thread(target=send_body, args=(address, ended)) for _ in range(bodies)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()


@contextmanager
def abused(address: Address, half_open: int, bodies: int) -> Iterator[None]:
    """Have another process abuse a server while the block runs."""
    context = multiprocessing.get_context("spawn")
    ended = context.Event()
    process = context.Process(target=_abuse, args=(address, half_open, bodies, ended))
    process.start()
    try:
        yield
    finally:
        ended.set()
        process.join(2 * SECONDS)
        process.kill()


def abuse(model: Path, half_open: int = HALF_OPEN, bodies: int = BODIES, seconds: float = 60) -> Seen:
    """Ask while others hold connections open and send what is too large."""
    with serving(model) as server, abused(server.address, half_open, bodies):
        time.sleep(min(2.0, seconds / 2))  # until the connections are there
        clients = Clients(server.address, 2, pause=0.005)
        time.sleep(seconds)
        return clients.stop()


def restarts(model: Path, number: int = RESTARTS) -> Seen:
    """Ask while the server is ended by SIGTERM and started again at the same port."""
    with ExitStack() as first:
        host, port = first.enter_context(serving(model)).address
        clients = Clients((host, port), 4, pause=0.001)
        try:
            time.sleep(0.2)
            for _ in range(number):
                first.close()
                first.enter_context(serving(model, "--port", port))
                time.sleep(0.2)
        finally:
            seen = clients.stop()
    return seen


def swaps(model: Path, others: tuple[Path, Path], number: int = SWAPS, pause: float = 0.5) -> Seen:
    """Ask while the model's file is replaced by one of two others in turn."""
    with serving(model) as server:
        clients = Clients(server.address, 4, pause=0.001)
        for each in range(number):
            part = model.with_suffix(".part")
            shutil.copyfile(others[each % 2], part)
            part.replace(model)
            time.sleep(pause)
        return clients.stop()


def memory(model: Path, number: int = REQUESTS) -> tuple[int, int]:
    """Return the PSS of the server after a twentieth of many requests, and after all of them."""
    with serving(model) as server:
        sizes = []
        for part in (number // 20, number):
            ask_many(server.address, part)
            sizes.append(pss(server.process.pid))
    return sizes[0], sizes[1]


def ask_many(address: Address, number: int) -> None:
    """Ask for one row again and again on one connection, written by hand: http.client would take half of the time."""
    request = b"POST /predict?model=line HTTP/1.1\r\nHost: here\r\nContent-Length: 7\r\n\r\n" + ROW
    with socket.create_connection(address, timeout=SECONDS) as client:
        size = 0
        for _ in range(number):
            client.sendall(request)
            answer = client.recv(1 << 16)
            while len(answer) < size or not answer.endswith(b"}"):
                answer += client.recv(1 << 16)
            assert answer.startswith(b"HTTP/1.1 200"), answer
            size = len(answer)


def pss(number: int) -> int:
    """Return the memory of a process, and its share of what it has in common with others, in bytes."""
    said = Path(f"/proc/{number}/smaps_rollup").read_text()
    return 1024 * int(next(line.split()[1] for line in said.splitlines() if line.startswith("Pss:")))


def models(folder: Path) -> tuple[Path, tuple[Path, Path]]:
    """Export a model to serve, and two to replace it."""
    import lr_export
    import lr_trainer

    paths = folder / "served" / "line.onnx", folder / "one.onnx", folder / "two.onnx"
    paths[0].parent.mkdir()
    for path, slope in zip(paths, (2, 2, 3), strict=True):
        table = {"x": [1.0, 2.0, 3.0, 4.0], "y": [slope * each + 1.0 for each in (1, 2, 3, 4)]}
        lr_export.export(lr_trainer.fit(table, target="y"), path, without_eager=True)
    return paths[0], (paths[1], paths[2])


def said(part: str, seen: Seen, most_late: float) -> bool:
    """Print what clients saw, and return whether it is what was promised."""
    ordered = sorted(seen.times)
    worst = {share: 1000 * ordered[int(share * (len(ordered) - 1))] for share in (0.5, 0.99, SHARE, 1.0)}
    times = ", ".join(f"{100 * share:g} % within {value:.1f} ms" for share, value in worst.items())
    print(
        f"{part}: {seen.answered} answered, {len(seen.lost)} lost, {seen.late} after {WITHIN} s ({times})", flush=True
    )
    for each in seen.lost[:5]:
        print(f"  lost: {each}")
    return not seen.lost and seen.late <= most_late * seen.answered


def main() -> int:
    """Run the parts, and return the exit code."""
    with tempfile.TemporaryDirectory() as name:
        model, others = models(Path(name))
        said("undisturbed, on this machine as it is now", abuse(model, 0, 0, 15), 1)
        holds = said(f"{HALF_OPEN} half-open connections, {BODIES} bodies of 300 MB", abuse(model), 1 - SHARE)
        holds &= said(f"{SWAPS} swaps", swaps(model, others), 1)
        holds &= said(f"{RESTARTS} restarts", restarts(model), 1)
        before, after = memory(model)
        print(f"{REQUESTS} requests: PSS {before / 2**20:.1f} MiB before, {after / 2**20:.1f} MiB after")
        holds &= after - before <= MOST_GROWTH
    print("every promise holds" if holds else "a promise is broken")
    return 0 if holds else 3


if __name__ == "__main__":
    sys.exit(main())
