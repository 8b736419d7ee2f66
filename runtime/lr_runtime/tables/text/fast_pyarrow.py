"""Faster parsing of CSV with pyarrow; on anything that the strict reader reads otherwise it declines with None."""

from __future__ import annotations

import re
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet

from lr_runtime.tables.arrow.memory import _coded, has_row_without_values, stacked
from lr_runtime.tables.cells.options import BOOLEANS, TableOptions
from lr_runtime.tables.text.encoding import BOM
from lr_runtime.tables.text.syntax import Parsed, Text, Wanted

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

    from numpy.typing import NDArray

    from lr_runtime.tables.batch import Coded


_FIRST_RECORD = re.compile(rb"[\r\n]*([^\n]+)")


_WIDE = 1 << 10
"""From so many columns on, looking for the tokens takes less time than the indexes do."""


_TRUE = [word for word, value in BOOLEANS.items() if value]


_FALSE = [word for word, value in BOOLEANS.items() if not value]


def csv_block(block: Text, names: Sequence[str], wanted: Wanted, options: TableOptions) -> Parsed | None:
    """Parse whole CSV records; None where the strict reader must look."""
    has_quotes = b'"' in block
    if not _same_cells(block, options.mark, has_quotes=has_quotes):
        return None
    columns, categories, kept = wanted
    types = dict.fromkeys(columns, pa.float64()) | dict.fromkeys(categories, pa.string())
    types |= {name: pa.bool_() for name in _booleans(block, names, options) if name in columns}
    parse = partial(
        _read_csv,
        block,
        names,
        options.mark,
        has_quotes=has_quotes,
        column_types=types,
        include_columns=[*columns, *categories],
        null_values=_tokens_in(block, options.tokens if categories else options.number_tokens, len(names)),
        true_values=_TRUE,
        false_values=_FALSE,
        strings_can_be_null=True,
        decimal_point=options.decimal,
    )
    # A row for each line, so that nobody needs to count those; a row without any value may be a blank line.
    newlines = None
    table = None if has_quotes else parse(passes_over_blank_lines=False)
    if table is None or has_row_without_values(table):
        table = parse(passes_over_blank_lines=True)
    else:
        newlines = table.num_rows - (not block.endswith(b"\n"))
    if table is None:
        return None
    numbers, texts = table.columns[: len(columns)], [_coded(table.column(name)) for name in categories]
    values = stacked(numbers, table.num_rows)
    if _reads_otherwise(values, sum(column.null_count for column in numbers), texts, options):
        return None
    if kept:
        types = dict.fromkeys(kept, pa.string())
        table = parse(column_types=types, include_columns=[*types], strings_can_be_null=False)
    if table is None:  # they are not UTF-8
        return None
    return Parsed(values, tuple(texts), newlines, tuple(table.column(name).combine_chunks() for name in kept))


def _reads_otherwise(values: NDArray[np.float64], missing: int, texts: Sequence[Coded], options: TableOptions) -> bool:
    """Whether the strict reader would read some cells otherwise."""
    # pyarrow takes inf, 1e400 and -nan(x) for numbers; the strict reader says which line that is.
    if np.count_nonzero(~np.isfinite(values)) != missing:
        return True
    # The strict reader trims spaces around a token, which pyarrow does around numbers alone.
    if options.token_numbers and np.isin(values, options.token_numbers).any():
        return True
    # The strict reader trims spaces around a value, which may make it another value, or a missing one.
    return any(value != value.strip(" \t") for text in texts for value in text.values)


def _read_csv(
    block: Text,
    names: Sequence[str],
    delimiter: str,
    *,
    has_quotes: bool,
    passes_over_blank_lines: bool = True,
    **conversion: object,
) -> pa.Table | None:
    """Return a table of pyarrow, parsed in this thread alone; None where a cell is not what its column holds."""
    try:
        return pyarrow.csv.read_csv(
            pa.py_buffer(block),
            pyarrow.csv.ReadOptions(column_names=list(names), use_threads=False, block_size=len(block) + 1),
            pyarrow.csv.ParseOptions(
                delimiter=delimiter,
                quote_char='"' if has_quotes else False,
                newlines_in_values=has_quotes,
                ignore_empty_lines=passes_over_blank_lines,
            ),
            pyarrow.csv.ConvertOptions(**conversion),
        )
    except pa.ArrowInvalid:
        return None


def _tokens_in(block: Text, tokens: Collection[str], columns: int) -> list[str]:
    """Return the tokens for pyarrow to look for; of a wide table those in its text, as each column has its own index.

    An index of all of them takes 16 kB and 15 microseconds a column and block.
    """
    return [token for token in tokens if columns < _WIDE or token.encode() in block]


def _same_cells(block: Text, delimiter: str, *, has_quotes: bool) -> bool:
    """Whether pyarrow splits `block` as the strict reader does.

    It passes over a byte order mark in front of any block, ends lines at a lone CR, and reads "1"2 as 12.
    """
    if block.startswith(BOM) or b"\0" in block or not delimiter.isascii():
        return False
    if b"\r" in block and block.count(b"\r") != block.count(b"\r\n"):
        return False
    if not has_quotes:
        return True
    mark = re.escape(delimiter.encode())
    quoted_cell = rb'(?<![^\n%b])"(?:[^"]|"")*"(?=[\r\n%b]|\Z)' % (mark, mark)
    return b'"' not in re.sub(quoted_cell, b"", block)


def _booleans(block: Text, names: Sequence[str], options: TableOptions) -> Iterator[str]:
    """Yield the columns whose first cell is a boolean; where that misleads, the parser fails and declines."""
    first = _FIRST_RECORD.match(block)
    cells = first[1].decode(errors="replace").split(options.mark) if first else []
    for name, cell in zip(names, cells, strict=False):
        if cell.strip(' \t\r"') in BOOLEANS and cell.strip(' \t\r"') not in options.tokens:
            yield name
