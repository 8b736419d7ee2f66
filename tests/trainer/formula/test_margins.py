"""Which indicators a category gets in which term: those of formulaic, whichever margins of a product are there."""

from __future__ import annotations

from itertools import chain, combinations, product
from typing import TYPE_CHECKING

import pandas as pd
import pytest
from formulaic import model_matrix

from lr_trainer.formula.coding import coded_terms
from lr_trainer.formula.parse import parsed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lr_trainer.formula.coding import Coded

LEVELS = {"a": ["p", "q", "r"], "b": ["s", "t"], "c": ["u", "v"]}
TABLE = pd.DataFrame(list(product([1.0, 2.0], *LEVELS.values())), columns=["x", *LEVELS])
TERMS = {
    "categories": ["a", "b", "c", "a:b", "c:a", "b:c", "a:c:b"],
    "slopes": ["a", "b", "b:a", "x", "a:x", "x:b", "a:x:b"],
}


def names(term: tuple[Coded, ...]) -> Iterator[str]:
    """The columns of a term as formulaic calls them."""
    parts = [
        [f"{factor.column}[{'T.' * first}{level}]" for level in LEVELS[factor.column][first:]]
        if factor.is_category
        else [factor.column]
        for factor, first in term
    ]
    return (":".join(chosen[::-1]) for chosen in product(*reversed(parts)))


@pytest.mark.parametrize("kind", TERMS)
@pytest.mark.parametrize("start", ["1", "0"])
def test_every_choice_of_margins_is_coded_as_by_formulaic(kind: str, start: str) -> None:
    sets = [*chain.from_iterable(combinations(TERMS[kind], size) for size in range(1, 8))][::3]  # all of them hold
    for formula in (f"~ {start} + {' + '.join(terms)}" for terms in sets):
        asked = parsed(formula, list(TABLE)).with_categories(LEVELS)
        coded = chain.from_iterable(chain.from_iterable(map(names, each)) for each in coded_terms(asked))
        assert ["Intercept"] * asked.intercept + [*coded] == list(model_matrix(formula.lstrip("~ "), TABLE)), formula
