"""Terms of a specification: the design matrix of formulaic, and what origins and scales make of it."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pytest
from formulaic import model_matrix
from hypothesis import given
from hypothesis import strategies as st

from lr_runtime import Column
from lr_runtime.errors import OptionError
from lr_trainer.choices import FitOptions
from lr_trainer.formula.specification import Factor, Specification, Target
from lr_trainer.model.design import raw_parts
from lr_trainer.moments.prepared import expanded, prepare
from lr_trainer.rows.reading import Rows
from lr_trainer.rows.roles import Missing, roles_of
from lr_trainer.rows.sources import opened

if TYPE_CHECKING:
    from lr_trainer.moments.prepared import Prepared

ROWS = 24
RANDOM = np.random.default_rng(3)
TABLE = {
    "a": RANDOM.uniform(3.0, 9.0, ROWS),
    "b": RANDOM.normal(-40.0, 2.0, ROWS),
    "s": np.array(["north", "east", "west"])[np.arange(ROWS) % 3],
    "t": np.array(["x", "y"])[np.arange(ROWS) // 3 % 2],
    "y": RANDOM.normal(size=ROWS),
}
FACTORS = {
    "a": Factor("a"),
    "I(a**2)": Factor("a", power=2),
    "log(a)": Factor("a", "log"),
    "b": Factor("b"),
    "C(s)": Factor("s", is_category=True),
    "C(t)": Factor("t", is_category=True),
}
VARIABLES = [["a", "I(a**2)"], ["log(a)"], ["b"], ["C(s)"], ["C(t)"]]
"""Factors of one variable do not meet in a product."""


@st.composite
def formulas(draw: st.DrawFn) -> tuple[str, ...]:
    """Return distinct terms, those of fewer factors first, as formulaic has them."""
    terms = set()
    for _ in range(draw(st.integers(1, 5))):
        variables = draw(st.lists(st.sampled_from(range(len(VARIABLES))), min_size=1, max_size=3, unique=True))
        terms.add(":".join(draw(st.sampled_from(VARIABLES[each])) for each in sorted(variables)))
    return tuple(sorted(draw(st.permutations(sorted(terms))), key=lambda term: term.count(":")))


def prepared_for(terms: tuple[str, ...], *, intercept: bool) -> Prepared:
    """Return the rows of the table with the design of these terms."""
    factors = tuple(tuple(FACTORS[name] for name in term.split(":")) for term in terms)
    table = opened(TABLE, None, print)
    roles = roles_of(table, FitOptions(), Specification((Target("y"),), factors, intercept))
    return prepare(Rows(table, roles, Missing()), "cpu")


@given(formulas(), st.booleans())
def test_the_design_is_that_of_formulaic_but_for_origins_and_scales(terms: tuple[str, ...], intercept: bool) -> None:
    prepared = prepared_for(terms, intercept=intercept)
    expected = model_matrix(" + ".join(["1" if intercept else "0", *terms]), pd.DataFrame(TABLE)).to_numpy(float)
    design = prepared.design
    raw = replace(prepared, design=replace(design, origin=design.origin * 0, scale=np.ones_like(design.scale)))
    ((plain, _, _),), ((found, _, _),) = expanded(raw), expanded(prepared)
    assert np.allclose(plain, expected[:, int(intercept) :], rtol=1e-14)
    for column, parts in zip(found.T, raw_parts(design), strict=True):
        assert None not in parts or intercept
        whole = sum(float(share) * (1.0 if place is None else plain[:, place]) for place, share in parts.items())
        sizes = sum(abs(float(share)) * (1.0 if at is None else abs(plain[:, at])) for at, share in parts.items())
        assert (abs(column - whole) <= 1e-14 * np.asarray(sizes)).all()


def test_an_origin_is_taken_where_the_shift_leaves_the_model_as_it_is() -> None:
    whole, bare = (prepared_for(terms, intercept=True).design.origin for terms in (("a", "b", "a:b"), ("a", "a:b")))
    assert whole.tolist() == pytest.approx([TABLE["a"].mean(), TABLE["b"].mean()])
    assert bare.tolist() == pytest.approx([0.0, TABLE["b"].mean()])  # less a number, a would leave b behind
    assert not prepared_for(("a", "b", "a:b"), intercept=False).design.origin.any()


def test_double_double_has_the_products_of_the_exact_differences() -> None:
    design = prepared_for(("a", "b", "I(a**2)", "C(s)", "a:b", "I(a**2):C(s)"), intercept=True).design
    given = 5.1, -41.3, 1.0
    found = design.expand_extended(np.array([given]))
    basis = zip(given, design.origin.tolist(), design.scale.tolist(), strict=True)
    u = [(Fraction(value) - Fraction(float(origin))) / Fraction(float(scale)) for value, origin, scale in basis]
    zero, one = Fraction(0), Fraction(1)
    exact = [u[0], u[1], u[0] * u[0], one, zero, u[0] * u[1], u[0] * u[0], zero]
    columns = [
        Column("a", 0.0, 1.0),
        Column("b", 0.0, 1.0),
        Column("s", 0.0, 2.0, categories=("east", "north", "west")),
    ]
    names = [term.name(columns) for term in design.terms]
    assert names == ["a", "b", "a^2", "s=north", "s=west", "a:b", "a^2:s=north", "a^2:s=west"]
    assert [abs(found.fraction(0, term) - each) <= abs(each) / 2**100 for term, each in enumerate(exact)] == [True] * 8


@pytest.mark.parametrize(
    ("factors", "message"),
    [
        ([Factor("s", "log")], '"s" is a category, and functions are of numbers'),
        ([Factor("a"), Factor("a", is_category=True)], '"a" is a category in some terms alone'),
    ],
)
def test_a_category_is_no_number(factors: list[Factor], message: str) -> None:
    specification = Specification((Target("y"),), tuple((factor,) for factor in factors))
    with pytest.raises(OptionError, match=message):
        roles_of(opened(TABLE, None, print), FitOptions(), specification)
