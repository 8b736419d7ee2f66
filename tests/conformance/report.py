"""The results: a table for people, records for programs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .check import Outcome

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from .check import Result
    from .tensors import Json

_MARKS = {Outcome.PASSED: "passed", Outcome.FAILED: "FAILED", Outcome.NOT_APPLICABLE: "n/a"}


def table(results: Sequence[Result]) -> str:
    """Return a line a check: its outcome, level and id, and what was seen. A failed one says its source."""
    return "\n".join(line for each in results for line in _lines(each))


def _lines(result: Result) -> Iterator[str]:
    check = result.check
    yield f"{_MARKS[result.outcome]:6}  {check.level.value:9}  {check.id:26}  {result.seen}"
    if result.outcome is Outcome.FAILED:
        yield f"{'':19}{check.sentence}"
        yield f"{'':19}{check.source}"


def summary(results: Sequence[Result]) -> str:
    """Return one line: how many of each, and how many of the failed the protocol does not allow."""
    counts = {outcome: sum(each.outcome is outcome for each in results) for outcome in Outcome}
    said = ", ".join(f"{count} {outcome.value}" for outcome, count in counts.items())
    breaking = sum(each.breaks for each in results)
    return (
        f"{len(results)} checks: {said}; {breaking} of the failed are a MUST or of an extension that the server lists"
    )


def records(results: Sequence[Result]) -> list[Json]:
    """Return a record a check."""
    return [
        {
            "id": each.check.id,
            "sentence": each.check.sentence,
            "level": each.check.level.value,
            "document": each.check.source.document,
            "section": each.check.source.section,
            "quote": each.check.source.quote,
            "outcome": each.outcome.value,
            "seen": each.seen,
        }
        for each in results
    ]
