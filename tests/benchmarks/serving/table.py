"""lr-serve, FastAPI and MLServer beside each other: requests a second, latencies, CPU, memory, the time to be ready."""

from __future__ import annotations

import os
import tempfile
from contextlib import AbstractContextManager, ExitStack, contextmanager
from functools import partial
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

import lr_trainer
from lr_export import export
from lr_runtime import Predictor
from tests.benchmarks.serving import servers, wrk
from tests.benchmarks.serving.processes import Memory, Process, StartError, free_port, running
from tests.benchmarks.serving.ways import MLSERVER, OURS, USUAL, Way

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from tests.benchmarks.serving.servers import Server

COLUMNS = 10
ROWS = (1, 1000)
CONNECTIONS = (1, 16)
SECONDS, QUICK = 60, 3
SLICE = 10
"""Seconds after which the next way has its turn: a machine that slows down for a while slows all of them."""
STARTS = 5
RIVALS = OURS[:2]
"""These run the whole time, as do the faster way of FastAPI, and MLServer; others for one slice."""

# What lr-serve promises beside the FastAPI server, and of itself.
LEAST_THROUGHPUT, MOST_MEGABYTES, MOST_CPU_SECONDS = 2.5, 85, 0.5


class Asked(NamedTuple):
    """A way to ask a server that runs."""

    way: Way
    port: int
    process: Process


class Cell(NamedTuple):
    """What slices of load say of one way: totals of all, and the medians of their latencies."""

    slices: Sequence[tuple[wrk.Load, float]]

    @property
    def throughput(self) -> float:
        """Requests a second."""
        return sum(load.requests for load, _ in self.slices) / sum(load.seconds for load, _ in self.slices)

    @property
    def cpu(self) -> float:
        """Seconds of CPU of the server a request."""
        return sum(cpu for _, cpu in self.slices) / sum(load.requests for load, _ in self.slices)

    @property
    def p50(self) -> float:
        return median(load.p50 for load, _ in self.slices)

    @property
    def p99(self) -> float:
        return median(load.p99 for load, _ in self.slices)

    def __str__(self) -> str:
        failed = sum(load.failed for load, _ in self.slices)
        said = f"{self.throughput:9.1f} {self.p50 * 1e3:9.2f} {self.p99 * 1e3:9.2f} {self.cpu * 1e6:9.0f}"
        return said + (f"  {failed} FAILED" if failed else "")


class Known(NamedTuple):
    """Rows, and what the file says of them."""

    x: NDArray[np.float64]
    y: NDArray[np.float64]

    def first(self, rows: int) -> Known:
        return Known(self.x[:rows], self.y[:rows])


def report(seconds: int = SECONDS) -> Iterator[str]:
    """Yield the lines; every way that competes is under load for the seconds in each of the cases."""
    if wrk.MISSING:
        yield wrk.MISSING
        return
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack, _apart() as core:
        folder = Path(name)
        known = _model(folder)
        model = folder / "model.onnx"
        found = [servers.ours(model, folder), servers.usual(model), servers.mlserver(folder / "table.npy")]
        yield from (f"left out: {each}" for each in found if isinstance(each, str))
        asked: list[Asked] = []
        for server in (each for each in found if not isinstance(each, str)):
            starts = _Starts(server, folder / server.title, core, known.first(1))
            try:
                yield starts.measured()
                port, process = starts.last(stack)
            except StartError as error:
                yield f"left out: {server.title}: {error}"
                continue
            asked += [Asked(way, port, process) for way in server.ways]
        before = {each.process: each.process.memory() for each in asked}
        for rows in ROWS:
            for connections in CONNECTIONS:
                yield from _case(asked, folder, known.first(rows), connections, seconds)
        yield from _memories(asked, before)


@contextmanager
def _apart() -> Iterator[int]:
    """Yield the core for servers, while this process and wrk keep to the others."""
    mine = os.sched_getaffinity(0)
    core, *others = sorted(mine)
    os.sched_setaffinity(0, others or [core])
    try:
        yield core
    finally:
        os.sched_setaffinity(0, mine)


def _model(folder: Path) -> Known:
    """Write a table, and the model of it; return rows, and the file's answers."""
    random = np.random.default_rng(18)
    x = random.normal(size=(max(ROWS), COLUMNS)).round(4)
    y = x @ random.normal(size=COLUMNS) + random.normal(size=len(x))
    np.save(folder / "table.npy", np.column_stack([x, y]))
    export(lr_trainer.fit(x, y), folder / "model.onnx")
    return Known(x, Predictor.load(folder / "model.onnx").predict(x).values.astype(np.float64).ravel())


class _Starts:
    """Starts a server, in a folder of its own."""

    def __init__(self, server: Server, folder: Path, core: int, known: Known) -> None:
        self._server, self._folder, self._core, self._known = server, folder, core, known
        folder.mkdir()

    def measured(self) -> str:
        """Return what several starts took; the one before them compiles what nothing has compiled yet."""
        times = []
        for _ in range(STARTS + 1):
            with self._running(free_port()) as process:
                times.append(process.ready)
        wall, cpu = map(median, zip(*times[1:], strict=True))
        is_ours = self._server.ways is OURS
        asked = _held(cpu <= MOST_CPU_SECONDS, f"at most {MOST_CPU_SECONDS} s of CPU") if is_ours else ""
        return (
            f"{self._server.title} gives its first right answer {wall:.2f} s after its start, {cpu:.2f} s of CPU{asked}"
        )

    def last(self, stack: ExitStack) -> tuple[int, Process]:
        """Start it until the stack is closed."""
        port = free_port()
        return port, stack.enter_context(self._running(port))

    def _running(self, port: int) -> AbstractContextManager[Process]:
        server = self._server
        fault = partial(server.ways[0].fault, port, *self._known)
        return running(server.command(port, self._folder), server.environment, self._folder, self._core, fault)


def _case(asked: Sequence[Asked], folder: Path, known: Known, connections: int, seconds: int) -> Iterator[str]:
    """Put each way under load in turn, one slice after another; yield what was seen, and the ratios."""
    faults = {each.way: each.way.fault(each.port, *known) for each in asked}
    yield from (f"left out: {way.title}: {fault}" for way, fault in faults.items() if fault)
    asked = [each for each in asked if not faults[each.way]]
    length = min(SLICE, max(1, seconds // 3))
    slices = {each.way: [_slice(each, folder, known, connections, length)] for each in asked}
    usual = [max(found, key=lambda way: Cell(slices[way]).throughput)] if (found := [*slices.keys() & USUAL]) else []
    rivals = [*RIVALS, *usual, *MLSERVER]
    for _ in range(1, seconds // length):
        for each in asked:
            if each.way in rivals:
                slices[each.way].append(_slice(each, folder, known, connections, length))
    cells = {way: Cell(several) for way, several in slices.items()}
    title = f"rows: {len(known.x)}, connections: {connections}"
    yield f"{title:26}{'req/s':>9}{'p50 ms':>10}{'p99 ms':>10}{'CPU us':>10}"
    yield from (f"  {way.title:24}{cell}" for way, cell in cells.items())
    peers = [way for way in cells if way in USUAL or way in MLSERVER]
    yield from (_ratios(mine, peer, cells) for peer in peers for mine in RIVALS if mine in cells)


def _slice(asked: Asked, folder: Path, known: Known, connections: int, seconds: int) -> tuple[wrk.Load, float]:
    """Return what wrk saw, and the seconds of CPU that the server took meanwhile."""
    body, headers = asked.way.asked(known.x)
    (folder / "body").write_bytes(body)
    before = asked.process.cpu()
    url = f"http://127.0.0.1:{asked.port}{asked.way.path}"
    load = wrk.load(url, folder / "body", headers, connections, seconds)
    return load, asked.process.cpu() - before


def _ratios(mine: Way, peer: Way, cells: Mapping[Way, Cell]) -> str:
    ours, theirs = cells[mine], cells[peer]
    throughput, p99 = ours.throughput / theirs.throughput, ours.p99 / theirs.p99
    said = f"  {mine.title} by {peer.title}: {throughput:.2f} times the requests, {p99:.2f} of its p99, "
    said += f"{ours.cpu / theirs.cpu:.2f} of its CPU"
    if peer in MLSERVER:
        return said
    return said + _held(throughput >= LEAST_THROUGHPUT and p99 < 1, f"at least {LEAST_THROUGHPUT} and below 1")


def _memories(asked: Sequence[Asked], before: Mapping[Process, Memory]) -> Iterator[str]:
    titles = {each.process: each.way.title.partition(",")[0] for each in asked}
    for process, title in titles.items():
        first, last = before[process], process.memory()
        said = f"{title}: {first.pss:.0f} MB of PSS when ready, {last.pss:.0f} MB after the load"
        said += f" ({first.rss:.0f} and {last.rss:.0f} MB of RSS)"
        is_ours = any(each.process is process and each.way in OURS for each in asked)
        yield said + (_held(last.pss <= MOST_MEGABYTES, f"at most {MOST_MEGABYTES} MB") if is_ours else "")


def _held(holds: bool, asked: str) -> str:
    return f"; asked for: {asked}, which {'holds' if holds else 'does not hold'}"
