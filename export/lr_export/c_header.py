"""The C header: C99, one function, no library beyond math.h, and that only where a square root is taken.

Numbers are written as hexadecimal floating-point constants (C99 6.4.4.2), which are exact: no compiler has to round.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from lr_export.source import Dialect, body, constants, documented, dtype_of, each, rows_of, stored
from lr_runtime.embedded import as_comment, from_comment
from lr_runtime.errors import OptionError, escaped

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy as np
    from numpy.typing import NDArray

    from lr_export.program import Constant, Program, ValueType
    from lr_runtime.contract import Contract

C_TYPES: dict[ValueType, str] = {"float32": "float", "float64": "double", "bool": "unsigned char"}
C_FLAGS = ("-std=c99", "-ffp-contract=off")
"""What the header asks a compiler for; its own pragmas ask those that have some."""
_DTYPES = {c_type: dtype for dtype, c_type in C_TYPES.items()}
_NAME = "linedge"
_IDENTIFIER = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,30}")
"""What C99 (5.2.4.1) promises to tell apart, for the name in front of the others."""
_PREDICT = re.compile(r"^static inline \w+ (\w+)_predict\(", re.MULTILINE)
_CONSTANT = r"^static const ({types}) {name}_(\w+)\[\d+\] /\* \(([\d, ]+)\) \*/ = \{{([^}}]*)\}};$"

_HEAD = """\
// A linear model, written by lr-export. Include it and call {name}_predict(x), which takes one row.
//
// Compile with {flags}, and never with -ffast-math: the results are those of IEEE 754
// arithmetic, every operation rounded by itself. GCC, Clang and MSVC are told so below; others need their own option.
//
"""
_CHECKS = """\
#if defined(__FAST_MATH__)
#error "compile without -ffast-math: missing values are NaN, and no operation may be left out"
#endif
#if defined(__FLT_EVAL_METHOD__) && __FLT_EVAL_METHOD__ != 0 && __FLT_EVAL_METHOD__ != 16
#error "intermediate results have excess precision; on 32-bit x86 compile with -msse2 -mfpmath=sse"
#endif
#if defined(__SIZEOF_DOUBLE__) && __SIZEOF_DOUBLE__ != 8
#error "double has to be the 64-bit format of IEEE 754"
#endif
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC push_options
#pragma GCC optimize("-ffp-contract=off")
#elif defined(_MSC_VER)
#pragma fp_contract(off)
#endif
"""
_FUNCTION = """\
static inline {name}_results {name}_predict(const {x} x[{columns}])
{{
#if defined(__clang__)
#pragma STDC FP_CONTRACT OFF
#endif
  {name}_results results;"""
_END = """\
  return results;
}
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC pop_options
#endif
#endif
"""


class _C(Dialect):
    counter, equals, differs = "int", "==", "!="

    def __init__(self, name: str) -> None:
        self._name = name

    def array(self, name: str, dtype: ValueType, width: int) -> str:
        return f"{C_TYPES[dtype]} {name}[{width}];"

    def local(self, name: str, dtype: ValueType, expression: str) -> str:
        return f"const {C_TYPES[dtype]} {name} = {expression};"

    def constant(self, constant: Constant) -> str:
        array = constant.array
        shape, c_type = ", ".join(map(str, array.shape)), C_TYPES[dtype_of(array)]
        values = rows_of([_spelled(value, c_type) for value in array.ravel()], "  ")
        name = self.constant_name(constant.name)
        return f"static const {c_type} {name}[{array.size}] /* ({shape}) */ = {{{values}}};"

    def constant_name(self, name: str) -> str:
        return f"{self._name}_{name}"

    def rounded(self, expression: str, dtype: ValueType) -> str:  # noqa: ARG002 - C computes in its operands' type
        return expression

    def cast(self, expression: str, dtype: ValueType) -> str:
        return f"({C_TYPES[dtype]}){expression}"

    def sqrt(self, expression: str, dtype: ValueType) -> str:
        return f"{'sqrtf' if dtype == 'float32' else 'sqrt'}({expression})"


def _spelled(value: np.generic, c_type: str) -> str:
    if c_type == "unsigned char":
        return str(int(value))
    mantissa, exponent = float(value).hex().split("p")
    short = mantissa.rstrip("0").rstrip(".") if "." in mantissa else mantissa
    return f"{short}p{exponent}{'f' if c_type == 'float' else ''}"


def c_bytes(program: Program, contract: Contract, *, name: str = _NAME) -> bytes:
    """Return the header; equal programs and contracts give equal bytes.

    Args:
        program: what it computes.
        contract: what it says.
        name: in front of every name in it, so that a program can include several models.

    Raises:
        OptionError: the name is none that C has.
    """
    if not _IDENTIFIER.fullmatch(name):
        raise OptionError(f"--name takes up to 31 letters, digits and _ for a C header, not {escaped(name)}")
    dialect = _C(name)
    lines = [*_head(program, contract, name), "", *constants(program, dialect), "", *_results(program, name)]
    lines += ["", _FUNCTION.format(name=name, x=C_TYPES[program.x.dtype], columns=program.x.width)]
    lines += [f"  {statement}" for statement in (*body(program, dialect), *_given(program, dialect))]
    return ("\n".join(lines) + "\n" + _END).encode()


def _head(program: Program, contract: Contract, name: str) -> Iterator[str]:
    guard = f"{name}_MODEL_H"
    yield _HEAD.format(name=name, flags=" ".join(C_FLAGS)).rstrip()
    yield from (f"// {line}" for line in documented(program, contract))
    yield "//"
    yield as_comment(contract.to_json(), "c") + f"#ifndef {guard}\n#define {guard}"
    if any(step.operation == "sqrt" for step in program.steps):
        yield "#include <math.h>"
    yield _CHECKS.rstrip()


def _results(program: Program, prefix: str) -> Iterator[str]:
    yield "typedef struct {"
    for name, value in program.results.items():
        yield f"  {C_TYPES[value.dtype]} {name}{_extent(name, value.width)};"
    yield f"}} {prefix}_results;"


def _extent(name: str, width: int) -> str:
    """Return `[width]` for what there is one of an output; a flag is a single number."""
    return f"[{width}]" if name.startswith("y") else ""


def _given(program: Program, dialect: _C) -> Iterator[str]:
    for name, value in program.results.items():
        if not _extent(name, value.width):
            yield f"results.{name} = {value.name}[0];"
        else:
            yield each(value.width, f"results.{name}[@] = {value.name}[@];", dialect)


def name_in(content: bytes) -> str:
    """Return the name in front of the others in a header.

    Raises:
        ValueError: it has none.
    """
    found = _PREDICT.search(content.decode())
    if found is None:
        raise ValueError("it has no function that predicts")
    return found[1]


def read_c(content: bytes) -> tuple[dict[str, NDArray[Any]], str]:
    """Return the numbers in the header under the names of the program's constants, and its contract as JSON in ASCII.

    Raises:
        ValueError: the header is not one that `c_bytes` gives.
    """
    found = from_comment(content)
    if found is None or found[0] != "c":
        raise ValueError("it carries no contract")
    if not content.endswith(_END.encode()):
        raise ValueError("it is cut off")
    numbers = {}
    pattern = _CONSTANT.format(types="|".join(_DTYPES), name=name_in(content))
    for c_type, name, dimensions, values in re.findall(pattern, content.decode(), re.MULTILINE):
        shape = tuple(map(int, dimensions.split(",")))
        numbers[name] = stored(values, shape, _DTYPES[c_type], lambda word: float.fromhex(word.rstrip("f ")))
    return numbers, found[1]
