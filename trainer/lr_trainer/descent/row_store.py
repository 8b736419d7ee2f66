"""The rows of a descent, read once and then often: in memory while they are few, in a temporary file beyond that.

The file has no name, so it is gone with the process however that ends; it lies where TMPDIR says.
"""

from __future__ import annotations

import hashlib
import tempfile
import weakref
from typing import IO, TYPE_CHECKING

import numpy as np
import torch

from lr_runtime.system.files import in_temporary_folder
from lr_trainer.rows.workers import ALONE

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from numpy.typing import NDArray

    from lr_trainer.rows.workers import Workers

IN_MEMORY = 1 << 27
"""The most bytes of rows in memory."""

_BUFFER = 1 << 25
"""The bytes in which rows are shuffled at once."""

_CHUNK_ROWS = 1 << 12
_BLOCK_NUMBERS = 1 << 18


class Store:
    """Rows, float64 (rows, width), in the order in which they were read, with the SHA-256 of their bytes, `digest`.

    At most `held` bytes of them are in memory; `device` is that of the blocks that are yielded. Of several workers,
    each holds and yields its own rows; `rows` and `digest` are those of all of them.
    """

    def __init__(
        self,
        blocks: Iterable[torch.Tensor],
        width: int,
        device: torch.device,
        held: int = IN_MEMORY,
        workers: Workers = ALONE,
    ) -> None:
        self.width = width
        self.device = device
        self.workers = workers
        self._own = 0
        self._file: IO[bytes] | None = None
        digests = workers.gathered("the rows of the descent", lambda: self._take(blocks, held))
        self.digest = " ".join(digests)
        self._shares = workers.gathered("how many rows there are", lambda: self._own)
        self.rows = sum(self._shares)

    def _take(self, blocks: Iterable[torch.Tensor], held: int) -> str:
        """Take the worker's own rows; return the SHA-256 of their bytes."""
        parts: list[NDArray[np.float64]] = []
        hashed, size = hashlib.sha256(), 0
        for block in blocks:
            array = np.ascontiguousarray(block.cpu().numpy())
            hashed.update(array.data)
            self._own += len(array)
            size += array.nbytes
            if self._file is None and size > held:
                with in_temporary_folder("the rows"):
                    self._file = tempfile.TemporaryFile(buffering=0)  # noqa: SIM115 - open as long as the rows are
                weakref.finalize(self, self._file.close)
                for part in parts:
                    self._append(part)
                parts = []
            if self._file is None:
                parts.append(array)
            else:
                self._append(array)
        whole = np.concatenate(parts) if parts else np.empty((0, self.width))
        self._held = torch.from_numpy(whole).to(self.device) if self._file is None else None
        return hashed.hexdigest()

    def _append(self, array: NDArray[np.float64]) -> None:
        assert self._file is not None
        view = array.data.cast("B")
        with in_temporary_folder("the rows"):
            while view:
                view = view[self._file.write(view) :]

    @property
    def is_small(self) -> bool:
        """Whether the rows are one block."""
        return self._own <= self._block_rows

    def steps(self, batch: int) -> int:
        """Return how many batches an epoch takes: those of the worker that has most."""
        return -(-max(self._shares) // batch)

    @property
    def _block_rows(self) -> int:
        return max(1, _BLOCK_NUMBERS // self.width)

    def blocks(self) -> Iterator[torch.Tensor]:
        """Yield all rows in order, in blocks of a size that depends on the width alone."""
        for start in range(0, self._own, self._block_rows):
            yield self._read(start, min(start + self._block_rows, self._own))

    def shuffled(self, batch: int, seed: int, epoch: int, skip: int = 0) -> Iterator[torch.Tensor]:
        """Yield all rows in the random order of an epoch, in buffers to be cut into batches.

        Chunks of consecutive rows come in random order, as many as fill a buffer, and their rows are shuffled there: a
        table up to the buffer's size is shuffled whole. The order follows from the seed and the epoch's number, so
        there is no generator whose state would have to be kept. Buffers are cut into batches of `batch` rows from
        their start; `skip` of these, the first, are left out: those of an epoch that was stopped.
        """
        random = np.random.default_rng([seed, epoch, *([self.workers.rank] if self.workers.rank else [])])
        chunk = batch * max(1, _CHUNK_ROWS // batch)
        order = random.permutation(-(-self._own // chunk))
        together = max(1, _BUFFER // (8 * self.width * chunk))
        for start in range(0, len(order), together):
            # What follows picks rows, so that the order of the chunks is free, and neighbours are read at once.
            chunks = np.sort(order[start : start + together])
            runs = np.split(chunks, np.flatnonzero(np.diff(chunks) > 1) + 1)
            spans = [(int(run[0]) * chunk, min(int(run[-1] + 1) * chunk, self._own)) for run in runs]
            places = random.permutation(sum(stop - begin for begin, stop in spans))
            batches = -(-len(places) // batch)
            if skip < batches:
                yield self._gathered(spans, places)[skip * batch :]
            skip = max(skip - batches, 0)

    def _gathered(self, spans: list[tuple[int, int]], places: NDArray[np.int64]) -> torch.Tensor:
        parts = [self._read(begin, stop) for begin, stop in spans]
        together = parts[0] if len(parts) == 1 else torch.cat(parts)
        if together.device.type == "cpu":
            return torch.from_numpy(together.numpy().take(places, axis=0))
        return together[torch.from_numpy(places).to(together.device)]

    def _read(self, start: int, stop: int) -> torch.Tensor:
        if self._held is not None:
            return self._held[start:stop]
        assert self._file is not None
        with in_temporary_folder("the rows"):
            self._file.seek(8 * self.width * start)
            rows = np.fromfile(self._file, count=(stop - start) * self.width)
        return torch.from_numpy(rows.reshape(-1, self.width)).to(self.device)
