"""The form of what an inference request is answered with."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .. import sources
from ..check import Level, applies, check, require
from ..reading import answered, dimensions, items, members, parsed, short, text
from ..target import request_of
from ..tensors import DATATYPES

if TYPE_CHECKING:
    from ..client import Answer
    from ..target import Target


@check("infer.status", "A request made after the metadata is answered by 200.", Level.MUST, sources.INFER)
def status(target: Target) -> str:
    answer = target.post(request_of(target.made()))
    require(answer.status == 200, answer)
    return str(answer)


@check("infer.json", "The content type of the answer is application/json.", Level.MUST, sources.INFER_JSON)
def json_type(target: Target) -> str:
    answer = _answer(target)
    require(answer.media_type == "application/json", answer.media_type or "no content type")
    return answer.media_type


@check("infer.strict", "The answer is JSON, without NaN and Infinity.", Level.MUST, sources.JSON)
def strict(target: Target) -> str:
    answer = _answer(target)
    parsed(answer.body)
    return f"{len(answer.body)} bytes"


@check("infer.model-name", '"model_name" is the name that was asked for.', Level.MUST, sources.RESPONSE_FIELDS)
def model_name(target: Target) -> str:
    found = text(_said(target).get("model_name"), '"model_name"')
    require(found == target.model, found)
    return found


@check("infer.outputs", '"outputs" is an array of at least one tensor.', Level.MUST, sources.RESPONSE_FIELDS)
def outputs(target: Target) -> str:
    found = _outputs(target)
    require(bool(found), "it is empty")
    return f"{len(found)}"


@check(
    "infer.output-fields", "Each output has a name, a shape, a datatype and data.", Level.MUST, sources.RESPONSE_OUTPUT
)
def output_fields(target: Target) -> str:
    for each in _outputs(target):
        text(each.get("name"), "the name of an output")
        text(each.get("datatype"), "the datatype of an output")
        items(each.get("shape"), "the shape of an output")
        items(each.get("data"), "the data of an output")
    return short([each.get("name") for each in _outputs(target)])


@check("infer.output-datatype", "Each output has a datatype of the table.", Level.MUST, sources.RESPONSE_DATATYPE)
def output_datatype(target: Target) -> str:
    found = [each.get("datatype") for each in _outputs(target)]
    require(all(each in DATATYPES for each in found), short(found))
    return short(found)


@check("infer.output-shape", "Each dimension is an unsigned integer.", Level.MUST, sources.RESPONSE_SHAPE)
def output_shape(target: Target) -> str:
    return short([[*dimensions(each.get("shape"), "the shape of an output")] for each in _outputs(target)])


@check("infer.output-size", "The data are as many as the shape says, of the datatype.", Level.MUST, sources.LINEAR)
def output_size(target: Target) -> str:
    return short({each.name: [each.datatype, each.shape] for each in target.plain().outputs})


@check(
    "infer.all-outputs",
    "All outputs of the metadata are returned if none is asked for.",
    Level.MUST,
    sources.ALL_OUTPUTS,
)
def all_outputs(target: Target) -> str:
    applies(bool(target.outputs), "the metadata name no outputs")
    found = target.plain().names
    wanted = [each.name for each in target.outputs]
    require({*wanted} <= {*found}, f"the metadata name {short(wanted)}, returned are {short(found)}")
    return short(found)


@check(
    "infer.no-other-outputs",
    "No output is returned that the metadata do not name.",
    Level.SHOULD,
    sources.MODEL_OUTPUTS,
)
def no_other_outputs(target: Target) -> str:
    applies(bool(target.outputs), "the metadata name no outputs")
    found = target.plain().names
    require({*found} <= {each.name for each in target.outputs}, short(found))
    return short(found)


@check("infer.datatype-said", "Each output has the datatype of the metadata.", Level.MUST, sources.MODEL_OUTPUTS)
def datatype_said(target: Target) -> str:
    said = {each.name: each.datatype for each in target.outputs}
    found = {each.name: each.datatype for each in target.plain().outputs if each.name in said}
    applies(bool(found), "no output is named in the metadata")
    require(found.items() <= said.items(), f"{short(found)}, and by the metadata {short(said)}")
    return short(found)


@check("infer.shape-said", "Each output has the shape of the metadata, up to -1.", Level.MUST, sources.METADATA_SHAPE)
def shape_said(target: Target) -> str:
    said = {each.name: each.shape for each in target.outputs}
    found = {each.name: each.values.shape for each in target.plain().outputs if each.name in said}
    applies(bool(found), "no output is named in the metadata")
    for name, shape in found.items():
        pairs = zip(shape, said[name], strict=False)
        is_fitting = len(shape) == len(said[name]) and all(other in {one, -1} for one, other in pairs)
        require(is_fitting, f"{name} has shape {[*shape]}, and by the metadata {[*said[name]]}")
    return short({name: [*shape] for name, shape in found.items()})


@check("infer.parameters", "Parameters of the answer are strings, numbers or booleans.", Level.MUST, sources.PARAMETER)
def parameters(target: Target) -> str:
    said = [_said(target), *_outputs(target)]
    found = [members(each["parameters"], "parameters") for each in said if "parameters" in each]
    applies(bool(found), "the answer has no parameters, which are optional")
    values = [value for each in found for value in each.values()]
    require(all(isinstance(value, str | int | float) for value in values), short(found))
    return short(found)


@check("infer.verb", "GET .../infer is refused.", Level.SHOULD, sources.API)
def verb(target: Target) -> str:
    answer = target.get(f"{target.path}/infer")
    require(400 <= answer.status < 500, answer)
    return str(answer)


def _answer(target: Target) -> Answer:
    return target.post(request_of(target.sample()))


def _said(target: Target) -> dict[str, object]:
    return answered(_answer(target))


def _outputs(target: Target) -> list[dict[str, object]]:
    return [members(each, "an output") for each in items(_said(target).get("outputs"), '"outputs"')]
