"""The bound of the leverage is the formula of its derivation, written a second time in plain fractions."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from lr_export.bounds.leverage import ExactLeverage
from lr_export.certificate.probes import probe_rows
from lr_export.certificate.specification import Blueprint
from lr_export.exact.box import box
from lr_export.model.exact import ExactModel
from lr_runtime.contract.contract import PRECISIONS
from tests.export.model.test_uncertainty import CHECKPOINTS, fitted
from tests.export.oracle import as_array, fractions, leverages, terms

if TYPE_CHECKING:
    from lr_runtime.contract.contract import Precision
    from lr_trainer import Checkpoint
    from tests.export.oracle import Exact, Floats

WITH_LEVERAGE = [case for case in CHECKPOINTS if case != "conformal"]
NEARLY = Fraction(1, 2**50)
"""The library rounds each gamma to 64 bits below the unit roundoff."""
CUT = Fraction(1, 10**55)
"""What the library adds for the last digits of its square root."""


def powers_of(checkpoint: Checkpoint) -> list[int]:
    """Return how many factors each term is the product of, 0 for an indicator."""
    written: list[dict[str, Any]] = [dict(term.to_json()) for term in checkpoint.terms]
    return [0 if "category" in term or "missing" in term else term.get("power", 1) for term in written]


def center_of(checkpoint: Checkpoint, blueprint: Blueprint) -> Exact:
    """Return what an artefact subtracts from each term, (terms,)."""
    held, powers, center = blueprint.uncertainty.leverage, powers_of(checkpoint), [Fraction(0)] * len(checkpoint.terms)
    assert held is not None
    for place, number in enumerate(blueprint.numbers.layout.sources):
        if held.center is not None and number is not None:
            # Without powers an artefact leaves out the division by the scale, and holds the center on x - origin.
            is_on_scale = max(powers) > 1 or powers[number] == 0
            scale = 1.0 if is_on_scale else float(checkpoint.scale[checkpoint.terms[number].columns[0]])
            center[number] = Fraction(float(held.center[place])) / Fraction(scale)
    return np.array(center, dtype=object)


def bounds_of(checkpoint: Checkpoint, blueprint: Blueprint, x: Floats) -> tuple[Exact, Exact]:
    """Return how far the leverage and, before rounding, the root of 1 + h may be off at x, (rows, 1) each."""
    leverage, numbers, held = checkpoint.leverage, blueprint.numbers, blueprint.uncertainty.leverage
    assert leverage is not None
    assert held is not None
    digits, smallest = {"float32": (24, -149), "float64": (53, -1074)}[numbers.compute]
    eta, powers = Fraction(2) ** smallest, powers_of(checkpoint)

    def gamma(operations: int) -> Fraction:
        return Fraction(operations, 2**digits - operations)

    n, r = len(powers), int(numbers.compute == "float32")
    kept = [column for column in range(n) if leverage.factor[:, column].any()] or [0]
    m, b = len(kept), r + 1 + n + 1
    has_factors_rounded = int(numbers.origin is not None or numbers.fill is not None)
    inside = [power * has_factors_rounded + max(power - 1, 0) for power in powers]
    factor, center, t = fractions(leverage.factor[:, kept]), center_of(checkpoint, blueprint), terms(checkpoint, x)
    shift: Exact = (center - fractions(leverage.mean)) @ factor + fractions(leverage.shift[kept])
    of_shift: Exact = abs(shift)
    drift = np.array([gamma(a + b) - gamma(b) for a in inside], dtype=object)
    from_center: Exact = abs(t - center)
    error: Exact = (abs(t) * drift + from_center * gamma(b)) @ abs(factor) + of_shift * gamma(1 + n) + n * eta
    error += 2 * eta * from_center.sum(axis=1, keepdims=True)
    if max(powers) > 1 or numbers.fill is not None:
        of_places = [0 if number is None else powers[number] for number in numbers.layout.sources]
        error += 2 * eta * (abs(fractions(held.factor)) @ np.array(of_places, dtype=object))
    moved = (2 * abs((t - center) @ factor + shift) * error + error**2).sum(axis=1, keepdims=True)
    of_leverage: Exact = moved + gamma(m + 1 + r) * (leverages(checkpoint, x) + moved) + 2 * m * eta
    return of_leverage, error.sum(axis=1, keepdims=True) + 2 * m * eta


def exact_leverage(checkpoint: Checkpoint, blueprint: Blueprint) -> ExactLeverage:
    held = blueprint.uncertainty.leverage
    assert checkpoint.leverage is not None
    assert held is not None
    return ExactLeverage.of(checkpoint, checkpoint.leverage, blueprint.numbers, held)


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("case", WITH_LEVERAGE)
def test_the_bound_is_the_formula_of_its_docstring(case: str, precision: Precision) -> None:
    checkpoint, blueprint = fitted(case), Blueprint.of(fitted(case), precision, flags=True)
    x = probe_rows(checkpoint, blueprint.numbers.input)[::40]
    found = exact_leverage(checkpoint, blueprint).at(ExactModel.of(checkpoint).design(x))
    of_leverage, of_root = bounds_of(checkpoint, blueprint, x)
    assert (abs(as_array(found.h_error) - of_leverage) <= of_leverage * NEARLY).all()
    assert (abs(as_array(found.moved) - of_root) <= of_root * NEARLY + CUT).all()


@pytest.mark.parametrize("precision", ["exact", "portable"])
@pytest.mark.parametrize("case", WITH_LEVERAGE)
def test_the_bound_of_the_box_is_that_of_its_worst_corner(case: str, precision: Precision) -> None:
    checkpoint, blueprint = fitted(case), Blueprint.of(fitted(case), precision, flags=True)
    low, high = (corner.astype(blueprint.numbers.input) for corner in box(checkpoint.contract))
    x = probe_rows(checkpoint, blueprint.numbers.input)
    x = x[(((x >= low) & (x <= high)) | np.isnan(x)).all(axis=1)]
    exact = exact_leverage(checkpoint, blueprint)
    of_box, of_rows = exact.over(low, high), exact.at(ExactModel.of(checkpoint).design(x))
    # Each number of z has its largest size at another corner, and in categories its largest error at another level.
    room = Fraction(6, 5) if any(column.kind == "category" for column in checkpoint.contract.columns) else 1 + NEARLY
    for name, share in (("moved", room), ("h", 10), ("h_error", 10)):
        worst = as_array(getattr(of_rows, name)).max()
        assert worst <= as_array(getattr(of_box, name)).item() <= worst * share
