"""How the cells of a text table are written: one definition for training and inference."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

MISSING_TOKENS = ("", "NA", "N/A", "n/a", "#N/A", "NULL", "null", "None", "NaN", "nan", "-")
"""Cells that mean "no value here", after trimming spaces; exactly these."""

_SUFFIXES = (".csv", ".tsv", ".txt", ".jsonl", ".ndjson", ".parquet", ".pq", ".arrow", ".feather")
_NUMBER = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
_INFINITY = re.compile(r"[+-]?inf(?:inity)?", re.IGNORECASE)
_COMMA_DECIMAL = re.compile(r"[+-]?(?:[0-9]{1,3}(?:\.[0-9]{3})+|[0-9]+),[0-9]+")
_THOUSANDS = re.compile(r"[+-]?[0-9]{1,3}(?:,[0-9]{3})+(?:\.[0-9]*)?")


class NotANumberError(ValueError):
    """A cell is not a finite number; the message says why, for a sentence that begins with the cell."""


@dataclass(frozen=True)
class TableOptions:
    """How a table is written.

    Args:
        delimiter: one character between the cells of a CSV file.
        decimal: "." or ",", the decimal mark.
        header: whether the first row of a CSV file holds the names; without it they are x1, x2, ...
    """

    delimiter: str = ","
    decimal: str = "."
    header: bool = True

    def number(self, cell: str) -> float:
        """Return the float64 nearest to the decimal number in `cell`; NaN where it is a missing token.

        Raises:
            NotANumberError: the cell is neither, or beyond the range of float64.
        """
        text = cell.strip(" \t")
        if text in MISSING_TOKENS:
            return math.nan
        plain = text if self.decimal == "." else text.replace(".", "\0").replace(",", ".")
        if not _NUMBER.fullmatch(plain):
            raise NotANumberError(self._why_not(text))
        value = float(plain)
        if math.isinf(value):
            raise NotANumberError("is beyond the range of float64")
        return value

    def text(self, cell: str) -> str | None:
        """Return a category's value, spaces around it aside; None where the cell is a missing token."""
        text = cell.strip(" \t")
        return None if text in MISSING_TOKENS else text

    def _why_not(self, text: str) -> str:
        if _INFINITY.fullmatch(text):
            return "is not a finite number"
        if self.decimal == "." and _COMMA_DECIMAL.fullmatch(text):
            return "is not a number (decimal comma?). Try: --decimal ,"
        if self.decimal == "." and _THOUSANDS.fullmatch(text):
            return "is not a number (thousands separators?). Write it without them"
        return "is not a number"

    def is_number(self, cell: str) -> bool:
        """Whether a cell holds a finite number (a missing value is none)."""
        try:
            return not math.isnan(self.number(cell))
        except NotANumberError:
            return False


def has_table_suffix(name: str) -> bool:
    """Whether `name` looks like a table's file name."""
    return name.lower().removesuffix(".gz").endswith(_SUFFIXES)
