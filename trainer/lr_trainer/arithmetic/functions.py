"""The functions of derived variables, of arrays and of tensors; outside its domain none gives a finite number."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from lr_trainer.arithmetic.arrays import names_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lr_runtime.contract.derived import Derived
    from lr_trainer.arithmetic.arrays import A


def function_of(derived: Derived, x: A) -> A:
    """Return the function of float64 x, NaN where x is."""
    if derived.function == "hinge":
        return (x - derived.of_hinge).clip(0.0)
    if derived.function == "reciprocal":
        return 1.0 / x
    return cast("A", getattr(names_of(x), derived.function)(x))


def with_functions(x: A, derived: Sequence[Derived]) -> A:
    """Return float64 (rows, variables): the columns of x (rows, columns), and the derived variables behind them."""
    if not derived:
        return x
    found = [x[:, place] for place in range(x.shape[1])]
    found += [function_of(each, x[:, each.column]) for each in derived]
    return names_of(x).stack(found, axis=1)
