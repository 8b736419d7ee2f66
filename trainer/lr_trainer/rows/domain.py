"""The derived variables and the functions of targets in a batch, and the rows with a value that a function refuses."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from lr_runtime.contract.derived import DOMAINS, Derived
from lr_runtime.errors import escaped
from lr_trainer.arithmetic.functions import function_of

if TYPE_CHECKING:
    from lr_runtime.tables import Batch
    from lr_trainer.arithmetic.arrays import Array
    from lr_trainer.rows.roles import Roles


def with_computed(batch: Batch, roles: Roles) -> tuple[Batch, dict[int, str]]:
    """Return a batch with the derived variables behind the features and the functions of targets in their places.

    Also the faults, by row, of values that have none: outside its domain, and nowhere else, a function is not finite.
    """
    columns, faults = [*batch.values.T], dict[int, str]()

    def computed(name: str, derived: Derived) -> Array:
        given = columns[roles.read.index(name)]
        with np.errstate(all="ignore"):
            found: Array = function_of(derived, given)
        for row in np.flatnonzero(~(np.isfinite(found) | np.isnan(given))).tolist():
            domain = DOMAINS.get(derived.function)
            limit = "of it is beyond float64"
            if domain is not None and not domain.holds(given[row]):
                limit = f"takes numbers {domain.words}"
            what = f"the value is {float(given[row])!r}, and {derived.function} {limit}"
            faults.setdefault(row, f"column {escaped(name)}: {what}")
        return found

    behind = [computed(roles.features[each.column], each) for each in roles.derived]
    for name, function in roles.specification.targets:
        if function is not None:
            columns[roles.read.index(name)] = computed(name, Derived(0, function))
    count = len(set(roles.features).intersection(roles.read))
    return replace(batch, values=np.stack([*columns[:count], *behind, *columns[count:]], axis=1)), faults
