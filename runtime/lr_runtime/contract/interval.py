"""The numbers of a prediction interval, from a checkpoint.

Of a least-squares fit with normal errors, a new observation of weight 1 at a row with leverage h lies within

    y -+ t s sqrt(1 + h)

with probability `level`: s is the residual standard deviation, t the (1 + level) / 2 quantile of Student's distribution
with the residuals' degrees of freedom (Seber and Lee 2003, Linear Regression Analysis, 5.3.1). Of any other fit, within
y -+ the split-conformal half-width that `lr-train --interval` took from rows held out, at that level alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from lr_runtime.errors import CheckpointError, OptionError, UnsupportedModelError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from lr_runtime.contract.checkpoint import Checkpoint
    from lr_runtime.contract.leverage import Leverage


@dataclass(frozen=True)
class Interval:
    """The interval from y - half to y + half at a level, with half = width sqrt(1 + h), or the width itself where there
    is no leverage h; the width is float64 (outputs,), in the outputs' units.
    """

    level: float
    width: NDArray[np.float64]
    leverage: Leverage | None

    def half(self, terms: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return half the interval, float64 (rows, outputs), at rows of the design matrix (rows, terms)."""
        h = np.zeros(len(terms)) if self.leverage is None else self.leverage.at(terms)
        return np.sqrt(1 + h)[:, None] * self.width


def interval_of(checkpoint: Checkpoint, level: float, quantile: Callable[[int, float], float]) -> Interval:
    """Return the prediction interval of a model; `quantile` is scipy.special.stdtrit, which no device has.

    Raises:
        OptionError: the level is not between 0 and 1, or not the one that a conformal model was trained for.
        UnsupportedModelError: the fit determines no interval; the message says how to train a model that has one.
        CheckpointError: the report of the fit is damaged.
    """
    if not 0 < level < 1:
        raise OptionError(f"--interval takes a level between 0 and 1, such as 0.95, not {level!r}")
    if checkpoint.leverage is not None:
        return Interval(level, _t_width(checkpoint, level, quantile), checkpoint.leverage)
    conformal = checkpoint.report.conformal
    if conformal is None:
        raise UnsupportedModelError(
            f"the model has no prediction interval: {why_no_leverage(checkpoint)}. "
            f"{'Fit it' if checkpoint.report.imported else 'Train it again'} with lr-train --interval {level:g}"
        )
    _check_known(conformal.half_width)
    trained, numbers = conformal.level, np.array([*conformal.half_width, conformal.level], dtype=np.float64)
    if len(numbers) != len(checkpoint.contract.outputs) + 1 or not (np.isfinite(numbers) & (numbers >= 0)).all():
        raise CheckpointError("its conformal interval does not match its outputs. Train the model again")
    if level != trained:
        raise OptionError(
            f"the model's interval is conformal, at the level {trained!r} alone. "
            f"Say --interval {trained!r}, or train it again with lr-train --interval {level!r}"
        )
    return Interval(level, numbers[:-1], leverage=None)


def why_no_leverage(checkpoint: Checkpoint) -> str:
    """Return the reason why a fit has no leverage."""
    report = checkpoint.report
    if report.imported is not None:
        return f"it comes from {report.imported.model}, which gives none"
    if report.penalty is not None:
        return "its fit is penalised, or of minimum norm, so its weights are biased"
    if report.bounds:
        return "its coefficients were held in bounds, so its weights are biased"
    return "an earlier linedge fitted it" if report.solver == "exact" else "a descent does not say how far it is off"


def _t_width(checkpoint: Checkpoint, level: float, quantile: Callable[[int, float], float]) -> NDArray[np.float64]:
    degrees, sds = checkpoint.report.df_resid, [output.residual_sd for output in checkpoint.contract.outputs]
    if degrees < 1:
        raise UnsupportedModelError(
            "the fit has as many coefficients as rows, so no residual says how large the errors are. "
            "Train it on more rows"
        )
    _check_known(sds)
    # From the tail: 1 - level rounds nothing for levels above a half, where (1 + level) / 2 would lose digits.
    return -quantile(degrees, (1.0 - level) / 2) * np.array(sds, dtype=np.float64)


def _check_known(sizes: Sequence[object]) -> None:
    """Raise UnsupportedModelError where too few digits of the residuals are certain for an interval."""
    if None in sizes:
        raise UnsupportedModelError(
            "the model has no prediction interval: its residuals are so small that fewer than 6 of their digits are "
            "certain. Leave --interval out"
        )
