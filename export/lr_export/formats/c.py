"""The C header: one function and its self-test, no library beyond math.h, and that only for a square root, log or exp.

It is C99 to C23 and C++11 to C++23. Hexadecimal floating-point constants, which are exact, came to C++ with C++17 only:
a number that no short decimal spells exactly is written with 17 digits, 9 of float, which tell it from its neighbours
(IEEE 754, 5.12.2); a compiler that rounds them to another number fails the self-test.
"""

from __future__ import annotations

import itertools
import re
from fractions import Fraction
from typing import TYPE_CHECKING, ClassVar, Self

import numpy as np

from lr_export.choices import NAME
from lr_export.formats.source import Language, each, is_array
from lr_export.formats.source_file import source_backend
from lr_runtime.errors import OptionError, escaped

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from lr_export.formats.known_rows import KnownRows
    from lr_export.program.program import Array, Program, Value, ValueType

C_FLAGS = ("-std=c99", "-ffp-contract=off")
"""What the header asks a compiler for; its own pragmas ask those that have some."""
_FLAGS = (*C_FLAGS, "-Werror=incompatible-pointer-types")
"""A header whose function takes another type than it should is wrong, not worth a warning."""
_DIGITS = {"float32": 9, "float64": 17}
_OF_MATH_H = {"sqrt", "log", "exp"}
_IDENTIFIER = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,30}")
"""What C99 (5.2.4.1) promises to tell apart, for the name in front of the others."""
_PREDICT = re.compile(r"^static inline \w+ (\w+)_predict\(", re.MULTILINE)

_TEMPLATE = """\
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
{documented}
//
{contract}#ifndef {name}_MODEL_H
#define {name}_MODEL_H
{include}#if defined(__FAST_MATH__) || defined(_M_FP_FAST)
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
{doubles}
{constants}

typedef struct {{
{members}
}} {name}_results;

static inline {name}_results {name}_predict(const {x} x[{columns}])
{{
#if defined(__clang__)
#pragma STDC FP_CONTRACT OFF
#endif
  {name}_results results;
{statements}
{results}
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
  static const volatile {x} given[{rows}][{columns}] = {{
    {given}
  }};
  static const unsigned char missing[{rows}][{columns}] = {{
    {missing}
  }};
  static const {name}_results expected[{rows}] = {{
    {expected}
  }};
  // Rows that the model refuses, with NaN.
  static const unsigned char refused[{rows}] = {{{refused}}};
  for (int row = 0; row < {rows}; row += 1) {{
    {x} x[{columns}];
    for (int i = 0; i < {columns}; i += 1) x[i] = missing[row][i] ? {name}_{x}_nan() : given[row][i];
    const {name}_results results = {name}_predict(x);
{comparisons}
"""
_DOUBLES = "typedef char {name}_compile_without_fsingle_precision_constant[sizeof(0.0) == sizeof(double) ? 1 : -1];\n"
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
_DRIVER = """\
#include "model.h"
#include <stdio.h>
int main(int count, char **words)
{{
  {x} row[{columns}];
  (void)words;
  if (count > 1) {{
    printf("%d", {name}_self_test());
    return 0;
  }}
  while (fread(row, sizeof row, 1, stdin) == 1) {{
    const {name}_results results = {name}_predict(row);
{written}
  }}
  return 0;
}}
"""


class C(Language):
    """C for a header in which every name begins with `name`, so that a program can include several models.
    Raises OptionError where the name is none that C has.
    """

    name = "c"
    types: ClassVar[dict[ValueType, str]] = {"float32": "float", "float64": "double", "bool": "unsigned char"}
    constant = "static const <type> <name>[<size>] /* (<shape>) */ = {<values>};"
    array = "<type> <name>[<width>];"
    template, end, driver_template = _TEMPLATE, _END, _DRIVER
    counter = "int"
    files = ("model.h", "driver.c")

    def __init__(self, name: str = NAME) -> None:
        if not _IDENTIFIER.fullmatch(name):
            raise OptionError(f"--name takes up to 31 letters, digits and _ for a C header, not {escaped(name)}")
        self.model, self.prefix = name, f"{name}_"

    @classmethod
    def of_file(cls, content: bytes) -> Self:
        found = _PREDICT.search(content.decode())
        if found is None:
            raise ValueError("it has no function that predicts")
        return cls(found[1])

    def spelled(self, value: np.generic) -> str:
        if isinstance(value, np.bool_):
            return str(int(value))
        # No constant is NaN; where a row of the self-test has one, a table beside it says so.
        number, digits = float(np.nan_to_num(value)), _DIGITS[value.dtype.name]
        short, enough = repr(number), f"{number:.{digits}g}"
        spelled = short if Fraction(short) == Fraction(number) and len(short) <= digits else enough
        point = "" if set(".e") & set(spelled) else ".0"
        return f"{spelled}{point}{'f' if value.dtype == np.float32 else ''}"

    def cast(self, expression: str, dtype: ValueType) -> str:
        return f"({self.types[dtype]}){expression}"

    def function(self, name: str, expression: str, dtype: ValueType) -> str:
        return f"{name}{'f' if dtype == 'float32' else ''}({expression})"

    def fields(self, program: Program, known: KnownRows) -> Mapping[str, str]:
        values = [program.x, *(step.result for step in program.steps)]
        floats = dict.fromkeys(v.dtype for v in (program.x, *program.results.values()) if v.dtype != "bool")
        return {
            "name": self.model,
            "flags": " ".join(C_FLAGS),
            "include": "#include <math.h>\n" if _OF_MATH_H & {step.operation for step in program.steps} else "",
            "doubles": _DOUBLES.format(name=self.model) if any(v.dtype == "float64" for v in values) else "",
            "members": "\n".join(
                f"  {self.types[value.dtype]} {name}{f'[{value.width}]' if is_array(name) else ''};"
                for name, value in program.results.items()
            ),
            "helpers": "".join(_HELPERS.format(name=self.model, type=self.types[dtype]) for dtype in floats),
            "missing": self.table(np.isnan(known.x)),
            "refused": ", ".join(map(self.spelled, known.refused)),
            "comparisons": "\n".join(f"    {line}" for line in self._comparisons(program)),
        }

    def result(self, name: str, value: Value) -> str:
        place = "[@]" if is_array(name) else ""
        return "  " + each(value.width, f"results.{name}{place} = {value.name}[@];", self)

    def expected(self, results: Mapping[str, Array]) -> str:
        return f"{{{', '.join(itertools.starmap(self.literal, results.items()))}}}"

    def _comparisons(self, program: Program) -> Iterator[str]:
        for name, value in program.results.items():
            place = "[@]" if is_array(name) else ""
            got, wanted = f"results.{name}{place}", f"expected[row].{name}{place}"
            is_right = f"{self.model}_{self.types[value.dtype]}_is({got}, {wanted}, refused[row])"
            condition = f"{got} != {wanted}" if value.dtype == "bool" else f"!{is_right}"
            yield each(value.width, f"if ({condition}) return row + 1;", self)

    def driver(self, program: Program) -> str:
        written = (f"    fwrite(&results.{name}, sizeof results.{name}, 1, stdout);" for name in program.results)
        x, columns = self.types[program.x.dtype], program.x.width
        return self.driver_template.format(name=self.model, x=x, columns=columns, written="\n".join(written))

    def commands(self, tool: str, flags: tuple[str, ...] = _FLAGS) -> tuple[tuple[str, ...], tuple[str, ...]]:
        return (tool, *flags, "-O2", "-o", "driver", "driver.c", "-lm"), ("./driver",)


BACKEND = source_backend(C)
