"""Bodies of requests, read within limits: of one body, of the time that it takes, and of all that are in memory."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, MutableMapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeAlias

from lr_runtime.serving.http import HttpError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from lr_runtime.serving.options import Limits

Message: TypeAlias = MutableMapping[str, Any]  # of ASGI
Receive: TypeAlias = Callable[[], Awaitable[Message]]

SMALL = 1 << 16
"""A body up to this is not counted among those in memory: as many of them as there are connections have their place."""
_ALL = 4
"""How many of the largest bodies all together may be: enough that one client with slow lines does not hold off others,
and with the numbers parsed from them (8 bytes for each of text, at most) still within what a gateway has."""
_LENGTH = re.compile(r"[0-9]{1,18}")


class Bodies:
    """Reads bodies, and counts those that are in memory."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._held = 0

    def length(self, headers: Mapping[str, str]) -> int:
        """Return the length that a request gives its body; one in chunks gives none. Raises HttpError: 411 without one,
        400 where it is no number, 413 where it is too large, 415 of a compressed body, which may become any size.
        """
        if headers.get("content-encoding", "identity").strip().lower() != "identity":
            raise HttpError(415, "the body is compressed. Send it as it is")
        if (text := headers.get("content-length")) is None:
            raise HttpError(411, "the request does not say how long its body is. Send Content-Length")
        if not _LENGTH.fullmatch(text):
            raise HttpError(400, "Content-Length is not a number of bytes")
        if int(text) > self._limits.max_body:
            raise HttpError(413, f"the body has {int(text)} bytes; at most {self._limits.max_body} are read")
        return int(text)

    @contextmanager
    def counted(self) -> Iterator[Callable[[int], None]]:
        """Give what counts bytes of a large body as they come; they are forgotten when the block ends."""
        mine = 0

        def count(size: int) -> None:
            nonlocal mine
            if self._held + size > _ALL * self._limits.max_body:
                raise HttpError(503, "too many large bodies are in work. Send it again later", (("retry-after", "1"),))
            mine += size
            self._held += size

        try:
            yield count
        finally:
            self._held -= mine

    async def read(self, receive: Receive, length: int, count: Callable[[int], None] | None = None) -> bytes:
        """Return a body. Raises HttpError: 408 where it comes too late, 400 where it is cut off, 503 see `counted`."""
        parts: list[bytes] = []
        left = length
        try:
            async with asyncio.timeout(self._limits.deadline):
                while left > 0:  # to ask what comes behind it, which is nothing, takes granian 100 us
                    message = await receive()
                    parts.append(part := message.get("body", b""))
                    left -= len(part)
                    if count is not None:
                        count(len(part))
                    if not message.get("more_body"):
                        break
        except TimeoutError as error:
            raise HttpError(408, f"the body did not come within {self._limits.deadline:g} s") from error
        if left:
            raise HttpError(400, f"the body has {length - left} of {length} bytes")
        return parts[0] if len(parts) == 1 else b"".join(parts)
