"""The description of a file of linedge: as lines of text, and as JSON."""

from __future__ import annotations

from difflib import unified_diff
from shlex import quote
from textwrap import wrap
from typing import TYPE_CHECKING

from lr_runtime.contract.contract import CONTRACT_VERSION, Contract, Output
from lr_runtime.contract.equation import equation_lines, fitted_name, number, plain_name
from lr_runtime.contract.fit_report import FitReport
from lr_runtime.errors import shown
from lr_runtime.system.text import aligned

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from lr_runtime.contract.columns import Column
    from lr_runtime.inspection.artefact import Artefact
    from lr_runtime.inspection.difference import Difference
    from lr_runtime.inspection.self_test import SelfTest

_RESULTS = {
    "y": "the prediction",
    "y_lower": "the lower end of the prediction interval",
    "y_upper": "its upper end",
    "in_range": "whether every column is within its training range",
    "leverage": "how far the row is from the training rows",
}


def described(artefact: Artefact, tested: SelfTest | None = None) -> dict[str, object]:
    """Return the description as JSON values: the file, the fields of its contract, the fit and the self-test."""
    return {
        "kind": artefact.kind,
        "size": artefact.size,
        "sha256": artefact.sha256,
        "contract": CONTRACT_VERSION,
        **artefact.contract.fields(),
        "equation_text": equation_lines(artefact.contract),
        "graph": None if artefact.graph is None else artefact.graph.to_json(),
        "fit": dict(artefact.fit) or None,
        "self_test": None if tested is None else tested.to_json(),
    }


def lines(artefact: Artefact, tested: SelfTest | None = None) -> Iterator[str]:
    """Yield the description as lines of text."""
    contract, report = artefact.contract, FitReport.from_json(artefact.fit)
    yield f"{artefact.title}, {artefact.size} bytes, sha256 {artefact.sha256}"
    known = "a model that it did not fit" if contract.rows is None else f"{contract.rows} training rows"
    yield f"written by linedge {shown(contract.linedge)} from {known}"
    if report.imported is not None:
        yield f"held against {shown(str(report.imported), 400)}"
    yield "columns"
    yield from _table([_column(column) for column in contract.columns])
    yield "outputs"
    about = "" if report.intercept else " about 0, there is no intercept"
    has_fit = report.imported is None and contract.rows is not None
    yield from _table([_output(output, about, has_fit=has_fit) for output in contract.outputs])
    if (conformal := report.conformal) and None not in conformal.half_width:
        ends = zip(contract.outputs, conformal.half_width, strict=True)
        each = ", ".join(f"{plain_name(output.name)} +- {width:.6g}{_unit(output)}" for output, width in ends)
        yield f"{conformal.level:.6g} interval (conformal, {conformal.rows} rows held out): {each}"
    yield "equation"
    for line in equation_lines(contract):
        yield from wrap(line, 112, initial_indent="  ", subsequent_indent="      ", break_on_hyphens=False)
    if artefact.kind != "checkpoint":
        yield from _of_the_artefact(contract)
    if artefact.graph is not None:
        yield f"graph: {artefact.graph}"
    if tested is not None:
        yield _of_the_test(tested)


def compared(files: Sequence[Artefact], differences: Mapping[str, Difference]) -> dict[str, object]:
    """Return two files and the largest differences of their outputs as JSON values."""
    first, second = ({column.name: column for column in file.contract.columns} for file in files)
    return {
        "files": [described(file) for file in files],
        "changed_columns": [name for name in first | second if first.get(name) != second.get(name)],
        "differences": {name: most.to_json() for name, most in differences.items()},
    }


def changes(files: Sequence[Artefact], names: tuple[str, str], differences: Mapping[str, Difference]) -> Iterator[str]:
    """Yield how the descriptions of two files differ, and how far their models are apart, as lines of text."""
    first, second = ([" ".join(line.split()) for line in lines(file)] for file in files)
    yield from (line for line in unified_diff(first, second, *names, n=0, lineterm="") if line[:2] != "@@")
    if not any(most.bound for most in differences.values()):
        fitted = [fitted_name(each) for each in files[0].contract.outputs if each.function]
        of = f" of {', '.join(fitted)}" if fitted else ""
        yield f"the models{of} are equal as exact numbers"
        return
    yield "largest difference anywhere in the training ranges of either file"
    for output, most in differences.items():
        yield f"  {fitted_name(_of(files[0], output))}: {most}"
        for name, file, value in zip(names, files, most.values, strict=True):
            of_output = _of(file, output)
            unit = "" if of_output.function else _unit(of_output)
            row = " ".join(quote(f"{column}={_word(most.row[column])}") for column in file.contract.column_names)
            yield f"    {name} {row}: {number(value)}{unit}"


def _of(file: Artefact, name: str) -> Output:
    return next(each for each in file.contract.outputs if name in {each.name, fitted_name(each)})


def _word(value: float | str | None) -> str:
    return "NA" if value is None else value if isinstance(value, str) else number(value)


def _column(column: Column) -> tuple[str, ...]:
    name, missing = plain_name(column.name), "" if column.missing == "error" else "may be missing"
    if column.kind == "category":
        values = [f"{index} = {plain_name(value)}" for index, value in enumerate(column.categories)]
        return name, "category", ", ".join(values), missing
    return name, "number", f"{number(column.minimum)} to {number(column.maximum)}{_unit(column)}", missing


def _output(output: Output, about: str, *, has_fit: bool) -> tuple[str, ...]:
    unit = f" in{_unit(output)}" if output.unit else ""
    if not has_fit and output.r2 is output.residual_sd is None:
        return plain_name(output.name), unit.strip(), ""
    fit = "R2 not determined" if output.r2 is None else f"R2 {output.r2:.12g}{about}"
    known = "not determined" if output.residual_sd is None else f"{output.residual_sd:.12g}"
    of = f" of {fitted_name(output)}" if output.function else unit if output.residual_sd is None else _unit(output)
    fit, spread = f"{fit}{of if output.function else ''}", f"{known}{of}"
    return plain_name(output.name), fit, f"residual standard deviation {spread}"


def _table(rows: Sequence[tuple[str, ...]]) -> Iterator[str]:
    return (f"  {line}" for line in aligned(rows, widest=40))


def _of_the_artefact(contract: Contract) -> Iterator[str]:
    columns, outputs = len(contract.columns), len(contract.outputs)
    yield f"precision {contract.precision}: x {contract.input_dtype} (rows, {columns}), results {contract.output_dtype}"
    if any(output.function for output in contract.outputs):
        yield f"y is the {'mean' if contract.is_mean else 'median'} where a function of it was fitted"
    if contract.inverse is not None:
        held = f", where {', '.join(map(shown, contract.inverse))}" if contract.inverse else ""
        yield f"inverse: a reading of {plain_name(contract.column_names[0])} is taken back to the output{held}"
    yield "results"
    yield from _table([(name, _shape(name, outputs), _RESULTS[name]) for name in contract.results])
    if contract.interval_level is not None:
        what = "of new observations fall inside" if contract.inverse is None else "of Fieller's limits hold the output"
        yield f"interval: {contract.interval_level:.12g} {what}"
    if contract.bound is not None:
        yield f"certificate: {within(contract, contract.bound)} of the exact model anywhere in the training ranges"
    if contract.eager is not None:
        yield f"eager: {contract.eager}"
    if contract.input_rounding is not None:
        changes = rounding_changes(contract, contract.input_rounding)
        yield f"inputs: rounding them to {contract.input_dtype} changes {changes}"
    yield f"golden rows: {len(contract.golden_rows)}"


def within(contract: Contract, distances: Sequence[float], words: str = "within") -> str:
    """Return the largest distance of each output as text, in its unit."""
    each = zip(contract.outputs, distances, strict=True)
    return ", ".join(f"{plain_name(output.name)} {words} {distance:.3g}{_unit(output)}" for output, distance in each)


def rounding_changes(contract: Contract, distances: Sequence[float]) -> str:
    """Return what rounding the inputs changes, as text: nothing where they are float64, as they are given."""
    return within(contract, distances, "by at most") if any(distances) else "nothing"


def _shape(result: str, outputs: int) -> str:
    return f"(rows, {outputs if result in {'y', 'y_lower', 'y_upper'} else 1})"


def _unit(described: Column | Output) -> str:
    return f" {shown(described.unit)}" if described.unit else ""


def _of_the_test(tested: SelfTest) -> str:
    worst, allowed = max(tested.worst_error), max(tested.allowed)
    held = f"within {worst:.3g} of them, {allowed:.3g} allowed" if allowed else "bit for bit"
    return f"self-test: {tested.engine} gives the {tested.rows} golden rows {held}"
