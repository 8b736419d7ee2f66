"""lr-train under torchrun: the workers that it starts, which exchange what their passes found by torch.distributed.

    torchrun --nproc-per-node 4 -m lr_trainer readings.parquet --target y

What is exchanged is pickled by torch, between processes of one job, which trust each other: torchrun itself runs code
for whoever joins it.
"""

from __future__ import annotations

import os
import sys
import traceback
from contextlib import contextmanager
from typing import TYPE_CHECKING, Generic, NamedTuple, TypeVar, cast

from lr_runtime.errors import FitError, LinedgeError
from lr_runtime.system.lazy import needs_extra
from lr_trainer.rows.workers import ALONE, Dealt, Workers

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from lr_runtime.tables.notices import Notices

T = TypeVar("T")

_STARTED = "TORCHELASTIC_RUN_ID"
"""What torchrun tells its workers, and nothing else does."""


class _Told(NamedTuple, Generic[T]):
    """What a worker tells the others: which pass it took, what it found or what went wrong, and what its table said."""

    what: str
    found: T | None
    error: Exception | None
    said: Mapping[str, Sequence[str]]


class ProcessGroup:
    """The workers of a job of torch.distributed; see `lr_trainer.rows.workers.Workers`."""

    def __init__(self, rank: int, count: int) -> None:
        self.rank, self.count = rank, count
        self.notices: Notices | None = None
        self.dealt: Dealt | None = None

    def gathered(self, what: str, work: Callable[[], T]) -> list[T]:
        """See `Workers.gathered`."""
        own = self._told(what, work)
        every = self._exchanged(own)
        if self.notices is not None and self.rank == 0:
            for each in every[1:]:
                self.notices.tell(each.said)
        if strangers := [each.what for each in every if each.what != what]:
            raise FitError(f"the workers came to different passes, {what} and {strangers[0]}. Start them anew")
        for rank, each in enumerate(every):
            if each.error is not None:
                raise each.error if rank != self.rank or own.error is None else own.error
        return [cast("T", each.found) for each in every]

    def agreed(self, what: str, work: Callable[[], T]) -> T:
        """See `Workers.agreed`."""
        return cast("T", self.gathered(what, lambda: work() if self.rank == 0 else None)[0])

    def own(self, what: str, work: Callable[[], T]) -> T:
        """See `Workers.own`."""
        held: list[T] = []
        self.gathered(what, lambda: held.append(work()))
        return held[0]

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
            raise FitError(
                "a worker was lost, and nothing is written. Start them anew, or let torchrun do so: --max-restarts 3"
            ) from error
        return found


def _plain(error: Exception | None) -> Exception | None:
    """Return an error as others can receive it: one line of ours, or where else it came from."""
    if error is None or isinstance(error, LinedgeError):
        return error
    return RuntimeError("".join(traceback.format_exception(error)))


@contextmanager
def launched() -> Iterator[Workers]:
    """Yield the workers of which torchrun started this process as one; without it, the process alone.

    The first worker speaks for all: the others write nothing.
    """
    if _STARTED not in os.environ:
        yield ALONE
        return
    with needs_extra("torch"):
        from torch import distributed
    distributed.init_process_group("gloo")
    rank = distributed.get_rank()
    if rank:
        _silence()
    try:
        yield ProcessGroup(rank, distributed.get_world_size())
    except Exception:
        if rank:  # all raise it; torchrun would end the first, before it has told, where another fails earlier
            sys.exit(0)
        raise
    finally:
        distributed.destroy_process_group()


def _silence() -> None:
    sys.stdout.flush()
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for stream in (1, 2):
        os.dup2(nowhere, stream)
    os.close(nowhere)
