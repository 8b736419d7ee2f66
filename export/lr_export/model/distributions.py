"""What the training rows of each column looked like, from the moments of the fit: for `lr-export --drift`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from lr_runtime.contract.terms.category import Level
from lr_runtime.contract.terms.missing import MissingIndicator
from lr_runtime.contract.terms.power import Power
from lr_runtime.contract.terms.term import columns_on_basis
from lr_runtime.errors import UnsupportedModelError

if TYPE_CHECKING:
    from lr_runtime.contract.checkpoint import Checkpoint


def distributions_of(checkpoint: Checkpoint) -> tuple[tuple[float, ...], ...]:
    """Return the contract's `distributions`, weighted as the rows were. Raises UnsupportedModelError without moments.

    The moments are of the terms: a column that some term needs on its origin and scale is on them there. The category
    without an indicator has the share that the others leave.
    """
    moments, terms, on_basis = checkpoint.moments, checkpoint.terms, columns_on_basis(checkpoint.terms)
    if not moments:
        raise UnsupportedModelError(
            "--drift goes with a model that linedge fitted to more rows than it has coefficients: only such a "
            "checkpoint has the moments of its training rows. Leave --drift out"
        )
    means = dict(zip(terms, moments["mean"] + moments["mean_low"], strict=False))  # those of the outputs are behind
    sds = dict(zip(terms, np.sqrt(np.diag(moments["comoment"]) / moments["weight"]), strict=False))

    def distribution(place: int, levels: int) -> tuple[float, ...]:
        if levels:
            shares = [means.get(Level(place, level)) for level in range(levels)]
            left = 1.0 - sum(share for share in [*shares, means.get(MissingIndicator(place))] if share is not None)
            return (
                tuple(float(max(left, 0.0) if each is None else each) for each in shares)
                if shares.count(None) < 2
                else ()
            )
        if (term := Power(place)) not in means:
            return ()
        origin, scale = (checkpoint.origin[place], checkpoint.scale[place]) if place in on_basis else (0.0, 1.0)
        return float(origin + scale * means[term]), float(scale * sds[term])

    return tuple(
        distribution(place, len(column.categories)) for place, column in enumerate(checkpoint.contract.columns)
    )
