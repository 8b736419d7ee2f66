"""The specification of an inverse: the reading is its column, and what was a column its output."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from lr_export.bounds.claim import rounded_box
from lr_export.bounds.input_dtype import Inputs
from lr_export.bounds.inverse import InverseBounds
from lr_export.bounds.response import Near, on_own_scale
from lr_export.certificate.golden import as_computed, golden_rows
from lr_export.certificate.specification import Blueprint
from lr_export.choices import InputChoice, asked_for
from lr_export.exact.box import box
from lr_export.model.build import ModelValues
from lr_export.model.inverse import Curve, Inverse, curve_of, dyadic
from lr_export.model.numbers import numbers_at
from lr_export.model.response import Response
from lr_export.model.uncertainty import Uncertainty, asked_interval
from lr_export.program import functions
from lr_export.program.program import Builder
from lr_runtime.contract.checkpoint import Checkpoint
from lr_runtime.contract.columns import Column
from lr_runtime.contract.contract import Output, Precision
from lr_runtime.contract.derived import Derived
from lr_runtime.contract.equation import fitted_name
from lr_runtime.contract.terms.power import Power
from lr_runtime.errors import UnsupportedModelError, escaped, listed

if TYPE_CHECKING:
    from collections.abc import Mapping


def inverse_blueprint(
    checkpoint: Checkpoint,
    precision: Precision = "exact",
    input_dtype: InputChoice = "auto",
    *,
    column: str = "",
    at: Mapping[str, object],
    interval: float | None = None,
    without_eager: bool = False,
) -> Blueprint:
    """Return the blueprint of the inverse of a model.

    Raises:
        OptionError: the column, or a value in `at`, is none of the model's, or one is missing; or as `Blueprint.of`.
        UnsupportedModelError: it has no such inverse, or no limits at the level.
        CheckFailedError: a number, or a result within the readings of training, is beyond the range of its dtype.
    """
    curve = curve_of(checkpoint, column, at)
    readings = _readings(checkpoint, curve)
    inputs = Inputs.of(readings, precision, input_dtype)
    numbers = numbers_at(readings, precision, inputs.dtype)
    compute, flags = numbers.compute, Uncertainty.of(readings, numbers, interval=None, flags=True)
    asked = None if interval is None else asked_interval(checkpoint, interval)
    inverse, build = Inverse.of(curve, compute, asked), Builder(1, numbers.input, ordered=numbers.ordered)
    eta = build.cast(build.x, compute)
    for each in readings.contract.derived:
        eta = functions.append(build, each.function, eta)
    inverse.append(build, eta, numbers.output, compute)
    assert flags.limits is not None
    build.result("in_range", flags.limits.append(build, ModelValues(build.x, eta, eta, numbers.output)))
    bounds, program = InverseBounds(inverse, readings.contract, numbers, flags.limits), build.program()
    claims = bounds.claims(*rounded_box(readings, numbers))
    golden = golden_rows(readings.contract, numbers, bounds.before_rounding)
    contract = readings.contract._replace(
        precision=precision,
        input_dtype=numbers.input,
        results=asked_for(interval=interval, flags=False, inverse=True),
        interval_level=interval,
        bound=claims.bounds["y"],
        input_rounding=(bounds.moved(*box(readings.contract)) if inputs.dtype == "float32" else 0.0,),
        golden_rows=as_computed(golden, program) if numbers.ordered else golden,
        eager="not run" if without_eager else None,
        inverse=tuple(f"{name}={value}" for name, value in at.items()),
    )
    own = replace(readings, contract=contract, fit=checkpoint.fit)
    remark = f"held outside the training range: {listed(curve.outside)}" if curve.outside else None
    return Blueprint(own, inputs, numbers, program, contract, claims, replace(flags, remark=remark))


def _is_within(derived: Derived, reading: Column) -> bool:
    try:
        derived.check((reading,))
    except ValueError:  # a value outside its domain, or a pole between two
        return False
    return True


def _readings(checkpoint: Checkpoint, curve: Curve) -> Checkpoint:
    """Return the line of g(y) between the ends of the column's range: it tells where to look, and how finely."""
    contract, (output,) = checkpoint.contract, checkpoint.contract.outputs
    (column,) = (each for each in contract.columns if each.name == curve.column)
    ends = [on_own_scale(Response((output.function,)), Near(dyadic(e), dyadic(e * 0)), "float64")[0] for e in curve.eta]
    lows, highs = ([float(end.rounded("float64", side)[0]) for end in ends] for side in ("down", "up"))
    reading = Column(output.name, min(lows), max(highs), output.unit)
    derived = () if output.function is None else (Derived(0, output.function),)
    if not reading.minimum < reading.maximum or not all(_is_within(each, reading) for each in derived):
        raise UnsupportedModelError(
            f"over the training range of {escaped(column.name)}, {fitted_name(output)} takes values of no reading, or "
            "of one alone, so that no file inverts the model"
        )
    slope = (column.maximum - column.minimum) / float(curve.eta[2] - curve.eta[0])
    has_spread = output.function is curve.function is None  # the one spread of a straight line
    spread = abs(output.residual_sd * slope) if has_spread and output.residual_sd is not None else None
    zeros = np.zeros(1 + len(derived))
    return Checkpoint(
        contract._replace(
            columns=(reading,), outputs=(Output(column.name, None, spread, column.unit),), derived=derived
        ),
        weight=np.array([[slope]]),
        bias=np.array([column.minimum - slope * float(curve.eta[0])]),
        origin=zeros,
        scale=zeros + 1,
        fill=zeros,
        terms=(Power(len(derived)),),
    )
