"""lr-serve's HTTP server: granian, in this process, within the limits that only a server can hold.

Granian (hyper) reads requests strictly, closes connections whose head does not come, and answers a head that is too
large with 431; measured beside uvicorn, waitress, cheroot and gunicorn, of which each lacks one of these.
"""

from __future__ import annotations

import asyncio
import signal
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lr_runtime.serving.application import Application
    from lr_runtime.serving.options import ListenOptions

_HEAD_BYTES = 16 << 10
_HEAD_SECONDS = 5
_CONNECTIONS = 4096


def serve(app: Application, options: ListenOptions) -> None:
    """Serve an application until SIGTERM or SIGINT comes."""
    asyncio.run(_serve(app, options))


async def _serve(app: Application, options: ListenOptions) -> None:
    from granian.constants import HTTPModes, Interfaces
    from granian.http import HTTP1Settings
    from granian.server.embed import Server

    server = Server(
        app,
        address=options.host,
        port=options.port,
        interface=Interfaces.ASGINL,
        http=HTTPModes.http1,
        websockets=False,
        log_enabled=False,
        backlog=1024,
        backpressure=_CONNECTIONS,
        http1_settings=HTTP1Settings(header_read_timeout=1000 * _HEAD_SECONDS, max_buffer_size=_HEAD_BYTES),
    )
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, server.stop)
    await server.serve()
