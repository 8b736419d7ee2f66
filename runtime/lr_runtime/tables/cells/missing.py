r"""Cells without a value: those that always mean that, and those that may.

The list is pandas' (R's and polars' are shorter), for no number and hardly a name is written so. In a column of numbers
it holds in any case of its letters, and so do the ways in which C writes a NaN: data loggers write NAN. Text keeps the
case: `none` and `na` are names of categories. What may mean anything (?, ., missing, the errors of spreadsheets) is not
on it: a typing error or a failed formula is to be seen, and the message says how to make it a missing value.
"""

from __future__ import annotations

import re

MISSING_TOKENS = (
    *("", "NA", "N/A", "n/a", "#N/A", "#N/A N/A", "#NA", "<NA>", "NULL", "null", "None", "NaN", "nan", "-"),
)
"""Cells that mean "no value here", after trimming spaces; exactly these, and those of `TableOptions.missing`."""

_NAN_OF_C = "-nan nan(ind) -nan(ind) 1.#qnan -1.#qnan 1.#ind -1.#ind"
_IN_NUMBERS = frozenset([*map(str.lower, MISSING_TOKENS), *_NAN_OF_C.split()])
NUMBER_TOKENS = (*MISSING_TOKENS, *(form(token) for token in _IN_NUMBERS for form in (str.lower, str.upper, str.title)))
"""The usual forms of those that mean it in a column of numbers."""

# Compiled by the first cell that is held against them.
_LIKELY = (
    r"(?i:miss(?:ing)?|unk(?:nown)?|nil|void|n[./]?[adv]\.?|absent|undef(?:ined)?|invalid|err(?:or)?|bad|fail(?:ed)?"
    r"|off|offline|empty|blank|tbd|bdl|lod|ovf|overflow|[mx]|\(null\)|\\n|no ?data|no value"
    r"|not (?:available|applicable|measured)|(?:out of|over) range)"
)
_SPREADSHEET_ERROR = r"#[A-Z0-9/_]+[!?]?"
_MOST_MARKS = 8


def means_no_number(text: str) -> bool:
    """Whether a cell of a column of numbers that is no number means a missing value."""
    return text.lower() in _IN_NUMBERS


def may_be_missing(text: str) -> bool:
    """Whether a cell that is no number may stand for a missing value: a word for it, an error, or marks alone."""
    if len(text) <= _MOST_MARKS and not any(each.isalnum() or not each.isprintable() for each in text):
        return True
    return bool(re.fullmatch(_LIKELY, text) or re.fullmatch(_SPREADSHEET_ERROR, text))
