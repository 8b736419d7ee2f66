"""The JavaScript module: one ES module without dependencies, for pages, Node.js, Deno and the like.

JavaScript computes in float64; `Math.fround` after each operation gives the correctly rounded float32 result of that
operation, because 53 digits are more than twice 24 and two (Figueroa 1995, When is double rounding innocuous?).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import numpy as np

from lr_export.formats.source import Language, is_array
from lr_export.formats.source_file import source_backend

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lr_export.program.program import Array, Value, ValueType

_TEMPLATE = """\
// A linear model, written by lr-export: import {{ predict }} from "./model.mjs". It takes one row.
// selfTest() says whether this engine gives the right bits.
//
{documented}
//
{contract}
{constants}

export function predict(row) {{
  if (row.length !== {columns}) throw new RangeError(`the model takes {columns} numbers, not ${{row.length}}`);
  for (const value of row) if (typeof value !== "number") throw new TypeError(`${{String(value)}} is not a number`);
  const x = {x}.from(row);
{statements}
  return {{
{results}
  }};
}}

// Runs {rows} rows through predict: 0 when every bit is right, else the number of the first row that is not.
export function selfTest() {{
  const given = [
    {given},
  ];
  const expected = [
    {expected},
  ];
  for (let row = 0; row < {rows}; row += 1) {{
    const results = predict(given[row]);
    for (const [name, wanted] of Object.entries(expected[row])) {{
      const got = [results[name]].flat();
      if (![wanted].flat().every((value, place) => Object.is(value, got[place]))) return row + 1;
    }}
  }}
"""
_END = """\
  return 0;
}
"""
_DRIVER = """\
import {{ readFileSync, writeFileSync }} from "node:fs";
import {{ predict, selfTest }} from "./model.mjs";
if (process.argv.length > 2) {{
  writeFileSync(1, String(selfTest()));
  process.exit(0);
}}
const given = readFileSync(0);
const x = new {x}(given.buffer.slice(given.byteOffset, given.byteOffset + given.byteLength));
const written = [];
for (let at = 0; at < x.length; at += {columns}) {{
  const results = predict(x.subarray(at, at + {columns}));
  for (const name of {names}) written.push(...[results[name]].flat());
}}
writeFileSync(1, Float64Array.from(written));
"""


class JavaScript(Language):
    """JavaScript, in typed arrays that have the dtype of their value."""

    name = "js"
    types: ClassVar[dict[ValueType, str]] = {"float32": "Float32Array", "float64": "Float64Array", "bool": "Uint8Array"}
    constant = "const <name> /* (<shape>) */ = <type>.of(<values>);"
    array, local = "const <name> = new <type>(<width>);", "const <name> = <value>;"
    template, end, driver_template = _TEMPLATE, _END, _DRIVER
    prefix, brackets = "c_", "[]"
    counter, equals, differs = "let", "===", "!=="
    files, wire = ("model.mjs", "driver.mjs"), "float64"

    def spelled(self, value: np.generic) -> str:
        return str(int(value)) if isinstance(value, np.bool_) else repr(float(value)).replace("nan", "NaN")

    def rounded(self, expression: str, dtype: ValueType) -> str:
        return f"Math.fround({expression})" if dtype == "float32" else expression

    def function(self, name: str, expression: str, dtype: ValueType) -> str:
        return self.rounded(f"Math.{name}({expression})", dtype)

    def result(self, name: str, value: Value) -> str:
        given = f"{value.name}[0]{' === 1' if value.dtype == 'bool' else ''}"
        return f"    {name}: {f'Array.from({value.name})' if is_array(name) else given},"

    def literal(self, name: str, values: Array) -> str:
        return str(bool(values[0])).lower() if values.dtype == np.bool_ else super().literal(name, values)

    def expected(self, results: Mapping[str, Array]) -> str:
        return f"{{ {', '.join(f'{name}: {self.literal(name, values)}' for name, values in results.items())} }}"

    def commands(self, tool: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
        return (), (tool, "driver.mjs")


BACKEND = source_backend(JavaScript)
