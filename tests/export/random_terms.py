"""Random models of derived variables and products: powers on origin and scale, categories and missing values."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from lr_runtime import Column, Contract, Output
from lr_runtime.contract.derived import FUNCTIONS, Derived
from lr_runtime.contract.leverage import Leverage
from lr_runtime.contract.terms.category import Level
from lr_runtime.contract.terms.missing import MissingIndicator
from lr_runtime.contract.terms.power import Power
from lr_runtime.contract.terms.product import Product
from lr_trainer import Checkpoint
from tests.export.oracle import terms as exact_terms

if TYPE_CHECKING:
    import lr_runtime.contract.checkpoint
    from lr_runtime.contract.columns import Missing
    from lr_runtime.contract.terms.term import Term
    from tests.export.oracle import Floats

_LARGEST = 1e4
"""Of a variable: its fifth power, and a product of three squares, are within the range of float32."""


def random_model(seed: int) -> Checkpoint:
    """Return a model with at least one derived variable and one product."""
    random = np.random.default_rng(seed)
    numbers = [_column(random, place) for place in range(random.integers(1, 4))]
    categories = [
        Column(f"c{place}", 0.0, 2.0, kind="category", categories=("p", "q", "r"), missing=_policy(random))
        for place in range(random.integers(1, 3))
    ]
    columns = (*numbers, *categories)
    derived = _derived(random, columns)
    outputs = tuple(Output(f"y{place}", 0.5, 1.0) for place in range(random.integers(1, 3)))
    contract = Contract(columns, outputs, 10, "0.1.0", derived=derived)
    terms = _terms(random, contract)
    middles = np.array([each.minimum / 2 + each.maximum / 2 for each in contract.variables])
    spreads = np.array([each.maximum - each.minimum for each in contract.variables])
    is_number = np.array([each.kind == "number" for each in contract.variables])
    is_centred = is_number & (random.uniform(size=len(middles)) < 0.6)
    near = np.float32(middles).astype(np.float64)
    fills = middles + spreads * random.uniform(-0.5, 0.5, size=len(middles))
    may_miss = np.array([each.missing != "error" for each in contract.variables])
    model = Checkpoint(
        contract=contract,
        weight=random.normal(size=(len(outputs), len(terms))) * 10.0 ** random.integers(-3, 3, size=len(terms)),
        bias=random.normal(size=len(outputs)),
        origin=np.where(is_centred, near, 0.0),
        scale=np.where(is_centred, 2.0 ** np.round(np.log2(np.maximum(spreads, 2.0**-20))), 1.0),
        fill=np.where(may_miss & is_number, fills, 0.0),
        terms=terms,
    )
    return replace(model, leverage=_leverage(random, model)) if random.uniform() < 0.5 else model


def _column(random: np.random.Generator, place: int) -> Column:
    size = 10.0 ** random.uniform(-3, 3)
    width = 10.0 ** random.uniform(-5, 2)
    low, high = (
        (size, size * (1 + width)),
        (-size, size * width),
        (0.0, size),
        (1.0, 1.0 + width),
        (-size * (1 + width), -size),
        (-min(0.99, size), size),
    )[random.integers(6)]
    high = min(high, _LARGEST)
    return Column(f"x{place}", max(low, -_LARGEST), max(high, low), missing=_policy(random))


def _policy(random: np.random.Generator) -> Missing:
    policies: tuple[Missing, ...] = ("error", "mean", "indicator")
    return policies[random.integers(3)]


def _derived(random: np.random.Generator, columns: tuple[Column, ...]) -> tuple[Derived, ...]:
    found: dict[str, Derived] = {}
    for place, column in enumerate(columns):
        for name in random.permutation(FUNCTIONS).tolist() if column.kind == "number" else ():
            knot = float(random.uniform(column.minimum, column.maximum)) if name == "hinge" else None
            each = Derived(place, name, knot)
            try:
                each.check(columns)
            except ValueError:
                continue
            variable = each.variable(columns)
            # float32 has to hold the domain, too.
            held = all(each.holds(float(np.float32(end))) for end in (column.minimum, column.maximum))
            if held and max(abs(variable.minimum), abs(variable.maximum)) <= _LARGEST and random.uniform() < 0.5:
                found[each.name(columns)] = each
    return tuple(found.values()) or (Derived(0, "hinge", columns[0].minimum),)


def _terms(random: np.random.Generator, contract: Contract) -> tuple[Term, ...]:
    found: list[Term] = []
    factors: dict[int, list[Term]] = {}
    for place, variable in enumerate(contract.variables):
        if variable.kind == "category":
            factors[place] = [Level(place, level) for level in range(3)]
            found += [Level(place, 1), Level(place, 2)]
        else:
            factors[place] = [Power(place, power) for power in (1, 1, 2)]
            found += [Power(place, power) for power in range(1, random.integers(0, 6) + 1)]
        if variable.missing == "indicator":
            factors[place].append(MissingIndicator(place))
            found.append(MissingIndicator(place))
    for _ in range(random.integers(1, 5)):
        places = random.permutation([*factors])[: random.integers(2, 4)].tolist()
        found.append(Product([factors[place][random.integers(len(factors[place]))] for place in places]))
    return tuple(dict.fromkeys(found))


def _leverage(random: np.random.Generator, model: Checkpoint) -> Leverage:
    """Return numbers with which every term counts, about the middle of some rows."""
    at = exact_terms(model, some_rows(model, 8, "float64", random)).astype(np.float64)
    sizes = np.maximum(np.abs(at).max(axis=0), 1e-9)
    return Leverage(
        constant=np.array(random.uniform(0, 1)),
        mean=at.mean(axis=0),
        factor=np.triu(random.normal(size=(len(sizes), len(sizes)))) / sizes[:, None],
        shift=random.normal(size=len(sizes)) * 1e-3,
    )


def some_rows(
    checkpoint: lr_runtime.contract.checkpoint.Checkpoint, rows: int, dtype: str, random: np.random.Generator
) -> Floats:
    """Return rows (rows, columns) in the training box: ends, and numbers on a logarithmic scale from either end."""
    x = np.empty((rows, len(checkpoint.contract.columns)))
    for place, column in enumerate(checkpoint.contract.columns):
        low, high = column.minimum, column.maximum
        if column.kind == "category":
            x[:, place] = random.integers(0, 3, size=rows)
        else:
            near = (high - low) * 2.0 ** random.uniform(-40, 0, size=rows)
            x[:, place] = np.where(random.uniform(size=rows) < 0.5, low + near, high - near)
            x[:, place] = np.where(random.uniform(size=rows) < 0.4, random.uniform(low, high, size=rows), x[:, place])
        if column.missing != "error":
            x[random.uniform(size=rows) < 0.15, place] = np.nan
    given: Floats = x.astype(dtype)
    ends = np.array([(column.minimum, column.maximum) for column in checkpoint.contract.columns]).T.astype(dtype)
    inside: Floats = np.clip(given, *ends)
    return inside
