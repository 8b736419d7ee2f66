"""Signals during a descent: they end it at once while there is nothing to lose, at the next step afterwards."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from lr_runtime.system.signals import handled

if TYPE_CHECKING:
    from collections.abc import Iterator


class Interruption:
    """Whether a signal has come.

    Attributes:
        signal: its number; None while there was none.
    """

    def __init__(self) -> None:
        self.signal: int | None = None
        self._holds = False
        self._come: set[int] = set()

    def hold(self) -> None:
        """From now on, note a signal and go on; the descent asks for it where its state is whole."""
        self._holds = True

    def _note(self, number: int, _frame: Any) -> None:
        # The same a second time is meant: whoever sends it does not want to wait for the state. Another may follow the
        # first by itself: systemd and terminals that close send two.
        if not self._holds or number in self._come:
            raise SystemExit(128 + number)
        self._come.add(number)
        self.signal = self.signal or number


@contextmanager
def interruptible() -> Iterator[Interruption]:
    """Take the signals for as long as the block runs."""
    interruption = Interruption()
    with handled(interruption._note):
        yield interruption
