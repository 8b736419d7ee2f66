"""The coding of categories in terms: all indicators, or all but the first level's, which other terms hold already.

A category spans 1 and the indicators of its levels but the first; a term every product of such parts. What terms before
it span is left out, and of what is left, (anything) + (anything):(all levels but the first) = (anything):(all levels).
This is the algorithm of patsy (its manual, "Redundancy") and of formulaic, whose order the columns have, too.
"""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from lr_trainer.formula.specification import Factor, Specification


class Coded(NamedTuple):
    """A factor of a term; of a category, `from_level` is the number of its first level with an indicator, 0 or 1."""

    factor: Factor
    from_level: int = 0


def coded_terms(specification: Specification) -> Iterator[list[tuple[Coded, ...]]]:
    """Yield, for each term, the products that it adds to those of the terms before it."""
    has_constant = specification.intercept or specification.leaves_reference
    spanned: set[frozenset[Coded]] = {frozenset()} if has_constant else set()
    for term in specification.terms:
        parts = [(Coded(each, 1), None) if each.is_category else (Coded(each),) for each in term]
        span = [tuple(part for part in chosen if part is not None) for chosen in product(*parts)]
        yield _together([each for each in span if frozenset(each) not in spanned])
        spanned.update(map(frozenset, span))


def _together(terms: Iterable[tuple[Coded, ...]]) -> list[tuple[Coded, ...]]:
    found: list[tuple[Coded, ...]] = []
    for term in sorted(terms, key=len):
        for fewer in found:
            more = [part for part in term if part not in fewer]
            if len(fewer) == len(term) - 1 and len(more) == 1 and more[0].from_level:
                whole = tuple(part if part in fewer else part._replace(from_level=0) for part in term)
                found = _together([*(each for each in found if each is not fewer), whole])
                break
        else:
            found.append(term)
    return found
