"""Outputs that a request asks for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .. import sources
from ..check import Level, applies, check, require
from ..reading import error_of, short
from ..target import request_of
from ..tensors import are_close

if TYPE_CHECKING:
    from ..target import Target
    from ..tensors import Json


@check("outputs.one", "An output that is asked for is returned alone.", Level.MUST, sources.REQUIRED_OUTPUT)
def one(target: Target) -> str:
    names = target.plain().names
    for name in names:
        found = target.inferred(_asking(target, [name])).names
        require(found == [name], f"{short(found)} for {short([name])}")
    return f"each of {short(names)}"


@check("outputs.same", "Asking for outputs does not change them.", Level.MUST, sources.OUTPUTS)
def same(target: Target) -> str:
    plain = {each.name: each for each in target.plain().outputs}
    for name, wanted in plain.items():
        found = {each.name: each for each in target.inferred(_asking(target, [name])).outputs}
        require(name in found and are_close(found[name], wanted), f"{name} differs, asked for alone")
    return f"each of {short([*plain])}"


@check("outputs.some", "Of three or more outputs, two are returned.", Level.MUST, sources.OUTPUTS)
def some(target: Target) -> str:
    names = target.plain().names
    applies(len(names) > 2, f"the model has fewer than three outputs: {short(names)}")
    found = target.inferred(_asking(target, names[:2])).names
    require(sorted(found) == sorted(names[:2]), short(found))
    return short(found)


@check("outputs.all", "All outputs are returned, asked for by name.", Level.MUST, sources.OUTPUTS)
def all_of_them(target: Target) -> str:
    names = target.plain().names
    found = target.inferred(_asking(target, names)).names
    require(sorted(found) == sorted(names), short(found))
    return short(found)


@check("outputs.order", "Outputs are returned in the order that they are asked for in.", Level.SHOULD, sources.OUTPUTS)
def order(target: Target) -> str:
    names = target.plain().names
    applies(len(names) > 1, "the model has one output")
    found = target.inferred(_asking(target, names[::-1])).names
    require(found == names[::-1], f"{short(found)} for {short(names[::-1])}")
    return short(found)


@check(
    "outputs.none",
    "An empty list of outputs is answered by all outputs, or refused.",
    Level.SHOULD,
    sources.ALL_OUTPUTS,
)
def none(target: Target) -> str:
    names = target.plain().names
    answer = target.post(_asking(target, []))
    if answer.status != 200:
        require(400 <= answer.status < 500, answer)
        return error_of(answer)
    found = target.inferred(_asking(target, [])).names
    require(found == names, short(found))
    return short(found)


@check(
    "outputs.parameters",
    "Parameters of an output that a server does not know are taken.",
    Level.SHOULD,
    sources.PARAMETERS,
)
def parameters(target: Target) -> str:
    name = target.plain().names[0]
    request = request_of(target.sample(), outputs=[{"name": name, "parameters": {"conformance_text": "text"}}])
    found = target.inferred(request).names
    require(found == [name], short(found))
    return short(found)


@check("outputs.unknown", "An output that the model has not is refused.", Level.MUST, sources.OUTPUTS)
def unknown(target: Target) -> str:
    return error_of(target.post(_asking(target, ["no-such-output"])))


@check(
    "outputs.unknown-beside",
    "An output that the model has not, beside one that it has, is refused.",
    Level.MUST,
    sources.OUTPUTS,
)
def unknown_beside(target: Target) -> str:
    return error_of(target.post(_asking(target, [target.plain().names[0], "no-such-output"])))


def _asking(target: Target, names: list[str]) -> dict[str, Json]:
    asked: list[Json] = [{"name": name} for name in names]
    return request_of(target.sample(), outputs=asked)
