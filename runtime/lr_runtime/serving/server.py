"""lr-serve's HTTP server: granian, in this process, within the limits that only a server can hold.

Granian (hyper) reads requests strictly, closes connections whose head does not come, and answers a head that is too
large with 431; measured beside uvicorn, waitress, cheroot and gunicorn, of which each lacks one of these.

These lr-serve promises, and the application under another server does not: a head of more than 16 KiB is refused with
431, and one that is not there after 5 seconds closes its connection. What is no HTTP/1.1, or what two readers may take
for two different requests, gets a 4xx (with no body where granian says it). Thousands of connections that ask nothing
leave room for those that ask. On SIGTERM or SIGINT, /v2/health/ready says 503 at once; for a second, connections and
requests are still taken, each answered with `Connection: close`; what was accepted has 10 seconds from the signal.

The application alone promises, under any server: a POST without a length is refused with 411, a body that is too large
with 413 before it is read, one that is compressed with 415, one that comes too late with 408; all bodies together stay
within a bound; a wrong token is refused with 401; whatever happens, one line of JSON says it without a trace.
"""

from __future__ import annotations

import asyncio
import os
import resource
import signal
import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from granian.constants import HTTPModes, Interfaces, SSLProtocols
from granian.http import HTTP1Settings
from granian.net import SocketHolder
from granian.server.embed import Server

from lr_runtime.serving.listening import BACKLOG, check_certificate, opened, refuse_new
from lr_runtime.system.signals import at_once

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable

    from lr_runtime.serving.application import Application
    from lr_runtime.serving.options import ListenOptions

_HEAD_BYTES = 16 << 10  # browsers and proxies send up to 8 KiB
_HEAD_SECONDS = 5  # a second would do, if no packet were ever lost twice
_CONNECTIONS = 4096
"""At once: four times what 1,000 idle clients take. Beyond, others wait in the kernel until a head is overdue."""
_LINGER_SECONDS = 1.0
"""For which a server that is told to stop takes requests: a probe sees it, and answers tell clients to connect anew."""
_STOP_SECONDS = 10.0  # from the signal to the end, whatever is still unanswered
_ONE_SIGNAL_SECONDS = 0.2
"""In which signals count as one: timeout(1), and a terminal below make, send theirs to a process and to its group."""


class _Server(Server):  # type: ignore[misc] # granian's embedded server has no types
    """Granian's server on a socket that is open already: its own would share a port that another process has."""

    listening: socket.socket

    def _init_shared_socket(self) -> None:
        # Granian closes its descriptor when it has stopped, so it has one of its own.
        self._shd = SocketHolder(os.dup(self.listening.fileno()), False, BACKLOG)


def serve(app: Application, options: ListenOptions, listens: Callable[[str], None]) -> NoReturn:
    """Serve until SIGTERM or SIGINT comes, and end the process with code 0; `listens` gets the URL once it listens.
    Raises OptionError or UnusableFileError where it cannot listen there, or has no such certificate.
    """
    check_certificate(options.certfile, options.keyfile)
    with opened(options) as listening:
        scheme = "http" if options.certfile is None else "https"
        host, port = listening.getsockname()[:2]
        url = f"{scheme}://[{host}]:{port}" if ":" in host else f"{scheme}://{host}:{port}"
        asyncio.run(_serve(app, options, listening, lambda: listens(url)))


async def _serve(
    app: Application, options: ListenOptions, listening: socket.socket, listens: Callable[[], None]
) -> NoReturn:
    server = _Server(
        app,
        interface=Interfaces.ASGINL,
        http=HTTPModes.http1,
        websockets=False,
        log_enabled=False,
        backpressure=_connections(),
        http1_settings=HTTP1Settings(header_read_timeout=1000 * _HEAD_SECONDS, max_buffer_size=_HEAD_BYTES),
        ssl_cert=options.certfile and Path(options.certfile),
        ssl_key=options.keyfile and Path(options.keyfile),
        ssl_protocol_min=SSLProtocols.tls12,
    )
    server.listening = listening
    told = _told_to_stop()
    serving = asyncio.ensure_future(server.serve())
    while not server.wrks and not serving.done():
        await asyncio.sleep(0)
    listens()
    await asyncio.wait({serving, told}, return_when=asyncio.FIRST_COMPLETED)
    if serving.done():
        raise RuntimeError("granian has stopped by itself")
    await _stop(app, server, serving)


def _connections() -> int:
    """Return how many connections are taken at once, after the process has been given all the files it may open."""
    now, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    with suppress(OSError, ValueError):  # of a sandbox, or a system with a limit below that
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
        now = most
    return (
        _CONNECTIONS if now == resource.RLIM_INFINITY else max(1, min(_CONNECTIONS, now - 64))
    )  # what else it has open


def _told_to_stop() -> asyncio.Future[float]:
    """Return what is done when SIGTERM or SIGINT comes; a second one ends the process at once."""
    loop = asyncio.get_running_loop()
    told: asyncio.Future[float] = loop.create_future()

    def come(number: int) -> None:
        if not told.done():
            told.set_result(loop.time())
        elif loop.time() - told.result() > _ONE_SIGNAL_SECONDS:
            at_once(number)

    for number in (signal.SIGTERM, signal.SIGINT):
        if signal.getsignal(number) is not signal.SIG_IGN:
            loop.add_signal_handler(number, come, number)
    return told


async def _stop(app: Application, server: _Server, serving: asyncio.Future[None]) -> NoReturn:
    """Finish what was accepted: every request on a connection that the kernel has taken before `refuse_new`.

    A client that keeps its connection was told to close it by its last answer; one that has asked nothing for a second
    is closed, as RFC 9112, 9.5, has it.
    """
    app.is_ready = False
    await asyncio.sleep(_LINGER_SECONDS / 2)
    refuse_new(server.listening)
    await asyncio.sleep(_LINGER_SECONDS / 2)  # what waits in the kernel is accepted now
    server.stop()
    server.listening.close()  # granian closes its own
    await asyncio.wait({serving}, timeout=_STOP_SECONDS - _LINGER_SECONDS)
    # In order, Python would end beneath a thread of granian's that is about to end itself (which aborts it, once in ten
    # times under load), or wait for one whose request is overdue.
    sys.stdout.flush()
    os._exit(0)
