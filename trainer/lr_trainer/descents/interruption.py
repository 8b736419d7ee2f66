"""SIGINT and SIGTERM during a descent: at once while there is nothing to lose, at the next step afterwards."""

from __future__ import annotations

import signal
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Interruption:
    """Whether a signal has come.

    Attributes:
        signal: its number; None while there was none.
    """

    def __init__(self) -> None:
        self.signal: int | None = None
        self._holds = False

    def hold(self) -> None:
        """From now on, note a signal and go on; the descent asks for it where its state is whole."""
        self._holds = True

    def _come(self, number: int, _frame: Any) -> None:
        # The second one is meant: whoever sends it does not want to wait for the state.
        if not self._holds or self.signal is not None:
            raise SystemExit(128 + number)
        self.signal = number


@contextmanager
def interruptible() -> Iterator[Interruption]:
    """Take the two signals for as long as the block runs."""
    interruption = Interruption()
    before = {number: signal.signal(number, interruption._come) for number in _SIGNALS}
    try:
        yield interruption
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
