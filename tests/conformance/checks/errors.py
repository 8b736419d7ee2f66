"""What all refusals have in common, and that the server is whole after them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .. import sources
from ..check import FailedError, Level, NotApplicableError, check, require
from ..reading import error_of
from ..tensors import are_close
from . import refusals
from .refusals import Refusal, answer_to

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from ..client import Answer
    from ..target import Target


@check(
    "errors.object",
    'The body of each refusal is an object with an "error", a string.',
    Level.MUST,
    sources.ERROR_OBJECT,
)
def error_object(target: Target) -> str:
    return _all(target, lambda answer: _message(answer) is not None, lambda answer: answer.status)


@check("errors.json", "The content type of each refusal is application/json.", Level.MUST, sources.ERROR_JSON)
def json_type(target: Target) -> str:
    return _all(target, lambda answer: answer.media_type == "application/json", lambda answer: answer.media_type)


@check("errors.4xx", "Each refusal has a status of 4xx: the fault is the client's.", Level.SHOULD, sources.ERROR_400)
def client_faults(target: Target) -> str:
    return _all(target, lambda answer: answer.status < 500, lambda answer: answer.status)


@check("errors.message", "The message of each refusal is not empty.", Level.SHOULD, sources.ERROR_MESSAGE)
def message(target: Target) -> str:
    return _all(target, lambda answer: _message(answer) != "", lambda answer: answer.status)


@check("errors.afterwards", "The server is live after them, and infers as before.", Level.MUST, sources.LIVE)
def afterwards(target: Target) -> str:
    before = target.plain()
    count = sum(1 for _ in _refusals(target))
    require(target.get("/v2/health/live").status == 200, "it is not live")
    after = target.plain()
    pairs = zip(before.outputs, after.outputs, strict=False)
    require(before.names == after.names and all(are_close(*pair) for pair in pairs), "its outputs are others")
    return f"the same after {count} requests"


def _all(target: Target, is_fitting: Callable[[Answer], bool], said: Callable[[Answer], object]) -> str:
    """Return how many refusals there are. Raises FailedError with those that are not fitting."""
    found = dict(_refusals(target))
    others = {name: said(answer) for name, answer in found.items() if not is_fitting(answer)}
    listed = ", ".join(f"{name} {shown}" for name, shown in others.items())
    require(not others, f"{len(others)} of {len(found)} are not so: {listed}")
    return f"{len(found)} refusals"


def _message(answer: Answer) -> str | None:
    """Return the message of an error object, None of a body that is none."""
    try:
        return error_of(answer).strip()
    except FailedError:
        return None


def _refusals(target: Target) -> Iterator[tuple[str, Answer]]:
    """Yield the answers to wrong requests that are refused at all; those that are not are for checks of their own."""
    target.sample()
    for each in [each for each in vars(refusals).values() if isinstance(each, Refusal)]:
        try:
            answer = answer_to(target, each.wrong(target))
        except NotApplicableError:
            continue
        if answer.status >= 400:
            yield each.id.partition(".")[2], answer
