"""docs/conformance.md: what it says of each check."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.conformance.check import Outcome
from tests.conformance.checks import ALL

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tests.conformance.check import Result

HEAD = ("check", "level", "what it asks")


def outcomes(runs: Sequence[Sequence[Result]]) -> dict[str, Outcome]:
    """Return what comes of each check on several models: it has failed if on one, it has passed if else on one."""
    found: dict[str, Outcome] = {}
    for results in zip(*runs, strict=True):
        seen = {each.outcome for each in results}
        order = (Outcome.FAILED, Outcome.PASSED, Outcome.NOT_APPLICABLE)
        found[results[0].check.id] = next(outcome for outcome in order if outcome in seen)
    return found


def table(columns: Mapping[str, Mapping[str, Outcome]]) -> list[list[str]]:
    """Return the rows of the table: a check, and what comes of it on each server."""
    head = [*HEAD, *columns]
    return [
        head,
        *([each.id, each.level.value, each.sentence, *(of[each.id].value for of in columns.values())] for each in ALL),
    ]


def as_markdown(rows: Sequence[Sequence[str]]) -> str:
    """Return a table of Markdown, whose first row is its head."""
    head, *others = (f"| {' | '.join(cell.replace('|', '/') for cell in row)} |" for row in rows)
    return "\n".join([head, "|---" * len(rows[0]) + "|", *others])
