"""Descents against the loop a learner would write and scikit-learn, killed and resumed, and in how much memory."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
import tempfile
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet
import torch
from sklearn.linear_model import HuberRegressor, QuantileRegressor, SGDRegressor
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from lr_trainer import fit
from lr_trainer.descent.options import Descent
from tests.conftest import SCRIPTS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

    from lr_trainer.descent.epoch import Epoch

    Array = NDArray[np.float64]

ROWS, COLUMNS, BATCH, EPOCHS = 200_000, 10, 256, 3
RUNS = 3
KILLS = 30
PEAK = """\
import sys
from lr_trainer import fit
from lr_trainer.descent.options import Descent
fit(sys.argv[1], target="y", descent=Descent(batch_size=1024, epochs=2))
print(next(line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM")))
"""


def report() -> Iterator[str]:
    """Yield the lines."""
    yield from _epochs()
    yield from _to_the_optimum()
    with tempfile.TemporaryDirectory() as folder:
        yield from _killed(Path(folder))
        yield from _peak_memory(Path(folder))


def _sample(rows: int, columns: int, seed: int = 0) -> tuple[Array, Array]:
    random = np.random.default_rng(seed)
    x = random.normal(size=(rows, columns))
    return x, x @ random.normal(size=columns) + 3 + random.standard_t(3, size=rows)


def _half_mean_square(residual: Array) -> float:
    return float((residual**2).mean() / 2)


def _epochs() -> Iterator[str]:
    x, y = _sample(ROWS, COLUMNS)
    ways: dict[str, Callable[[], tuple[float, Array]]] = {
        "linedge sgd": partial(_ours, x, y, "sgd"),
        "linedge adam": partial(_ours, x, y, "adam"),
        "PyTorch loop with a DataLoader, SGD": partial(_loop, x, y, torch.optim.SGD, loader=True),
        "PyTorch loop on slices, SGD": partial(_loop, x, y, torch.optim.SGD, loader=False),
        "PyTorch loop on slices, Adam": partial(_loop, x, y, torch.optim.Adam, loader=False),
        "SGDRegressor": partial(_sgd_regressor, x, y),
    }
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    losses: dict[str, float] = {}
    for _ in range(RUNS):
        for name, way in ways.items():
            taken, residual = way()
            seconds[name].append(taken)
            losses[name] = _half_mean_square(residual)
    best = _half_mean_square(y - _predicted(fit({"x": x, "y": y}, target="y"), x))
    yield f"an epoch of {ROWS} x {COLUMNS} at batch {BATCH}; loss after {EPOCHS} epochs above the least, {best:.6f}"
    ours = min(seconds["linedge sgd"])
    for name, times in seconds.items():
        above = losses[name] / best - 1
        yield f"  {name}: {min(times) * 1e3:.0f} ms ({min(times) / ours:.1f} times linedge sgd), loss + {above:.1e}"


def _predicted(checkpoint: Any, x: Array) -> Array:
    return np.asarray(x @ checkpoint.weight[0] + checkpoint.bias[0])


def _ours(x: Array, y: Array, optimizer: Any) -> tuple[float, Array]:
    ends: list[float] = []

    def note(_: Epoch) -> None:
        ends.append(time.perf_counter())

    descent = Descent(optimizer=optimizer, batch_size=BATCH, epochs=EPOCHS + 1)
    # The first epoch has the passes before it in its time; from its end to that of the last are EPOCHS epochs.
    fit({"x": x, "y": y}, target="y", descent=descent, report=note)
    found = fit({"x": x, "y": y}, target="y", descent=Descent(optimizer=optimizer, batch_size=BATCH, epochs=EPOCHS))
    return (ends[-1] - ends[0]) / EPOCHS, y - _predicted(found, x)


def _loop(x: Array, y: Array, stepper: Any, *, loader: bool) -> tuple[float, Array]:
    rows, targets = torch.from_numpy(x), torch.from_numpy(y)[:, None]
    model, criterion = nn.Linear(COLUMNS, 1, dtype=torch.float64), nn.MSELoss()
    optimizer = stepper(model.parameters(), lr=0.01)
    batches: Any = DataLoader(TensorDataset(rows, targets), batch_size=BATCH, shuffle=True)
    started = time.perf_counter()
    for _ in range(EPOCHS):
        if not loader:
            order = torch.randperm(ROWS)
            batches = zip(torch.split(rows[order], BATCH), torch.split(targets[order], BATCH), strict=True)
        for batch, target in batches:
            optimizer.zero_grad()
            loss = criterion(model(batch), target)
            loss.backward()
            optimizer.step()
    taken = (time.perf_counter() - started) / EPOCHS
    with torch.no_grad():
        return taken, y - model(rows).numpy()[:, 0]


def _sgd_regressor(x: Array, y: Array) -> tuple[float, Array]:
    model = SGDRegressor(max_iter=EPOCHS, tol=None, alpha=0.0)
    started = time.perf_counter()
    model.fit(x, y)
    return (time.perf_counter() - started) / EPOCHS, y - model.predict(x)


def _to_the_optimum() -> Iterator[str]:
    for rows in (2_000, 10_000):
        x, y = _sample(rows, COLUMNS, seed=1)
        started = time.perf_counter()
        theirs = QuantileRegressor(quantile=0.9, alpha=0.0, solver="highs").fit(x, y)
        seconds = time.perf_counter() - started
        ours, mine = _timed(x, y, Descent(loss="quantile", quantile=0.9))
        residual = y - theirs.predict(x)
        least = float(np.maximum(0.9 * residual, -0.1 * residual).mean())
        yield _compared(f"quantile 0.9 of {rows} x {COLUMNS}", mine, ours, "QuantileRegressor", seconds, least)
    for rows in (10_000, 200_000):
        x, y = _sample(rows, COLUMNS, seed=1)
        started = time.perf_counter()
        peer = HuberRegressor(alpha=0.0, tol=1e-6, max_iter=10_000).fit(x, y)
        seconds = time.perf_counter() - started
        delta = 1.35 * float(peer.scale_)
        ours, mine = _timed(x, y, Descent(loss="huber", delta=delta))
        size = np.abs(y - peer.predict(x))
        least = float(np.where(size <= delta, size**2 / 2, delta * size - delta**2 / 2).mean())
        yield _compared(f"huber of {rows} x {COLUMNS}", mine, ours, "HuberRegressor", seconds, least)


def _timed(x: Array, y: Array, descent: Descent) -> tuple[dict[str, Any], float]:
    times, found = [], None
    for _ in range(RUNS):
        started = time.perf_counter()
        found = fit({"x": x, "y": y}, target="y", descent=descent)
        times.append(time.perf_counter() - started)
    assert found is not None
    return dict(found.fit), min(times)


def _compared(what: str, mine: float, ours: dict[str, Any], peer: str, theirs: float, objective: float) -> str:
    away = ours["objective"] / objective - 1
    return (
        f"{what}: linedge {mine:.3f} s, proven within {ours['gap']:.1e} of the optimum; {peer} {theirs:.3f} s "
        f"({theirs / mine:.1f} times); objectives differ by {away:.1e}"
    )


def _killed(folder: Path) -> Iterator[str]:
    x, y = _sample(20_000, 4)
    table = pa.table({**{f"x{i}": x[:, i] for i in range(4)}, "y": y})
    pyarrow.parquet.write_table(table, folder / "t.parquet")
    options = ["t.parquet", "--target", "y", "--loss", "quantile", "--quantile", "0.9", "--batch-size", "64"]
    command = [str(SCRIPTS / "lr-train"), *options, "--epochs", "60", "--quiet"]
    started = time.perf_counter()
    subprocess.run([*command, "-o", "whole.safetensors"], cwd=folder, check=True, capture_output=True)
    whole = time.perf_counter() - started
    chance, kills, ended = np.random.default_rng(0), 0, 0
    while kills < KILLS:
        keeping = ["-o", "m.safetensors", "--resume", "--checkpoint-every", "0.05", "--log", "log.jsonl"]
        with Path("/dev/null").open("wb") as nowhere:
            process = subprocess.Popen([*command, *keeping], cwd=folder, stdout=nowhere, stderr=nowhere)
        time.sleep(chance.uniform(0, 1.1 * whole))
        process.kill()
        if process.wait() == 0:
            ended += 1  # it was faster: the next starts anew, and must end in the same bits as well
            _check_same(folder)
        kills += process.returncode != 0
    subprocess.run([*command, "-o", "m.safetensors", "--resume"], cwd=folder, check=True, capture_output=True)
    digest = _check_same(folder)
    epochs = [json.loads(line)["epoch"] for line in (folder / "log.jsonl").read_text().splitlines()]
    yield f"{kills} kills -9 at random moments, {ended + 1} runs ended: all with sha256 {digest[:16]}, as without"
    yield f"  the log's epochs up to the last kill: {epochs == list(range(1, len(epochs) + 1))}, {len(epochs)} of 60"


def _check_same(folder: Path) -> str:
    digests = {hashlib.sha256((folder / f"{name}.safetensors").read_bytes()).hexdigest() for name in ("whole", "m")}
    if len(digests) > 1:
        raise AssertionError("the resumed run ended in other bits")
    return digests.pop()


def _peak_memory(folder: Path) -> Iterator[str]:
    peaks = []
    for rows in (4_000_000, 16_000_000):
        path = folder / f"{rows}.parquet"
        schema = pa.schema([(name, pa.float64()) for name in ("x0", "x1", "x2", "x3", "y")])
        with pyarrow.parquet.ParquetWriter(path, schema) as writer:
            for part in range(rows // 1_000_000):
                x, y = _sample(1_000_000, 4, seed=part)
                writer.write_table(pa.table([*x.T, y], schema=schema))
        done = subprocess.run([sys.executable, "-c", PEAK, str(path)], check=True, capture_output=True, text=True)
        peaks.append(int(done.stdout) / 1e3)
        path.unlink()
    few, many = peaks
    yield f"peak memory from Parquet, batches: 4e6 rows {few:.0f} MB, 16e6 rows {many:.0f} MB, ratio {many / few:.2f}"
