"""Coefficients by the names of their terms, as R's broom::tidy or `lr-train --json` writes them, to a model.

A term is a column, its power (x^2, I(x^2)), a level of a category (site=B, or as R has it siteB) or the intercept. A
number is the float64 nearest to its decimal text.
"""

from __future__ import annotations

import json
import re
from functools import partial
from math import isfinite
from typing import TYPE_CHECKING, NamedTuple

from lr_export.errors import UnsupportedModelError
from lr_export.importing.combination import dot, number, term
from lr_export.importing.folding import Source, SourceColumn
from lr_runtime.contract.terms.category import Level
from lr_runtime.contract.terms.power import Power
from lr_runtime.errors import OptionError, escaped, listed

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from lr_export.importing.folding import Range
    from lr_runtime.contract.terms.term import Term
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

    rows: Sequence[tuple[str, str, float]]
    levels: Mapping[str, Sequence[str]]
    ranges: Mapping[str, Range]
    intercept: float | None


def read_coefficients(content: bytes, typed: Coefficients) -> Coefficients:
    """Read coefficients from JSON, where levels and an intercept that were typed go before those of the file.

    Raises:
        UnsupportedModelError: it is no list of rows, nor an object that has it as `coefficients`; the message says why.
    """
    try:
        found = json.loads(content, object_pairs_hook=_unique)
        table = found if isinstance(found, dict) else {"coefficients": found}
        levels = {column: levels_of(column, values) for column, values in table.get("levels", {}).items()}
        without = 0.0 if table.get("intercept") is False else None
        return Coefficients(
            rows=[_row(each, str(table.get("target", "y"))) for each in table["coefficients"]],
            levels={**levels, **typed.levels},
            ranges={column: (float(low), float(high)) for column, (low, high) in table.get("ranges", {}).items()},
            intercept=without if typed.intercept is None else typed.intercept,
        )
    except (AttributeError, KeyError, OverflowError, RecursionError, TypeError, ValueError) as error:
        expected = 'expected a list of rows with "term" and "estimate", alone or as "coefficients"'
        raise UnsupportedModelError(f"not JSON of coefficients ({error!s:.80}); {expected}") from error


def levels_of(column: str, values: Sequence[str]) -> Sequence[str]:
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
        UnsupportedModelError: a term is none of ours, stands twice, or an output has not one intercept.
        OptionError: there are not as many targets as outputs.
    """
    terms = {each: _read(each, given.levels) for _, each, _ in given.rows if each not in _INTERCEPTS}
    columns = list(dict.fromkeys(column for column, _ in terms.values()))
    features = {each: term(kind(columns.index(column))) for each, (column, kind) in terms.items()}
    features |= dict.fromkeys(_INTERCEPTS, number(1.0))
    outputs = list(dict.fromkeys(output for output, _, _ in given.rows))
    if target is not None and len(set(target)) != len(outputs):
        raise OptionError(f"--target takes a name for each of {listed(outputs)}, not {listed(target)}")
    predictions = []
    for output in outputs:
        rows = [(each, weight) for place, each, weight in given.rows if place == output]
        weights = dict(rows)
        if len(weights) < len(rows):
            raise UnsupportedModelError(f"a term of {escaped(output)} stands twice")
        if (count := len(weights.keys() & _INTERCEPTS) + (given.intercept is not None)) != 1:
            said = "more than one" if count else "no"
            raise UnsupportedModelError(f"{escaped(output)} has {said} intercept. Say --intercept 0 if it has none")
        predictions.append(dot([*weights.values()], [features[each] for each in weights], given.intercept or 0.0))
    kinds = tuple(SourceColumn(each, given.ranges.get(each), tuple(given.levels.get(each, ()))) for each in columns)
    return Source(name, kinds, tuple(target or outputs), tuple(predictions))


def _unique(pairs: list[tuple[str, Json]]) -> dict[str, Json]:
    if len(dict(pairs)) < len(pairs):
        raise ValueError("a key stands twice")
    return dict(pairs)


def _row(row: Mapping[str, Json], target: str) -> tuple[str, str, float]:
    name, value = str(row["term"]), row.get("estimate")
    if isinstance(value, bool) or not isinstance(value, int | float) or not isfinite(value):
        raise ValueError(f"the term {name} has no estimate that is a finite number")
    return str(row.get("target", row.get("response", target))), name, float(value)


def _read(name: str, levels: Mapping[str, Sequence[str]]) -> tuple[str, Callable[[int], Term]]:
    """Return the column of a term, and what makes the term from the place of its column."""
    named = [
        (column, partial(Level, category=place))
        for column, values in levels.items()
        for place, value in enumerate(values)
        if name in {f"{column}={value}", f"{column}{value}"}
    ]
    if len(named) == 1:
        return named[0]
    power = _POWER.fullmatch(name)
    column = (power[1] or power[3] if power else name).strip("` ")
    if named or column in levels or _COMPUTED.fullmatch(column):
        raise UnsupportedModelError(
            f"the term {escaped(name)} cannot be folded. A column can be, its power as x^2 or I(x^2), and a level as "
            "site=B of a category whose levels are given"
        )
    return column, partial(Power, power=int(power[2] or power[4]) if power else 1)
