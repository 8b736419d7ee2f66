"""The specification of an artefact: its program, its contract, and the claim for each result."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from lr_export.bounds.forward import ForwardError
from lr_export.bounds.input_dtype import Inputs
from lr_export.bounds.response import outputs_at
from lr_export.bounds.uncertainty import claims_of
from lr_export.certificate.golden import as_computed, golden_rows
from lr_export.model.build import program_of
from lr_export.model.numbers import Numbers, numbers_at
from lr_export.model.uncertainty import Uncertainty

if TYPE_CHECKING:
    from lr_export.bounds.claim import Claims
    from lr_export.choices import InputChoice
    from lr_export.program.program import Program
    from lr_runtime.contract.checkpoint import Checkpoint
    from lr_runtime.contract.contract import Contract, Precision


@dataclass(frozen=True)
class Blueprint:
    """The specification of an artefact.

    Attributes:
        checkpoint: the exact model.
        inputs: the dtype of x, and how far rounding to it moves y.
        numbers: the numbers of the checkpoint in the artefact's dtypes.
        program: the computation of the artefact.
        contract: the contract inside the artefact.
        claims: the exact values and the error bounds of the results of the program.
        uncertainty: the results besides y.
    """

    checkpoint: Checkpoint
    inputs: Inputs
    numbers: Numbers
    program: Program
    contract: Contract
    claims: Claims
    uncertainty: Uncertainty

    @staticmethod
    def of(
        checkpoint: Checkpoint,
        precision: Precision = "exact",
        input_dtype: InputChoice = "auto",
        *,
        interval: float | None = None,
        flags: bool = False,
        mean: bool = False,
        without_eager: bool = False,
    ) -> Blueprint:
        """Return the blueprint for a precision, a dtype of x, the results besides y, and what y is.

        Raises:
            OptionError: the precision does not take such inputs, the model's interval has another level, or the mean is
                asked for and no output was fitted as a function.
            UnsupportedModelError: the checkpoint has terms that no artefact can hold, no interval, or no mean.
            CheckFailedError: a number, or a result within the training ranges, is beyond the range of its dtype.
        """
        inputs = Inputs.of(checkpoint, precision, input_dtype)
        numbers = numbers_at(checkpoint, precision, inputs.dtype, mean=mean)
        further = Uncertainty.of(checkpoint, numbers, interval=interval, flags=flags)
        claims = claims_of(further, checkpoint, numbers)
        program, at = program_of(numbers, further.append), partial(outputs_at, ForwardError.of(checkpoint, numbers))
        golden = golden_rows(checkpoint.contract, numbers, at)
        contract = checkpoint.contract._replace(
            precision=precision,
            input_dtype=numbers.input,
            results=("y", *further.results),
            interval_level=interval,
            equation=checkpoint.equation,
            bound=claims.bounds["y"],
            input_rounding=inputs.cost_in_outputs(checkpoint, numbers.response),
            golden_rows=as_computed(golden, program) if numbers.ordered else golden,
            eager="not run" if without_eager else None,
            is_mean=mean,
        )
        return Blueprint(checkpoint, inputs, numbers, program, contract, claims, further)
