"""The values that options may have, once: for types, for checks and for the help of the commands."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from lr_runtime.options import AT_LEAST_1, FLAG, TEXT, OneOf, check_options, option

Format = Literal["csv", "jsonl", "parquet", "arrow"]
FORMATS: tuple[Format, ...] = get_args(Format)
"""Of tables."""

OnError = Literal["stop", "skip", "null"]
ON_ERROR: tuple[OnError, ...] = get_args(OnError)
"""What a bad row does: end the stream with its error, be left out, or be given back without results."""

Unknown = Literal["error", "missing"]
UNKNOWN: tuple[Unknown, ...] = get_args(Unknown)
"""What a category that the model does not know is: an error, or a missing value where the column's policy has those."""


@dataclass(
    frozen=True, eq=False, repr=False
)  # what is generated costs every start of lr-infer a tenth of a millisecond
class LoadOptions:
    """The options of `lr_runtime.Predictor.load`; see there."""

    sha256: str | None = option(None, TEXT, "The SHA-256 that the model's bytes must have; else exit code 3.")
    allow_foreign: bool = option(False, FLAG, "Run a model that linedge did not write, without linedge's promise.")
    threads: int = option(1, AT_LEAST_1, "Threads that work on one batch.")
    provider: str = option("cpu", TEXT, "What ONNX Runtime runs the model on.")
    only_y: bool = option(False, FLAG, "Leave out intervals and flags.")
    unknown: Unknown = option("error", OneOf(UNKNOWN), "What a category is that the model does not know.")

    def __post_init__(self) -> None:
        check_options(self)
