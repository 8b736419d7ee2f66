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

    The moments are of the terms, where a column may be on its origin and scale. The category without an indicator has
    the share that the others leave.
    """
    moments, terms, on_basis = checkpoint.moments, checkpoint.terms, columns_on_basis(checkpoint.terms)
    if not moments:
        raise UnsupportedModelError("--drift tells of the training rows by their moments, which this checkpoint lacks")
    means = dict(zip(terms, moments["mean"] + moments["mean_low"], strict=False))  # those of the outputs are behind
    sds = dict(zip(terms, np.sqrt(np.diag(moments["comoment"]) / moments["weight"]), strict=False))

    def distribution(place: int, levels: range) -> tuple[float, ...]:
        term, known = Power(place), {each: means[Level(place, each)] for each in levels if Level(place, each) in means}
        if levels:
            left = max(0.0, 1.0 - sum(known.values()) - means.get(MissingIndicator(place), 0.0))
            return tuple(float(known.get(each, left)) for each in levels) if len(known) >= len(levels) - 1 else ()
        origin, scale = (checkpoint.origin[place], checkpoint.scale[place]) if place in on_basis else (0.0, 1.0)
        return (float(origin + scale * means[term]), float(scale * sds[term])) if term in means else ()

    columns = enumerate(checkpoint.contract.columns)
    return tuple(distribution(place, range(len(column.categories))) for place, column in columns)
