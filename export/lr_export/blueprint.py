"""What an artefact is to be, before there is one: its program, its contract, and what is claimed of each result."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from lr_export.arithmetic import Dyadic, rounded_up
from lr_export.bound import ForwardError
from lr_export.building import program_of
from lr_export.golden import as_computed, golden_rows
from lr_export.inputs import Inputs
from lr_export.numbers import numbers_at
from lr_export.probes import box
from lr_runtime.errors import CheckFailedError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from lr_export.choices import InputChoice
    from lr_export.exact import Floats
    from lr_export.numbers import Numbers
    from lr_export.program import Program
    from lr_runtime.checkpoint import Checkpoint
    from lr_runtime.contract import Contract, Precision


@dataclass(frozen=True)
class Claim:
    """What is claimed of one result of an artefact.

    Attributes:
        at: from rows x (rows, columns) the exact result, and how far any engine may be from it: both (rows, width).
        bound: for each column of the result, the most that an engine is off anywhere in the training box.
    """

    at: Callable[[Floats], tuple[Dyadic, Dyadic]]
    bound: tuple[float, ...]


@dataclass(frozen=True)
class Blueprint:
    """What a checkpoint is exported as.

    Attributes:
        checkpoint: the model.
        inputs: the dtype of x, and what it costs.
        numbers: what the artefact holds of it.
        program: what the artefact computes.
        contract: what the artefact says.
        claims: what is claimed of each result of the program, by name.
    """

    checkpoint: Checkpoint
    inputs: Inputs
    numbers: Numbers
    program: Program
    contract: Contract
    claims: Mapping[str, Claim]

    @staticmethod
    def of(checkpoint: Checkpoint, precision: Precision = "exact", input_dtype: InputChoice = "auto") -> Blueprint:
        """Return the blueprint for a precision and a dtype of x.

        Raises:
            OptionError: the precision does not take such inputs.
            UnsupportedModelError: the checkpoint has terms that no artefact can hold.
            CheckFailedError: a number, or an output within the training ranges, is beyond the range of its dtype.
        """
        inputs = Inputs.of(checkpoint, precision, input_dtype)
        numbers = numbers_at(checkpoint, precision, inputs.dtype)
        claims = {"y": claim_of_y(checkpoint, numbers)}
        program, golden = program_of(numbers), golden_rows(checkpoint, numbers)
        contract = replace(
            checkpoint.contract,
            precision=precision,
            input_dtype=numbers.input,
            equation=checkpoint.equation,
            bound=claims["y"].bound,
            input_rounding=inputs.cost,
            golden_rows=as_computed(golden, program) if numbers.ordered else golden,
        )
        return Blueprint(checkpoint, inputs, numbers, program, contract, claims)


def claim_of_y(checkpoint: Checkpoint, numbers: Numbers) -> Claim:
    """Return what is claimed of y.

    Raises:
        CheckFailedError: an output, or a number on the way to it, may be beyond the range of its dtype in the box.
    """
    error = ForwardError.of(checkpoint, numbers)

    def at(x: Floats) -> tuple[Dyadic, Dyadic]:
        design = error.exact.design(x)
        y = error.exact.outputs(design)
        return y, error.at(design, y)

    low, high = (corner.astype(numbers.input) for corner in box(checkpoint))
    bound = error.over(low, high)
    sums = error.exact.largest_sum(abs(error.exact.coefficients), low, high) + bound
    for dtype, largest in (
        (numbers.compute, sums),
        (numbers.output, error.exact.largest_output(low, high) + bound),
    ):
        if not (largest <= Dyadic.of(np.asarray(np.finfo(dtype).max))).all():
            raise CheckFailedError(
                f"the output is beyond the range of {dtype} within the training ranges. Try another --precision"
            )
    return Claim(at, tuple(rounded_up(value) for value in bound.fractions()))
