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
from lr_trainer.arithmetic.exact_sums import Exact, ExactSums
from lr_trainer.moments.accuracy import preconditioned
from lr_trainer.moments.moments import Moments
from lr_trainer.moments.pilot import Pilot, varying
from lr_trainer.moments.preconditioned import EXACT, GOOD, MOST_ROUNDS, magnification, transformed
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


def exact_sums(block: BlockParts) -> ExactSums:
    """Return what is kept of a block."""
    parts = [joined(tuple(map(host, part))) if isinstance(part, tuple) else host(part) for part in block.parts]
    return ExactSums.of(parts, block.low, block.weights)


@one_thread()
def moments_of(rows: ExactSums, design: Design, *, intercept: bool) -> Moments:
    """Return the moments, each rounded once, on a transform that keeps their digits."""
    products, terms = rows.products(), len(design.terms)
    sums, weight, exponent = products.integers[-1, :-1], products.integers[-1, -1], products.exponent
    gram, mean = products.integers[:-1, :-1], Exact(sums, 0, weight)
    centred = Exact(gram * weight - np.outer(sums, sums), exponent, weight)
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
    about = centred if intercept else Exact(gram, exponent)
    transform, found = _transform(moments, about, terms, intercept=intercept)
    center, away = near, np.zeros_like(near)
    if not intercept:
        center, away = away, transformed(transform, Extended(near, moments.mean_low))
        found = centred.congruent(transform)
    pilot = Pilot(center, transform, is_exact=True, sums_exactly=True, is_whole=True, of_values=_VALUES)
    rounded, functions = np.zeros(len(near), dtype=np.bool_), np.zeros(len(near))
    rounded[:terms], functions[:terms] = design.are_rounded, design.rounding_of_functions(moments.largest)
    taken = replace(moments, mean=away, mean_low=np.zeros_like(near), comoment=found)
    fine, _ = preconditioned(pilot, taken, terms, rounded=rounded, functions=functions, intercept=intercept)
    return replace(moments, fine=fine.fine)


def _transform(moments: Moments, about: Exact, terms: int, *, intercept: bool) -> tuple[Array, Array]:
    """Return a transform whose columns lose few digits, and their products about the mean, or about 0, as `about`."""
    gram = varying(moments, moments.gram(intercept=intercept), intercept=intercept)
    lengths = np.sqrt(np.maximum(np.diag(moments.about(None)), 0.0))
    transform = preconditioner(gram, terms, little=1.0)
    for left in reversed(range(MOST_ROUNDS)):
        found = about.congruent(transform)
        gram = varying(moments, found, intercept=intercept)
        asked = np.diag(gram)[terms:] > (EXACT * lengths[terms:]) ** 2
        if magnification(gram, terms, asked) < GOOD or not left:
            break
        transform = improved(transform, gram, terms, lengths)
    return transform, found
