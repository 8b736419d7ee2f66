"""A server as a process on a core: how long until it answers, and what it and its children take, from /proc."""

from __future__ import annotations

import os
import socket
import subprocess
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

MOST_SECONDS = 60
"""How long a server may take to answer: MLServer takes 5 s where the machine is busy."""

_TICK = os.sysconf("SC_CLK_TCK")


class Memory(NamedTuple):
    """Megabytes of all processes of a server.

    Attributes:
        pss: a page that several processes have counts in parts; those of other programs are among them.
        rss: a page counts whole, so that what else runs changes nothing: the most that PSS can be.
    """

    pss: float
    rss: float


class StartError(Exception):
    """A server that does not answer, and why."""


class Process:
    """A server that runs.

    Attributes:
        ready: seconds from its start to its first right answer: wall time, and CPU time of all its processes.
    """

    def __init__(self, pid: int, ready: tuple[float, float]) -> None:
        self._pid, self.ready = pid, ready

    def cpu(self) -> float:
        """Return the seconds of CPU that it took so far."""
        return cpu_seconds(self._pid)

    def memory(self) -> Memory:
        """Return what it takes now."""
        rollups = [Path(f"/proc/{pid}/smaps_rollup").read_text() for pid in _family(self._pid)]
        fields = [dict(line.split()[:2] for line in rollup.splitlines()[1:]) for rollup in rollups]
        return Memory(*(sum(int(each[name]) for each in fields) / 1e3 for name in ("Pss:", "Rss:")))


def free_port() -> int:
    """Return a port of loopback that nothing listens on."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port: int = taken.getsockname()[1]
    return port


def cpu_seconds(pid: int) -> float:
    """Return the seconds of CPU of a process, its children, and those that it waited for."""
    fields = [Path(f"/proc/{each}/stat").read_text().rpartition(")")[2].split() for each in _family(pid)]
    return sum(int(ticks) for each in fields for ticks in each[11:15]) / _TICK


def _family(pid: int) -> list[int]:
    tasks = Path(f"/proc/{pid}/task").glob("*/children")
    return [pid, *(one for task in tasks for child in task.read_text().split() for one in _family(int(child)))]


@contextmanager
def running(
    command: Sequence[object], environment: Mapping[str, str], folder: Path, core: int, fault: Callable[[], str | None]
) -> Iterator[Process]:
    """Start a server on a core, wait until it answers, and stop it at the end; its log is in the folder.

    Raises:
        StartError: it ends, or does not answer within a minute.
    """
    log = folder / "log"
    # Without this name Python keeps what it compiled, as it does for those who install a server.
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    words = ["taskset", "-c", str(core), *map(str, command)]
    with log.open("w") as said:
        started = time.perf_counter()
        process = subprocess.Popen(words, cwd=folder, env={**kept, **environment}, stdout=said, stderr=said)
    try:
        while reason := fault():
            if process.poll() is not None or time.perf_counter() > started + MOST_SECONDS:
                last = log.read_text().strip().rpartition("\n")[2]
                raise StartError(f"it does not answer ({reason}); the last line of its log: {last}")
            time.sleep(0.005)
        yield Process(process.pid, (time.perf_counter() - started, cpu_seconds(process.pid)))
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
