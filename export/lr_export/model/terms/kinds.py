"""The kinds of terms that artefacts hold, in the order of their places in the design matrix."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lr_export.model.terms import category, missing, power

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from lr_export.model.terms.block import Block
    from lr_runtime.contract.columns import Column
    from lr_runtime.contract.terms.term import Term

_KINDS = (power, category, missing)


def blocks_of(columns: Sequence[Column], terms: Sequence[Term]) -> Iterator[Block]:
    """Yield the blocks of all kinds for the columns and terms of a model."""
    for kind in _KINDS:
        yield from kind.blocks_of(columns, terms)
