"""The program as statements of a language that loops and indexes: one function emits every operation, one loop each.

A `Language` says what differs between C, JavaScript and the like: how numbers and arrays are written, how an operation
is rounded to its dtype, the file around the statements, and how that file is compiled and run.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, ClassVar, Self

from lr_export.program.program import Constant, Operand, Program, Step, Value, ValueType

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    import numpy as np

    from lr_export.formats.known_rows import KnownRows
    from lr_export.program.program import Array
    from lr_runtime.contract.formats import FormatName

_OPERATORS = {"add": "+", "subtract": "-", "multiply": "*", "divide": "/", "and": "&"}


class Language(ABC):
    """A language of source code, with the syntax of C where its class does not say another.

    Attributes:
        name: of the format.
        types: the element types of arrays, by dtype.
        constant: the definition of an array of constants, with <type>, <name>, <size>, <shape> and <values>.
        array: the declaration of an array, with <type>, <name> and <width>.
        local: the declaration of a variable, with <type>, <name> and <value>.
        template: the file up to its `end`, with the fields of `str.format`: those that `source_file.written` fills in
            for every language, and those of `fields`.
        end: the last lines of the file, by which one that is cut off is told.
        driver_template: a program that writes the results of each row of standard input, or runs the self-test if it
            is given an argument; with the fields {x}, {columns} and {names}, of the results.
        prefix: in front of the names of constants.
        brackets: around the values of an array.
        comment: how a line of comment begins.
        indent: in front of the statements.
        counter: how a loop's counter is declared.
        equals, differs: the comparisons that convert nothing.
        files: the names of the model's file and of the driver's, for a run.
        wire: the dtype in which the driver writes numbers, None for that of each result.
    """

    name: ClassVar[FormatName]
    types: ClassVar[Mapping[ValueType, str]]
    constant: ClassVar[str]
    array: ClassVar[str]
    local = "const <type> <name> = <value>;"
    template: ClassVar[str]
    end: ClassVar[str]
    driver_template: ClassVar[str]
    prefix: str
    brackets = "{}"
    comment = "//"
    indent = "  "
    counter: ClassVar[str]
    equals, differs = "==", "!="
    files: ClassVar[tuple[str, str]]
    wire: ClassVar[str | None] = None

    @classmethod
    def of_file(cls, content: bytes) -> Self:  # noqa: ARG003 - few languages have options that a file tells
        """Return the language with the options that a file was written with."""
        return cls()

    def fields(self, program: Program, known: KnownRows) -> Mapping[str, str]:  # noqa: ARG002 - most have none
        """Return the fields of the template that this language alone has, or has in its own way."""
        return {}

    def driver(self, program: Program) -> str:
        """Return the driver of a program."""
        x, names = self.types[program.x.dtype], list(program.results)
        return self.driver_template.format(x=x, columns=program.x.width, names=names)

    @abstractmethod
    def commands(self, tool: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Return the command that builds the driver, () where it runs as it is, and the one that runs it."""

    @abstractmethod
    def spelled(self, value: np.generic) -> str:
        """Return a number as it stands in the file: as no other number of its dtype does."""

    @abstractmethod
    def result(self, name: str, value: Value) -> str:
        """Return the lines that give a value as a result."""

    @abstractmethod
    def expected(self, results: Mapping[str, Array]) -> str:
        """Return the results of one row of the self-test."""

    def literal(self, name: str, values: Array) -> str:
        """Return a result of one row: an array, or a number alone."""
        return self.listed(values) if is_array(name) else self.spelled(values[0])

    def listed(self, values: Array) -> str:
        """Return an array of one dimension."""
        return f"{self.brackets[0]}{', '.join(map(self.spelled, values))}{self.brackets[1]}"

    def table(self, rows: Array) -> str:
        """Return the arrays of some rows, each on its line."""
        return ",\n    ".join(map(self.listed, rows))

    @abstractmethod
    def function(self, name: str, expression: str, dtype: ValueType) -> str:
        """Return the language's own sqrt, log or exp, rounded to `dtype`."""

    def rounded(self, expression: str, dtype: ValueType) -> str:  # noqa: ARG002 - C computes in its operands' type
        """Return the expression of one arithmetic operation, rounded to `dtype`."""
        return expression

    def cast(self, expression: str, dtype: ValueType) -> str:
        """Return the expression converted to `dtype`."""
        return self.rounded(expression, dtype)

    def operation(self, operator: str, a: str, b: str, dtype: ValueType) -> str:
        """Return an operation of two operands, rounded to `dtype`."""
        return self.rounded(f"{a} {operator} {b}", dtype)

    def loop(self, counter: str, start: int, stop: int, *statements: str) -> list[str]:
        """Return the lines of a loop over start, ..., stop - 1: one line for one statement."""
        head = f"for ({self.counter} {counter} = {start}; {counter} < {stop}; {counter} += 1) {{"
        if len(statements) == 1:
            return [f"{head} {statements[0]} }}"]
        return [head, *(f"  {statement}" for statement in statements), "}"]


def statements_of(program: Program, language: Language) -> Iterator[str]:
    """Yield the statements that compute every value of the program from the array `x`."""
    for step in program.steps:
        name, dtype, width = step.result.name, step.result.dtype, step.result.width
        yield filled(language.array, type=language.types[dtype], name=name, width=str(width))
        yield from _statements(step, language)


def _statements(step: Step, language: Language) -> Iterator[str]:
    result = step.result
    match step.operation:
        case "affine" | "ordered_affine":
            yield from _affine(step, language)
        case "sum" | "ordered_sum":
            yield from _sum(step, language)
        case "concatenate":
            yield from _concatenate(step, language)
        case "select":
            for place, column in enumerate(step.columns):
                yield f"{result.name}[{place}] = {_name(step.operands[0], language)}[{column}];"
        case _:
            yield each(result.width, f"{result.name}[@] = {_element(step, language)};", language)


def each(width: int, statement: str, language: Language) -> str:
    """Return a statement for each of `width` places, which it calls @: a loop, where there are several."""
    if width == 1:
        return statement.replace("@", "0")
    (line,) = language.loop("i", 0, width, statement.replace("@", "i"))
    return line


def is_array(result: str) -> bool:
    """Return whether a result has a number for each output (y, y_lower, y_upper); a flag has one alone."""
    return result.startswith("y")


def _element(step: Step, language: Language) -> str:
    """Return the expression of element @ of an operation that works element by element."""
    dtype = step.result.dtype
    operands = [f"{_name(operand, language)}[{'0' if operand.width == 1 else '@'}]" for operand in step.operands]
    match step.operation:
        case "cast":
            return language.cast(operands[0], dtype)
        case "sqrt" | "log" | "exp":
            return language.function(step.operation, operands[0], dtype)
        case "is_nan":
            return f"{operands[0]} {language.differs} {operands[0]}"
        case "equal" | "less":
            return f" {'<' if step.operation == 'less' else language.equals} ".join(operands)
        case "where":
            return "{} ? {} : {}".format(*operands)
        case _:
            return language.operation(_OPERATORS[step.operation], operands[0], operands[1], dtype)


def filled(template: str, **fields: str) -> str:
    """Return a template with a text in place of each <field>."""
    return re.sub(r"<(\w+)>", lambda field: fields[field[1]], template)


def _affine(step: Step, language: Language) -> list[str]:
    """Return the sums from left to right: a product and a sum are a statement each, so that none is fused."""
    a, w, b = (_name(operand, language) for operand in step.operands)
    y, dtype, places = f"{step.result.name}[k]", step.result.dtype, step.operands[0].width

    def plus(term: str) -> str:
        return f"{y} = {language.operation('+', y, term, dtype)};"

    first = language.operation("*", f"{a}[0]", f"{w}[k * {places}]", dtype)
    product = language.operation("*", f"{a}[i]", f"{w}[k * {places} + i]", dtype)
    local = filled(language.local, type=language.types[dtype], name="p", value=product)
    further = language.loop("i", 1, places, local, plus("p")) if places > 1 else []
    return language.loop("k", 0, step.result.width, f"{y} = {first};", *further, plus(f"{b}[k]"))


def _sum(step: Step, language: Language) -> Iterator[str]:
    (value,) = step.operands
    total, a = f"{step.result.name}[0]", _name(value, language)
    yield f"{total} = {a}[0];"
    if value.width > 1:
        added = language.operation("+", total, f"{a}[i]", step.result.dtype)
        yield from language.loop("i", 1, value.width, f"{total} = {added};")


def _concatenate(step: Step, language: Language) -> Iterator[str]:
    start, result = 0, step.result.name
    for operand in step.operands:
        place = str(start) if operand.width == 1 else f"{start} + @" if start else "@"
        yield each(operand.width, f"{result}[{place}] = {_name(operand, language)}[@];", language)
        start += operand.width


def _name(operand: Operand, language: Language) -> str:
    return language.prefix + operand.name if isinstance(operand, Constant) else operand.name
