"""How signals end a command: SIGINT (Ctrl-C), SIGTERM and SIGHUP, with exit code 128 + their number.

One that is ignored when the command starts, as nohup and the background of a shell have it, stays ignored.
"""

from __future__ import annotations

import os
import signal
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, NoReturn

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import FrameType

    Handler = Callable[[int, FrameType | None], object]

# Windows has no SIGHUP.
_NUMBERS = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]

UNFINISHED: set[str] = set()
"""Paths of files that must not stay behind when a command is ended at once."""


@contextmanager
def handled(handler: Handler) -> Iterator[None]:
    """Give the signals to `handler` for as long as the block runs; nothing is done outside the main thread."""
    before: dict[int, Any] = {}
    with suppress(ValueError):  # of another thread
        for number in _NUMBERS:
            if signal.getsignal(number) not in {signal.SIG_IGN, None}:
                before[number] = signal.signal(number, handler)
    try:
        yield
    finally:
        for number, previous in before.items():
            signal.signal(number, previous)


def at_once(number: int, _frame: object = None) -> NoReturn:
    """End the process without a word, leaving no file unfinished."""
    for path in UNFINISHED:
        with suppress(OSError):
            os.unlink(path)  # noqa: PTH108 - pathlib may not be there yet
    os._exit(128 + number)


class InOrder:
    """A handler that ends a command as an exception does, so that everything is tidied up.

    The same signal a second time ends it at once: whoever sends it does not want to wait. So does one that comes during
    an import, which has nothing to tidy up, and where an exception may be printed and forgotten.
    """

    def __init__(self) -> None:
        self._come: set[int] = set()

    def __call__(self, number: int, frame: FrameType | None) -> None:
        """See `signal.signal`."""
        if number in self._come or _imports(frame):
            at_once(number)
        self._come.add(number)
        if len(self._come) == 1:
            raise KeyboardInterrupt if number == signal.SIGINT else SystemExit(128 + number)


def _imports(frame: FrameType | None) -> bool:
    while frame is not None:
        if frame.f_code.co_filename.startswith("<frozen importlib"):
            return True
        frame = frame.f_back
    return False


@contextmanager
def deferred() -> Iterator[None]:
    """Have signals wait until the block has ended: for what is short, and may not be done by half."""
    come: list[int] = []
    try:
        with handled(lambda number, _: come.append(number)):
            yield
    finally:
        if come:
            signal.raise_signal(come[0])
