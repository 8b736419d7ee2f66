"""How the cells of a text table are written: one definition for training and inference."""

from __future__ import annotations

import math
import os
import re
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

from lr_runtime.choices import FORMATS, Format
from lr_runtime.errors import OptionError, escaped
from lr_runtime.options import COUNT, FLAG, PAIRS, REPEATED, TEXT, OneOf, check_options, option
from lr_runtime.system.remote import is_remote
from lr_runtime.tables.cells.dress import EXPONENT, dress_of, edit_of
from lr_runtime.tables.cells.missing import MISSING_TOKENS, NUMBER_TOKENS, may_be_missing, means_no_number

BOOLEANS = {"true": 1.0, "True": 1.0, "TRUE": 1.0, "false": 0.0, "False": 0.0, "FALSE": 0.0}
"""Cells that mean 1 and 0; exactly these."""

DATE: tuple[str, str, Literal["date"]] = ("is a date, not a number", "Write it as a number, of seconds or days", "date")
"""What a `NotANumberError` says of a date."""

_SUFFIXES: dict[Format, tuple[str, ...]] = {
    "csv": (".csv", ".tsv", ".txt"),
    "jsonl": (".jsonl", ".ndjson"),
    "parquet": (".parquet", ".pq"),
    "arrow": (".arrow", ".feather"),
}
_WORKBOOKS = (".xlsx", ".xlsm")
_PACKED = (".gz", ".bz2", ".xz", ".lzma", ".zst", ".zip")
_NUMBER = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)" + EXPONENT)
_INTEGER = re.compile(r"[+-]?[0-9]+")
# What only few cells are held against is compiled by the first of them: a millisecond of every start otherwise.
_INFINITY = r"(?i:[+-]?inf(?:inity)?)"
_COMMA_DECIMAL = r"[+-]?(?:[0-9]{1,3}(?:\.[0-9]{3})+|[0-9]+),[0-9]+"
_DATE = (
    r"(?:[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}|[0-9]{4}/[0-9]{1,2}/[0-9]{1,2}"
    r"|[0-9]{1,2}/[0-9]{1,2}/[0-9]{4}|[0-9]{1,2}\.[0-9]{1,2}\.[0-9]{4})"
    r"(?:[T ]+[0-9]{1,2}:[0-9]{2}.*)?"
)
_TYPED_THOUSANDS = {",": ",", ".": ".", "'": '"\'"', " ": "' '", "\u2019": "\u2019", "\xa0": "$'\\u00a0'"}
_LONGEST_INTEGER = 400  # no float64 is longer


class NotANumberError(ValueError):
    """A cell is not a finite number; the message says why, for a sentence that begins with the cell.

    Attributes:
        what: why not.
        way: what to do about it.
        sort: what the cell is.
        unit: what stands behind a number.
        edit: what sed makes plain numbers of such cells with, where it can.
    """

    def __init__(
        self,
        what: str,
        way: str = "",
        sort: Literal["text", "date", "dressed"] = "text",
        unit: str = "",
        edit: str = "",
    ) -> None:
        super().__init__(f"{what}. {way}" if way else what)
        self.what, self.way, self.sort, self.unit, self.edit = what, way, sort, unit, edit


@dataclass(frozen=True)
class TableOptions:
    """How a table is written: what each option says in its help, and what is done with bad rows.

    Args:
        header: whether the first row of a CSV file holds the names; without it they are x1, x2, ...
        renames: pairs (new, old): the file's column `old` is called `new`.
        skips: whether a bad row (ragged, text for a number, not finite) is left out and counted, not an error.
        marks: whether a bad row stays, its values missing and its fault beside it, not an error.
    """

    delimiter: str = option(",", TEXT, "The character between cells, or whitespace: any run of blanks and tabs.")
    decimal: str = option(".", OneOf((".", ",")), "The decimal mark.")
    header: bool = option(True, FLAG, "The first row holds numbers; name the columns x1, x2, ...", "--no-header")
    thousands: str | None = option(None, TEXT, "The character between groups of three digits.")
    encoding: str | None = option(None, TEXT, "A text table's encoding. [default: UTF-8, or UTF-16 with its mark]")
    renames: tuple[tuple[str, str], ...] = option(
        (), PAIRS, "The file's column OLD is called NEW; may be repeated.", "--map NEW=OLD"
    )
    missing: tuple[str, ...] = option(
        (), REPEATED, "A cell without a value, beside the usual (NA, null, ...); may be repeated.", "--missing-token"
    )
    skips: bool = False
    marks: bool = False
    format: Format | None = option(
        None, OneOf(FORMATS), "The table's format. [default: what its first bytes tell]", "--from"
    )
    skip_rows: int = option(0, COUNT, "How many lines at the start are no part of the table.")
    comment: str | None = option(None, TEXT, "The character that begins a comment, to the end of its line.")
    sheet: str | None = option(None, TEXT, "A workbook's sheet. [default: the first]")

    def __post_init__(self) -> None:
        check_options(self)
        delimiter, thousands, comment = self.delimiter, self.thousands, self.comment
        if delimiter != "whitespace" and (len(delimiter) != 1 or delimiter in '"\n\r' or not _is_text(delimiter)):
            raise OptionError(f"--delimiter takes one character, or whitespace, not {escaped(delimiter)}")
        if thousands is not None:
            _check_thousands(thousands, self.decimal)
        if comment is not None:
            _check_comment(comment, delimiter)
        if self.encoding is not None:
            _check_encoding(self.encoding)
        for kind, names in zip(("NEW", "OLD"), zip(*self.renames, strict=True), strict=False):
            if twice := [name for name in names if names.count(name) > 1]:
                raise OptionError(f"--map: {escaped(twice[0])} comes twice as {kind}. Name it once")

    @property
    def mark(self) -> str:
        """The character between cells as the parsers see them; see `rewriting.py`."""
        return "\t" if self.delimiter == "whitespace" else self.delimiter

    @cached_property
    def tokens(self) -> frozenset[str]:
        """All cells that mean a missing value."""
        return frozenset([*MISSING_TOKENS, *self.missing])

    @cached_property
    def number_tokens(self) -> frozenset[str]:
        """Those of a column of numbers, as they are usually written."""
        return frozenset([*NUMBER_TOKENS, *self.missing])

    @cached_property
    def missing_numbers(self) -> tuple[float, ...]:
        """Those of `missing` that are numbers, for the formats that hold numbers and not their text."""
        return tuple(float(token) for token in self.missing if _NUMBER.fullmatch(token))

    @cached_property
    def token_numbers(self) -> tuple[float, ...]:
        """The numbers that those of `missing` would be as cells of a text table."""
        return tuple(float(plain) for plain in map(self._plain, self.missing) if _NUMBER.fullmatch(plain))

    @cached_property
    def _grouped(self) -> re.Pattern[str]:
        return _grouped_by(self.thousands or "", self.decimal)

    def number(self, cell: str) -> float:
        """Return the float64 nearest to the decimal number in `cell`; NaN where it is missing, 1 or 0 for a boolean.
        Raises NotANumberError where the cell is none of these, or beyond the range of float64.
        """
        text = cell.strip(" \t")
        if text in self.tokens:
            return math.nan
        plain = self._plain(text)
        if not _NUMBER.fullmatch(plain):
            if text in BOOLEANS:
                return BOOLEANS[text]
            if means_no_number(text):
                return math.nan
            raise self._why_not(text)
        value = float(plain)
        if math.isinf(value):
            raise NotANumberError("is beyond the range of float64", sort="dressed")
        return value

    def _plain(self, text: str) -> str:
        """Return a number as Python writes it; other text may become anything that is no number."""
        if self.thousands is not None and self.thousands in text and self._grouped.fullmatch(text):
            text = text.replace(self.thousands, "")
        return text if self.decimal == "." else text.replace(".", "\0").replace(",", ".")

    def text(self, cell: str) -> str | None:
        """Return a category's value, spaces around it aside; None where the cell is a missing token."""
        text = cell.strip(" \t")
        return None if text in self.tokens else text

    def integer(self, cell: str) -> int | None:
        """Return the integer that a cell is written as; None where it is written otherwise."""
        plain = self._plain(cell.strip(" \t"))
        return int(plain) if len(plain) <= _LONGEST_INTEGER and _INTEGER.fullmatch(plain) else None

    def _why_not(self, text: str) -> NotANumberError:
        if re.fullmatch(_INFINITY, text):
            return NotANumberError("is not a finite number", "Correct it, or leave the row out", "dressed")
        if is_date(text):
            return NotANumberError(*DATE)
        if option := self._other_option(text):
            return NotANumberError(*option, sort="dressed")
        if found := dress_of(text):
            dress, unit = found
            return NotANumberError(
                f"is not a number ({dress.what})", dress.plain, "dressed", unit, edit_of(dress, unit)
            )
        return NotANumberError("is not a number", _way(text))

    def _other_option(self, text: str) -> tuple[str, str] | None:
        """Return what is wrong with a number that other options read, and these; None for other text."""
        if self.decimal == "," and _NUMBER.fullmatch(text):
            return "is not a number (decimal point?)", "Try it without --decimal ,"
        comma = self.decimal == "." and bool(re.fullmatch(_COMMA_DECIMAL, text))
        separators = (mark for mark in _TYPED_THOUSANDS if mark not in {self.decimal, self.thousands})
        mark = next((mark for mark in separators if _grouped_by(mark, self.decimal).fullmatch(text)), None)
        if mark is None:
            return ("is not a number (decimal comma?)", "Try: --decimal ,") if comma else None
        or_comma = (", or a decimal comma", " or --decimal ,") if comma else ("", "")
        return (
            f"is not a number (thousands separators{or_comma[0]}?)",
            f"Try: --thousands {_TYPED_THOUSANDS[mark]}{or_comma[1]}",
        )

    def is_missing_number(self, cell: str) -> bool:
        """Whether a cell of a column of numbers means a missing value."""
        return self._is_missing(cell) is True

    def is_number(self, cell: str) -> bool:
        """Whether a cell holds a finite number (a missing value is none)."""
        return self._is_missing(cell) is False

    def _is_missing(self, cell: str) -> bool | None:
        try:
            return math.isnan(self.number(cell))
        except NotANumberError:
            return None


def _is_text(character: str) -> bool:
    return not "\ud800" <= character <= "\udfff"  # what Python makes of an argument that is not UTF-8


def _check_thousands(mark: str, decimal: str) -> None:
    if len(mark) != 1 or mark.isalnum() or mark in '"\n\r\t+-' or not _is_text(mark):
        raise OptionError(f"--thousands takes one character that is no digit, letter or sign, not {escaped(mark)}")
    if mark == decimal:
        other = "." if decimal == "," else ","
        raise OptionError(f"--thousands and --decimal are both {escaped(mark)}. Try: --decimal {other}")


def _check_comment(mark: str, delimiter: str) -> None:
    if len(mark) != 1 or mark.isalnum() or mark.isspace() or mark in '"+-.,{' or not _is_text(mark):
        raise OptionError(f"--comment takes one character that no cell begins with, such as #, not {escaped(mark)}")
    if mark == delimiter:
        raise OptionError(f"--comment and --delimiter are both {escaped(mark)}. Name the one that the table has")


def _check_encoding(name: str) -> None:
    import codecs

    try:
        "a".encode(name)
        codecs.getincrementaldecoder(name)
    except (LookupError, UnicodeError, ValueError) as error:
        raise OptionError(
            f"--encoding: {escaped(name)} is no encoding that Python knows. Try: utf-8, utf-16, cp1252 or latin-1"
        ) from error


def is_date(text: str) -> bool:
    """Whether a cell looks like a day, or a moment of one."""
    return bool(re.fullmatch(_DATE, text.strip(" \t")))


def _grouped_by(mark: str, decimal: str) -> re.Pattern[str]:
    return re.compile(rf"[+-]?[0-9]{{1,3}}(?:{re.escape(mark)}[0-9]{{3}})+(?:{re.escape(decimal)}[0-9]*)?{EXPONENT}")


def _way(text: str) -> str:
    """Say what to type where the text may stand for a missing value; else that it must be a mistake."""
    if not may_be_missing(text):
        return "Correct it"
    import shlex

    typed = f"'{text}'" if text[1:].endswith(".") and shlex.quote(text) == text else shlex.quote(text)
    return f"Correct it, or if it means a missing value: --missing-token {typed}"


def has_table_suffix(name: str) -> bool:
    """Whether `name` looks like a table's file name."""
    return format_of(packed_name(name)) is not None or name.lower().endswith(_WORKBOOKS)


def packed_name(name: str) -> str:
    """Return the name, in small letters, of what a file holds: without the suffix of a compressed one."""
    lowered = name.lower()
    return next((lowered.removesuffix(suffix) for suffix in _PACKED if lowered.endswith(suffix)), lowered)


def names_table(value: str, *, alone: bool) -> bool:
    """Whether an argument of a command means a table: a file, a folder, a pattern, or "-".
    Where it stands `alone`, a number is a file where there is one.
    """
    if value == "-" or is_remote(value) or has_table_suffix(value) or (alone and os.path.isfile(value)):  # noqa: PTH113 - Path.is_file raises on a name too long for a file
        return True
    if _NUMBER.fullmatch(value) or "=" in value:
        return False
    return os.path.exists(value) or any(mark in value for mark in "*?[")  # noqa: PTH110 - likewise


def format_of(name: str) -> Format | None:
    """Return the format that a file name's suffix tells; None where it tells none."""
    return next((kind for kind, suffixes in _SUFFIXES.items() if name.lower().endswith(suffixes)), None)
