"""The C header: one function and its self-test, no library beyond math.h, and that only where a square root is taken.

It is C99 to C23 and C++11 to C++23. Hexadecimal floating-point constants, which are exact, came to C++ with C++17 only:
a number that no short decimal spells exactly is written with 17 digits, 9 of float, which tell it from its neighbours
(IEEE 754, 5.12.2); a compiler that rounds them to another number fails the self-test.
"""

from __future__ import annotations

import re
from fractions import Fraction
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from lr_export.choices import NAME
from lr_export.formats.known_rows import KnownRows
from lr_export.formats.source import Dialect, body, constants, documented, dtype_of, each, rows_of, stored
from lr_runtime.contract.comment import as_comment, from_comment
from lr_runtime.errors import OptionError, escaped

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from numpy.typing import NDArray

    from lr_export.program.program import Constant, Program, ValueType
    from lr_runtime.contract.contract import Contract

C_TYPES: dict[ValueType, str] = {"float32": "float", "float64": "double", "bool": "unsigned char"}
C_FLAGS = ("-std=c99", "-ffp-contract=off")
"""What the header asks a compiler for; its own pragmas ask those that have some."""
_DIGITS = {"float": 9, "double": 17}
_DTYPES = {c_type: dtype for dtype, c_type in C_TYPES.items()}
_IDENTIFIER = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,30}")
"""What C99 (5.2.4.1) promises to tell apart, for the name in front of the others."""
_PREDICT = re.compile(r"^static inline \w+ (\w+)_predict\(", re.MULTILINE)
_CONSTANT = r"^static const ({types}) {name}_(\w+)\[\d+\] /\* \(([\d, ]+)\) \*/ = \{{([^}}]*)\}};$"

_HEAD = """\
// A linear model, written by lr-export. Include it and call {name}_predict(x), which takes one row.
//
// C99 to C23, C++11 to C++23. Compile with {flags}, and never with -ffast-math: the results
// are those of IEEE 754 arithmetic, every operation rounded by itself. GCC, Clang and MSVC are told so below; others
// need their own option. An option that leaves a mark for the preprocessor is refused below. These leave none:
//   -fassociative-math, -freciprocal-math, -fno-signed-zeros and -funsafe-math-optimizations of Clang, and of GCC
//   before 12; -ffp-contract=fast of Clang; what turns subnormal numbers into 0, such as linking with -ffast-math;
//   the fast defaults of other compilers.
// {name}_self_test() alone catches them, where they change a bit of its rows: call it once, on the device. It returns
// 0, or the number of the first row that is wrong. A program that does not call it holds nothing of it.
//
"""
_CHECKS = """\
#if defined(__FAST_MATH__) || defined(_M_FP_FAST)
#error "compile without -ffast-math (/fp:fast): missing values are NaN, and no operation may be left out"
#endif
#if defined(__FINITE_MATH_ONLY__) && __FINITE_MATH_ONLY__ != 0
#error "compile without -ffinite-math-only: missing values are NaN"
#endif
#if defined(__ASSOCIATIVE_MATH__) || defined(__RECIPROCAL_MATH__) || defined(__NO_SIGNED_ZEROS__)
#error "compile without -fassociative-math, -freciprocal-math, -fno-signed-zeros: they round another way"
#endif
#if defined(__FLT_EVAL_METHOD__) && __FLT_EVAL_METHOD__ != 0 && __FLT_EVAL_METHOD__ != 16
#error "intermediate results have excess precision; on 32-bit x86 compile with -msse2 -mfpmath=sse"
#endif
#if defined(_M_IX86_FP) && _M_IX86_FP < 2
#error "intermediate results have excess precision; compile with /arch:SSE2"
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
_DOUBLES = """\
typedef char {name}_compile_without_fsingle_precision_constant[sizeof(0.0) == sizeof(double) ? 1 : -1];
"""
_FUNCTION = """\
static inline {name}_results {name}_predict(const {x} x[{columns}])
{{
#if defined(__clang__)
#pragma STDC FP_CONTRACT OFF
#endif
  {name}_results results;"""
_SELF_TEST = """\
  return results;
}}

static inline unsigned long long {name}_bits(const void *value, unsigned size)
{{
  unsigned long long bits = 0;
  for (unsigned i = 0; i < size; i += 1) ((unsigned char *)&bits)[i] = ((const unsigned char *)value)[i];
  return bits;
}}

{helpers}// 0 when every bit of every row is right, else the number of the first row that is not.
static inline int {name}_self_test(void)
{{
  // Read when it runs: the device is to compute, and not the compiler. A missing value is written as 0.
  static const volatile {x} given[{rows}][{columns}] = {{{given}}};
  static const unsigned char missing[{rows}][{columns}] = {{{missing}}};
  static const {name}_results expected[{rows}] = {{{expected}}};
  // Rows that the model refuses, with NaN.
  static const unsigned char refused[{rows}] = {{{refused}}};
  for (int row = 0; row < {rows}; row += 1) {{
    {x} x[{columns}];
    for (int i = 0; i < {columns}; i += 1) x[i] = missing[row][i] ? {name}_{x}_nan() : given[row][i];
    const {name}_results results = {name}_predict(x);"""
_HELPERS = """\
static inline {type} {name}_{type}_nan(void)
{{
  // Written as 0 / 0 it might be left out. The bits of 1 and 3 together are those of NaN.
  const {type} one = 1, three = 3;
  const unsigned long long bits = {name}_bits(&one, sizeof one) | {name}_bits(&three, sizeof three);
  {type} nan = 0;
  for (unsigned i = 0; i < sizeof nan; i += 1) ((unsigned char *)&nan)[i] = ((const unsigned char *)&bits)[i];
  return nan;
}}

static inline int {name}_{type}_is({type} got, {type} expected, int nan)
{{
  const {type} one = 1, two = 2, minus = -1;
  const unsigned long long bits = {name}_bits(&got, sizeof got), first = {name}_bits(&one, sizeof one);
  const unsigned long long exponent = first | {name}_bits(&two, sizeof two);
  const unsigned long long sign = first ^ {name}_bits(&minus, sizeof minus);
  if (!nan) return bits == {name}_bits(&expected, sizeof expected);
  return (bits & exponent) == exponent && (bits & ~(exponent | sign)) != 0;
}}

"""
_END = """\
  }
  return 0;
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
    number = float(value)
    short, enough = repr(number), f"{number:.{_DIGITS[c_type]}g}"
    spelled = short if Fraction(short) == Fraction(number) and len(short) <= _DIGITS[c_type] else enough
    point = "" if set(".e") & set(spelled) else ".0"
    return f"{spelled}{point}{'f' if c_type == 'float' else ''}"


def c_bytes(program: Program, contract: Contract, *, name: str = NAME) -> bytes:
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
    lines += _self_test(program, contract, dialect, name)
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
    values = [program.x, *(step.result for step in program.steps)]
    if any(value.dtype == "float64" for value in values):
        yield _DOUBLES.format(name=name).rstrip()


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


def _self_test(program: Program, contract: Contract, dialect: _C, name: str) -> Iterator[str]:
    known, x = KnownRows.of(program, contract), C_TYPES[program.x.dtype]
    missing, types = np.isnan(known.x), [C_TYPES[value.dtype] for value in (program.x, *program.results.values())]
    expected = (_expected(known.results, row) for row in range(len(known.x)))
    yield _SELF_TEST.format(
        name=name,
        x=x,
        rows=len(known.x),
        columns=program.x.width,
        helpers="".join(_HELPERS.format(name=name, type=each) for each in dict.fromkeys(types) if each in _DIGITS),
        given=_table(_braced(row, x) for row in np.nan_to_num(known.x)),
        missing=_table(_braced(row, "unsigned char") for row in missing),
        expected=_table(expected),
        refused=", ".join(str(int(one)) for one in known.refused),
    )
    for result, value in program.results.items():
        place = "[@]" if _extent(result, value.width) else ""
        got, wanted = f"results.{result}{place}", f"expected[row].{result}{place}"
        is_right = f"{name}_{C_TYPES[value.dtype]}_is({got}, {wanted}, refused[row])"
        condition = f"{got} != {wanted}" if value.dtype == "bool" else f"!{is_right}"
        yield f"    {each(value.width, f'if ({condition}) return row + 1;', dialect)}"


def _table(rows: Iterable[str]) -> str:
    return "\n    " + ",\n    ".join(rows) + "\n  "


def _braced(values: NDArray[Any], c_type: str) -> str:
    return f"{{{', '.join(_spelled(value, c_type) for value in values)}}}"


def _expected(results: Mapping[str, NDArray[Any]], row: int) -> str:
    """Return the initializer of a row's results, NaN as 0."""
    words = (
        (_braced if _extent(name, values.shape[1]) else _single)(np.nan_to_num(values[row]), C_TYPES[dtype_of(values)])
        for name, values in results.items()
    )
    return f"{{{', '.join(words)}}}"


def _single(values: NDArray[Any], c_type: str) -> str:
    return _spelled(values[0], c_type)


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
        numbers[name] = stored(values, shape, _DTYPES[c_type], partial(_spelled, c_type=c_type))
    return numbers, found[1]
