"""Models of one function of a column, fitted to noisy rows, for the tests of inverses."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

import lr_trainer
from lr_runtime import Column
from lr_runtime.contract.derived import Derived
from lr_runtime.contract.terms.power import Power

if TYPE_CHECKING:
    from collections.abc import Callable

    from lr_runtime.contract.checkpoint import Checkpoint
    from lr_runtime.contract.contract import TargetFunction
    from lr_runtime.contract.derived import FunctionName

RANGES: dict[FunctionName | None, tuple[float, float]] = {
    None: (-3.0, 12.0),
    "log": (0.5, 900.0),
    "log1p": (-0.5, 30.0),
    "exp": (-1.0, 4.0),
    "sqrt": (0.0, 50.0),
    "reciprocal": (2.0, 80.0),
}
FORWARD: dict[FunctionName | None, Callable[[Any], Any]] = {
    None: lambda x: x,
    "log": np.log,
    "log1p": np.log1p,
    "exp": np.exp,
    "sqrt": np.sqrt,
    "reciprocal": lambda x: 1 / x,
}


def fitted(
    function: FunctionName | None,
    target: TargetFunction | None = None,
    *,
    seed: int = 0,
    noise: float = 0.01,
    slope: float = 1.5,
    bend: float = 0.0,
    held: bool = False,
    negative: bool = False,
    rows: int = 30,
) -> Checkpoint:
    """Return g(y) = 3 + slope u + bend u^2 (+ 0.7 h) + noise, u from -1 to 1 over v = f(x), as a fit of x."""
    random, (low, high) = np.random.default_rng(seed), RANGES[function]
    low, high = (-high, -low) if negative else (low, high)
    x = np.concatenate([[low, high], random.uniform(low, high, rows - 2)])
    v = FORWARD[function](x)
    u = (v - v.min()) / np.ptp(v) * 2 - 1
    h = random.uniform(-2, 2, rows)
    eta = 3 + slope * u + bend * u**2 + 0.7 * h * held + random.normal(0, noise, rows)
    table = {"x": v, **({"h": h} if held else {}), "y": eta}
    made = lr_trainer.fit(table, target="y", degree=2 if bend else 1) if bend else lr_trainer.fit(table, target="y")
    (output,) = made.contract.outputs
    contract = made.contract._replace(outputs=(output._replace(function=target),))
    if function is None:
        return replace(made, contract=contract)
    # The function of x takes the place of the column that was fitted, behind the columns.
    count = len(contract.columns)
    columns = (Column("x", float(x.min()), float(x.max())), *contract.columns[1:])
    contract = contract._replace(columns=columns, derived=(Derived(0, function),))
    terms = tuple(Power(count, t.power) if t.columns == (0,) else t for t in made.terms)  # type: ignore[attr-defined]

    def behind(values: np.ndarray, first: float) -> np.ndarray:
        return np.concatenate([[first], values[1:], values[:1]])

    return replace(
        made,
        contract=contract,
        terms=terms,
        origin=behind(made.origin, 0.0),
        scale=behind(made.scale, 1.0),
        fill=behind(made.fill, 0.0),
    )
