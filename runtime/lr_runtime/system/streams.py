"""What the streams that are made here have in common: how Python reads from one."""

from __future__ import annotations

import io
from abc import abstractmethod
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer


class ReadableStream(io.RawIOBase):
    """A stream that can be read, not written; what it gives comes from `_next`."""

    def readable(self) -> bool:
        """See `io.RawIOBase`."""
        return True

    def readinto(self, buffer: WriteableBuffer) -> int:
        """See `io.RawIOBase`."""
        room = memoryview(buffer)
        content = self._next(len(room))
        room[: len(content)] = content
        return len(content)

    @abstractmethod
    def _next(self, size: int) -> bytes | memoryview:
        """Return the next 1 to `size` bytes, none at the end."""
