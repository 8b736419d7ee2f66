"""Coefficients by the names of their terms, as R's broom::tidy or `lr-train --json` writes them, to a model.

A term is a column, its power (x^2, I(x^2)), a level of a category (site=B, or as R has it siteB) or the intercept. A
number is the float64 nearest to its decimal text.
"""

from __future__ import annotations

import json
import re
from functools import partial
from math import isfinite
from typing import TYPE_CHECKING, TypeAlias

from lr_export.errors import UnsupportedModelError
from lr_export.importing.combination import dot, term
from lr_export.importing.folding import Source, SourceColumn
from lr_runtime.contract.terms.category import Level
from lr_runtime.contract.terms.power import Power
from lr_runtime.errors import OptionError, escaped, listed

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from lr_export.importing.combination import Feature
    from lr_export.importing.folding import Range
    from lr_runtime.contract.terms.term import Term
    from lr_runtime.system.text import Json

    Levels: TypeAlias = Sequence[str]

_INTERCEPTS = ("(Intercept)", "Intercept", "intercept", "const")
_POWER = re.compile(r"I\((`[^`]+`|[\w.]+)\^([1-9]\d?)\)|([^^]+)\^([1-9]\d?)")
_COMPUTED = re.compile(r".*:.*|[\w.]+\(.*\).*")
"""A product of columns, or what a function makes of them, as R writes it."""


def model_of(
    content: bytes, levels: Mapping[str, Levels], intercept: float | None, target: Sequence[str] | None, name: str
) -> Source:
    """Return the model of coefficients in JSON, with the training ranges that stand there.

    Args:
        content: a list of rows with term and estimate, or an object that has it as `coefficients`.
        levels: those of categories, which go before the ones in the JSON.
        intercept: of the outputs that have none among the rows, likewise; None where nothing is said of it.
        target: the names of the outputs, in the order in which they come first; None for those that are given.
        name: what messages and certificates call the model.

    Raises:
        UnsupportedModelError: it is no such JSON, a term is none of ours or stands twice, or an output has not one
            intercept.
        OptionError: there are not as many targets as outputs.
    """
    rows, known, ranges, without = _read(content)
    levels, intercept = {**known, **levels}, without if intercept is None else intercept
    if odd := [column for column, values in levels.items() if not values or len(set(values)) < len(values)]:
        raise UnsupportedModelError(f"the levels of {escaped(odd[0])} are no list of different values")
    terms = {each: _term(each, levels) for _, each, _ in rows if each not in _INTERCEPTS}
    columns = list(dict.fromkeys(column for column, _ in terms.values()))
    features = {each: term(kind(columns.index(column))) for each, (column, kind) in terms.items()}
    outputs = list(dict.fromkeys(output for output, _, _ in rows))
    if target is not None and len(set(target)) != len(outputs):
        raise OptionError(f"--target takes a name for each of {listed(outputs)}, not {listed(target)}")
    return Source(
        name,
        tuple(SourceColumn(each, ranges.get(each), tuple(levels.get(each, ()))) for each in columns),
        tuple(target or outputs),
        tuple(
            _prediction(output, [row[1:] for row in rows if row[0] == output], features, intercept)
            for output in outputs
        ),
    )


def _prediction(
    output: str, rows: Sequence[tuple[str, float]], features: Mapping[str, Feature], intercept: float | None
) -> Feature:
    weights = dict(rows)
    if len(weights) < len(rows):
        raise UnsupportedModelError(f"a term of {escaped(output)} stands twice")
    constants = [weights.pop(each) for each in _INTERCEPTS if each in weights]
    constants += [] if intercept is None else [intercept]
    if len(constants) != 1:
        said = "more than one" if constants else "no"
        raise UnsupportedModelError(f"{escaped(output)} has {said} intercept. Say --intercept 0 if it has none")
    return dot([*weights.values()], [features[each] for each in weights], *constants)


def _read(content: bytes) -> tuple[list[tuple[str, str, float]], dict[str, Levels], dict[str, Range], float | None]:
    """Return output, term and estimate of each row, the levels and ranges of columns, and 0 for a missing intercept."""
    try:
        found = json.loads(content, object_pairs_hook=_unique)
        table = found if isinstance(found, dict) else {"coefficients": found}
        return (
            [_row(each, str(table.get("target", "y"))) for each in table["coefficients"]],
            {
                column: tuple(map(str, each)) if isinstance(each, list) else ()
                for column, each in table.get("levels", {}).items()
            },
            {column: (float(low), float(high)) for column, (low, high) in table.get("ranges", {}).items()},
            0.0 if table.get("intercept") is False else None,
        )
    except (AttributeError, KeyError, OverflowError, RecursionError, TypeError, ValueError) as error:
        expected = 'expected a list of rows with "term" and "estimate", alone or as "coefficients"'
        raise UnsupportedModelError(f"not JSON of coefficients ({error!s:.80}); {expected}") from error


def _unique(pairs: list[tuple[str, Json]]) -> dict[str, Json]:
    if len(dict(pairs)) < len(pairs):
        raise ValueError("a key stands twice")
    return dict(pairs)


def _row(row: Mapping[str, Json], target: str) -> tuple[str, str, float]:
    name, value = str(row["term"]), row.get("estimate")
    if isinstance(value, bool) or not isinstance(value, int | float) or not isfinite(value):
        raise ValueError(f"the term {name} has no estimate that is a finite number")
    return str(row.get("target", row.get("response", target))), name, float(value)


def _term(name: str, levels: Mapping[str, Levels]) -> tuple[str, Callable[[int], Term]]:
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
