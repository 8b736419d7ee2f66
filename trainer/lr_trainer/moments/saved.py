"""The moments that a worker has taken, in a safetensors file from which it goes on where torchrun starts it again.

There is no code in the file. Its header tells for each pass what it was about, how many blocks are over, and the
heights of the nodes in the trees of these blocks, whose moments are the tensors.
"""

from __future__ import annotations

import hashlib
import json
import time
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from lr_runtime.system.replacement import write_bytes
from lr_trainer.moments.moments import Moments

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from lr_trainer.arithmetic.arrays import Array
    from lr_trainer.moments.pilot import Pilot
    from lr_trainer.rows.reading import Rows
    from lr_trainer.rows.tree import Tree

_KEY = "linedge.moments.1"

_OTHERS = "others"  # which no checkpoint stores

_EVERY = 5.0
"""The seconds from one state to the next: the most work that is lost."""

_SHARE = 20
"""How many times as long as writing it took a state is not written again: of wide tables it takes seconds."""


@dataclass
class _Pass:
    """A pass over a worker's blocks: how many are over, whether all are, and the nodes of the trees of each fold."""

    blocks: int
    is_over: bool
    nodes: dict[int, list[tuple[int, Moments | None]]]


class Saved:
    """The passes of a worker in a file.

    Args:
        path: the file.
        job: what tells this fit and its table from others; the passes of another are left alone.
        reads: whether there may be passes to go on from; else the file is removed.
        writes: whether the worker may be started again.
    """

    def __init__(self, path: Path, job: str, *, reads: bool, writes: bool) -> None:
        self._path, self._job, self._writes = path, job, writes
        self._passes: dict[str, _Pass] = self._read() if reads else {}
        self._last, self._took = time.monotonic(), 0.0
        self._now = ""
        if not (reads and writes):
            path.unlink(missing_ok=True)

    def begin(self, rows: Rows, pilot: Pilot, trees: Mapping[int, Tree[Moments]]) -> tuple[int, bool]:
        """Put into the trees what there is of a pass about a pilot; return how many blocks, and whether it is over."""
        share = rows.share
        told = [self._job, share and (rows.workers.rank, rows.workers.count, share.first, share.rows), len(trees)]
        about = (pilot.center, pilot.transform, np.array([pilot.is_exact, pilot.sums_exactly, pilot.is_whole]))
        self._now = hashlib.sha256(repr(told).encode() + b"".join(each.tobytes() for each in about)).hexdigest()
        found = self._passes.get(self._now)
        if found is None:
            return 0, False
        for fold, tree in trees.items():
            for height, node in found.nodes[fold]:
                tree.add(height, node)
        return found.blocks, found.is_over

    def keep(self, trees: Mapping[int, Tree[Moments]], blocks: int, *, is_over: bool) -> None:
        """Write how far a pass has come, at its end, and where it is time."""
        since = time.monotonic() - self._last
        if not self._writes or not (is_over or since >= max(_EVERY, _SHARE * self._took)):
            return
        nodes = {fold: list(tree.nodes) for fold, tree in trees.items()}
        self._passes[self._now] = _Pass(blocks, is_over, nodes)
        before = time.monotonic()
        self._write()
        self._last = time.monotonic()
        self._took = self._last - before

    def _write(self) -> None:
        import safetensors.numpy

        tensors: dict[str, Array] = {}
        described: dict[str, object] = {}
        for about, each in self._passes.items():
            for fold, nodes in each.nodes.items():
                for place, (_, node) in enumerate(nodes):
                    arrays = {} if node is None else {**node.arrays(), _OTHERS: node.others}
                    tensors |= {f"{about}.{fold}.{place}.{name}": np.array(array) for name, array in arrays.items()}
            heights = {fold: [height for height, _ in nodes] for fold, nodes in each.nodes.items()}
            described[about] = [each.blocks, each.is_over, heights]
        write_bytes(self._path, safetensors.numpy.save(tensors, metadata={_KEY: json.dumps(described)}))

    def _read(self) -> dict[str, _Pass]:
        """Return the passes in the file; none where it is not there, or holds something else."""
        import safetensors.numpy
        from safetensors import SafetensorError

        with suppress(OSError, SafetensorError, KeyError, TypeError, ValueError):
            content = self._path.read_bytes()
            tensors = safetensors.numpy.load(content)
            described = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])["__metadata__"][_KEY]
            return {about: _pass(tensors, about, *each) for about, each in json.loads(described).items()}
        return {}


def _pass(
    tensors: Mapping[str, Array], about: str, blocks: int, is_over: bool, heights: Mapping[str, list[int]]
) -> _Pass:
    nodes = {int(fold): _nodes(tensors, f"{about}.{fold}", heights[fold]) for fold in heights}
    return _Pass(blocks, is_over, nodes)


def _nodes(tensors: Mapping[str, Array], start: str, heights: list[int]) -> list[tuple[int, Moments | None]]:
    found: list[tuple[int, Moments | None]] = []
    for place, height in enumerate(heights):
        own = {
            name.removeprefix(f"{start}.{place}."): tensors[name]
            for name in tensors
            if name.startswith(f"{start}.{place}.")
        }
        found.append((height, replace(Moments.from_arrays(own), others=own[_OTHERS]) if own else None))
    return found
