"""The report of a fit as text: what a statistics package prints."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lr_runtime.errors import shown
from lr_runtime.system.text import aligned

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_HEADS = ("", "estimate", "standard error", "t", "p", "95 % from", "to")
_KEYS = ("estimate", "standard_error", "t", "p", "lower", "upper")
_DIGITS = (12, 12, 6, 4, 9, 9)
_NAME = 40
"""Characters of a name, at most."""


def summary(fit: Mapping[str, Any]) -> str:
    """Return the lines for the report of `lr_trainer.fit`."""
    targets = fit["target"] if isinstance(fit["target"], list) else [fit["target"]]
    return "\n".join([_rows(fit), *(line for place, name in enumerate(targets) for line in _target(fit, place, name))])


def _rows(fit: Mapping[str, Any]) -> str:
    dropped = f" ({fit['rows_dropped']} of {fit['rows_read']} dropped)" if fit.get("rows_dropped") else ""
    weight = f", weighted by {shown(fit['weight'], _NAME)}" if fit.get("weight") else ""
    return f"{fit['rows']} rows{dropped}{weight}"


def _target(fit: Mapping[str, Any], place: int, name: str) -> Iterator[str]:
    def figure(key: str) -> float | None:
        value = fit.get(key)
        return value[place] if isinstance(value, list) else value

    yield f"target {shown(name, _NAME)}"
    yield from _table([row for row in fit["coefficients"] if row["target"] == name])
    about = "" if fit["intercept"] else " about 0, there is no intercept"
    yield f"R2 {_number(figure('r2'))}, adjusted {_number(figure('adjusted_r2'))}{about}"
    if figure("residual_sd") is None:
        yield f"root mean squared residual {_number(figure('rmse'))}; {_why_no_errors(fit)}"
    else:
        freedom = fit["degrees_of_freedom"]
        yield f"residual standard deviation {_number(figure('residual_sd'))} ({freedom} degrees of freedom)"
        yield f"F {_number(figure('f'), 6)} (p {_number(figure('f_p'), 4)})"
    if figure("log_likelihood") is not None:
        likelihood, aic, bic = (_number(figure(key), 9) for key in ("log_likelihood", "aic", "bic"))
        yield f"log-likelihood {likelihood}, AIC {aic}, BIC {bic}"
    yield from _how(fit)


def _how(fit: Mapping[str, Any]) -> Iterator[str]:
    columns = "columns centred, at unit length" if fit["intercept"] else "columns at unit length"
    yield f"condition number {_number(fit['condition_number'], 4)} ({columns})"
    passes = "1 pass" if fit["passes"] == 1 else f"{fit['passes']} passes"
    yield f"solver {fit['solver']}, {fit['arithmetic']}, {passes}"
    if "optimizer" in fit:
        yield from _descent(fit)
    if "digits" in fit:
        yield f"at least {fit['digits']:.1f} digits, from moments alone"
    if "coefficient_digits" in fit:
        yield f"at least {fit['coefficient_digits']:.1f} digits of each coefficient, beside its standard error"
    if isinstance(fit.get("penalty"), dict):
        penalty = fit["penalty"]
        chosen = f", chosen by {penalty['folds']}-fold cross-validation" if penalty["folds"] else ""
        yield f"penalty l1 {_each(penalty['l1'])}, l2 {_each(penalty['l2'])}{chosen}"
    if "conformal" in fit:
        conformal = fit["conformal"]
        yield (
            f"{conformal['level']:.6g} interval: prediction +- {_each(conformal['half_width'])}, "
            f"from {conformal['rows']} rows held out"
        )


def _descent(fit: Mapping[str, Any]) -> Iterator[str]:
    tuned = next((f" ({name} {_each(_list(fit[name]))})" for name in ("delta", "quantile") if name in fit), "")
    batches = "" if fit["batch_size"] is None else f" on batches of {fit['batch_size']}"
    yield f"loss {fit['loss']}{tuned}, {fit['optimizer']}{batches}, {_counted(fit['epochs'], 'epoch')}"
    gap = "" if fit["gap"] is None else f", at most {_number(fit['gap'], 2)} of its value above its least"
    yield f"objective {_each(_list(fit['objective']))}{gap}; gradient norm {_number(fit['gradient_norm'], 2)}"
    if "distance" in fit:
        yield f"distance to the exact solution {_number(fit['distance'], 2)} of its length"
    if "validation" in fit:
        validation = fit["validation"]
        yield (
            f"validation loss {_number(validation['loss'], 6)} on {_counted(validation['rows'], 'row')} held out, "
            f"after epoch {validation['epoch']}"
        )


def _counted(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


def _list(value: Any) -> list[float]:
    return value if isinstance(value, list) else [value]


def _why_no_errors(fit: Mapping[str, Any]) -> str:
    if fit.get("penalty") is not None:
        return "a penalised fit is biased, so it has no standard errors"
    if fit["solver"] == "descent":
        return "a descent gives no standard errors"
    if fit["degrees_of_freedom"] > 0:
        return "too few digits of residuals this small are certain for standard errors"
    return "no degrees of freedom are left for standard errors"


def _table(coefficients: list[dict[str, Any]]) -> Iterator[str]:
    rows: list[tuple[str, ...]] = [_HEADS]
    for row in coefficients:
        numbers = (_number(row.get(key), digits) for key, digits in zip(_KEYS, _DIGITS, strict=True))
        rows.append((shown(row["term"], _NAME), *numbers))
    if all(row.get("standard_error") is None for row in coefficients):
        rows = [row[:2] for row in rows]
    return aligned(rows, numbers=True)


def _each(values: list[float] | list[float | None]) -> str:
    return ", ".join(_number(value, 6) for value in values)


def _number(value: float | None, digits: int = 12) -> str:
    return "none" if value is None else f"{value:.{digits}g}"
