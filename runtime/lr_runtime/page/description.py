"""A model as the page shows it, as JSON: columns, outputs, the equation, and the certificate in plain sentences."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from lr_runtime.contract.derived import DOMAINS
from lr_runtime.contract.equation import equation_lines, fitted_name
from lr_runtime.contract.formats import EXPORT_FORMATS, FormatName
from lr_runtime.contract.records import finite
from lr_runtime.contract.terms.term import factors_of
from lr_runtime.inspection.report import rounding_changes, within
from lr_runtime.instants import ISO_8601, instant
from lr_runtime.prediction.explanation import term_names
from lr_runtime.tables.cells.missing import MISSING_TOKENS

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from lr_runtime.contract.columns import Column
    from lr_runtime.contract.contract import Contract, Equation, Precision
    from lr_runtime.contract.derived import Derived

_COMPUTES: dict[Precision, str] = {
    "exact": "It computes in float64 and rounds each result once, to float32.",
    "portable": "It computes in float32, every sum in one fixed order, so that every engine gives the same bits.",
    "float32": "It computes in float32.",
    "float64": "It computes in float64.",
}


def described(contract: Contract, name: str, sha256: str, format_name: FormatName = "onnx") -> dict[str, object]:
    """Return what the page shows of a model, as JSON values.

    Args:
        contract: the contract of a file of `lr-export`, or of a foreign model.
        name: what the page calls the model.
        sha256: of the file, in hexadecimal.
        format_name: of the file.

    Example:
        >>> from lr_runtime import Column, Contract, Output
        >>> contract = Contract((Column("t", 1.0, 3.0, "h"),), (Output("y", 1.0, 0.0),), rows=3, linedge="0.1.0")
        >>> found = described(contract, "line", "0" * 64)
        >>> found["version"], found["invertible"], found["certificate"]
        ('000000000000', ['t'], ['linedge did not write this file, and proves nothing of it.'])
    """
    inverse = contract.inverse
    return {
        "name": name,
        "format": EXPORT_FORMATS[format_name].title,
        "sha256": sha256,
        "version": sha256[:12],
        "columns": [_column(column) for column in contract.columns],
        "outputs": [output._asdict() for output in contract.outputs],
        "results": contract.results,
        "interval_level": contract.interval_level,
        "input_dtype": contract.input_dtype,
        "precision": contract.precision,
        "equation": equation_lines(contract),
        "certificate": [*_certificate(contract, format_name)],
        "invertible": [each.name for each in contract.columns if _has_range(each)] if inverse is None else [],
        "inverse": None if inverse is None else {"reading": contract.column_names[0], "held": inverse},
        "is_mean": contract.is_mean,
    }


def numbers_of(contract: Contract) -> dict[str, object]:
    """Return what local.js computes with beside the model's own JavaScript: its terms, and how cells are read."""
    equation = contract.equation
    return {
        "equation": equation and {**equation._asdict(), "terms": _terms(contract, equation)},
        "derived": [_derived(each, contract.columns) for each in contract.derived],
        "fitted": [fitted_name(output) for output in contract.outputs],
        "corrections": [(output.correction or None) if contract.is_mean else None for output in contract.outputs],
        "bound": contract.bound,
        "output_dtype": contract.output_dtype,
        "missing_tokens": MISSING_TOKENS,
        "instant": ISO_8601,
    }


def _terms(contract: Contract, equation: Equation) -> list[dict[str, object]]:
    # Numbers first, in which order a product multiplies its factors.
    factors = [sorted(factors_of(term), key=lambda factor: factor.is_indicator) for term in equation.terms]
    return [
        {"name": name, "factors": [each.to_json() for each in of_term]}
        for name, of_term in zip(term_names(contract, equation), factors, strict=True)
    ]


def _derived(derived: Derived, columns: Sequence[Column]) -> dict[str, object]:
    domain = DOMAINS[derived.function].words if derived.function in DOMAINS else None
    return {**derived._asdict(), "name": derived.name(columns), "domain": domain}


def _column(column: Column) -> dict[str, object]:
    clock = column.time
    since, beyond = (0, 0) if clock is None else instant(clock.origin)
    return {
        **column._asdict(),
        "kind": column.kind if clock is None else "time",
        "minimum": finite(column.minimum),
        "maximum": finite(column.maximum),
        "time": clock and {**clock._asdict(), "seconds": clock.seconds, "since": since, "beyond": beyond},
    }


def _has_range(column: Column) -> bool:
    return column.kind == "number" and math.isfinite(column.maximum - column.minimum)


def _certificate(contract: Contract, format_name: FormatName) -> Iterator[str]:
    if contract.bound is None:
        yield "linedge did not write this file, and proves nothing of it."
        return
    yield f"Proven: {within(contract, contract.bound)} of the exact model anywhere in the training ranges."
    yield _COMPUTES[contract.precision]
    if contract.input_rounding is not None:
        changes = rounding_changes(contract, contract.input_rounding)
        yield f"Rounding the inputs to {contract.input_dtype} changes {changes}."
    choice, eager = EXPORT_FORMATS[format_name], "" if contract.eager else ", and by eager PyTorch"
    unless = ", unless it was written with --unverified" if choice.tool else ""
    yield f"Before it was written, it was run by {choice.engine}{eager}, and held against exact arithmetic{unless}."
    rows = len(contract.golden_rows)
    yield f"It carries {rows} golden rows, whose right results are known, so that any machine can test itself on them."
