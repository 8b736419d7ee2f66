"""The options that say how a table is read, the same for training and inference."""

from __future__ import annotations

from functools import wraps
from typing import TYPE_CHECKING, Any, TypeVar, cast

import click

from lr_runtime.errors import OptionError, escaped

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from lr_runtime.tables import TableOptions

_F = TypeVar("_F", bound="Callable[..., object]")


def table_options(body: _F) -> _F:
    """Add the options that say how a table is read, the same for training and inference; the body takes `reading`."""

    @wraps(body)
    def gathered(**values: Any) -> object:
        reading = read_as(**{name: values.pop(name) for name in _READING})
        return body(**values, reading=reading)

    decorated: Any = gathered
    for option in (
        click.option("--no-header", is_flag=True, help="The first row holds numbers; name the columns x1, x2, ..."),
        click.option(
            "--missing-token",
            "missing_tokens",
            multiple=True,
            metavar="TEXT",
            help="A cell that means a missing value, beside the usual ones (NA, null, nan, ...); may be repeated.",
        ),
        click.option(
            "--map", "renames", multiple=True, metavar="NEW=OLD", help="The file's column OLD is NEW; may be repeated."
        ),
        click.option("--encoding", metavar="NAME", help="Of a text table (UTF-8, or UTF-16 with its mark)."),
        click.option("--thousands", metavar="CHAR", help="The character between groups of three digits."),
        click.option("--decimal", type=click.Choice([".", ","]), default=".", help="The decimal mark."),
        click.option("--sheet", metavar="NAME", help="Of a spreadsheet (the first)."),
        click.option("--comment", metavar="CHAR", help="What begins a comment, to the end of its line."),
        click.option(
            "--skip-rows", type=click.IntRange(min=0), default=0, metavar="N", help="Pass over the first N lines."
        ),
        click.option(
            "--delimiter", default=",", show_default=True, help="The character between cells; or: whitespace, any run."
        ),
    ):
        decorated = option(decorated)
    return cast("_F", decorated)


_READING = (
    *("delimiter", "decimal", "no_header", "thousands", "encoding", "renames", "missing_tokens"),
    *("skip_rows", "comment", "sheet"),
)


def read_as(
    delimiter: str,
    decimal: str,
    *,
    no_header: bool,
    thousands: str | None = None,
    encoding: str | None = None,
    renames: Sequence[str] = (),
    missing_tokens: Sequence[str] = (),
    skip_rows: int = 0,
    comment: str | None = None,
    sheet: str | None = None,
) -> TableOptions:
    """Make of the values of `table_options` what the readers take.

    Raises:
        OptionError: one is not what it should be, or they contradict each other.
    """
    from lr_runtime.tables import TableOptions

    if delimiter != "whitespace" and (len(delimiter) != 1 or delimiter in '"\n\r' or not _is_text(delimiter)):
        raise OptionError(f"--delimiter takes one character, or whitespace, not {escaped(delimiter)}")
    if comment is not None:
        _check_comment(comment, delimiter)
    if thousands is not None:
        _check_thousands(thousands, decimal)
    if encoding is not None:
        _check_encoding(encoding)
    return TableOptions(
        delimiter=delimiter,
        decimal=decimal,
        header=not no_header,
        thousands=thousands,
        encoding=encoding,
        renames=_renames(renames),
        missing=tuple(token.strip(" \t") for token in missing_tokens),
        skip_rows=skip_rows,
        comment=comment,
        sheet=sheet,
    )


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


def pairs_of(option: str, like: str, texts: Sequence[str]) -> list[tuple[str, str]]:
    """Return the pairs of an option that takes A=B, and may be repeated.

    Args:
        option: its name.
        like: what it takes, in words.
        texts: what came.

    Raises:
        OptionError: one of them is no pair.
    """
    pairs = [(first.strip(), second.strip()) for first, _, second in (text.partition("=") for text in texts)]
    if odd := [text for text, pair in zip(texts, pairs, strict=True) if not all(pair)]:
        raise OptionError(f"{option} takes {like}, not {escaped(odd[0])}")
    return pairs


def _renames(texts: Sequence[str]) -> tuple[tuple[str, str], ...]:
    pairs = pairs_of("--map", "NEW=OLD, such as temp=t", texts)
    for place, kind in enumerate(("NEW", "OLD")):
        names = [pair[place] for pair in pairs]
        if twice := [name for name in names if names.count(name) > 1]:
            raise OptionError(f"--map: {escaped(twice[0])} comes twice as {kind}. Name it once")
    return tuple(pairs)
