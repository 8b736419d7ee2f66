"""The values that options may have, once: for types, for checks and for the help of the commands."""

from __future__ import annotations

from typing import Literal, get_args

Format = Literal["csv", "jsonl", "parquet", "arrow"]
FORMATS: tuple[Format, ...] = get_args(Format)
"""Of tables."""

OnError = Literal["stop", "skip", "null"]
ON_ERROR: tuple[OnError, ...] = get_args(OnError)
"""What a bad row does: end the stream with its error, be left out, or stand there without results."""

Unknown = Literal["error", "missing"]
UNKNOWN: tuple[Unknown, ...] = get_args(Unknown)
"""What a category that the model does not know is: an error, or a missing value where the column's policy has those."""
