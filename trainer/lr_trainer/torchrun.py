"""lr-train under torchrun: the workers that it starts, which exchange what their passes found by torch.distributed.

    torchrun --nproc-per-node 4 -m lr_trainer readings.parquet --target y

What is exchanged is pickled by torch, between processes of one job, which trust each other: torchrun itself runs code
for whoever joins it.
"""

from __future__ import annotations

import os
import signal
import sys
import traceback
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Generic, NamedTuple, TypeVar, cast

from lr_runtime.errors import FitError, LinedgeError, OptionError
from lr_runtime.system.lazy import needs_extra
from lr_runtime.wording import of_a_command
from lr_trainer.errors import LostWorkerError
from lr_trainer.rows.workers import ALONE, Dealt, Workers

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from lr_runtime.tables.notices import Notices

T = TypeVar("T")

_STARTED = "TORCHELASTIC_RUN_ID"
"""What torchrun tells its workers, and nothing else does."""

_BACKEND = "gloo"
"""Whatever the device: what is exchanged is small and lies in the host's memory, where nccl could not send it from."""

_DEVICES = "CUDA_VISIBLE_DEVICES"

_SIGNALS = 128
"""Exit codes above this one are of signals."""

_TERMINATED = _SIGNALS + signal.SIGTERM


class _Told(NamedTuple, Generic[T]):
    """What a worker tells the others: which pass it took, what it found or what went wrong, and what its table said."""

    what: str
    found: T | None
    error: Exception | None
    said: Mapping[str, Sequence[str]]


class ProcessGroup:
    """The workers of a job of torch.distributed; see `lr_trainer.rows.workers.Workers`.

    Args:
        add: adds to a number that all workers know, and returns it.
        voice: what this one says.

    Attributes:
        is_over: whether all workers know of an error, or one was lost: none of them goes on.
    """

    def __init__(self, rank: int, count: int, add: Callable[[str, int], int], voice: _Voice) -> None:
        self.rank, self.count = rank, count
        self.notices: Notices | None = None
        self.dealt: Dealt | None = None
        self.is_over = False
        self._add, self._voice = add, voice

    def gathered(self, what: str, work: Callable[[], T]) -> list[T]:
        """See `Workers.gathered`."""
        own = self._told(what, work)
        every = self._exchanged(own)
        if self.notices is not None and self.rank == 0:
            for each in every[1:]:
                self.notices.tell(each.said)
        for rank, each in enumerate(every):
            if each.error is not None:
                raise each.error if rank != self.rank or own.error is None else own.error
        if strangers := [each.what for each in every if each.what != what]:
            raise FitError(f"the workers came to different passes, {what} and {strangers[0]}. Start them anew")
        return [cast("T", each.found) for each in every]

    def agreed(self, what: str, work: Callable[[], T]) -> T:
        """See `Workers.agreed`."""
        return cast("T", self.gathered(what, lambda: work() if self.rank == 0 else None)[0])

    def own(self, what: str, work: Callable[[], T]) -> T:
        """See `Workers.own`."""
        held: list[T] = []
        self.gathered(what, lambda: held.append(work()))
        return held[0]

    def tell(self, error: Exception) -> None:
        """Have the others hear of an error that ended this worker outside of a pass, where they do not know it yet."""
        if not self.is_over:
            with suppress(FitError):  # they have ended, too
                self._exchanged(_Told("an error", None, error, {}))

    def lost(self) -> LostWorkerError:
        """Return what is to be said of a worker that was lost: the first that comes to know of it says it.

        The store is torchrun's own, and outlives any worker.
        """
        self.is_over, says = True, self.rank == 0
        with suppress(RuntimeError):  # torchrun has ended, too
            says = self._add("those who know that a worker was lost", 1) == 1
        self._voice.have(says)
        count, most = restarts()
        follows = 'Start them anew, or let "torchrun --max-restarts 3" do so'
        if count < most:
            follows = f"torchrun starts all of them again, {count + 1} of {most} times"
        return LostWorkerError(f"a worker was lost, or the job was ended, and nothing is written. {follows}")

    def _told(self, what: str, work: Callable[[], T]) -> _Told[T]:
        found, failed = None, None
        try:
            found = work()
        except Exception as error:  # whatever it is, the others wait
            failed = error
        return _Told(what, found, failed, self.notices.told if self.notices else {})

    def _exchanged(self, own: _Told[T]) -> list[_Told[T]]:
        from torch import distributed

        found = [own] * self.count
        try:
            distributed.all_gather_object(found, own._replace(error=_plain(own.error)))
        except RuntimeError as error:
            raise self.lost() from error
        self.is_over = any(each.error is not None or each.what != own.what for each in found)
        return found


def _plain(error: Exception | None) -> Exception | None:
    """Return an error as others can receive it: one line of ours, or where else it came from."""
    if error is None:
        return None
    if not isinstance(error, LinedgeError):
        return RuntimeError("".join(traceback.format_exception(error)))
    import pickle

    try:
        pickle.loads(pickle.dumps(error))  # noqa: S301 - what was pickled here
    except TypeError:  # its class takes other arguments than the line
        return (OptionError if isinstance(error, OptionError) else FitError)(str(error))
    return error


def _number(name: str) -> int:
    """Return a number that torchrun tells its workers; 0 where it does not."""
    return int(os.environ.get(name, "0"))


def restarts() -> tuple[int, int]:
    """Return how often torchrun has started these workers again, and how often it may; 0 and 0 without it."""
    return _number("TORCHELASTIC_RESTART_COUNT"), _number("TORCHELASTIC_MAX_RESTARTS")


@contextmanager
def launched() -> Iterator[Workers]:
    """Yield the workers of which torchrun started this process as one; without it, the process alone.

    The first worker speaks for all: the others write nothing, and end with exit code 0 whatever happens, because
    torchrun would end the first, before it has told, where another one fails earlier.
    """
    if _STARTED not in os.environ:
        yield ALONE
        return
    voice = _Voice()
    voice.have(_number("RANK") == 0)
    from lr_runtime.system.parallel import share_cores

    _see_one_device()
    share_cores(_number("LOCAL_WORLD_SIZE"))
    group = _joined(voice)
    try:
        yield group
    except SystemExit as end:
        if end.code == _TERMINATED and not group.is_over:
            sys.exit(f"lr-train: {group.lost()}")  # torchrun ends all where one was lost
        if isinstance(end.code, int) and 0 < end.code <= _SIGNALS:
            with of_a_command():
                group.tell(FitError(voice.unsaid()))
        if group.rank == 0 or end.code == _TERMINATED:
            raise
    except Exception as error:
        group.tell(error)
        if group.rank == 0:
            raise
    finally:
        _left()
    if group.rank:
        os._exit(0)  # at once, as torchrun ends it, and says so, while the first one has failed


def _see_one_device() -> None:
    """Have this process see the CUDA device of its own alone, so that "cuda" is that one, in threads, too."""
    seen, own = os.environ.get(_DEVICES), _number("LOCAL_RANK")
    if seen != "":
        os.environ[_DEVICES] = str(own) if seen is None else ",".join(seen.split(",")[own : own + 1])


def _joined(voice: _Voice) -> ProcessGroup:
    """Return the workers once all of them have come."""
    try:
        with needs_extra("torch"):
            from torch import distributed
            from torch.distributed.distributed_c10d import PrefixStore
            from torch.distributed.rendezvous import rendezvous
        store, rank, count = next(rendezvous("env://"))
        if _number("GROUP_WORLD_SIZE") == 1:  # several nodes start again with a new store, one with the same
            store = PrefixStore(f"start {restarts()[0]}", store)
        distributed.init_process_group(_BACKEND, store=store, rank=rank, world_size=count)
    except (LinedgeError, RuntimeError, ValueError) as error:
        line = error if isinstance(error, LinedgeError) else f"the workers do not find each other ({error})"
        sys.exit(f"lr-train: {' '.join(str(line).split())}")
    return ProcessGroup(rank, count, store.add, voice)


def _left() -> None:
    from torch import distributed

    with suppress(RuntimeError):  # of workers that were lost
        distributed.destroy_process_group()


class _Voice:
    """What a worker says, on standard output and standard error, or keeps to itself."""

    def __init__(self) -> None:
        import tempfile

        self._said = os.dup(1), os.dup(2)
        self._kept = tempfile.TemporaryFile()  # noqa: SIM115 - open as long as the process runs

    def have(self, says: bool) -> None:
        """Have what follows be said, or be kept."""
        for stream, number in ((sys.stdout, 1), (sys.stderr, 2)):
            stream.flush()
            os.dup2(self._said[number - 1] if says else self._kept.fileno(), number)

    def unsaid(self) -> str:
        """Return the last line that was kept, which is of an error."""
        sys.stderr.flush()
        self._kept.seek(0)
        lines = self._kept.read().decode(errors="replace").strip().splitlines() or ["the first worker has ended"]
        return lines[-1].removeprefix("lr-train: ")
