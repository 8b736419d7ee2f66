"""The coding of categories in terms: all indicators, or all but the first level's, which other terms hold already.

A category stands for its levels in two parts: 1, and the indicators of all levels but the first. What a term spans is
every choice of these parts; what terms before it span is left out, and what is left is put together again:

    (anything):(all levels but the first) + (anything) = (anything):(all levels)

This is the algorithm of patsy ("spanned subsets", its manual's chapter on redundancy) and of formulaic, whose order the
columns have, too.
"""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from lr_trainer.formula.specification import Factor, Specification


class Coded(NamedTuple):
    """A factor of a term; of a category, `from_level` is the number of its first level with an indicator, 0 or 1."""

    factor: Factor
    from_level: int = 0


CodedTerm: TypeAlias = "tuple[Coded, ...]"


def coded_terms(specification: Specification) -> Iterator[list[CodedTerm]]:
    """Yield, for each term, the products that it adds to those of the terms before it."""
    has_constant = specification.intercept or specification.leaves_reference
    spanned: set[frozenset[Coded]] = {frozenset()} if has_constant else set()
    for term in specification.terms:
        parts = [(Coded(each, 1), None) if each.is_category else (Coded(each),) for each in term]
        span = [tuple(part for part in chosen if part is not None) for chosen in product(*parts)]
        yield _together([each for each in span if frozenset(each) not in spanned])
        spanned.update(map(frozenset, span))


def _together(terms: Iterable[CodedTerm]) -> list[CodedTerm]:
    found: list[CodedTerm] = []
    for term in sorted(terms, key=len):
        if (fewer := _but_for_a_level(term, found)) is None:
            found.append(term)
        else:
            whole = tuple(part if part in fewer else part._replace(from_level=0) for part in term)
            found = _together([*(each for each in found if each is not fewer), whole])
    return found


def _but_for_a_level(term: CodedTerm, found: Sequence[CodedTerm]) -> CodedTerm | None:
    """Return the term that has all factors of this one but a category without its first level; None without any."""
    for fewer in found:
        more = [part for part in term if part not in fewer]
        if len(fewer) == len(term) - 1 and len(more) == 1 and more[0].from_level:
            return fewer
    return None
