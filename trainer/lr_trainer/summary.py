"""The report of a fit as text: the figures that a statistics package prints."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping


def summary(fit: Mapping[str, Any]) -> str:
    """Return the lines for the report of `lr_trainer.fit`, 12 significant digits where they mean something."""
    rows = [("", "estimate", "standard error")]
    rows += [(_shown(c["term"]), _number(c["estimate"]), _number(c["standard_error"])) for c in fit["coefficients"]]
    widths = [max(len(row[index]) for row in rows) for index in range(3)]
    table = [f"{name:<{widths[0]}}  {estimate:>{widths[1]}}  {error:>{widths[2]}}" for name, estimate, error in rows]
    freedom = fit["degrees_of_freedom"]
    passes = "1 pass" if fit["passes"] == 1 else f"{fit['passes']} passes"
    return "\n".join(
        [
            f"{fit['rows']} rows, target {fit['target']}",
            *table,
            f"R2 {_number(fit['r2'])}",
            f"residual standard deviation {_number(fit['residual_sd'])} ({freedom} degrees of freedom)",
            f"condition number {_number(fit['condition_number'], 4)} (columns centred, at unit length)",
            f"solver {fit['solver']}, {passes}",
        ]
    )


def _number(value: float | None, digits: int = 12) -> str:
    return "none" if value is None else f"{value:.{digits}g}"


def _shown(name: str, most: int = 40) -> str:
    return name if len(name) <= most and name.isprintable() else ascii(name[: most - 1]) + "…"
