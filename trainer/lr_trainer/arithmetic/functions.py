"""The functions of derived variables and of targets, of arrays and of tensors; outside its domain none is finite."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import numpy as np

from lr_trainer.arithmetic import elementary
from lr_trainer.arithmetic.arrays import A, names_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lr_runtime.contract.contract import TargetFunction
    from lr_runtime.contract.derived import Derived

_ELEMENTARY = {"log": elementary.log, "log1p": elementary.log1p, "exp": elementary.exp}


def function_of(derived: Derived, x: A) -> A:
    """Return the function of float64 x, NaN where x is."""
    if derived.function == "hinge":
        return (x - derived.of_hinge).clip(0.0)
    if derived.function == "reciprocal":
        return 1.0 / x
    ours = _ELEMENTARY.get(derived.function) if isinstance(x, np.ndarray) else None
    return cast("A", (ours or getattr(names_of(x), derived.function))(x))


def on_own_scale(eta: A, functions: Sequence[TargetFunction | None]) -> A:
    """Return the targets (rows, outputs) whose functions float64 `eta` are: the inverse of each, of a root cut at 0."""
    if not any(functions):
        return eta
    found = [_inverse_of(function, eta[:, place]) for place, function in enumerate(functions)]
    return names_of(eta).stack(found, axis=1)


def _inverse_of(function: TargetFunction | None, eta: A) -> A:
    match function:
        case "log":
            return names_of(eta).exp(eta)
        case "sqrt":
            cut: A = eta.clip(0.0)
            return cut**2
        case "reciprocal":
            return 1.0 / eta
    return eta


def with_functions(x: A, derived: Sequence[Derived]) -> A:
    """Return float64 (rows, variables): the columns of x (rows, columns), and the derived variables behind them."""
    if not derived:
        return x
    found = [x[:, place] for place in range(x.shape[1])]
    found += [function_of(each, x[:, each.column]) for each in derived]
    return names_of(x).stack(found, axis=1)
