"""The kinds of terms that the trainer evaluates, by name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lr_trainer.model.terms.category import LevelEvaluation
from lr_trainer.model.terms.missing import MissingEvaluation
from lr_trainer.model.terms.power import PowerEvaluation

if TYPE_CHECKING:
    from lr_runtime.contract.terms.term import Term
    from lr_trainer.model.terms.evaluation import Evaluation

_KINDS: dict[str, type[Evaluation]] = {
    "power": PowerEvaluation,
    "category": LevelEvaluation,
    "missing": MissingEvaluation,
}


def evaluation_of(term: Term) -> Evaluation:
    """Return how a term is evaluated."""
    return _KINDS[term.kind](term)
