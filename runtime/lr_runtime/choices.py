"""The values that options may have, once: for types, for checks and for the help of the commands."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, get_args

from lr_runtime.errors import OptionError, escaped

if TYPE_CHECKING:
    from collections.abc import Iterable

Format = Literal["csv", "jsonl", "parquet", "arrow"]
FORMATS: tuple[Format, ...] = get_args(Format)
"""Of tables."""

OnError = Literal["stop", "skip", "null"]
ON_ERROR: tuple[OnError, ...] = get_args(OnError)
"""What a bad row does: end the stream with its error, be left out, or stand there without results."""

Unknown = Literal["error", "missing"]
UNKNOWN: tuple[Unknown, ...] = get_args(Unknown)
"""What a category that the model does not know is: an error, or a missing value where the column's policy has those."""


def check_choice(option: str, value: object, allowed: Iterable[object]) -> None:
    """Raise OptionError where an option, called as it is typed, has a value that is none of the allowed ones.

    The commands let no other value through; from Python, one that nothing knows would pass for a default.
    """
    if value not in (known := list(allowed)):
        raise OptionError(f"{option} is one of {', '.join(map(str, known))}, not {escaped(str(value))}")
