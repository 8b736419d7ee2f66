"""The way back from what was fitted to the targets' own scale: the inverses of their functions.

With eta the sum of the terms, and s the residual standard deviation of the fit,

    function     median          mean                    end of an interval
    log          exp(eta)        exp(eta + s^2 / 2)      exp(end)
    sqrt         max(eta, 0)^2   max(eta, 0)^2 + s^2     max(end, 0)^2
    reciprocal   1 / eta         there is none           1 / end, so that the lower end becomes the upper one

The inverse of a monotonic function of a median is the median, and so it is with the ends of an interval. The means are
those of normal errors about eta: E exp(z) = exp(eta + s^2 / 2) (Johnson, Kotz and Balakrishnan 1994, Continuous
Univariate Distributions 1, 14.3) and E z^2 = eta^2 + s^2; the reciprocal of a normal number has no mean.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from lr_export.program.functions import append
from lr_export.program.program import Builder, Constant, Value
from lr_runtime.errors import OptionError, UnsupportedModelError, escaped

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from lr_runtime.contract.contract import Output, TargetFunction

    Floats = NDArray[np.floating]


@dataclass(frozen=True)
class Response:
    """The inverses of the functions of all targets.

    Attributes:
        functions: of each output; None where it was fitted as it is.
        correction: float64 (outputs,), what the mean adds: to eta of a log, to the square of a sqrt; None for medians.
    """

    functions: tuple[TargetFunction | None, ...]
    correction: NDArray[np.float64] | None = None

    @staticmethod
    def of(outputs: Sequence[Output], *, mean: bool) -> Response:
        """Return the inverses for medians, or for means. Raises OptionError where a mean is asked for and no output has
        a function; UnsupportedModelError where an output has no mean, or no residual standard deviation for it.
        """
        found = tuple(output.function for output in outputs)
        if mean and not any(found):
            raise OptionError("--mean is for a target with a function, such as log(y): of this model y is the mean")
        return Response(found, np.array(list(map(_correction, outputs))) if mean else None)

    @property
    def is_plain(self) -> bool:
        """Whether every output was fitted as it is."""
        return not any(self.functions)

    def places(self) -> Iterator[tuple[TargetFunction | None, list[int]]]:
        """Yield each function with the outputs that have it."""
        for function in dict.fromkeys(self.functions):
            yield function, [place for place, each in enumerate(self.functions) if each == function]

    @property
    def falling(self) -> list[int]:
        """The outputs whose inverse falls: its upper end is that of the lower end of what was fitted."""
        return [place for place, function in enumerate(self.functions) if function == "reciprocal"]

    def append(
        self, build: Builder, eta: Value, correction: Floats | None = None, *, across: Value | None = None
    ) -> Value:
        """Append the outputs (rows, outputs) of what was fitted, `eta`, with the correction (outputs,) of a mean in its
        dtype; or an end of their interval, which no mean corrects, where `across` is the other end.
        """
        if self.is_plain:
            return eta
        parts, order = [], list[int]()
        for function, places in self.places():
            added = None if correction is None else correction[places]
            taken = across if across is not None and function == "reciprocal" else eta
            parts.append(_inverse(build, function, build.select(taken, places), added))
            order += places
        return build.select(build.concatenate(*parts), np.argsort(order).tolist())


def _correction(output: Output) -> float:
    if output.function == "reciprocal":
        raise UnsupportedModelError(
            f"the output {escaped(output.name)} was fitted as its reciprocal, which has no mean. Leave --mean out"
        )
    if (correction := output.correction) is None:
        raise UnsupportedModelError(
            f"the mean of {escaped(output.name)} takes a residual standard deviation, and the fit has none. "
            "Leave --mean out, for the median"
        )
    return correction


def _inverse(build: Builder, function: TargetFunction | None, eta: Value, correction: Floats | None) -> Value:
    added = None if correction is None else Constant(f"correction_{function}", correction)
    match function:
        case "log":
            return append(build, "exp", eta if added is None else build.add(eta, added))
        case "sqrt":
            zero = Constant("cut", np.zeros(1, dtype=eta.dtype))
            cut = build.where(build.less(eta, zero), zero, eta)  # NaN stays NaN
            square = build.multiply(cut, cut)
            return square if added is None else build.add(square, added)
        case "reciprocal":
            return append(build, "reciprocal", eta)
    return eta
