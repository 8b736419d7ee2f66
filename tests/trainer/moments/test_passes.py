"""Residuals of a pass against exact fractions: no residual is further off than stated, and that is Higham's formula."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from lr_trainer import fit
from lr_trainer.choices import FitOptions
from lr_trainer.moments.prepared import prepare
from lr_trainer.moments.residuals import residuals
from lr_trainer.rows.reading import Rows
from lr_trainer.rows.roles import Missing, roles_of
from lr_trainer.rows.sources import opened


@pytest.mark.parametrize("offset", [0.0, 1.7e9])
def test_residuals_are_off_by_no_more_than_stated(offset: float) -> None:
    random = np.random.default_rng(12)
    a, b = offset + random.normal(size=80), random.normal(size=80)
    columns = {"a": a, "b": b, "y": 3 * a - b + random.normal(size=80)}
    checkpoint, table = fit(columns, target="y"), opened(columns, None, print)
    roles = roles_of(table, FitOptions("y"))
    found, off = residuals(prepare(Rows(table, roles, Missing(frozenset())), "cpu"), checkpoint)
    weight, bias = map(Fraction, checkpoint.weight[0].tolist()), Fraction(float(checkpoint.bias[0]))
    slopes = [w / Fraction(s) for w, s in zip(weight, checkpoint.scale.tolist(), strict=True)]
    errors, sizes = list[Fraction](), list[Fraction]()
    for gap, *x, y in zip(
        *(map(Fraction, values.tolist()) for values in (found[:, 0], *columns.values())), strict=True
    ):
        terms = [w * (v - Fraction(o)) for w, v, o in zip(slopes, x, checkpoint.origin.tolist(), strict=True)]
        errors.append(abs(gap - abs(y - bias - sum(terms))))
        sizes.append(abs(y) + abs(bias) + sum(map(abs, terms)))
    assert 0 < max(errors) <= Fraction(float(off[0]))
    # Two terms and four more: the difference from the origin, the product, the bias and the difference from the target.
    assert float(off[0]) == pytest.approx(6 * 2.0**-53 * float(max(sizes)), rel=1e-12)
