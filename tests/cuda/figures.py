"""What fits take on a device, as rows of one table: beside the CPU path, and as a share of what its memory could do."""

from __future__ import annotations

import argparse
import importlib.util
import math
import platform
import sys
import tempfile
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, TypeVar

import torch

from lr_trainer import fit
from lr_trainer.moments.blocks import block_moments
from lr_trainer.moments.moments import merged
from lr_trainer.rows.blocks import block_rows, over_blocks

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from lr_trainer import Checkpoint
    from lr_trainer.moments.moments import Moments

T = TypeVar("T")

SHAPES = ((20_000_000, 10), (1_000_000, 200))
UNEXPLAINED = {0.5: "0.5", 1e-4: "0.9999"}
RUNS, ENOUGH = 3, 4.0
"""The least of three runs; none after four seconds."""

COPIED, COPIED_DRY = 1 << 27, 1 << 22
"""Numbers of a copy, 1 GiB: far more than a device's cache holds. Without a device the copy only has to run."""

HEAD = "| rows | R2 | CPU path | device | times the CPU path | GB/s | of the device's memory | standard errors apart |"
LINE = "|---|---|---|---|---|---|---|---|"


class Made(NamedTuple):
    """A table on the device: float64 (rows, columns + 1), the target last, and its R2."""

    rows: torch.Tensor
    r2: str

    @property
    def bytes(self) -> int:
        return self.rows.numel() * self.rows.element_size()


def machine(device: torch.device) -> Iterator[str]:
    """Yield what was measured on, and the head of the table."""
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else platform.machine()
    yield f"{name}; Python {platform.python_version()}, torch {torch.__version__}, CUDA {torch.version.cuda}"
    yield (
        f"its memory: {bandwidth(device):.0f} GB/s, read and written, by a copy; "
        f"from the host's memory: {from_host(device):.1f} GB/s"
    )
    yield from ("", HEAD, LINE)


def in_memory(shape: tuple[int, int], device: torch.device) -> Iterator[str]:
    """Yield a row for tables in the host's memory, and one for the moments of rows that are on the device."""
    most, named = bandwidth(device), f"{shape[0]:,} x {shape[1]}"
    for made in tables(shape, device):
        x, y = (part.contiguous().cpu().numpy() for part in (made.rows[:, :-1], made.rows[:, -1]))
        yield _compared(f"{named} in memory", made, most, {"x": x, "y": y}, device)
        blocks = torch.split(made.rows, block_rows(made.rows.shape[1]))
        seconds, _ = least(partial(_moments, blocks))
        yield _row(f"{named}, moments of rows on the device", made, most, seconds)


def from_parquet(shape: tuple[int, int], device: torch.device) -> Iterator[str]:
    """Yield a row for tables in a Parquet file, which the system still has in its memory."""
    import pyarrow as pa
    import pyarrow.parquet

    most, named = bandwidth(device), f"{shape[0]:,} x {shape[1]} from Parquet"
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "t.parquet")
        for made in tables(shape, device):
            host = made.rows.T.contiguous().cpu().numpy()
            table = pa.table({**{f"x{index}": column for index, column in enumerate(host[:-1])}, "y": host[-1]})
            pyarrow.parquet.write_table(table, path, use_dictionary=False, compression="none")
            yield _compared(named, made, most, path, device)


def tables(shape: tuple[int, int], device: torch.device) -> Iterator[Made]:
    """Yield a table of each R2, made on the device."""
    rows, columns = shape
    random = torch.Generator(device).manual_seed(rows)
    normal = partial(torch.randn, dtype=torch.float64, device=device, generator=random)
    x = normal(rows, columns) + 1
    signal, noise = x @ normal(columns), normal(rows)
    signal = (signal - signal.mean()) / signal.std()
    for share, r2 in UNEXPLAINED.items():
        y = 3 + (1 - share) ** 0.5 * signal + share**0.5 * noise
        yield Made(torch.cat([x, y[:, None]], dim=1), r2)


def bandwidth(device: torch.device) -> float:
    """Return the GB/s, read and written, of a copy on the device."""
    return 2 * _copied(device, device)


def from_host(device: torch.device) -> float:
    """Return the GB/s of a copy from the host's memory, as numpy has it, to the device."""
    return _copied(torch.device("cpu"), device)


def least(way: Callable[[], T]) -> tuple[float, T]:
    """Return the least seconds of a few runs after a first one, and what the last returned."""
    done, taken = way(), [math.inf]
    while len(taken) <= RUNS and (len(taken) == 1 or sum(taken[1:]) < ENOUGH):
        started = time.perf_counter()
        done = way()
        taken.append(time.perf_counter() - started)
    return min(taken), done


def _copied(start: torch.device, end: torch.device) -> float:
    """Return the GB/s of a copy."""
    source = torch.ones(COPIED if end.type == "cuda" else COPIED_DRY, dtype=torch.float64, device=start)
    target = torch.empty_like(source, device=end)
    seconds, _ = least(partial(_copy, source, target))
    return source.numel() * source.element_size() / seconds / 1e9


def _copy(source: torch.Tensor, target: torch.Tensor) -> None:
    target.copy_(source)
    if target.is_cuda:
        torch.cuda.synchronize(target.device)


def _moments(blocks: Sequence[torch.Tensor]) -> Moments | None:
    return merged(over_blocks(block_moments, blocks))


def _compared(
    what: str, made: Made, most: float, source: Path | dict[str, NDArray[np.float64]], device: torch.device
) -> str:
    cpu, expected = least(partial(fit, source, target="y"))
    seconds, found = least(partial(fit, source, target="y", device="cuda" if device.type == "cuda" else "cpu"))
    return _row(what, made, most, seconds, f"{cpu:.3f} s", f"{cpu / seconds:.2f}", f"{apart(found, expected):.0e}")


def apart(found: Checkpoint, expected: Checkpoint) -> float:
    """Return how many standard errors two fits' coefficients are apart, at most."""
    pairs = zip(found.report.coefficients, expected.report.coefficients, strict=True)
    return max(
        abs(one.estimate - other.estimate) / other.stderror
        if one.estimate is not None and other.estimate is not None and other.stderror
        else math.nan
        for one, other in pairs
    )


def _row(what: str, made: Made, most: float, seconds: float, *beside: str) -> str:
    speed = made.bytes / seconds / 1e9
    cpu, times, off = beside or ("", "", "")
    return f"| {what} | {made.r2} | {cpu} | {seconds:.3f} s | {times} | {speed:.1f} | {speed / most:.1%} | {off} |"


def main() -> int:
    parser = argparse.ArgumentParser(prog="python3 -m tests.cuda.figures")
    parser.add_argument("step", choices=("machine", "memory", "parquet"))
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda")
    parser.add_argument("--shape", type=int, choices=range(len(SHAPES)), default=0)
    parser.add_argument("--share", type=float, default=1.0)
    asked = parser.parse_args()
    if asked.device == "cuda" and not torch.cuda.is_available():
        print(f"no CUDA device here: torch {torch.__version__} finds none, so nothing was run", file=sys.stderr)
        return 1
    if asked.step == "parquet" and importlib.util.find_spec("pyarrow") is None:
        print("| from Parquet: not measured, no pyarrow here | | | | | | | |")
        return 0
    rows, columns = SHAPES[asked.shape]
    shape, device = (max(round(rows * asked.share), 2 * columns), columns), torch.device(asked.device)
    ways = {"machine": lambda: machine(device), "memory": lambda: in_memory(shape, device)}
    ways["parquet"] = lambda: from_parquet(shape, device)
    for line in ways[asked.step]():
        print(line, flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
