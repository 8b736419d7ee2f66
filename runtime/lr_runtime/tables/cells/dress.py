"""Numbers in another dress: cells that a person reads as a number, and that are not written as one.

They are told apart from names, because a column of them taken for a category would have a level for every value.
"""

from __future__ import annotations

import re
from functools import cache
from typing import NamedTuple

EXPONENT = r"(?:[eE][+-]?[0-9]+)?"
_GROUPS = r"[0-9]{1,3}(?:[,.'_ \u2019\xa0\u202f][0-9]{3})+(?:[.,][0-9]+)?"
_SIGN = r"[+\-\u2212]?"
_NUMBER = rf"(?:{_GROUPS}|[0-9]+[.,]?[0-9]*|[.,][0-9]+){EXPONENT}"
_CODES = "USD EUR GBP CHF JPY CNY INR AUD CAD NZD SEK NOK DKK PLN CZK HUF RUB BRL ZAR MXN KRW TRY SGD HKD"
_CURRENCY = rf"(?:R?[$\u20ac\u00a3\u00a5\u20b9\u20a9\u20bd\u00a2]|{_CODES.replace(' ', '|')}|Fr\.|kr\.?|Rs\.?)"
_LETTERS = r"A-Za-z\u00b5\u03bc\u03a9\u2126\u00b0\u2103\u2109\u00c5"
_UNIT = (
    rf"[ \xa0\u202f]?(?P<unit>[{_LETTERS}][{_LETTERS}\u00b2\u00b3\u207b\u00b90-9/*\u00b7^.\-]{{0,11}}"
    r"|[\u2032\u2033'\"])"
)
_MOST_UNITS = 3
"""Different units behind the numbers of one column; beyond that they are codes, such as 1A, 2B and 3C."""


class Dress(NamedTuple):
    """A way that numbers are written in.

    Attributes:
        what: what the cell is, or holds.
        pattern: of a whole cell, spaces around it aside.
        plain: how such a cell is to be written.
        edit: what sed makes plain numbers of such cells with; "UNIT" stands for the unit.
    """

    what: str
    pattern: str
    plain: str
    edit: str = ""


_DIGIT = re.compile("[0-9]")
_OTHERWISE = Dress("a number that is written in another way", rf"{_SIGN}{_NUMBER}|[0-9_]+", "Write it as 1234.5")
DRESSES = (
    Dress("a percentage", rf"{_SIGN}{_NUMBER}[ \xa0]?[%\u2030]", "Write it without the percent sign", "s/ *%//g"),
    Dress(
        "an amount of a currency",
        rf"[(]?{_SIGN}{_CURRENCY}[ \xa0]?{_SIGN}{_NUMBER}[)]?-?|[(]?{_SIGN}{_NUMBER}[ \xa0]?{_CURRENCY}[)]?",
        "Write it without the currency",
        "s/[$\u20ac\u00a3\u00a5] *//g",
    ),
    Dress(
        "its exponent is written another way",
        rf"[+-]?(?:{_NUMBER}[dD][+-]?[0-9]+|[0-9]+\.[0-9]*[+-][0-9]{{2,3}}"
        rf"|{_NUMBER}[ ]?[*x\u00d7\u00b7][ ]?10(?:\^|\*\*)?[+\-\u2212]?[0-9\u2070\u00b9\u00b2\u00b3\u2074-\u207b]+)",
        "Write the exponent with E, as in 1.5E-3",
        r"s/\([0-9.]\)[dD]\([-+0-9]\)/\1E\2/g",
    ),
    Dress(
        "a negative number in brackets",
        rf"[(][ ]?{_NUMBER}[ ]?[)]",
        "Write it with a minus sign",
        r"s/(\([0-9.,]*\))/-\1/g",
    ),
    Dress("its minus sign is behind it", rf"{_NUMBER}[ ]?-", "Write the minus sign in front"),
    Dress(
        "its sign is another character than - or +",
        rf"[\u2212\u2010-\u2014\u02d7\ufe63\uff0d\uff0b]{_NUMBER}",
        "Write it with the - or + of a keyboard",
    ),
    Dress(
        "an apostrophe beside a number",
        rf"['\u2018\u2019`]{_SIGN}{_NUMBER}['\u2019`]?",
        "Write it without them",
        "s/'//g",
    ),
    Dress(
        "a number as a formula, or in quotes",
        rf'="?{_SIGN}{_NUMBER}"?|"{_SIGN}{_NUMBER}"',
        "Write the number alone",
        r"""s/="\([^"]*\)"/\1/g""",
    ),
    Dress("a limit", rf"(?:[<>~\u2248\u2264\u2265]|<=|>=)[ ]?{_SIGN}{_NUMBER}", "Write a number, or leave it empty"),
    Dress("a mark behind a number", rf"{_SIGN}{_NUMBER}[ ]?[*\u2020\u2021#?!]{{1,3}}", "Write it without the mark"),
    Dress(
        "a time",
        r"[0-9]{1,3}:[0-5][0-9](?::[0-5][0-9](?:[.,][0-9]+)?)?(?:[ ]?[aApP]\.?[mM]\.?)?",
        "Write it as a number, of seconds or hours",
    ),
    Dress("hexadecimal", r"[+-]?0[xX][0-9a-fA-F]+", "Write it in decimal digits"),
    _OTHERWISE,
    Dress(
        "a unit behind a number",
        rf"{_SIGN}{_NUMBER}{_UNIT}",
        "Write it without the unit, which --unit can name",
        "s/ *UNIT//g",
    ),
)


@cache
def _compiled() -> tuple[tuple[Dress, re.Pattern[str]], ...]:
    return tuple((dress, re.compile(dress.pattern)) for dress in DRESSES)


def dress_of(text: str) -> tuple[Dress, str] | None:
    """Return how a cell that is no plain number is written as one, and the unit behind it; None where it is text."""
    if text.isdecimal():  # digits of another script
        return _OTHERWISE, ""
    if not _DIGIT.search(text):
        return None
    for dress, pattern in _compiled():
        if found := pattern.fullmatch(text):
            return dress, (found.groupdict().get("unit") or "")
    return None


def edit_of(dress: Dress, unit: str) -> str:
    """Return what sed makes plain numbers of cells in such a dress with; empty where it cannot."""
    return dress.edit.replace("UNIT", re.sub(r"[/.*^]", r"\\\g<0>", unit))


def are_codes(units: set[str]) -> bool:
    """Whether what stands behind the numbers of a column differs so much that it is no unit."""
    return len(units) > _MOST_UNITS
