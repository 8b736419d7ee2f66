"""What the server says of itself, and of the model."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from .. import sources
from ..check import Level, applies, check, require
from ..reading import answered, error_of, items, members, short, text
from ..tensors import DATATYPES
from .health import UNKNOWN

if TYPE_CHECKING:
    from ..target import Target

PLATFORMS = (
    "tensorrt_plan", "tensorflow_graphdef", "tensorflow_savedmodel", "onnx_onnxv1", "pytorch_torchscript",
    "mxnet_mxnet", "caffe2_netdef",
)  # fmt: skip


@check("server.metadata", "GET /v2 is answered by 200.", Level.MUST, sources.SERVER)
def server(target: Target) -> str:
    answer = target.get("/v2")
    require(answer.status == 200, answer)
    return str(answer)


@check("server.json", "The content type of GET /v2 is application/json.", Level.MUST, sources.SERVER_JSON)
def server_json(target: Target) -> str:
    answer = target.get("/v2")
    require(answer.media_type == "application/json", answer.media_type or "no content type")
    return answer.media_type


@check("server.name", 'The server has a "name".', Level.MUST, sources.SERVER_FIELDS)
def server_name(target: Target) -> str:
    return text(answered(target.get("/v2")).get("name"), '"name"')


@check("server.version", 'The server has a "version", a string.', Level.MUST, sources.SERVER_FIELDS)
def server_version(target: Target) -> str:
    return text(answered(target.get("/v2")).get("version"), '"version"')


@check("server.extensions", 'The server has "extensions", an array of strings.', Level.MUST, sources.SERVER_FIELDS)
def server_extensions(target: Target) -> str:
    found = items(answered(target.get("/v2")).get("extensions"), '"extensions"')
    return short([text(each, "an extension") for each in found])


@check("server.slash", "GET /v2/ is answered as GET /v2 is, or leads there.", Level.SHOULD, sources.SERVER_PATH)
def server_slash(target: Target) -> str:
    answer = target.get("/v2/")
    leads_to = urlsplit(answer.headers.get("location", "")).path
    if answer.status in {301, 302, 307, 308} and leads_to.endswith("/v2"):
        return f"{answer.status} to {leads_to}"
    require(answered(answer) == answered(target.get("/v2")), answer)
    return str(answer)


@check("server.verb", "POST /v2 is refused.", Level.SHOULD, sources.VERBS)
def server_verb(target: Target) -> str:
    answer = target.server.send("POST", "/v2", b"{}", {"Content-Type": "application/json"})
    require(400 <= answer.status < 500, answer)
    return str(answer)


@check("server.unknown-path", "A path that the protocol has not is refused.", Level.SHOULD, sources.API)
def unknown_path(target: Target) -> str:
    answer = target.get("/v2/no-such-endpoint")
    require(400 <= answer.status < 500, answer)
    return str(answer)


@check("model.metadata", "GET of the model is answered by 200.", Level.MUST, sources.MODEL)
def model(target: Target) -> str:
    answer = target.get(target.path)
    require(answer.status == 200, answer)
    return str(answer)


@check("model.json", "The content type of the model's metadata is application/json.", Level.MUST, sources.MODEL_JSON)
def model_json(target: Target) -> str:
    answer = target.get(target.path)
    require(answer.media_type == "application/json", answer.media_type or "no content type")
    return answer.media_type


@check("model.name", "The metadata have the name that was asked for.", Level.MUST, sources.MODEL_NAME)
def model_name(target: Target) -> str:
    found = text(_said(target).get("name"), '"name"')
    require(found == target.model, found)
    return found


@check("model.platform", 'The metadata have a "platform", a string.', Level.MUST, sources.MODEL_FIELDS)
def platform(target: Target) -> str:
    return text(_said(target).get("platform"), '"platform"')


@check("model.platform-form", "The platform has the form <project>_<format>.", Level.SHOULD, sources.PLATFORMS)
def platform_form(target: Target) -> str:
    found = text(_said(target).get("platform"), '"platform"')
    require(re.fullmatch("[^_]+_[^_]+", found) is not None, found or "an empty string")
    return found


@check("model.platform-known", "The platform is of the list.", Level.SHOULD, sources.ALLOWED_PLATFORMS)
def platform_known(target: Target) -> str:
    found = text(_said(target).get("platform"), '"platform"')
    require(found in PLATFORMS, found or "an empty string")
    return found


@check("model.inputs", 'The metadata name at least one of the "inputs".', Level.SHOULD, sources.MODEL_INPUTS)
def inputs(target: Target) -> str:
    found = items(_said(target).get("inputs"), '"inputs"')
    require(bool(found), "there are none")
    return short([_name(each) for each in found])


@check("model.outputs", 'The metadata name at least one of the "outputs".', Level.SHOULD, sources.MODEL_OUTPUTS)
def outputs(target: Target) -> str:
    found = items(_said(target).get("outputs"), '"outputs"')
    require(bool(found), "there are none")
    return short([_name(each) for each in found])


@check(
    "model.tensors", "Each input and output has a name, a datatype and a shape.", Level.MUST, sources.METADATA_TENSOR
)
def tensors(target: Target) -> str:
    for each in _tensors(target):
        text(each.get("datatype"), f"the datatype of {_name(each)}")
        items(each.get("shape"), f"the shape of {_name(each)}")
    return short([_name(each) for each in _tensors(target)])


@check("model.datatypes", "Each datatype is of the table.", Level.MUST, sources.METADATA_DATATYPE)
def datatypes(target: Target) -> str:
    found = [each.get("datatype") for each in _tensors(target)]
    require(all(each in DATATYPES for each in found), short(found))
    return short(found)


@check("model.shapes", "Each dimension is an integer of at least -1.", Level.MUST, sources.METADATA_SHAPE)
def shapes(target: Target) -> str:
    found = [each.get("shape") for each in _tensors(target)]
    are_fitting = [isinstance(each, list) and all(type(size) is int and size >= -1 for size in each) for each in found]
    require(all(are_fitting), short(found))
    return short(found)


@check("model.names", "No two inputs have one name, and no two outputs.", Level.SHOULD, sources.INPUT_NAME)
def names(target: Target) -> str:
    said = _said(target)
    for key in ("inputs", "outputs"):
        found = [_name(each) for each in items(said.get(key, []), f'"{key}"')]
        require(len({*found}) == len(found), f"{key}: {short(found)}")
    return "each has its own"


@check(
    "model.unknown", "A model that is not there is refused by an HTTP error status.", Level.MUST, sources.MODEL_ERROR
)
def unknown(target: Target) -> str:
    answer = target.get(f"/v2/models/{UNKNOWN}")
    require(answer.status >= 400, answer)
    return str(answer)


@check(
    "model.unknown-object",
    "The refusal of a model that is not there is the error object.",
    Level.MUST,
    sources.MODEL_ERROR_OBJECT,
)
def unknown_object(target: Target) -> str:
    return error_of(target.get(f"/v2/models/{UNKNOWN}"))


@check("model.unknown-4xx", "The status of that refusal is 404, or the typical 400.", Level.SHOULD, sources.MODEL_ERROR)
def unknown_4xx(target: Target) -> str:
    answer = target.get(f"/v2/models/{UNKNOWN}")
    require(answer.status in {400, 404}, answer)
    return str(answer.status)


@check("model.verb", "POST of the model's metadata is refused.", Level.SHOULD, sources.VERBS)
def verb(target: Target) -> str:
    answer = target.post({}, path=target.path)
    require(400 <= answer.status < 500, answer)
    return str(answer)


def _said(target: Target) -> dict[str, object]:
    return answered(target.get(target.path))


def _tensors(target: Target) -> list[dict[str, object]]:
    """Return the inputs and outputs; that there are none is for the checks of these."""
    said = _said(target)
    found = [*items(said.get("inputs", []), '"inputs"'), *items(said.get("outputs", []), '"outputs"')]
    applies(bool(found), "the metadata name no inputs and no outputs")
    return [members(each, "a tensor") for each in found]


def _name(value: object) -> str:
    return text(members(value, "a tensor").get("name"), "the name of a tensor")
