"""Products of columns against as many plain columns, and against what scikit-learn fits and predicts them with.

From one matrix, and from columns of their own. The models that predict have a log and a product.
"""

from __future__ import annotations

import tempfile
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from sklearn.linear_model import LinearRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import PolynomialFeatures

from lr_export import export
from lr_runtime import Predictor
from lr_trainer import fit
from tests.benchmarks.fits import UNEXPLAINED
from tests.benchmarks.timing import least
from tests.trainer.ill_conditioned import design, targets

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.benchmarks.peers import Way

ROWS, COLUMNS, BATCH = 2_000_000, 10, 100_000
PAIRS = [f"x{place}:x{place + 1}" for place in range(1, COLUMNS)] + [f"x1:x{COLUMNS}"]


def report() -> Iterator[str]:
    """Yield the lines."""
    wide = design(ROWS, 2 * COLUMNS, 1.0)
    x = np.ascontiguousarray(wide[:, :COLUMNS])
    products = make_pipeline(PolynomialFeatures(2, interaction_only=True, include_bias=False), LinearRegression())
    for y, r2 in zip(targets(x, list(UNEXPLAINED)).T, UNEXPLAINED.values(), strict=True):
        columns = {f"x{place + 1}": column.copy() for place, column in enumerate(x.T)}
        ways: dict[str, Way] = {
            f"linedge, {2 * COLUMNS} plain columns": partial(fit, {"x": wide, "y": y}, target="y"),
            f"linedge, {COLUMNS} and {len(PAIRS)} products": partial(fit, {"x": x, "y": y}, target="y", interact=PAIRS),
            "the same, separate columns": partial(fit, {**columns, "y": y}, target="y", interact=PAIRS),
            "PolynomialFeatures (45 products)": partial(products.fit, x, y),
        }
        costs = least(ways)
        yield f"{ROWS} rows, {r2}"
        first = next(iter(costs.values()))
        for name, cost in costs.items():
            times = cost.by(first)
            yield f"  {name:34} {cost.wall:.3f} s, CPU {cost.cpu:.3f} s: {times.wall:.2f} times, CPU {times.cpu:.2f}"
    yield from _predicting()


def _predicting() -> Iterator[str]:
    chance = np.random.default_rng(0)
    x = chance.uniform(1, 5, (1000, 2))
    y = np.log(x[:, 0]) + x[:, 0] * x[:, 1] + chance.normal(0, 0.01, 1000)
    checkpoint = fit({"a": x[:, 0], "b": x[:, 1], "y": y}, target="y", transforms={"a": "linear,log"}, interact=["a:b"])
    plain = fit({"a": x[:, 0], "b": x[:, 1], "y": y}, target="y")
    many = chance.uniform(1, 5, (BATCH, 2)).astype(np.float32)
    with tempfile.TemporaryDirectory() as folder:
        found: dict[str, tuple[Predictor, int]] = {}
        for name, each in (("two plain columns", plain), ("with a log and a product", checkpoint)):
            path = Path(folder, f"{len(found)}.onnx")
            size = export(each, path, without_eager=True).size
            found[name] = Predictor.load(path), size
        for rows, what in ((many[:1], "one row"), (many, f"{BATCH} rows")):
            costs = least({name: partial(predictor.predict, rows) for name, (predictor, _) in found.items()})
            first = next(iter(costs.values()))
            for name, cost in costs.items():
                took = cost.wall / len(rows) * 1e6
                yield f"{what}, {name:26} {took:.2f} us a row, {cost.by(first).wall:.2f} times; {found[name][1]} bytes"
