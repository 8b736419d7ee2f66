"""The file around the statements, and back: a comment for callers, the contract, the constants, the self-test."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, cast

import numpy as np

from lr_export.formats.backend import Backend, Opened
from lr_export.formats.known_rows import KnownRows
from lr_export.formats.source import Language, filled, statements_of
from lr_export.formats.toolchain import driver_of, version_of
from lr_runtime.contract.comment import as_comment, from_comment
from lr_runtime.contract.contract import Contract, Output
from lr_runtime.contract.derived import DOMAINS
from lr_runtime.contract.equation import number
from lr_runtime.contract.formats import EXPORT_FORMATS
from lr_runtime.errors import escaped

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lr_export.program.program import Array, Program, ValueType
    from lr_runtime.contract.columns import Column

_ON_A_LINE = 4


def source_backend(language: type[Language]) -> Backend:
    """Return how source code is written, and read back, and run where its compiler or interpreter is on PATH."""

    def build(program: Program, contract: Contract, **options: str) -> bytes:
        return written(language(**options), program, contract)

    def reopen(content: bytes, program: Program) -> Opened:
        numbers, text = read(language, content)
        contract = Contract.from_json(text).to_json()
        tool = EXPORT_FORMATS[language.name].tool
        path = None if tool is None else tool.path()
        if path is None:
            return Opened(numbers, contract, {})
        engine = driver_of(language.of_file(content), content, program, path)
        return Opened(numbers, contract, {version_of(path): engine}, engine.self_test)

    return Backend(build, reopen)


def written(language: Language, program: Program, contract: Contract) -> bytes:
    """Return the file; equal programs and contracts give equal bytes."""
    known = KnownRows.of(program, contract)
    fields = {
        "documented": "\n".join(f"{language.comment} {line}" for line in _documented(program, contract)),
        "contract": as_comment(contract.to_json(), language.name, language.comment),
        "constants": "\n".join(_constant(name, array, language) for name, array in program.constants.items()),
        "x": language.types[program.x.dtype],
        "columns": program.x.width,
        "statements": "\n".join(language.indent + line for line in statements_of(program, language)),
        "results": "\n".join(language.result(name, value) for name, value in program.results.items()),
        "rows": len(known.x),
        "given": language.table(known.x),
        "expected": ",\n    ".join(map(language.expected, known.results_by_row())),
    }
    text = language.template.format_map({**fields, **language.fields(program, known)})
    return (text + language.end).encode()


def read(language: type[Language], content: bytes) -> tuple[dict[str, Array], str]:
    """Return the numbers in a file under the names of the program's constants, and its contract as JSON in ASCII.
    Raises ValueError where the file is not one that `written` gives.
    """
    found = from_comment(content)
    if found is None or found[0] != language.name:
        raise ValueError("it carries no contract")
    if not content.endswith(language.end.encode()):
        raise ValueError("it is cut off")
    return dict(_constants(language.of_file(content), content.decode())), found[1]


def _constant(name: str, array: Array, language: Language) -> str:
    return filled(
        language.constant,
        type=language.types[cast("ValueType", array.dtype.name)],
        name=language.prefix + name,
        size=str(array.size),
        shape=", ".join(map(str, array.shape)),
        values=_initializer([language.spelled(value) for value in array.ravel()]),
    )


def _constants(language: Language, text: str) -> Iterator[tuple[str, Array]]:
    """Yield the names and numbers of the definitions in a file."""
    pattern = filled(
        re.escape(language.constant),
        type=f"(?P<type>{'|'.join(language.types.values())})",
        name=rf"{language.prefix}(?P<name>\w+)",
        size=r"\d+",
        shape=r"(?P<shape>[\d, ]+)",
        values=r"(?P<values>[^\])}]*)",
    )
    dtypes = {spelling: dtype for dtype, spelling in language.types.items()}
    for found in re.finditer(f"^{pattern}$", text, re.MULTILINE):
        shape = tuple(map(int, found["shape"].split(",")))
        yield found["name"], _numbers(found["values"], shape, dtypes[found["type"]], language)


def _initializer(words: list[str]) -> str:
    """Return numbers as the inside of an array's initializer, a few on each line."""
    rows = [", ".join(words[start : start + _ON_A_LINE]) for start in range(0, len(words), _ON_A_LINE)]
    return rows[0] if len(rows) == 1 else "\n" + ",\n".join("  " + row for row in rows) + "\n"


def _numbers(text: str, shape: tuple[int, ...], dtype: str, language: Language) -> Array:
    """Return the numbers between an initializer's braces; each is spelled as it would be written, or the file is wrong.
    Raises ValueError where they are not as many as the shape takes, or not of the dtype.
    """
    words = [word.strip() for word in text.replace("\n", " ").split(",") if word.strip()]
    with np.errstate(over="ignore"):
        array: Array = np.array([float(word.rstrip("f")) for word in words]).astype(dtype).reshape(shape)
    if [language.spelled(value) for value in array.ravel()] != words:
        raise ValueError(f"a number is not {dtype}")
    return array


def _documented(program: Program, contract: Contract) -> Iterator[str]:
    """Yield what a caller has to know: the inputs in order, the results, and how right they are."""
    yield f"x, {program.x.dtype}, holds in this order"
    for place, column in enumerate(contract.columns):
        functions = (each.function for each in contract.derived if each.column == place)
        domain = dict.fromkeys(DOMAINS[function].words for function in functions if function in DOMAINS)
        yield f"  x[{place}]  {escaped(column.name)}  {'; '.join([_column(column), *domain])}"
    yield f"y, {contract.output_dtype}, holds in this order"
    for place, output in enumerate(contract.outputs):
        yield f"  y[{place}]  {escaped(output.name)}{_unit(output)}"
    if contract.interval_level is not None:
        ends = (
            "the ends of the prediction interval" if contract.inverse is None else "Fieller's limits, -+inf for none,"
        )
        yield f"y_lower, y_upper: {ends} at the level {number(contract.interval_level)}"
    if "in_range" in program.results:
        yield "in_range: whether every column is within the range above"
    if "leverage" in program.results:
        yield "leverage: how far the row is from the training rows, at most 1 for each of those"
    if contract.bound is not None:
        bounds = ", ".join(f"{bound:.3g}" for bound in contract.bound)
        yield f"y is within {bounds} of the exact model anywhere in the ranges above (precision {contract.precision})"


def _column(column: Column) -> str:
    missing = "" if column.missing == "error" else "; NaN where it is missing"
    if column.kind == "category":
        levels = ", ".join(f"{index} for {escaped(level)}" for index, level in enumerate(column.categories))
        return f"{levels}{missing}"
    return f"{number(column.minimum)} to {number(column.maximum)}{_unit(column)}{missing}"


def _unit(described: Column | Output) -> str:
    return f" in {escaped(described.unit)}" if described.unit else ""
