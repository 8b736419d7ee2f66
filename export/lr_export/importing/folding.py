"""From a model that exists to a checkpoint: its exact combinations in terms of ours, each number rounded once.

A column that has powers, or whose range lies far from 0, gets the middle of its range for an origin and a power of two
for a scale, as in a fit of ours. What the source itself predicts on rows of the training box is then compared with the
checkpoint in exact arithmetic: where they differ by more than both roundings explain, nothing is imported. By how much
they differ goes into the checkpoint, and from there into every certificate.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from decimal import Context, Decimal
from fractions import Fraction
from functools import reduce
from math import comb, frexp, isfinite, isnan, ldexp
from typing import TYPE_CHECKING, Final, NamedTuple, TypeAlias

import numpy as np

from lr_export.certificate.probes import probe_rows
from lr_export.errors import UnsupportedModelError
from lr_export.importing.combination import Combination, Feature, columns_of, evaluated, product
from lr_export.model.variables import exact as exact_value
from lr_runtime import __version__
from lr_runtime.contract.checkpoint import Checkpoint
from lr_runtime.contract.columns import Column, Missing
from lr_runtime.contract.contract import Contract, Output, TargetFunction
from lr_runtime.contract.fit_report import FitReport, Imported
from lr_runtime.contract.terms.missing import MissingIndicator
from lr_runtime.contract.terms.power import Power
from lr_runtime.contract.terms.term import Term, factors_of
from lr_runtime.errors import CheckFailedError, OptionError, escaped, listed, shown
from lr_runtime.system.text import composed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from numpy.typing import ArrayLike, NDArray

    from lr_runtime.contract.derived import Derived

    Predict: TypeAlias = Callable[[Mapping[str, list[object]]], ArrayLike]

Range: TypeAlias = "tuple[float, float]"

DOUBLE = Fraction(1, 2**53)
"""The unit roundoff of float64."""
SINGLE = Fraction(1, 2**24)
"""That of float32."""

_FAR = 1000
"""A range with its middle this many half ranges from 0 gets an origin; a bias at x = 0 would lose three digits."""
_TINY = 1e-30
"""Products of smaller inputs may underflow, which the relative bound of an operation leaves out."""
_MOST_PROBED = 20_000
"""Terms times rows that are evaluated in fractions, a few microseconds each."""


def names_of(option: str, given: str | Sequence[object] | None, letter: str, count: int) -> tuple[str, ...]:
    """Return the names that were given, else a letter, with a number where there are several, as a fit calls arrays.
    Raises OptionError where they are not as many different ones.
    """
    if given is None:
        return (letter,) if count == 1 else tuple(f"{letter}{place + 1}" for place in range(count))
    names = [composed(str(name)) for name in ([given] if isinstance(given, str) else given)]
    if not len(names) == len(set(names)) == count:
        raise OptionError(f"{option} takes {count} different names here, not {listed(names)}")
    return tuple(names)


class SourceColumn(NamedTuple):
    """A raw column that a model takes.

    Attributes:
        name: its name.
        range: the least and the greatest value in training, where the source knows them.
        values: the categories, as the source takes them; empty for a column of numbers.
        fill: what stands in the place of a missing value; None where none may be missing.
    """

    name: str
    range: Range | None = None
    values: tuple[object, ...] = ()
    fill: float | None = None


class Source(NamedTuple):
    """A model that exists.

    Attributes:
        name: what it is, such as `scikit-learn Pipeline(StandardScaler, Ridge)`.
        columns: the raw columns, which terms count from 0.
        outputs: the names of what it predicts.
        predictions: each of the outputs, or the function of it that the model fits in its place.
        predict: the source's own prediction, (rows, outputs) or (rows,), of columns by name: numbers, categories as the
            source takes them, NaN for a missing value. Columns that no output depends on are not among them. None where
            there is nothing to run.
        called: what certificates call `predict`.
        unit: the unit roundoff of its arithmetic.
        derived: functions of raw columns, which terms count behind these.
        functions: of each output, that the model fits in its place; empty for the outputs themselves.
    """

    name: str
    columns: tuple[SourceColumn, ...]
    outputs: tuple[str, ...]
    predictions: tuple[Feature, ...]
    predict: Predict | None = None
    called: str = "predict"
    unit: Fraction = DOUBLE
    derived: tuple[Derived, ...] = ()
    functions: tuple[TargetFunction | None, ...] = ()

    @property
    def fitted(self) -> tuple[TargetFunction | None, ...]:
        """The function of each output."""
        return self.functions or (None,) * len(self.outputs)


class Basis(NamedTuple):
    """The origin and the scale of a column."""

    origin: float = 0.0
    scale: float = 1.0


def checkpoint_of(source: Source, ranges: Mapping[str, Range]) -> Checkpoint:
    """Return the checkpoint of a model that exists.

    Args:
        source: the model.
        ranges: the training range of numeric columns, by name; they go before those that the source knows.

    Raises:
        OptionError: a range is missing, is none, or is of a column that the model does not have.
        UnsupportedModelError: no output depends on a column, or a number of the model is beyond float64.
        CheckFailedError: the source's own predictions differ by more than rounding.
    """
    source = of_used_columns(source)
    columns = tuple(map(_column, source.columns, _ranges(source, ranges)))
    if same := {column.name for column in columns}.intersection(map(composed, source.outputs)):
        raise OptionError(f"the output {listed(sorted(same))} is called as a column is. Give it another --target")
    basis = [_basis(*each, source.predictions) for each in enumerate(_variables(source, columns))]
    combinations = [on_basis(each.value, basis) for each in source.predictions]
    terms = sorted({each for found in combinations for each in found if each is not None}, key=_order)
    flagged = {each for term in terms for each in factors_of(term) if isinstance(each, MissingIndicator)}
    columns = tuple(
        c._replace(missing="indicator") if MissingIndicator(n) in flagged else c for n, c in enumerate(columns)
    )
    checkpoint = Checkpoint(
        contract=Contract(
            columns,
            tuple(
                Output(composed(name), None, None, function=function)
                for name, function in zip(source.outputs, source.fitted, strict=True)
            ),
            None,
            __version__,
            derived=source.derived,
        ),
        weight=_rounded([[found.get(each, Fraction(0)) for each in terms] for found in combinations]),
        bias=_rounded([[found.get(None, Fraction(0)) for found in combinations]])[0],
        origin=np.array([each.origin for each in basis]),
        scale=np.array([each.scale for each in basis]),
        fill=np.array([each.fill or 0.0 for each in source.columns] + [0.0] * len(source.derived)),
        terms=tuple(terms),
    )
    imported = Imported(source.name) if source.predict is None else _held(source, source.predict, checkpoint)
    said = FitReport(imported=imported).to_json(checkpoint.contract)
    return replace(checkpoint, fit={key: said[key] for key in ("columns", "ranges", "target", "imported")})


def of_used_columns(source: Source) -> Source:
    """Return the model without the columns that no output depends on, such as those that a step drops."""
    variables = used_variables(source)
    if not variables:
        raise UnsupportedModelError(f"{source.name} depends on no column: it is a constant")
    count = len(source.columns)
    used, functions = [each for each in variables if each < count], [each for each in variables if each >= count]
    derived = (source.derived[each - count] for each in functions)
    return source._replace(
        columns=tuple(source.columns[place] for place in used),
        predictions=tuple(each.moved(variables) for each in source.predictions),
        derived=tuple(each._replace(column=used.index(each.column)) for each in derived),
    )


def used_variables(source: Source) -> list[int]:
    """Return the columns that an output depends on, and the derived variables behind them."""
    found, count = columns_of(*source.predictions), len(source.columns)
    return sorted(found | {source.derived[each - count].column for each in found if each >= count})


def _variables(source: Source, columns: tuple[Column, ...]) -> Iterator[Column]:
    """Yield the columns, and behind them the derived variables."""
    yield from columns
    for each in source.derived:
        try:
            each.check(columns)
        except ValueError as error:
            name = escaped(columns[each.column].name)
            what = f"the training range of {name} leaves the domain of {each.function}, of which the model takes it"
            raise OptionError(f"{what}. Give a narrower --range {name}=LOW:HIGH") from error
        yield each.variable(columns)


def _ranges(source: Source, given: Mapping[str, Range]) -> list[Range | None]:
    """Return the range of each column, None of a category."""
    known = {each.name: given.get(each.name, each.range) for each in source.columns if not each.values}
    if strangers := [name for name in given if name not in known]:
        raise OptionError(f"--range names {listed(strangers)}; the columns of numbers are {listed(list(known))}")
    for name, ends in known.items():
        if ends is not None and not _is_range(ends):
            raise OptionError(f"--range of {escaped(name)} takes two finite numbers, the lower one first, not {ends}")
    if unknown := [name for name, ends in known.items() if ends is None]:
        raise OptionError(
            f"{source.name} does not tell the training range of {listed(unknown)}, over which bounds are proven. "
            "Give it with --range, or rows to take it from with --ranges-from"
        )
    return [known.get(each.name) for each in source.columns]


def _is_range(ends: Range) -> bool:
    try:
        return len(ends) == 2 and all(map(isfinite, ends)) and ends[0] <= ends[1]
    except (TypeError, OverflowError, LookupError):
        return False


def _column(source: SourceColumn, ends: Range | None) -> Column:
    if ends is None:
        values = tuple(map(str, source.values))
        return Column(composed(source.name), 0.0, len(values) - 1.0, kind="category", categories=values)
    missing: Missing = "error" if source.fill is None else "mean"
    return Column(composed(source.name), float(ends[0]), float(ends[1]), missing=missing)


def _basis(place: int, column: Column, predictions: Sequence[Feature]) -> Basis:
    """Return the origin and the scale of a column: 0 and 1 unless it has powers, or lies far from 0."""
    middle, half = column.minimum / 2 + column.maximum / 2, column.maximum / 2 - column.minimum / 2
    has_powers = any(place in each.basis_columns for found in predictions for each in found.value if each is not None)
    if column.kind == "category" or not (has_powers or abs(middle) > _FAR * half):
        return Basis()
    return Basis(middle, ldexp(1.0, frexp(half)[1]) if half else 1.0)


def on_basis(combination: Combination, basis: Sequence[Basis]) -> Combination:
    """Return powers of x as powers of u, x = origin + scale u, by the binomial theorem; indicators as they are."""
    found: defaultdict[Term | None, Fraction] = defaultdict(Fraction)
    for each, factor in combination.items():
        parts = () if each is None else (_factor_on_basis(one, basis) for one in factors_of(each))
        start: Combination = {None: factor}
        for new, share in reduce(product, parts, start).items():
            found[new] += share
    return dict(found)


def _factor_on_basis(given: Term, basis: Sequence[Basis]) -> Combination:
    if not isinstance(given, Power):
        return {given: Fraction(1)}
    (column,), power = given.columns, given.power
    origin, scale = map(Fraction, basis[column])
    shares = {k: comb(power, k) * origin ** (power - k) * scale**k for k in range(power + 1)}
    return {Power(column, k) if k else None: share for k, share in shares.items() if share}


def _order(term: Term) -> tuple[object, ...]:
    """Return a key that sorts terms by column, powers first."""
    rest = map(_order, term.factors) if term.factors else term.to_json().values()
    return (term.columns, not isinstance(term, Power), *rest)


def _rounded(numbers: list[list[Fraction]]) -> NDArray[np.float64]:
    try:
        return np.array([list(map(float, row)) for row in numbers], dtype=np.float64)
    except OverflowError as error:
        raise UnsupportedModelError("a coefficient on the raw columns is beyond the range of float64") from error


def _held(source: Source, predict: Predict, checkpoint: Checkpoint) -> Imported:
    """Compare the source's own predictions with the checkpoint on rows of the training box.
    Raises CheckFailedError where they differ by more than the rounding of both.
    """
    rows = probe_rows(checkpoint, "float32" if source.unit == SINGLE else "float64").astype(np.float64)
    rows = rows[~((rows != 0) & (np.abs(rows) < _TINY)).any(axis=1)]
    for each in source.derived:
        rows = rows[np.broadcast_to(each.holds(rows[:, each.column]), len(rows))]
    rows = rows[:: 1 + len(rows) * len(checkpoint.terms) // _MOST_PROBED]
    taken: dict[str, list[object]] = {
        each.name: [each.values[int(value)] for value in values] if each.values else values
        for each, values in zip(source.columns, rows.T.tolist(), strict=True)
    }
    computed = np.asarray(predict(taken), dtype=np.float64).reshape(len(rows), -1).tolist()
    differences, worst = [Fraction(0)] * len(source.outputs), Fraction(0)
    for row, x in enumerate(rows.tolist()):
        for output, found in enumerate(computed[row]):
            function, (eta, off) = source.fitted[output], _exact(source, checkpoint, output, x)
            if _is_beyond(function, eta, off):
                continue
            exact, allowed = _on_own_scale(function, eta, off)
            if not isfinite(found) or (difference := abs(Fraction(found) - exact)) > allowed:
                given = ", ".join(f"{name} = {values[row]}" for name, values in taken.items())
                raise CheckFailedError(
                    f"{source.name} predicts {found!r} at {shown(given, 200)}, and {float(exact)!r} follows from its "
                    "coefficients. Nothing was imported: a part of it does what linedge does not know"
                )
            differences[output] = max(differences[output], difference)
            worst = max(worst, difference / allowed) if allowed else worst
    return Imported(source.name, source.called, len(rows), tuple(map(float, differences)), float(worst))


def _exact(source: Source, checkpoint: Checkpoint, output: int, x: Sequence[float]) -> tuple[Fraction, Fraction]:
    """Return the checkpoint's output at a row, and how far rounding may bring the source's from it."""
    prediction, filled = source.predictions[output], checkpoint.fill.tolist()
    raw = [Fraction(fill if isnan(value) else value) for value, fill in zip(x, filled, strict=False)]
    raw += [exact_value(each, np.array(x[each.column])).fractions()[0] for each in source.derived]
    basis = zip(raw, checkpoint.origin.tolist(), checkpoint.scale.tolist(), strict=True)
    u = [(value - Fraction(origin)) / Fraction(scale) for value, origin, scale in basis]

    def raw_value(term: Term) -> Fraction:
        return Fraction(term.value(x, raw))

    weights = zip(map(Fraction, checkpoint.weight[output].tolist()), checkpoint.terms, strict=True)
    exact = sum((weight * Fraction(term.value(x, u)) for weight, term in weights), Fraction(checkpoint.bias[output]))
    folded = evaluated(prediction.value, raw_value)
    return exact, prediction.error(source.unit, raw_value) + abs(folded - exact)


def _is_beyond(function: TargetFunction | None, eta: Fraction, off: Fraction) -> bool:
    """Return whether float64 holds no number to compare: past the ends of exp, or where 1 / eta may be infinite."""
    return (function == "log" and abs(eta) + off > _MOST_LOG) or (function == "reciprocal" and abs(eta) <= off)


def _on_own_scale(function: TargetFunction | None, eta: Fraction, allowed: Fraction) -> tuple[Fraction, Fraction]:
    """Return the output of which a function is eta, and how far rounding may bring the source's from it."""
    if function is None:
        return eta, allowed
    middle, *ends = (_INVERSES[function](each) for each in (eta, eta - allowed, eta + allowed))
    moved = max(abs(end - middle) for end in ends)
    return middle, moved + 4 * DOUBLE * (abs(middle) + moved)


_MOST_LOG: Final = 700
"""exp of up to this, and of its negative, is a normal float64."""
_DECIMAL: Final = Context(prec=60)
_INVERSES: Mapping[TargetFunction, Callable[[Fraction], Fraction]] = {
    "log": lambda eta: Fraction(_DECIMAL.exp(_DECIMAL.divide(Decimal(eta.numerator), Decimal(eta.denominator)))),
    "sqrt": lambda eta: max(eta, Fraction(0)) ** 2,
    "reciprocal": lambda eta: 1 / eta,
}
