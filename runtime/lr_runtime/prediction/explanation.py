"""Why a prediction is what it is: weight times value for each term, which sum to it."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from lr_runtime.contract.derived import with_derived
from lr_runtime.contract.equation import fitted_name, scaled_name
from lr_runtime.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lr_runtime.contract.contract import Contract, Equation, Output


@dataclass(frozen=True)
class Share:
    """What one term adds: `contribution` = `weight` times `value`."""

    term: str
    value: float
    weight: float
    contribution: float


@dataclass(frozen=True)
class Explanation:
    """The shares of one output for one row.

    Attributes:
        output: the name of the output.
        intercept: the summand that does not depend on the row.
        shares: the contribution of each term.
        total: the intercept and all contributions, summed without rounding in between (Shewchuk, 1997).
        prediction: the prediction of the model, within the bound of its certificate from `total`, or from y where the
            total is a function of it.
        fitted: what the total is: the name of the output, or such as `log(y)`.
        correction: what a mean adds to the total of a log, or to the square of that of a root; None for a median.
    """

    output: str
    intercept: float
    shares: tuple[Share, ...]
    total: float
    prediction: float
    fitted: str
    correction: float | None = None

    def to_json(self) -> dict[str, object]:
        """Return JSON values."""
        return asdict(self)


def explained(contract: Contract, row: Sequence[float], predictions: Sequence[float]) -> tuple[Explanation, ...]:
    """Return the explanation of each output.

    Args:
        contract: the contract of a model that has its equation.
        row: the input of the model, (columns,): categories by their index, NaN for a missing value.
        predictions: the predictions of the model, (outputs,).

    Raises:
        InputError: the contract has no equation.
    """
    if contract.inverse is not None:
        raise InputError("a file of lr-export --inverse has no terms to explain. Explain the model that it inverts")
    if (equation := contract.equation) is None:
        raise InputError("the model carries no equation to explain it with. Export it again")
    row = with_derived(row, contract.derived)
    filled = [fill if math.isnan(x) else x for x, fill in zip(row, equation.fill, strict=True)]
    u = [(x - origin) / scale for x, origin, scale in zip(filled, equation.origin, equation.scale, strict=True)]
    values = [float(term.value(row, u)) for term in equation.terms]
    names = term_names(contract, equation)
    return tuple(
        _explanation(output, bias, [*zip(names, values, weights, strict=True)], prediction, is_mean=contract.is_mean)
        for output, bias, weights, prediction in zip(
            contract.outputs, equation.bias, equation.weight, predictions, strict=True
        )
    )


def term_names(contract: Contract, equation: Equation) -> list[str]:
    """Return the names of the terms, each column as it stands on its origin and scale: `((t - 16) / 4)^2`."""
    variables, basis = contract.variables, zip(equation.origin, equation.scale, strict=True)
    scaled = {
        place: scaled_name(variables[place].name, *each) for place, each in enumerate(basis) if each != (0.0, 1.0)
    }
    return [term.name(variables, scaled) for term in equation.terms]


def _explanation(
    output: Output, bias: float, terms: Sequence[tuple[str, float, float]], prediction: float, *, is_mean: bool
) -> Explanation:
    shares = tuple(Share(name, value, weight, weight * value) for name, value, weight in terms)
    total = math.fsum([bias, *(share.contribution for share in shares)])
    correction = (output.correction or None) if is_mean else None
    return Explanation(output.name, bias, shares, total, prediction, fitted_name(output), correction)
