"""The input columns of a model: names, ranges, units, categories and policies for missing values."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple, get_args

if TYPE_CHECKING:
    from lr_runtime.instants import Clock

Kind = Literal["number", "category"]


KINDS: tuple[Kind, ...] = get_args(Kind)


Missing = Literal["error", "mean", "indicator"]


MISSING: tuple[Missing, ...] = get_args(Missing)


class Column(NamedTuple):
    """An input column: its name, and the range [minimum, maximum] of its training rows, in `unit` if known.

    A category enters the model as its index in `categories`. `missing` is the policy for missing values: an error, or
    the training rows' mean in their place, with or without an indicator term. Instants enter as what `time` counts,
    which is their `unit`.

    Example:
        >>> Column("site", 0.0, 1.0, kind="category", categories=("north", "south")).categories.index("south")
        1
    """

    name: str
    minimum: float
    maximum: float
    unit: str | None = None
    kind: Kind = "number"
    missing: Missing = "error"
    categories: tuple[str, ...] = ()
    time: Clock | None = None
