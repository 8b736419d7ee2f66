"""Coefficients by the names of their terms, as R's broom::tidy or `lr-train --json` writes them, to a model.

A term is a column, a function of one (log(x), I(1/x)), a power of these (x^2, I(x^2)), a level of a category (site=B,
or as R has it siteB), a product (x:z, x:siteB) or the intercept. A number is the float64 nearest to its decimal text.
"""

from __future__ import annotations

import json
import re
from collections import defaultdict
from functools import partial, reduce
from math import isfinite
from typing import TYPE_CHECKING, NamedTuple, TypeAlias, cast, get_args

from lr_export.errors import UnsupportedModelError
from lr_export.importing.combination import Feature, columns_of, dot, term
from lr_export.importing.folding import Range, Source, SourceColumn
from lr_export.importing.raw_columns import RawColumns
from lr_runtime.contract.contract import TargetFunction
from lr_runtime.contract.terms.category import Level
from lr_runtime.contract.terms.power import Power
from lr_runtime.errors import OptionError, escaped, listed
from lr_runtime.tables.text.json_lines import unique

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from lr_runtime.contract.derived import FunctionName
    from lr_runtime.contract.terms.term import Term

    Levels: TypeAlias = Sequence[str]
    Estimates: TypeAlias = dict[str, dict[str, float]]
    Functions: TypeAlias = dict[str, TargetFunction | None]

_INTERCEPTS = ("(Intercept)", "Intercept", "intercept", "const")
_NAME, _POWER = r"(`[^`]+`|[\w.]+)", r"(?:\^([1-9]\d?))?"
_FUNCTION = re.compile(
    rf"(?:I\()?(?:(log|log1p|exp|sqrt)\({_NAME}\)|\(?1 ?/ ?{_NAME}\)?|hinge\({_NAME}, ([-+\w.]+)\)){_POWER}\)?"
)
_RAISED = re.compile(rf"I\({_NAME}{_POWER}\)|([^^]+){_POWER}")
_COMPUTED = re.compile(r".*=.*|\(.*\).*|[\w.]+\(.*\).*|.* missing")
"""What else is made of columns, as R writes it; an indicator, as `lr-train --json` does."""


class Part(NamedTuple):
    """A factor of a term: a column or a function of it, and what makes the factor of the place of either."""

    column: str
    kind: Callable[[int], Term]
    function: FunctionName | None = None
    knot: float | None = None


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
    given, known, ranges, without, functions = _read(content)
    levels, intercept = {**known, **levels}, without if intercept is None else intercept
    if odd := [column for column, values in levels.items() if not values or len(set(values)) < len(values)]:
        raise UnsupportedModelError(f"the levels of {escaped(odd[0])} are no list of different values")
    if target is not None and len(set(target)) != len(given):
        raise OptionError(f"--target takes a name for each of {listed(list(given))}, not {listed(target)}")
    names = (each for weights in given.values() for each in weights)
    terms = {each: _factors(each, levels) for each in names if each not in _INTERCEPTS}
    told = RawColumns(tuple(dict.fromkeys(part.column for factors in terms.values() for part in factors)))
    features = {each: reduce(Feature.times, (_made(part, told) for part in parts)) for each, parts in terms.items()}
    predictions = []
    for output, weights in given.items():
        constants = [weights.pop(each) for each in _INTERCEPTS if each in weights]
        constants += [] if intercept is None else [intercept]
        if len(constants) != 1:
            said = "more than one intercept. Leave one" if constants else "no intercept. Say --intercept 0 for none"
            raise UnsupportedModelError(f"{escaped(output)} has {said}")
        predictions.append(dot([*weights.values()], [features[each] for each in weights], *constants))
    kinds = tuple(SourceColumn(each, ranges.get(each), tuple(levels.get(each, ()))) for each in told.names)
    derived, of_targets = tuple(told.derived), tuple(functions.get(output) for output in given)
    return Source(name, kinds, tuple(target or given), tuple(predictions), derived=derived, functions=of_targets)


def _made(part: Part, told: RawColumns) -> Feature:
    """Return the factor of a term; coefficients have been computed with no rounding of a function."""
    place = told.names.index(part.column)
    if part.function is None:
        return term(part.kind(place))
    (variable,) = columns_of(told.function(term(Power(place)), part.function, part.knot))
    return term(part.kind(variable))


def _read(content: bytes) -> tuple[Estimates, dict[str, Levels], dict[str, Range], float | None, Functions]:
    """Return the estimates by output and term, levels and ranges by column, 0 for no intercept, functions by output."""
    outputs = defaultdict[str, dict[str, float]](dict)
    try:
        found = json.loads(content, object_pairs_hook=unique)
        table = found if isinstance(found, dict) else {"coefficients": found}
        for row in table["coefficients"]:
            name, value = str(row["term"]), row.get("estimate")
            if isinstance(value, bool) or not isinstance(value, int | float) or not isfinite(value):
                raise ValueError(f"the term {name} has no estimate that is a finite number")
            if not isinstance(output := row.get("target", row.get("response", table.get("target", "y"))), str):
                raise ValueError(f"the target {output} is no text")
            if name in (weights := outputs[output]):
                raise ValueError(f"the term {name} stands twice")
            weights[name] = float(value)
        given = table.get("levels", {}).items()  # a text is no list of one-letter levels
        levels: dict[str, Levels] = {each: [] if isinstance(of, str) else [*map(str, of)] for each, of in given}
        ranges = {column: (low, high) for column, (low, high) in table.get("ranges", {}).items()}
        functions: Functions = dict(table.get("functions", {}))
        if odd := [each for each in functions.values() if each not in (None, *get_args(TargetFunction))]:
            raise ValueError(f"the function {odd[0]} of a target is none of ours")
    except (AttributeError, KeyError, OverflowError, RecursionError, TypeError, ValueError) as error:
        expected = 'expected a list of rows with "term" and "estimate", alone or as "coefficients"'
        raise UnsupportedModelError(f"not JSON of coefficients ({error!s:.80}); {expected}") from error
    return outputs, levels, ranges, 0.0 if table.get("intercept") is False else None, functions


def _factors(name: str, levels: Mapping[str, Levels]) -> list[Part]:
    """Return the factors of a term."""
    try:
        return [_term(name, levels)]  # a level may have a colon
    except UnsupportedModelError:
        if ":" not in name:
            raise
        return [_term(factor, levels) for factor in name.split(":")]


def _term(name: str, levels: Mapping[str, Levels]) -> Part:
    """Return a term that is no product."""
    named = [
        Part(column, partial(Level, category=place))
        for column, values in levels.items()
        for place, value in enumerate(values)
        if name in {f"{column}={value}", f"{column}{value}"}
    ]
    if len(named) == 1:
        return named[0]
    if (found := _FUNCTION.fullmatch(name)) is not None and not named:
        function, of, under, bent, knot, power = found.groups()
        kind = partial(Power, power=int(power or 1))
        called = cast("FunctionName", function or ("reciprocal" if under else "hinge"))
        return Part((of or under or bent).strip("`"), kind, called, None if knot is None else float(knot))
    raised = _RAISED.fullmatch(name)
    column = (raised[1] or raised[3] if raised else name).strip("` ")
    if named or column in levels or _COMPUTED.fullmatch(column) or ":" in column:
        raise UnsupportedModelError(
            f"the term {escaped(name)} cannot be folded. A column can be, log(x), log1p(x), exp(x), sqrt(x), I(1/x) "
            "and hinge(x, 25), powers as x^2 or I(x^2), a product as x:z, and a level as site=B of a category whose "
            "levels are given, --levels site=A,B"
        )
    return Part(column, partial(Power, power=int(raised[2] or raised[4] or 1) if raised else 1))
