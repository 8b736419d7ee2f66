"""What an artefact says of its own uncertainty: the ends of the prediction interval, in_range, leverage.

    half = sqrt(width^2 leverage + width^2), or the width itself;    y_lower = y - half,    y_upper = y + half

where width^2 is one number of the artefact; where that is beyond the range of the computing dtype (targets near 1e-170
or 1e170 in float64), half = sqrt(leverage + 1) width. `leverage.py` and `in_range.py` make the rest;
`bounds/uncertainty.py` says how far an engine may be off.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from lr_export.model.in_range import Limits
from lr_export.model.leverage import LeverageNumbers, leverage_numbers
from lr_export.model.numbers import Numbers, narrowed
from lr_export.program.program import Builder, Constant, Operand, Value
from lr_runtime.contract.equation import fitted_name
from lr_runtime.contract.interval import Interval, interval_of, why_no_leverage
from lr_runtime.system.lazy import needs_extra

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lr_export.model.build import ModelValues
    from lr_export.model.exact import Floats
    from lr_export.model.response import Response
    from lr_runtime.contract.checkpoint import Checkpoint
    from lr_runtime.contract.contract import Dtype, Result


_ROOM = 2.0**20
"""What a sum of squares may grow by on its way: training rows have leverages up to 1, corners of their box more."""


@dataclass(frozen=True)
class Uncertainty:
    """What an artefact gives beside y, and the numbers of it at a precision.

    Attributes:
        interval: of the level that was asked for; None without one.
        width: (outputs,) its width, or the square of that, in the dtype `compute`.
        is_squared: whether it is the square.
        leverage: where the interval or the flags take it.
        limits: of in_range; None without flags.
        shows_leverage: whether it is a result itself.
        remark: what there is to say of what was asked for and is not given.
        response: the inverses of the targets' functions.
    """

    interval: Interval | None
    width: Floats | None
    is_squared: bool
    leverage: LeverageNumbers | None
    limits: Limits | None
    shows_leverage: bool
    remark: str | None
    response: Response

    @staticmethod
    def of(checkpoint: Checkpoint, numbers: Numbers, *, interval: float | None, flags: bool) -> Uncertainty:
        """Return what is asked for: the interval of a level, and the flags, of which a biased fit has no leverage.

        Raises:
            UnsupportedModelError: the model has no interval.
            OptionError: the interval has another level.
            CheckFailedError: a number is beyond the range of the computing dtype.
        """
        asked, exact = None if interval is None else asked_interval(checkpoint, interval), checkpoint.leverage
        takes = exact is not None and (flags or (asked is not None and asked.leverage is not None))
        is_squared = asked is not None and _is_squared(asked, numbers.compute)
        return Uncertainty(
            interval=asked,
            width=None if asked is None else _held(asked, numbers.compute, is_squared=is_squared),
            is_squared=is_squared,
            leverage=leverage_numbers(checkpoint, exact, numbers) if exact is not None and takes else None,
            limits=Limits.of(checkpoint, numbers.layout, numbers.input) if flags else None,
            shows_leverage=flags and exact is not None,
            remark="; ".join(_remarks(checkpoint, interval=asked, lacks_leverage=flags and exact is None)) or None,
            response=numbers.response,
        )

    @property
    def results(self) -> tuple[Result, ...]:
        """The results, in order."""
        ends: tuple[Result, ...] = () if self.interval is None else ("y_lower", "y_upper")
        flags: tuple[Result, ...] = () if self.limits is None else ("in_range",)
        return (*ends, *flags, *(("leverage",) if self.shows_leverage else ()))

    def append(self, build: Builder, model: ModelValues) -> None:
        """Append the steps of the results to the program of a model."""
        output = model.output
        h = None if self.leverage is None else self.leverage.append(build, model)
        if self.interval is not None:
            half = self._half(build, h)
            low = build.subtract(model.eta, half)
            high = build.add(model.eta, half) if self.response.falling else None
            build.result("y_lower", build.cast(self.response.append(build, low, across=high), output))
            high = high or build.add(model.eta, half)
            build.result("y_upper", build.cast(self.response.append(build, high, across=low), output))
        if self.limits is not None:
            build.result("in_range", self.limits.append(build, model))
        if self.shows_leverage and h is not None:
            build.result("leverage", build.cast(h, output))

    def _half(self, build: Builder, h: Value | None) -> Operand:
        assert self.width is not None
        if h is None or self.interval is None or self.interval.leverage is None:
            return Constant("width", self.width)
        if not self.is_squared:
            one = Constant("one", np.ones(1, dtype=self.width.dtype))
            return build.multiply(build.sqrt(build.add(h, one)), Constant("width", self.width))
        square = Constant("square", self.width)
        return build.sqrt(build.add(build.multiply(h, square), square))


def _remarks(checkpoint: Checkpoint, *, interval: Interval | None, lacks_leverage: bool) -> Iterator[str]:
    roots = [output for output in checkpoint.contract.outputs if output.function == "sqrt"]
    for output in roots if interval is not None else ():
        yield f"ends of the interval of {fitted_name(output)} below 0 are 0"
    if lacks_leverage:
        yield f"no leverage: {why_no_leverage(checkpoint)}"


def asked_interval(checkpoint: Checkpoint, level: float) -> Interval:
    """Return the interval of a level; see `interval_of`."""
    with needs_extra("export"):
        from scipy.special import stdtrit  # to 1e-12 for levels from 0.01 on
    return interval_of(checkpoint, level, stdtrit)


def _is_squared(interval: Interval, dtype: Dtype) -> bool:
    """Return whether an artefact holds the squares of the widths: where it takes a root, and they are in range."""
    with np.errstate(over="ignore", under="ignore"):
        square = interval.width**2
        # Below the smallest normal number float64 itself has lost digits of it; and the leverage goes on top.
        largest = np.finfo(dtype).max / _ROOM
        in_range = (interval.width == 0) | (np.finfo(dtype).tiny <= square) & (square <= largest)
    return interval.leverage is not None and bool(in_range.all())


def _held(interval: Interval, dtype: Dtype, *, is_squared: bool) -> Floats:
    if is_squared:
        return narrowed(interval.width**2, dtype, "square of the interval's width")
    return narrowed(interval.width, dtype, "width of the interval")
