"""Fits on a small table in any unit of the target, beyond those in which float64 holds its squares too."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.special import stdtrit

from lr_runtime.contract.interval import interval_of
from lr_trainer import fit

if TYPE_CHECKING:
    from lr_runtime.contract.checkpoint import Checkpoint

LEVEL = 0.9


def fitted(seed: int = 0, **options: Any) -> Checkpoint:
    """Return a fit on 40 rows of one to three columns, some of them with missing values or a category."""
    random = np.random.default_rng(seed)
    columns: dict[str, Any] = {}
    for place in range(1 + seed % 3):
        columns[f"x{place}"] = random.normal(random.choice([0.0, 30.0, 1e5]), 10.0 ** random.integers(-2, 3), 40)
    y = random.normal(size=40) + sum(values * random.normal() for values in columns.values())
    if seed % 4 == 1:
        columns["x0"] = np.where(random.uniform(size=40) < 0.2, np.nan, columns["x0"])
    if seed % 5 == 2:
        columns["site"] = random.choice(["north", "south", "west"], 40)
    return fit({**columns, "y": y}, target="y", missing="indicator" if seed % 4 == 1 else "error", **options)


def in_units_of(checkpoint: Checkpoint, unit: float) -> Checkpoint:
    """Return the model of the target over `unit`."""
    contract = checkpoint.contract
    outputs = tuple(
        output._replace(residual_sd=None if output.residual_sd is None else output.residual_sd / unit)
        for output in contract.outputs
    )
    return replace(
        checkpoint,
        weight=checkpoint.weight / unit,
        bias=checkpoint.bias / unit,
        contract=contract._replace(outputs=outputs),
    )


def of_width(checkpoint: Checkpoint, width: float) -> Checkpoint:
    """Return the model in the unit in which its interval has about this width, where the leverage is 0."""
    return in_units_of(checkpoint, width_of(checkpoint) / width)


def conformal(checkpoint: Checkpoint) -> Checkpoint:
    """Return the model with an interval of one width everywhere, 1.6 residual standard deviations, and no leverage."""
    sd = checkpoint.contract.outputs[0].residual_sd
    assert sd is not None
    fit_report = {**checkpoint.fit, "conformal": {"level": LEVEL, "half_width": [1.6 * sd]}}
    return replace(checkpoint, leverage=None, fit=fit_report)


def width_of(checkpoint: Checkpoint) -> float:
    """Return half the length of the interval where the leverage is 0."""
    return float(interval_of(checkpoint, LEVEL, stdtrit).width[0])
