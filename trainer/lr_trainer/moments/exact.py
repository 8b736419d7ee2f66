"""Exact sums of the terms and targets, and the moments that follow from them.

No pilot is needed: the sums of products have all digits, about whatever the moments are taken.
"""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from typing import TYPE_CHECKING

import numpy as np

from lr_trainer.arithmetic.arrays import host
from lr_trainer.arithmetic.double_double import Extended
from lr_trainer.arithmetic.exact_sums import Ratio
from lr_trainer.moments.accuracy import preconditioned
from lr_trainer.moments.exact_rows import ExactRows
from lr_trainer.moments.moments import Moments
from lr_trainer.moments.pilot import Pilot, varying
from lr_trainer.moments.preconditioned import EXACT, GOOD, MOST_ROUNDS, Preconditioned, magnification, transformed
from lr_trainer.moments.preconditioner import improved, preconditioner
from lr_trainer.rows.blocks import joined, one_thread

if TYPE_CHECKING:
    from lr_trainer.arithmetic.arrays import Array
    from lr_trainer.model.design import Design
    from lr_trainer.moments.prepared import BlockParts

MOST_COLUMNS = 256
"""Terms and targets, whose sums as integers take some seconds to be solved and some megabytes to be stored."""

_VALUES = 2.0**-100
"""The share of its parts that a power or a product, formed in double-double, is off."""


def exact_rows(block: BlockParts) -> ExactRows | None:
    """Return what is kept of a block; None where a value is not finite."""
    parts = [joined(tuple(map(host, part))) if isinstance(part, tuple) else host(part) for part in block.parts]
    return ExactRows.of(parts, block.low, block.weights)


@one_thread()
def moments_of(rows: ExactRows, design: Design, *, intercept: bool) -> Moments:
    """Return the moments, each rounded once, on a transform that keeps their digits."""
    products, terms = rows.sums.products(), len(design.terms)
    sums, weight, exponent = products.integers[-1, :-1], products.integers[-1, -1], products.exponent
    gram, mean = products.integers[:-1, :-1], Ratio(sums, weight)
    centred = Ratio(gram * weight - np.outer(sums, sums), weight, exponent)
    near, total = mean.rounded(), products.fraction(-1, -1)
    moments = Moments(
        count=np.array(float(rows.count)),
        weight=np.array(float(total)),
        log_weight=np.array(float(rows.logs.fraction(0))),
        mean=near,
        mean_low=mean.rest(near),
        comoment=centred.rounded(),
        minimum=rows.minimum,
        maximum=rows.maximum,
        others=np.array(float(total - Fraction(rows.heaviest))),
        exact=rows,
    )
    if not np.isfinite(moments.about(None)).all():
        return moments  # whoever takes them looks
    about = centred if intercept else Ratio(gram, 1, exponent)
    transform = _transform(moments, about, terms, intercept=intercept)
    return replace(moments, fine=_fine(moments, centred.congruent(transform), transform, design, intercept=intercept))


def _transform(moments: Moments, about: Ratio, terms: int, *, intercept: bool) -> Array:
    """Return a transform whose columns lose few digits; `about` are the products about the mean, or about 0."""
    gram = varying(moments, moments.gram(intercept=intercept), intercept=intercept)
    lengths = np.sqrt(np.maximum(np.diag(moments.about(None)), 0.0))
    transform = preconditioner(gram, terms, little=1.0)
    for _ in range(MOST_ROUNDS):
        found = varying(moments, about.congruent(transform), intercept=intercept)
        asked = np.diag(found)[terms:] > (EXACT * lengths[terms:]) ** 2
        if magnification(found, terms, asked) < GOOD:
            break
        transform = improved(transform, found, terms, lengths)
    return transform


def _fine(
    moments: Moments, comoment: Array, transform: Array, design: Design, *, intercept: bool
) -> Preconditioned | None:
    """Return the products on the transform with the bound on their rounding."""
    center, away = moments.mean, np.zeros_like(moments.mean)
    if not intercept:
        center, away = away, transformed(transform, Extended(moments.mean, moments.mean_low))
    pilot = Pilot(center, transform, is_exact=True, sums_exactly=True, is_whole=True, of_values=_VALUES)
    terms, rounded, functions = len(design.terms), np.zeros(len(center), dtype=np.bool_), np.zeros(len(center))
    rounded[:terms], functions[:terms] = design.are_rounded, design.rounding_of_functions(moments.largest)
    found = replace(moments, mean=away, mean_low=np.zeros_like(away), comoment=comoment)
    return preconditioned(pilot, found, terms, rounded=rounded, functions=functions, intercept=intercept)[0].fine
