"""What a checkpoint tells of few rows, which `--min-rows` refuses; docs/fleets.md says what else a checkpoint tells."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lr_runtime.contract.terms.term import factors_of
from lr_runtime.errors import FitError, escaped
from lr_trainer.model.terms.product import product_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lr_trainer.model.checkpoint import Checkpoint

_ALL = ""


def check_rows(checkpoint: Checkpoint, least: int | None, name: str = "", before: Checkpoint | None = None) -> None:
    """Raise FitError, which begins with `name`, where a checkpoint tells something of fewer than `least` rows.

    That is of all rows, of those of a category, or of those with or without a value. Whoever has an earlier checkpoint,
    `before`, knows by the difference the same of the rows that have come since.
    """
    if least is None:
        return
    if checkpoint.report.influence:
        raise FitError(f"{name}--influence lists single rows, which --min-rows {least} is to keep back. Leave it out")
    earlier: Mapping[str, int] = {} if before is None else _counts(before, name)
    for what, count in _counts(checkpoint, name).items():
        few = count - earlier.get(what, 0)
        if few < least and (few or what == _ALL):
            rows = f"{few} {'' if before is None else 'new '}row{'' if few == 1 else 's'}"
            of = f" of {escaped(what)}" if what else ""
            raise FitError(f"{name}{rows}{of}, and --min-rows asks for {least}. Take more rows together")


def _counts(checkpoint: Checkpoint, name: str) -> dict[str, int]:
    """Return the number of all rows, of those of each indicator, and of those that have none of a column's indicators.

    Raises:
        FitError: rows have weights, or the moments do not tell the rows of each category.
    """
    contract, terms, rows = checkpoint.contract, checkpoint.terms, checkpoint.contract.rows or 0
    counts, variables, column_rows = {_ALL: rows}, contract.variables, dict[int, int]()
    indicators = [tuple(factor for factor in factors_of(term) if factor.is_indicator) for term in terms]
    shares = checkpoint.moments.get("mean")
    for place, term in enumerate(terms):
        if term.is_indicator and shares is not None:
            counts[term.name(variables)] = count = round(float(shares[place]) * rows)
            if len(term.columns) == 1:
                column_rows[term.columns[0]] = column_rows.get(term.columns[0], 0) + count
    uncounted = {product_of(each) for each in indicators if len(each) > 1}.difference(terms) | {
        place for place, each in enumerate(contract.columns) if len(each.categories) > 1 and place not in column_rows
    }
    if uncounted or (checkpoint.report.rows.weight and column_rows):
        raise FitError(
            f"{name}--min-rows cannot count the rows of each category where rows have weights, in a descent, or in "
            "products without the categories themselves. Leave the categories out"
        )
    for place, count in column_rows.items():
        column = contract.columns[place]
        rest = f"{column.name}={column.categories[0]}" if column.categories else f"{column.name} known"
        counts.setdefault(rest, rows - count)
    return counts
