"""The options of a command that fill a record of options: made from its fields, and gathered into its values."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

import click

from lr_runtime.commands.console import FilePath, FiniteRange, option
from lr_runtime.errors import OptionError, escaped
from lr_runtime.options import (
    CHECKPOINT,
    ENDS,
    FLAG,
    NAME_OR_NAMES,
    NAMES,
    PAIRS,
    REPEATED,
    VALUES,
    Number,
    OneOf,
    Option,
    options_in,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence


_F = TypeVar("_F", bound="Callable[..., object]")


def options_of(record: type, without: Collection[str] = ()) -> Callable[[_F], _F]:
    """Add the options of a record's fields to a command; one that is not given comes in as None or ()."""

    def decorate(body: _F) -> _F:
        for each in reversed([*options_in(record)]):
            if each.name not in without:
                body = option(each.typed, each.key, help=each.help, metavar=each.metavar or None, **_as_click(each))(
                    body
                )
        return body

    return decorate


def _as_click(each: Option) -> dict[str, Any]:
    kind = each.kind
    if isinstance(kind, Number):
        ends: Any = kind.low, kind.high if kind.most_typed is None else kind.most_typed
        return {"type": click.IntRange(*ends) if kind.is_whole else FiniteRange(kind)}
    if isinstance(kind, OneOf):
        return {"type": click.Choice(kind.words)}
    if kind is FLAG or each.metavar.startswith("["):  # a flag, or what may come without its value
        return {"is_flag": True, "default": None} if kind is FLAG else {"is_flag": False, "flag_value": ""}
    if kind is CHECKPOINT:
        return {"type": FilePath()}  # click looks its words up in the catalogues for each, which takes 0.1 ms
    if kind in {NAMES, NAME_OR_NAMES}:
        return {"callback": read_names}
    return {"multiple": True} if kind in {ENDS, PAIRS, REPEATED, VALUES} else {}


def values_of(record: type, given: dict[str, Any]) -> dict[str, Any]:
    """Take the values of a record's fields out of what a command was given; those not given stay the record's own.
    Raises OptionError where an option that takes A=B came without, or with one A twice.
    """
    values = {}
    for each in options_in(record):
        value = given.pop(each.key, None)
        if value is None or value == ():
            continue
        if each.kind is FLAG and each.default is True:
            value = not value  # --no-header
        elif each.kind is PAIRS:
            value = _pairs(each, value)
        elif each.kind is VALUES:
            value = dict(_pairs(each, [pair for text in value for pair in _names(text)]))
        elif each.kind is ENDS:
            value = {name: _ends(each, text) for name, text in _pairs(each, value)}
        elif each.kind is REPEATED:
            value = tuple(text.strip(" \t") for text in value)
        values[each.name] = value
    return values


def _pairs(each: Option, texts: Sequence[str]) -> tuple[tuple[str, str], ...]:
    of_term = each.metavar.startswith("TERM=")  # site=B=0:2
    parted = (text.rpartition("=") if of_term else text.partition("=") for text in texts)
    pairs = [(first.strip(), second.strip()) for first, _, second in parted]
    if odd := [text for text, pair in zip(texts, pairs, strict=True) if not all(pair)]:
        raise OptionError(f"{each.typed} takes {each.metavar}, not {escaped(odd[0])}")
    names = [name for name, _ in pairs]
    if twice := [name for name in names if names.count(name) > 1]:
        raise OptionError(f"{each.typed} names {escaped(twice[0])} twice. Name it once")
    return tuple(pairs)


def _ends(each: Option, text: str) -> list[float | None]:
    try:
        ends = [float(end) if end.strip() else None for end in text.split(":")]
    except ValueError:
        ends = []
    if not each.kind.takes({"": ends}):
        raise OptionError(f"{each.typed} takes {each.metavar}, LOW or HIGH left out, not {escaped(text)}")
    return ends


def read_names(_: click.Context, __: click.Parameter, text: str | None) -> list[str] | None:
    """Read the value of an option that takes names, separated by commas; one that holds a comma in double quotes."""
    return None if text is None else _names(text)


def _names(text: str) -> list[str]:
    import csv

    return [name.strip() for name in next(csv.reader([text], skipinitialspace=True))]
