"""How long tables take through lr-infer, and how much memory, against pandas and scikit-learn, each a whole process."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet

from lr_export import export
from lr_trainer import fit
from tests.conftest import SCRIPTS

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

ROWS, MANY, COLUMNS, RUNS = 2_000_000, 8_000_000, 10, 3

# What a user would write: the same weights, in scikit-learn.
PEER = """\
import json, sys
import numpy as np
import pandas as pd
from sklearn.linear_model import LinearRegression
source, target, numbers = sys.argv[1:]
model = LinearRegression()
fitted = json.loads(numbers)
model.coef_, model.intercept_ = np.array(fitted["weight"]), fitted["bias"]
model.feature_names_in_, model.n_features_in_ = np.array(fitted["names"]), len(fitted["names"])
read, suffix = (pd.read_csv, ".csv") if source.endswith(".csv") else (pd.read_parquet, ".parquet")
frame = read(source)
done = pd.DataFrame({"y": model.predict(frame[fitted["names"]])})
done.to_csv(target, index=False) if suffix == ".csv" else done.to_parquet(target)
"""

# The command, and then the most memory that it took: ru_maxrss would be that of the process that starts it.
PEAK = """\
import sys
from lr_runtime.commands.infer import main
try:
    main(sys.argv[1:], prog_name="lr-infer")
except SystemExit:
    print(next(line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM")), file=sys.stderr)
"""

# The same without pyarrow, as a device has it.
BARE = """\
import sys
from importlib.abc import MetaPathFinder
import importlib.util
class _Without(MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "pyarrow":
            raise ModuleNotFoundError(f"No module named {name!r}", name="pyarrow")
found = importlib.util.find_spec
importlib.util.find_spec = lambda name, *rest: None if name == "pyarrow" else found(name, *rest)
sys.meta_path.insert(0, _Without())
from lr_runtime.commands.infer import main
main(sys.argv[1:], prog_name="lr-infer")
"""


def report() -> Iterator[str]:
    """Yield the lines."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        numbers = _model(folder)
        for rows in (1, ROWS, MANY):
            _table(folder, rows)
        yield from _speed(folder, numbers)
        yield from _memory(folder)


def _model(folder: Path) -> str:
    x = _numbers(1_000)
    columns = {f"x{index}": x[:, index] for index in range(COLUMNS)}
    checkpoint = fit({**columns, "y": x @ np.arange(1.0, COLUMNS + 1) + 3}, target="y")
    export(checkpoint, folder / "m.onnx")
    return json.dumps(
        {"weight": checkpoint.weight[0].tolist(), "bias": checkpoint.bias[0].item(), "names": list(columns)}
    )


def _numbers(rows: int) -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
    return np.random.default_rng(rows).normal(size=(rows, COLUMNS)) + 1


def _table(folder: Path, rows: int) -> None:
    x = _numbers(rows)
    table = pa.table({f"x{index}": x[:, index] for index in range(COLUMNS)})
    pyarrow.csv.write_csv(table, folder / f"{rows}.csv")
    pyarrow.parquet.write_table(table, folder / f"{rows}.parquet")  # as pandas writes it


def _speed(folder: Path, numbers: str) -> Iterator[str]:
    csv, parquet = folder / f"{ROWS}.csv", folder / f"{ROWS}.parquet"
    ours = [SCRIPTS / "lr-infer", folder / "m.onnx"]
    peer = [sys.executable, "-c", PEER]
    ways: dict[str, list[object]] = {
        "CSV": [*ours, csv, "-o", folder / "y.csv"],
        "pandas + scikit-learn": [*peer, csv, folder / "p.csv", numbers],
        "CSV without pyarrow": [sys.executable, "-c", BARE, folder / "m.onnx", csv, "-o", folder / "b.csv"],
        "Parquet": [*ours, parquet, "-o", folder / "y.parquet"],
        "pandas + scikit-learn, Parquet": [*peer, parquet, folder / "p.parquet", numbers],
        "CSV, many": [*ours, folder / f"{MANY}.csv", "-o", folder / "y.csv"],
        "Parquet, many": [*ours, folder / f"{MANY}.parquet", "-o", folder / "y.parquet"],
        "starting": [*ours, *["1"] * COLUMNS],
        "starting with pyarrow": [*ours, folder / "1.parquet"],
    }
    times: dict[str, list[float]] = {name: [] for name in ways}
    for run in range(RUNS):
        for name, command in ways.items():
            if run and "without" in name:
                continue
            times[name].append(_seconds(command))
    best = {name: min(each) for name, each in times.items()}
    mine = best["CSV"]
    yield f"{ROWS} x {COLUMNS}, CSV to CSV: {mine:.2f} s"
    for name in ("pandas + scikit-learn", "CSV without pyarrow"):
        yield f"  {name}: {best[name]:.2f} s ({best[name] / mine:.1f} times)"
    theirs = best["pandas + scikit-learn, Parquet"]
    yield f"Parquet to Parquet: {best['Parquet']:.2f} s, {mine / best['Parquet']:.1f} times as fast as CSV"
    start, bare = best["starting"], best["starting with pyarrow"]
    csv_rows, parquet_rows = mine - bare, best["Parquet"] - bare
    yield f"  less a start of {bare:.2f} s ({start:.2f} s without pyarrow): {csv_rows / parquet_rows:.1f} times as fast"
    many = best["Parquet, many"]
    yield f"  {MANY} rows: {many:.2f} s, {best['CSV, many'] / many:.1f} times as fast as CSV"
    yield f"  pandas + scikit-learn: {theirs:.2f} s ({theirs / best['Parquet']:.1f} times)"


def _memory(folder: Path) -> Iterator[str]:
    for suffix in ("csv", "parquet"):
        few, many = (
            _peak([folder / "m.onnx", folder / f"{rows}.{suffix}", "-o", folder / f"m.{suffix}"])
            for rows in (ROWS, MANY)
        )
        yield f"peak memory, {suffix}: {ROWS} rows {few:.0f} MB, {MANY} rows {many:.0f} MB, ratio {many / few:.2f}"


def _peak(arguments: Sequence[object]) -> float:
    command = [sys.executable, "-c", PEAK, *map(str, arguments)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return int(done.stderr.splitlines()[-1]) / 1e3


def _seconds(command: Sequence[object]) -> float:
    started = time.perf_counter()
    subprocess.run([str(word) for word in command], check=True, capture_output=True)
    return time.perf_counter() - started
