"""What a user should look at before trusting a fit, each in one line."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from lr_runtime.errors import FitError, escaped

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from lr_runtime.contract import Column
    from lr_trainer.design import Design
    from lr_trainer.moments import Moments

_TOO_GOOD = 0.9999999
_FEW_DIGITS = 1e-9


def check_squares(
    moments: Moments, design: Design, columns: tuple[Column, ...], targets: Sequence[str], *, intercept: bool
) -> None:
    """Raise FitError where values are so large or so small that float64 does not hold their squares to all digits."""
    names = [*(term.name(columns) for term in design.terms), *targets]
    # Without an intercept the products are about 0, not about the mean.
    with np.errstate(over="ignore", under="ignore"):
        squares = np.diag(moments.comoment) + (0.0 if intercept else moments.weight * moments.mean**2)
    varies = moments.maximum > moments.minimum if intercept else moments.largest > 0
    sizes = list(zip(names, moments.largest.tolist(), ~varies | _is_held(squares), strict=True))
    # Powers are of values divided by their scale, so their squares are near 1, but that division must be held, too.
    reach = [max(abs(column.minimum), abs(column.maximum)) for column in columns]
    sizes += list(zip((column.name for column in columns), reach, _is_held(design.scale), strict=True))
    for name, largest, is_held in sizes:
        if not is_held:
            raise FitError(
                f"the values of the column {escaped(name)} reach {largest:.3g}, and float64 does not hold their "
                "squares. Choose a unit in which they lie between 1e-130 and 1e130"
            )


def _is_held(values: NDArray[np.float64]) -> NDArray[np.bool_]:
    # The low parts of double-double products lie 106 bits below.
    return np.asarray((values >= 2.0**-900) & (values <= 2.0**900))


def check_not_the_target(moments: Moments, names: Sequence[str], targets: Sequence[str]) -> None:
    """Raise FitError where a term has the very moments of a target, which only the same values have."""
    terms = len(names)
    for place, name in enumerate(names):
        for output, target in enumerate(targets, terms):
            if _alike(moments, place, output):
                raise FitError(
                    f"the column {escaped(name)} holds the same values as the target {escaped(target)}. "
                    f"Leave it out: --ignore {name}"
                )


def cautions(
    moments: Moments, design: Design, columns: Sequence[Column], names: Sequence[str], targets: Sequence[str]
) -> list[str]:
    """Return the lines."""
    return [*_leaks(moments, names, targets), *_offsets(design, columns)]


def shortfalls(fit: Mapping[str, Any]) -> Iterator[str]:
    """Yield what keeps a descent from its optimum, and what to change; `fit` is its report."""
    validation = fit.get("validation")
    if validation is not None and validation["stopped_early"]:
        yield (
            f"stopped early after {fit['epochs']} epochs: the validation loss was least after epoch "
            f"{validation['epoch']}, whose weights these are. Give it more --patience to go on for longer"
        )
    elif not fit["converged"] and validation is None:
        gap = fit["gap"]
        above = "an unknown distance" if gap is None else f"at most {gap:.2g} of its value"
        batches = fit["batch_size"] is not None
        way = "leave --batch-size out" if batches else "use --optimizer lbfgs" if fit["optimizer"] != "lbfgs" else ""
        yield (
            f"not converged after {fit['epochs']} epochs: the gradient's norm is {fit['gradient_norm']:.2g}, the "
            f"objective {above} above its least. Give it more --epochs{', or ' if way else ''}{way}"
        )


def _alike(moments: Moments, a: int, b: int) -> bool:
    same = [each[a] == each[b] for each in (moments.mean, moments.mean_low, moments.minimum, moments.maximum)]
    gram = moments.comoment
    # A constant column is alike to nothing that could be predicted.
    return all(same) and gram[a, a] == gram[b, b] == gram[a, b] and gram[a, a] > 0


def _leaks(moments: Moments, names: Sequence[str], targets: Sequence[str]) -> Iterator[str]:
    lengths: NDArray[np.float64] = np.sqrt(np.maximum(np.diag(moments.comoment), 0.0))
    terms = len(names)
    for place, name in enumerate(names):
        for output, target in enumerate(targets, terms):
            size = lengths[place] * lengths[output]
            r = moments.comoment[place, output] / size if size > 0 else 0.0
            if abs(r) > _TOO_GOOD:
                yield f"{escaped(name)} and the target {escaped(target)} are nearly proportional (r = {r:.9f}): a leak?"


def _offsets(design: Design, columns: Sequence[Column]) -> Iterator[str]:
    for place, column in enumerate(columns):
        spread, largest = column.maximum - column.minimum, max(abs(column.minimum), abs(column.maximum))
        if column.kind == "category" or not spread:
            continue
        if spread < _FEW_DIGITS * largest:
            digits = max(0.0, np.log10(spread / largest) + 15.95)
            yield (
                f"{escaped(column.name)} varies in its last digits only: float64 holds {digits:.0f} of its variation. "
                "Subtract an offset before it is written to the table"
            )
        elif design.origin[place] and all(term.power == 1 for term in design.terms if term.column == place):
            step = float(np.spacing(np.float32(min(largest, 3e38))))
            yield (
                f"{escaped(column.name)} lies far from 0: float32 inputs hold it in steps of {step:.6g}. "
                "lr-export takes float64 inputs where that is too coarse"
            )
