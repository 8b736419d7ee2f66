"""The derived variables of a batch of rows, and the rows with a value that a function does not take."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from lr_runtime.contract.derived import DOMAINS
from lr_runtime.errors import escaped
from lr_trainer.arithmetic.functions import function_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lr_runtime.contract.derived import Derived
    from lr_runtime.tables import Batch


def derived_of(
    batch: Batch, derived: Sequence[Derived], features: Sequence[str], read: Sequence[str]
) -> tuple[Batch, dict[int, str]]:
    """Return a batch of the columns `read` with the derived variables behind the features, and the faults by row.

    Outside its domain, and nowhere else, a function is infinite or NaN.
    """
    columns, faults, found = batch.values.T, dict[int, str](), []
    for each in derived:
        name = features[each.column]
        given = columns[read.index(name)]
        with np.errstate(all="ignore"):
            found.append(function_of(each, given))
        for row in np.flatnonzero(~(np.isfinite(found[-1]) | np.isnan(given))).tolist():
            limit = (
                f"takes numbers {domain.words}" if (domain := DOMAINS.get(each.function)) else "of it is beyond float64"
            )
            what = f"the value is {float(given[row])!r}, and {each.function} {limit}"
            faults.setdefault(row, f"column {escaped(name)}: {what}")
    if not derived:
        return batch, faults
    behind = len(set(features).intersection(read))
    return replace(batch, values=np.concatenate([columns[:behind], found, columns[behind:]]).T), faults
