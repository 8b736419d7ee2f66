"""Streams whose items are made in processes, a few items ahead of whoever takes them, in order.

Each process is started anew and not forked: ONNX Runtime has threads, which a fork leaves behind. It imports nothing of
the program that starts it, so that a script needs no guard, and stands in a session of its own, so that Ctrl-C
reaches only the one that started it. That one kills it; where it was killed itself, its pipe ends.
"""

from __future__ import annotations

import os
import pickle
import signal
import subprocess
import sys
from contextlib import ExitStack, nullcontext, suppress
from queue import SimpleQueue
from typing import IO, TYPE_CHECKING, Generic, TypeVar, cast

from lr_runtime.errors import WorkerError
from lr_runtime.system.parallel import in_order, share_cores
from lr_runtime.wording import of_a_command, runs_command

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Sequence

B = TypeVar("B")
T = TypeVar("T")

_START = "import sys; sys.path[:] = {path!r}; from lr_runtime.system.processes import serve; serve()"


def in_processes(work: Callable[[B], T], items: Sequence[B], count: int) -> Generator[T]:
    """Yield `work(item)` for each item, in order; two items a process are in memory at most.

    Args:
        work: sent to each process once, pickled; what it raises is raised where its result would stand.
        items: pickled one by one.
        count: how many processes.

    Raises:
        WorkerError: a process was ended by something else.
    """
    idle = SimpleQueue[_Worker[B, T]]()

    def asked(item: B) -> T:
        worker = idle.get()
        try:
            return worker.ask(item)
        finally:
            idle.put(worker)

    with ExitStack() as started:
        task = pickle.dumps((work, count, runs_command()))
        workers = [started.enter_context(_Worker[B, T](task)) for _ in range(count)]
        for worker in workers:
            idle.put(worker)
        yield from in_order(asked, items, count, stop=started.close)


class _Worker(Generic[B, T]):
    """A process that works; in a `with` block, at the end of which it is killed."""

    def __init__(self, task: bytes) -> None:
        command = [sys.executable, "-c", _START.format(path=sys.path)]
        self._process = subprocess.Popen(  # noqa: S603 - this program itself
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True
        )
        self._tasks, self._results = cast("IO[bytes]", self._process.stdin), cast("IO[bytes]", self._process.stdout)
        self._task = task

    def __enter__(self) -> _Worker[B, T]:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        with suppress(BrokenPipeError), self._process:  # what was not sent needs not be
            pass

    def ask(self, item: B) -> T:
        """Return its result for an item, or raise its error."""
        try:
            self._tasks.write(self._task + pickle.dumps(item))
            self._tasks.flush()
            self._task = b""
            result, error = pickle.load(self._results)  # noqa: S301 - of a process that this one started
        except (OSError, EOFError, pickle.UnpicklingError) as broken:
            raise WorkerError(_said_of(self._process.wait())) from broken
        if error is not None:
            raise error
        return cast("T", result)


def _said_of(code: int) -> str:
    return f"by {signal.Signals(-code).name}" if code < 0 else f"with exit code {code}"


def serve() -> None:
    """Answer the process that started this one, until that ends."""
    tasks, results = sys.stdin.buffer, os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what anything prints is no result
    with suppress(EOFError, BrokenPipeError):
        work, count, is_command = pickle.load(tasks)  # noqa: S301 - of the process that started this one
        share_cores(count)
        with of_a_command() if is_command else nullcontext():
            while True:
                pickle.dump(_answer(work, pickle.load(tasks)), results, pickle.HIGHEST_PROTOCOL)  # noqa: S301
                results.flush()


def _answer(work: Callable[[B], T], item: B) -> tuple[T | None, Exception | None]:
    try:
        return work(item), None
    except Exception as error:  # whatever it is, it is raised where the result would stand
        return None, error
