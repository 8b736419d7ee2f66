"""The progress of a descent: a bar on the terminal, a line of JSON for each epoch in a file."""

from __future__ import annotations

import json
import os
import sys
import time
import weakref
from contextlib import ExitStack, contextmanager
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from lr_runtime.commands.console import progress
from lr_runtime.errors import UnusableFileError
from lr_runtime.system.files import read_bytes
from lr_runtime.system.replacement import is_written_to, write_bytes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from lr_trainer.descent.epoch import Epoch


class Log:
    """A file with one line of JSON for each epoch: number, loss, validation loss, gradient norm, rate, rows, seconds.

    It is started anew unless the descent goes on: then the lines of the epochs before the first that comes are kept.

    Raises:
        UnusableFileError: it cannot be written.
    """

    def __init__(self, path: Path, *, goes_on: bool) -> None:
        self._path = path
        self._last = time.monotonic()
        self._descriptor: int | None = None
        self._keeps = not is_written_to(path)
        if self._keeps and not goes_on:
            write_bytes(path, b"")

    def __call__(self, epoch: Epoch) -> None:
        """Add a line."""
        now = time.monotonic()
        fields = {"epoch" if name == "number" else name: value for name, value in asdict(epoch).items()}
        line = json.dumps({**fields, "seconds": now - self._last})
        self._last = now
        try:
            if self._descriptor is None:
                self._descriptor = self._opened(epoch.number)
            os.write(self._descriptor, f"{line}\n".encode())
        except OSError as error:
            if isinstance(error, UnusableFileError):
                raise
            raise UnusableFileError(f"{self._path}: cannot be written ({error.strerror})") from error

    def _opened(self, number: int) -> int:
        """Return the descriptor of the file, which holds the lines of the epochs before `number`."""
        if self._keeps and self._path.exists():
            lines = read_bytes(self._path, "It was there").splitlines(keepends=True)
            write_bytes(self._path, b"".join(line for line in lines if _number(line) < number))
        # Open as long as the log is: whoever reads a pipe takes a close for the end.
        descriptor = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o666)
        weakref.finalize(self, os.close, descriptor)
        return descriptor


def _number(line: bytes) -> float:
    """Return the epoch of a line; infinity for a line that was cut off, or is not of a log."""
    try:
        return float(json.loads(line)["epoch"])
    except (ValueError, KeyError, TypeError):
        return float("inf")


@contextmanager
def watching(
    size: int | None, epochs: int, *, quiet: bool, also: Callable[[Epoch], None] | None
) -> Iterator[tuple[Callable[[int], None], Callable[[Epoch], None]]]:
    """Show a bar for the table's bytes or rows, then one for the epochs; gives what advances each.

    `size` is in the unit in which reading advances, `epochs` the most; `also` is called with each epoch, too.
    """
    with ExitStack() as bars:
        reading = bars.enter_context(progress("reading", size, quiet=quiet))
        shown: list[Any] = []
        last = time.monotonic()

        def tell(epoch: Epoch) -> None:
            nonlocal last
            if also is not None:
                also(epoch)
            if not shown:
                bars.close()
                shown.append(bars.enter_context(_bar(epochs, hidden=quiet)))
            now = time.monotonic()
            shown[0].update(epoch.number - shown[0].pos, (epoch, epoch.rows / max(now - last, 1e-9)))
            last = now

        yield reading, tell


def _bar(epochs: int, *, hidden: bool) -> Any:
    return click.progressbar(
        length=epochs,
        label="epochs",
        show_pos=True,
        item_show_func=_shown,
        file=sys.stderr,
        hidden=hidden or not sys.stderr.isatty(),
    )


def _shown(item: tuple[Epoch, float] | None) -> str | None:
    if item is None:
        return None
    epoch, speed = item
    validation = "" if epoch.validation is None else f", validation {epoch.validation:.6g}"
    return f"loss {epoch.loss:.6g}{validation}, {speed:,.0f} rows/s"
