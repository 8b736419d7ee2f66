"""The JavaScript module: one ES module without dependencies, for pages, Node.js, Deno and the like.

JavaScript computes in float64; `Math.fround` after each operation gives the correctly rounded float32 result of that
operation, because 53 digits are more than twice 24 and two (Figueroa 1995, When is double rounding innocuous?).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import numpy as np

from lr_export.formats.known_rows import KnownRows
from lr_export.formats.source import Dialect, body, constants, documented, dtype_of, rows_of, stored
from lr_runtime.contract.comment import as_comment, from_comment

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from lr_export.program.program import Constant, Program, ValueType
    from lr_runtime.contract.contract import Contract

ARRAYS: dict[ValueType, str] = {"float32": "Float32Array", "float64": "Float64Array", "bool": "Uint8Array"}
_PREFIX = "c_"
_DTYPES = {array: dtype for dtype, array in ARRAYS.items()}
_CONSTANT = re.compile(
    rf"^const {_PREFIX}(\w+) /\* \(([\d, ]+)\) \*/ = ({'|'.join(_DTYPES)})\.of\(([^)]*)\);$", re.MULTILINE
)
_HEAD = """\
// A linear model, written by lr-export: import { predict } from "./model.mjs". It takes one row.
// selfTest() says whether this engine gives the right bits.
//
"""
_SELF_TEST = """\
  }};
}}

// Runs {count} rows through predict: 0 when every bit is right, else the number of the first row that is not.
export function selfTest() {{
  const given = [{given}];
  const expected = [{expected}];
  for (let row = 0; row < {count}; row += 1) {{
    const results = predict(given[row]);
    for (const [name, wanted] of Object.entries(expected[row])) {{
      const got = [results[name]].flat();
      if (![wanted].flat().every((value, place) => Object.is(value, got[place]))) return row + 1;
    }}
  }}"""
_END = """\
  return 0;
}
"""
_CHECKED = """\
export function predict(row) {{
  if (row.length !== {columns}) throw new RangeError(`the model takes {columns} numbers, not ${{row.length}}`);
  for (const value of row) if (typeof value !== "number") throw new TypeError(`${{String(value)}} is not a number`);
  const x = {array}.from(row);"""


class _JavaScript(Dialect):
    counter, equals, differs = "let", "===", "!=="

    def array(self, name: str, dtype: ValueType, width: int) -> str:
        return f"const {name} = new {ARRAYS[dtype]}({width});"

    def local(self, name: str, dtype: ValueType, expression: str) -> str:  # noqa: ARG002 - numbers have one type
        return f"const {name} = {expression};"

    def constant(self, constant: Constant) -> str:
        array = constant.array
        shape = ", ".join(map(str, array.shape))
        values = rows_of([_spelled(value) for value in array.ravel()], "  ")
        return f"const {self.constant_name(constant.name)} /* ({shape}) */ = {ARRAYS[dtype_of(array)]}.of({values});"

    def constant_name(self, name: str) -> str:
        return _PREFIX + name

    def rounded(self, expression: str, dtype: ValueType) -> str:
        return f"Math.fround({expression})" if dtype == "float32" else expression

    def cast(self, expression: str, dtype: ValueType) -> str:
        return self.rounded(expression, dtype)

    def sqrt(self, expression: str, dtype: ValueType) -> str:
        return self.rounded(f"Math.sqrt({expression})", dtype)


def _spelled(value: np.generic) -> str:
    return str(int(value)) if isinstance(value, np.bool_) else repr(float(value)).replace("nan", "NaN")


def js_bytes(program: Program, contract: Contract) -> bytes:
    """Return the module; equal programs and contracts give equal bytes."""
    dialect = _JavaScript()
    lines = [_HEAD + "\n".join(f"// {line}" for line in documented(program, contract)), "//"]
    lines += [as_comment(contract.to_json(), "js"), *constants(program, dialect), ""]
    lines += [_CHECKED.format(columns=program.x.width, array=ARRAYS[program.x.dtype])]
    lines += [f"  {statement}" for statement in body(program, dialect)]
    lines += ["  return {", *(f"    {given}," for given in _given(program)), _self_test(program, contract)]
    return ("\n".join(lines) + "\n" + _END).encode()


def _given(program: Program) -> Iterator[str]:
    for name, value in program.results.items():
        if name.startswith("y"):
            yield f"{name}: Array.from({value.name})"
        else:
            yield f"{name}: {value.name}[0]{' === 1' if value.dtype == 'bool' else ''}"


def _self_test(program: Program, contract: Contract) -> str:
    known = KnownRows.of(program, contract)
    given = [", ".join(map(_spelled, row)) for row in known.x]
    expected = [
        ", ".join(f"{name}: {_wanted(name, values[row])}" for name, values in known.results.items())
        for row in range(len(given))
    ]
    return _SELF_TEST.format(
        count=len(given),
        given="".join(f"\n    [{row}]," for row in given) + "\n  ",
        expected="".join(f"\n    {{ {row} }}," for row in expected) + "\n  ",
    )


def _wanted(name: str, values: NDArray[Any]) -> str:
    if name.startswith("y"):
        return f"[{', '.join(map(_spelled, values))}]"
    return str(bool(values[0])).lower() if values.dtype == np.bool_ else _spelled(values[0])


def read_js(content: bytes) -> tuple[dict[str, NDArray[Any]], str]:
    """Return the numbers in the module under the names of the program's constants, and its contract as JSON in ASCII.

    Raises:
        ValueError: the module is not one that `js_bytes` gives.
    """
    found = from_comment(content)
    if found is None or found[0] != "js":
        raise ValueError("it carries no contract")
    if not content.endswith(_END.encode()):
        raise ValueError("it is cut off")
    numbers = {}
    for name, dimensions, array, values in _CONSTANT.findall(content.decode()):
        shape = tuple(map(int, dimensions.split(",")))
        numbers[name] = stored(values, shape, _DTYPES[array], _spelled)
    return numbers, found[1]
