"""Outputs as bytes behind the JSON: the binary tensor extension, for servers that say that they have it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .. import sources
from ..check import Level, applies, check, require
from ..reading import HEADER_LENGTH, inference, items, members, parsed, short
from ..target import request_of
from ..tensors import DATATYPES, are_close
from .binary_inputs import listed

if TYPE_CHECKING:
    from ..client import Answer
    from ..reading import Inference
    from ..target import Target
    from ..tensors import Json


@check(
    "binary.output",
    "An output asked for as binary data is the same as in JSON.",
    Level.EXTENSION,
    sources.BINARY_OUTPUT,
)
def output(target: Target) -> str:
    found = inference(_asked(target, {}))
    require(None not in found.sizes, f"sizes {short([*found.sizes])}")
    return _same(target, found)


@check(
    "binary.output-size",
    "The binary_data_size is the bytes of the tensor.",
    Level.EXTENSION,
    sources.BINARY_SIZE,
)
def output_size(target: Target) -> str:
    found = inference(_asked(target, {}))
    for tensor, size in zip(found.outputs, found.sizes, strict=True):
        require(size == len(tensor.raw()), f"{tensor.name} has {len(tensor.raw())} bytes, said are {size}")
    return short([*found.sizes])


@check("binary.output-header", "The header gives the length of the JSON.", Level.EXTENSION, sources.BINARY_HEADER)
def output_header(target: Target) -> str:
    answer = _asked(target, {})
    length = answer.headers.get(HEADER_LENGTH)
    require(length is not None and length.isdigit(), f"the header is {short(length)}")
    members(parsed(answer.body[: int(length or 0)]), "what the header gives the length of")
    return f"{length} of {len(answer.body)} bytes"


@check("binary.output-no-data", "An output as binary data has no data in JSON.", Level.EXTENSION, sources.BINARY_DATA)
def output_no_data(target: Target) -> str:
    answer = _asked(target, {})
    length = answer.headers.get(HEADER_LENGTH, "")
    said = members(parsed(answer.body[: int(length) if length.isdigit() else None]), "the body")
    found = [each for each in items(said.get("outputs"), '"outputs"') if "data" in members(each, "an output")]
    require(not found, short(found))
    return "there are none"


@check("binary.output-type", "The content type is application/octet-stream.", Level.SHOULD, sources.BINARY_TYPE)
def output_type(target: Target) -> str:
    found = _asked(target, {}).media_type
    require(found == "application/octet-stream", found or "no content type")
    return found


@check(
    "binary.output-false", "An output asked for as no binary data is in JSON.", Level.EXTENSION, sources.BINARY_OUTPUT
)
def output_false(target: Target) -> str:
    answer = _asked(target, {}, is_binary=False)
    require(HEADER_LENGTH not in answer.headers, "it has the header of binary data")
    return _same(target, inference(answer))


@check("binary.outputs", "All outputs are binary data by one parameter.", Level.EXTENSION, sources.BINARY_OUTPUTS)
def outputs(target: Target) -> str:
    listed(target)
    found = target.inferred(request_of(target.sample(), parameters={"binary_data_output": True}))
    require(None not in found.sizes, f"sizes {short([*found.sizes])}")
    return _same(target, found)


@check(
    "binary.outputs-false",
    "No output is binary data where that parameter is false.",
    Level.EXTENSION,
    sources.BINARY_OUTPUTS,
)
def outputs_false(target: Target) -> str:
    listed(target)
    found = target.inferred(request_of(target.sample(), parameters={"binary_data_output": False}))
    require({*found.sizes} == {None}, f"sizes {short([*found.sizes])}")
    return _same(target, found)


@check("binary.override", "An output's own parameter overrides that for all.", Level.EXTENSION, sources.BINARY_OVERRIDE)
def override(target: Target) -> str:
    found = inference(_asked(target, {"binary_data_output": True}, is_binary=False))
    require({*found.sizes} == {None}, f"sizes {short([*found.sizes])}")
    return _same(target, found)


@check("binary.outputs-mixed", "One output as binary data, another in JSON.", Level.EXTENSION, sources.BINARY_ORDER)
def mixed(target: Target) -> str:
    listed(target)
    names = _several(target)
    asked: list[Json] = [{"name": name, "parameters": {"binary_data": i % 2 == 1}} for i, name in enumerate(names)]
    found = target.inferred(request_of(target.sample(), outputs=asked))
    sizes = dict(zip(found.names, found.sizes, strict=True))
    are_fitting = all((sizes.get(name) is not None) == (i % 2 == 1) for i, name in enumerate(names))
    require(are_fitting, f"sizes {short(sizes)}")
    return _same(target, found)


@check(
    "binary.outputs-order",
    "Binary data are in the order of the outputs in JSON.",
    Level.EXTENSION,
    sources.BINARY_ORDER,
)
def order(target: Target) -> str:
    listed(target)
    names = _several(target)
    asked: list[Json] = [{"name": name, "parameters": {"binary_data": True}} for name in names[::-1]]
    found = target.inferred(request_of(target.sample(), outputs=asked))
    require(None not in found.sizes, f"sizes {short([*found.sizes])}")
    return _same(target, found)


def _asked(target: Target, parameters: dict[str, Json], *, is_binary: bool = True) -> Answer:
    """Return the answer to the plain request, each output asked for with its own parameter."""
    listed(target)
    names = target.plain().names
    asked: list[Json] = [{"name": name, "parameters": {"binary_data": is_binary}} for name in names]
    return target.post(request_of(target.sample(), outputs=asked, parameters=parameters))


def _several(target: Target) -> list[str]:
    names = target.plain().names
    applies(len(names) > 1, "the model has one output")
    return names


def _same(target: Target, found: Inference) -> str:
    wanted = {each.name: each for each in target.plain().outputs}
    others = [each.name for each in found.outputs if each.name not in wanted or not are_close(each, wanted[each.name])]
    require(not others and {*wanted} == {*found.names}, f"other than in JSON: {short(others)} of {short(found.names)}")
    kinds = {DATATYPES[each.datatype].kind for each in found.outputs}
    return f"the same as in JSON: {short(found.names)}, {len(kinds)} kind{'s' if len(kinds) > 1 else ''} of elements"
