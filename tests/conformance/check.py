"""A check, and what comes of it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

from .client import NoAnswerError

if TYPE_CHECKING:
    from collections.abc import Callable

    from .sources import Source
    from .target import Target


class Level(Enum):
    """How much a check weighs.

    MUST: the text says "must", or the text and its OpenAPI document both make it part of the form.
    SHOULD: the text says "should" or "typically", or the two differ, or one leaves it to common sense of HTTP and JSON.
    EXTENSION: a "must" of the binary tensor extension, for servers that say that they have it.
    """

    MUST = "MUST"
    SHOULD = "SHOULD"
    EXTENSION = "EXTENSION"


class Outcome(Enum):
    """What came of a check; one that does not apply has not passed."""

    PASSED = "passed"
    FAILED = "failed"
    NOT_APPLICABLE = "not applicable"


class FailedError(Exception):
    """The server does not do what a check asks: what was seen."""


class NotApplicableError(Exception):
    """A check has nothing to look at on this server or model: the reason."""


@dataclass(frozen=True)
class Check:
    """A check.

    Attributes:
        id: its group and its name.
        sentence: what it asks, in one sentence.
        source: the sentence of the protocol that it comes from.
        run: looks, and returns what it saw. Raises FailedError and NotApplicableError.
    """

    id: str
    sentence: str
    level: Level
    source: Source
    run: Callable[[Target], str]


@dataclass(frozen=True)
class Result:
    """What came of a check, and what it saw: an answer, or the reason why it does not apply."""

    check: Check
    outcome: Outcome
    seen: str

    @property
    def breaks(self) -> bool:
        """Whether the server breaks the protocol here: a MUST, or an extension that it says it has."""
        return self.outcome is Outcome.FAILED and self.check.level is not Level.SHOULD


def check(name: str, sentence: str, level: Level, source: Source) -> Callable[[Callable[[Target], str]], Check]:
    """Make a check of the function that looks."""
    return lambda run: Check(name, sentence, level, source, run)


def result(of: Check, target: Target) -> Result:
    """Return what comes of a check on a server."""
    try:
        return Result(of, Outcome.PASSED, of.run(target))
    except (FailedError, NoAnswerError) as error:
        return Result(of, Outcome.FAILED, str(error))
    except NotApplicableError as error:
        return Result(of, Outcome.NOT_APPLICABLE, str(error))


def require(holds: bool, seen: object) -> None:
    """Raise FailedError with what was seen, unless something holds."""
    if not holds:
        raise FailedError(str(seen))


def applies(holds: bool, reason: str) -> None:
    """Raise NotApplicableError with the reason, unless something holds."""
    if not holds:
        raise NotApplicableError(reason)
