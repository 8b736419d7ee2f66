"""The derived variables of a batch of rows, and the rows with a value that a function does not take."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from lr_runtime.contract.derived import DOMAINS
from lr_runtime.errors import escaped
from lr_trainer.arithmetic.functions import function_of

if TYPE_CHECKING:
    from lr_runtime.contract.derived import Derived
    from lr_runtime.tables import Batch
    from lr_trainer.rows.roles import Roles


def derived_of(batch: Batch, roles: Roles) -> tuple[Batch, dict[int, str]]:
    """Return a batch with the derived variables behind the features, and the faults, by row, of values that none has.

    Outside a domain, and nowhere else, a function is infinite or NaN.
    """
    numeric = [name for name in roles.features if name not in roles.categories]
    columns, faults, found = batch.values.T, dict[int, str](), []
    for each in roles.derived:
        name = roles.features[each.column]
        given = columns[numeric.index(name)]
        with np.errstate(all="ignore"):
            found.append(function_of(each, given))
        for row in np.flatnonzero(~(np.isfinite(found[-1]) | np.isnan(given))).tolist():
            faults.setdefault(row, f"column {escaped(name)}: the value is {float(given[row])!r}, {_words(each)}")
    parts = [columns[: len(numeric)], np.array(found), columns[len(numeric) :]]
    return replace(batch, values=np.concatenate(parts).T), faults


def _words(derived: Derived) -> str:
    if derived.function in DOMAINS:
        return f"and {derived.function} takes numbers {DOMAINS[derived.function].words}"
    return f"whose {derived.function} float64 does not hold"
