"""Signals during a descent: they end it at once while there is nothing to lose, at the next step afterwards."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from lr_runtime.system.signals import handled

if TYPE_CHECKING:
    from collections.abc import Iterator


class Interruption:
    """The record of a signal that has come during a descent.

    Attributes:
        signal: its number; None while there was none.
    """

    def __init__(self) -> None:
        self.signal: int | None = None
        self._holds = False
        self._come: set[int] = set()

    def hold(self) -> None:
        """Have the descent go on after a signal from now on; it ends itself where its state is complete."""
        self._holds = True

    def _note(self, number: int, _frame: object) -> None:
        # The same a second time is meant: whoever sends it does not want to wait for the state. Another may follow the
        # first by itself: systemd and terminals that close send two.
        if not self._holds or number in self._come:
            raise SystemExit(128 + number)
        self._come.add(number)
        self.signal = self.signal or number


@contextmanager
def interruptible() -> Iterator[Interruption]:
    """Note the signals that come while the block runs."""
    interruption = Interruption()
    with handled(interruption._note):
        yield interruption
