"""Coefficients by the names of their terms, as R's broom::tidy or `lr-train --json` writes them, to a model.

A term is a column, its power (x^2, I(x^2)), a level of a category (site=B, or as R has it siteB) or the intercept. A
number is the float64 nearest to its decimal text.
"""

from __future__ import annotations

import json
import re
from math import isfinite
from typing import TYPE_CHECKING, NamedTuple

from lr_export.errors import UnsupportedModelError
from lr_export.importing.combination import dot, term
from lr_export.importing.folding import Source, SourceColumn
from lr_runtime.contract.terms.category import Level
from lr_runtime.contract.terms.power import Power
from lr_runtime.errors import OptionError, escaped, listed

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from lr_export.importing.combination import Feature
    from lr_export.importing.folding import Range
    from lr_runtime.system.text import Json

_INTERCEPTS = ("(Intercept)", "Intercept", "intercept", "const")
_POWER = re.compile(r"I\((`[^`]+`|[\w.]+)\^([1-9]\d?)\)|([^^]+)\^([1-9]\d?)")
_COMPUTED = re.compile(r".*:.*|[\w.]+\(.*\).*")
"""A product of columns, or what a function makes of them, as R writes it."""


class Coefficients(NamedTuple):
    """Coefficients as they were written.

    Attributes:
        rows: target, term and estimate of each.
        levels: the levels of categories by column.
        ranges: the training ranges of columns of numbers.
        intercept: of the outputs that have none among the rows; None where nothing is said of it.
    """

    rows: tuple[tuple[str, str, float], ...]
    levels: Mapping[str, tuple[str, ...]]
    ranges: Mapping[str, Range]
    intercept: float | None = None


def read_coefficients(content: bytes) -> Coefficients:
    """Read coefficients from JSON: a list of rows, or an object that has it as `coefficients`.

    Raises:
        UnsupportedModelError: it is neither; the message says why.
    """
    try:
        found = json.loads(content, object_pairs_hook=_unique)
    except (ValueError, RecursionError) as error:
        raise UnsupportedModelError(f"not JSON ({error!s:.80})") from error
    table = found if isinstance(found, dict) else {"coefficients": found}
    usual = table.get("target", "y")
    try:
        return Coefficients(
            rows=tuple(
                (str(row.get("target", row.get("response", usual))), str(row["term"]), _number(row))
                for row in table["coefficients"]
            ),
            levels={column: levels_of(column, each) for column, each in table.get("levels", {}).items()},
            ranges={column: (float(low), float(high)) for column, (low, high) in table.get("ranges", {}).items()},
            intercept=0.0 if table.get("intercept") is False else None,
        )
    except (AttributeError, KeyError, OverflowError, TypeError, ValueError) as error:
        raise UnsupportedModelError(
            f'expected a list of rows with "term" and "estimate", alone or as "coefficients" ({error!s:.80})'
        ) from error


def levels_of(column: str, values: Sequence[str]) -> tuple[str, ...]:
    """Return the levels of a category.

    Raises:
        UnsupportedModelError: they are no list of different texts.
    """
    if isinstance(values, str) or not values or len(set(values)) < len(values):
        raise UnsupportedModelError(f"the levels of {escaped(column)} are no list of different values")
    return tuple(map(str, values))


def model_of(given: Coefficients, target: Sequence[str] | None, name: str) -> Source:
    """Return the model of coefficients.

    Args:
        given: the coefficients.
        target: the names of the outputs, in the order in which they come first; None for those that are given.
        name: what messages and certificates call the model.

    Raises:
        UnsupportedModelError: a term is none of ours, stands twice, or an output has no intercept.
        OptionError: there are not as many targets as outputs.
    """
    if not given.rows:
        raise UnsupportedModelError("there are no coefficients")
    outputs, columns = list(dict.fromkeys(row[0] for row in given.rows)), list[str]()
    if target is not None and len(set(target)) != len(outputs):
        raise OptionError(f"--target takes a name for each of {listed(outputs)}, not {listed(target)}")
    predictions = []
    for output in outputs:
        rows = [row[1:] for row in given.rows if row[0] == output]
        weights = dict(rows)
        if len(weights) < len(rows):
            raise UnsupportedModelError(f"a term of {escaped(output)} stands twice")
        constants = [weights.pop(each) for each in _INTERCEPTS if each in weights]
        constants += [] if given.intercept is None else [given.intercept]
        if len(constants) != 1:
            count = "more than one" if constants else "no"
            raise UnsupportedModelError(f"{escaped(output)} has {count} intercept. Say --intercept 0 if it has none")
        features = [_feature(each, given.levels, columns) for each in weights]
        predictions.append(dot(list(weights.values()), features, constants[0]))
    if strange := [column for column in given.levels if column not in columns]:
        raise UnsupportedModelError(f"the levels of {escaped(strange[0])} are given, and no term is one of them")
    kinds = tuple(SourceColumn(each, values=given.levels.get(each, ())) for each in columns)
    return Source(name, kinds, tuple(target or outputs), tuple(predictions))


def _unique(pairs: list[tuple[str, Json]]) -> dict[str, Json]:
    if len(dict(pairs)) < len(pairs):
        raise ValueError("a key stands twice")
    return dict(pairs)


def _number(row: Mapping[str, Json]) -> float:
    value = row.get("estimate")
    if isinstance(value, bool) or not isinstance(value, int | float) or not isfinite(value):
        raise ValueError(f"the term {row['term']} has no estimate that is a finite number")
    return float(value)


def _feature(name: str, levels: Mapping[str, Sequence[str]], columns: list[str]) -> Feature:
    """Return a term, and add its column to the columns where it is not among them."""
    named = [
        (column, place)
        for column, values in levels.items()
        for place, value in enumerate(values)
        if name in {f"{column}={value}", f"{column}{value}"}
    ]
    power = None if named else _POWER.fullmatch(name)
    column = named[0][0] if named else (power[1] or power[3] if power else name).strip("` ")
    if len(named) > 1 or (not named and (column in levels or _COMPUTED.fullmatch(column))):
        raise UnsupportedModelError(
            f"the term {escaped(name)} cannot be folded. A column can be, its power as x^2 or I(x^2), and a level as "
            "site=B of a category whose levels are given"
        )
    if column not in columns:
        columns.append(column)
    place = columns.index(column)
    return term(Level(place, named[0][1]) if named else Power(place, int(power[2] or power[4]) if power else 1))
