"""The exact model in fractions, written a second time and as plainly as can be: what the tests compare with."""

from __future__ import annotations

import math
from decimal import Decimal, localcontext
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import mpmath
import numpy as np
from numpy.typing import NDArray

from lr_export.bounds.forward import ForwardError, as_result
from lr_export.program.program import Constant

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from lr_export.exact.dyadic import Dyadic
    from lr_export.model.numbers import Numbers
    from lr_export.program.program import Program, Step
    from lr_runtime.contract.checkpoint import Checkpoint
    from lr_runtime.contract.contract import Dtype

Floats = NDArray[np.floating[Any]]
Exact = NDArray[Any]
"""An array of fractions."""


_FLOAT32_OVERFLOW = Fraction(2**128 - 2**103)
"""From here on, half an ulp above the largest float32, rounding gives infinity (IEEE 754, 4.3.1)."""


def fractions(values: Floats) -> Exact:
    """Return floating-point numbers as fractions, in the same shape."""
    exact = np.empty(values.size, dtype=object)
    exact[:] = [Fraction(value) for value in values.ravel().tolist()]
    return exact.reshape(values.shape)


def terms(checkpoint: Checkpoint, x: Floats) -> Exact:
    """Return the design matrix (rows, terms) at x (rows, columns), as `lr_runtime.contract.checkpoint` states it."""
    given = [variables(checkpoint, row) for row in x.tolist()]
    rows = [[_term(checkpoint, term.to_json(), row) for term in checkpoint.terms] for row in given]
    exact = np.empty((len(x), len(checkpoint.terms)), dtype=object)
    exact[:] = rows
    return exact


def variables(checkpoint: Checkpoint, row: list[float]) -> list[float | Fraction]:
    """Return a row's columns, and behind them the functions of them to 80 digits, NaN where one is missing."""
    found: list[float | Fraction] = [*row]
    for each in checkpoint.contract.derived:
        value = row[each.column]
        found.append(value if math.isnan(value) else _function(each.function, value, each.knot))
    return found


def _function(name: str, value: float, knot: float | None) -> Fraction:
    if knot is not None:
        return max(Fraction(value) - Fraction(knot), Fraction(0))
    if name == "reciprocal":
        return 1 / Fraction(value)
    with mpmath.workdps(80):
        sign, whole, exponent, _ = getattr(mpmath, name)(mpmath.mpf(value))._mpf_
    return Fraction(-int(whole) if sign else int(whole)) * Fraction(2) ** int(exponent)


def _term(checkpoint: Checkpoint, term: Mapping[str, Any], row: list[float | Fraction]) -> Fraction:
    """Return the value of a term, from its JSON form alone."""
    if "factors" in term:
        return math.prod((_term(checkpoint, factor, row) for factor in term["factors"]), start=Fraction(1))
    column, value = term["column"], row[term["column"]]
    if "category" in term:
        return Fraction(value == term["category"])
    if "missing" in term:
        return Fraction(math.isnan(value))
    given = Fraction(float(checkpoint.fill[column]) if math.isnan(value) else value)
    centred = given - Fraction(float(checkpoint.origin[column]))
    power: Fraction = (centred / Fraction(float(checkpoint.scale[column]))) ** term.get("power", 1)
    return power


def outputs(checkpoint: Checkpoint, x: Floats) -> Exact:
    """Return the model at x (rows, columns)."""
    exact: Exact = terms(checkpoint, x) @ fractions(checkpoint.weight).T + fractions(checkpoint.bias)
    return exact


def magnitudes(checkpoint: Checkpoint, x: Floats) -> Exact:
    """Return the sum of the absolute values of all terms, (rows, outputs)."""
    exact: Exact = abs(terms(checkpoint, x)) @ abs(fractions(checkpoint.weight)).T + abs(fractions(checkpoint.bias))
    return exact


def bounds(checkpoint: Checkpoint, numbers: Numbers, x: Floats) -> Exact:
    """Return the library's bound at each row, (rows, outputs)."""
    error = ForwardError.of(checkpoint, numbers)
    design = error.exact.design(x)
    return as_array(as_result(error.before_rounding(design), error.exact.outputs(design), error.numbers))


def bounds_before_rounding(checkpoint: Checkpoint, numbers: Numbers, x: Floats) -> Exact:
    """Return the library's bound at each row before any last rounding, (rows, outputs)."""
    error = ForwardError.of(checkpoint, numbers)
    return as_array(error.before_rounding(error.exact.design(x)))


def as_array(value: Dyadic) -> Exact:
    """Return dyadic numbers as fractions, in the same shape."""
    exact = np.empty(value.integers.size, dtype=object)
    exact[:] = value.fractions()
    return exact.reshape(value.integers.shape)


def some_rows(checkpoint: Checkpoint, rows: int, dtype: str, seed: int = 6) -> Floats:
    """Return seeded rows (rows, columns) around the training ranges, some values missing where they may be."""
    random = np.random.default_rng(seed)
    given = np.empty((rows, len(checkpoint.contract.columns)))
    for place, column in enumerate(checkpoint.contract.columns):
        if column.kind == "category":
            given[:, place] = random.integers(0, len(column.categories), size=rows)
        else:
            middle, width = (column.minimum + column.maximum) / 2, column.maximum - column.minimum
            given[:, place] = random.normal(middle, width, size=rows)
        if column.missing != "error":
            given[random.uniform(size=rows) < 0.1, place] = np.nan
    return given.astype(dtype)


def interpreted(program: Program, x: Floats, random: np.random.Generator | None = None) -> dict[str, NDArray[Any]]:
    """Return the results of a program in numpy, a step at a time.

    Args:
        program: the steps.
        x: (rows, columns).
        random: adds up in a random tree, as some engine might, in place of from left to right.
    """
    values: dict[str, NDArray[Any]] = {"x": x}
    for step in program.steps:
        given = [operand.array if isinstance(operand, Constant) else values[operand.name] for operand in step.operands]
        values[step.result.name] = _evaluated(step, given, random).astype(step.result.dtype, copy=False)
    return {name: values[value.name] for name, value in program.results.items()}


def _evaluated(step: Step, given: list[NDArray[Any]], random: np.random.Generator | None) -> NDArray[Any]:
    match step.operation:
        case "cast":
            return given[0]
        case "concatenate":
            return np.concatenate(given, axis=1)
        case "select":
            return given[0][:, list(step.columns)]
        case "sum" | "ordered_sum":
            return _added([*given[0].T], random)[:, None]
        case "affine" | "ordered_affine":
            value, weight, bias = given
            sums = [
                _added([*(value * row).T, np.repeat(b, len(value))], random)
                for row, b in zip(weight, bias, strict=True)
            ]
            return np.stack(sums, axis=1)
        case _:
            with np.errstate(invalid="ignore"):
                result: NDArray[Any] = NUMPY[step.operation](*given)
            return result


def _added(terms: list[NDArray[Any]], random: np.random.Generator | None) -> NDArray[Any]:
    while len(terms) > 1:
        if random is not None:
            random.shuffle(terms)
        terms = [terms[0] + terms[1], *terms[2:]]
    return terms[0]


NUMPY: dict[str, Callable[..., NDArray[Any]]] = {
    "add": np.add,
    "subtract": np.subtract,
    "multiply": np.multiply,
    "divide": np.divide,
    "sqrt": np.sqrt,
    "is_nan": np.isnan,
    "equal": np.equal,
    "and": np.logical_and,
    "where": np.where,
}


def rows_in_the_box(checkpoint: Checkpoint, rows: int, dtype: str, seed: int = 5) -> Floats:
    """Return seeded rows (rows, columns) inside the training ranges."""
    columns = checkpoint.contract.columns
    low = np.array([column.minimum for column in columns])
    high = np.array([column.maximum for column in columns])
    x: Floats = np.random.default_rng(seed).uniform(low, high, size=(rows, len(low))).astype(dtype)
    return x


def leverages(checkpoint: Checkpoint, x: Floats) -> Exact:
    """Return the leverage (rows, 1) at x, as `lr_runtime.contract.leverage` states it."""
    leverage = checkpoint.leverage
    assert leverage is not None
    whitened = (terms(checkpoint, x) - fractions(leverage.mean)) @ fractions(leverage.factor) + fractions(
        leverage.shift
    )
    exact: Exact = (whitened**2).sum(axis=1, keepdims=True) + Fraction(float(leverage.constant))
    return exact


def roots(values: Exact) -> Exact:
    """Return square roots to 60 digits."""
    with localcontext(prec=70):
        found = [Fraction((Decimal(v.numerator) / Decimal(v.denominator)).sqrt()) for v in values.ravel()]
    exact = np.empty(values.size, dtype=object)
    exact[:] = found
    return exact.reshape(values.shape)


def halves(checkpoint: Checkpoint, width: Floats, x: Floats) -> Exact:
    """Return half the length of the interval of this width (outputs,), (rows, outputs)."""
    exact: Exact = roots(1 + leverages(checkpoint, x)) * fractions(width)
    return exact


def nearest(value: Fraction, dtype: Dtype) -> np.floating:
    """Return the floating-point number nearest to `value`, ties to even (IEEE 754, 4.3.1).

    Raises:
        OverflowError: there is none that is finite.
    """
    if dtype == "float64":
        return np.float64(value.numerator / value.denominator)  # Python rounds the quotient of two integers correctly
    if abs(value) >= _FLOAT32_OVERFLOW:
        raise OverflowError("beyond the range of float32")
    largest = float(np.finfo(np.float32).max)
    guess = np.float32(min(max(value.numerator / value.denominator, -largest), largest))
    # Rounding to float64 first can land on the wrong side of a tie: compare with both neighbours exactly.
    candidates = [guess, *_neighbours(guess)]
    return min(candidates, key=lambda c: (abs(Fraction(float(c)) - value), int(c.view(np.uint32)) & 1))


def distance_to_tie(value: Fraction, rounded: np.floating) -> Fraction:
    """Return how far `value` is from the nearer midpoint between `rounded`, its nearest float, and a neighbour."""
    here = Fraction(float(rounded))
    return min(abs((here + Fraction(float(side))) / 2 - value) for side in _neighbours(rounded))


def _neighbours(value: np.floating) -> list[np.floating]:
    """Return the next floats below and above that are finite."""
    with np.errstate(over="ignore"):
        sides = [np.nextafter(value, value.dtype.type(side)) for side in (-np.inf, np.inf)]
    return [side for side in sides if np.isfinite(side)]
