"""Ways in which a server can be wrong, each with the checks that have to see it."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, TypeAlias

from . import reference
from .reference import Reply, Request, reply_of

if TYPE_CHECKING:
    from .tensors import Json

Server: TypeAlias = Callable[[Request], Reply]
Object: TypeAlias = "dict[str, Json]"

FAULTS: dict[str, tuple[Server, tuple[str, ...]]] = {}
"""A wrong server by name, and the ids of the checks that have to see it."""


def _fault(*sees: str) -> Callable[[Server], Server]:
    def named(server: Server) -> Server:
        FAULTS[server.__name__] = server, sees
        return server

    return named


def _is_inference(request: Request) -> bool:
    return request.path.endswith("/infer") and request.method == "POST"


def _metadata(request: Request, change: Callable[[Object], object]) -> Reply:
    """Return the right answer, the model's metadata changed."""
    reply = reference.answer(request)
    is_of_model = request.method == "GET" and b'"platform"' in reply.body
    return _changed(reply, change) if is_of_model and reply.status == 200 else reply


def _infer(request: Request, change: Callable[[Object], object]) -> Reply:
    """Return the right answer, that to inference in JSON changed."""
    reply = reference.answer(request)
    return _changed(reply, change) if _is_inference(request) and reply.status == 200 and not reply.length else reply


def _asked(request: Request, change: Callable[[Object], object]) -> Reply:
    """Return the right answer to another request than came: its JSON changed."""
    if not _is_inference(request) or "inference-header-content-length" in request.headers:
        return reference.answer(request)
    try:
        said: Object = json.loads(request.body)
        change(said)
    except (ValueError, TypeError, KeyError, AttributeError, IndexError):
        return reference.answer(request)
    return reference.answer(replace(request, body=json.dumps(said).encode()))


def _changed(reply: Reply, change: Callable[[Object], object]) -> Reply:
    said: Object = json.loads(reply.body)
    change(said)
    return replace(reply, body=json.dumps(said).encode())


def _each_output(change: Callable[[Object], object]) -> Callable[[Object], object]:
    def changed(said: Object) -> None:
        outputs = said["outputs"]
        for each in outputs if isinstance(outputs, list) else []:
            if isinstance(each, dict):
                change(each)

    return changed


def _refusing(request: Request, *, is_refused: bool, status: int = 400) -> Reply:
    if _is_inference(request) and is_refused:
        return reply_of(status, {"error": "this is not taken"})
    return reference.answer(request)


# Health and metadata.


@_fault("health.live", "health.ready", "health.model-ready", "server.metadata", "model.metadata", "infer.verb")
def dead(request: Request) -> Reply:
    return Reply(503, b"no", "text/plain")


@_fault("health.live-object", "health.ready-object", "health.model-ready-name", "health.model-ready-object")
def health_without_bodies(request: Request) -> Reply:
    reply = reference.answer(request)
    return replace(reply, body=b"") if request.path.endswith(("/live", "/ready")) else reply


@_fault("health.ready-object", "health.model-ready-object")
def never_ready(request: Request) -> Reply:
    reply = reference.answer(request)
    return _changed(reply, lambda said: said.update(ready=False)) if request.path.endswith("/ready") else reply


@_fault("health.live-verb", "server.verb", "model.verb", "infer.verb")
def any_verb(request: Request) -> Reply:
    reply = reference.answer(request)
    return reply_of(200, {}) if reply.status == 405 else reply


@_fault(
    "health.unknown-model", "server.unknown-path", "model.unknown", "model.unknown-object", "model.unknown-4xx",
    "versions.unknown", "versions.unknown-ready", "versions.unknown-infer", "refused.no-model",
)  # fmt: skip
def nothing_is_unknown(request: Request) -> Reply:
    reply = reference.answer(request)
    return reply_of(200, {"ready": True}) if reply.status == 404 else reply


@_fault("server.json", "model.json", "infer.json", "errors.json")
def text_for_json(request: Request) -> Reply:
    return replace(reference.answer(request), media_type="text/plain")


@_fault("server.name", "server.version", "server.extensions")
def nameless_server(request: Request) -> Reply:
    return reply_of(200, {}) if request.path == "/v2" else reference.answer(request)


@_fault("server.slash")
def no_slash(request: Request) -> Reply:
    return reply_of(404, {"error": "nothing"}) if request.path == "/v2/" else reference.answer(request)


@_fault("model.name", "versions.metadata")
def other_name(request: Request) -> Reply:
    return _metadata(request, lambda said: said.update(name="other"))


@_fault("model.platform")
def platform_number(request: Request) -> Reply:
    return _metadata(request, lambda said: said.update(platform=1))


@_fault("model.platform-form", "model.platform-known")
def platform_of_one_word(request: Request) -> Reply:
    return _metadata(request, lambda said: said.update(platform="onnx"))


@_fault("model.inputs", "model.outputs")
def no_tensors(request: Request) -> Reply:
    return _metadata(request, lambda said: said.update(inputs=[], outputs=[]))


def _first_input(**changed: Json) -> Callable[[Object], object]:
    def change(said: Object) -> None:
        inputs = said["inputs"]
        if isinstance(inputs, list) and isinstance(inputs[0], dict):
            inputs[0].update(changed)

    return change


@_fault("model.tensors")
def tensor_without_shape(request: Request) -> Reply:
    return _metadata(request, _first_input(shape=None))


@_fault("model.datatypes")
def datatype_of_numpy(request: Request) -> Reply:
    return _metadata(request, _first_input(datatype="float32"))


@_fault("model.shapes")
def shape_of_names(request: Request) -> Reply:
    return _metadata(request, _first_input(shape=["batch", 2]))


@_fault("model.names")
def one_name_for_two(request: Request) -> Reply:
    return _metadata(request, _first_input(name="count"))


@_fault("model.unknown-object", "versions.unknown", "versions.unknown-infer", "errors.object")
def detail_for_error(request: Request) -> Reply:
    reply = reference.answer(request)
    return reply_of(reply.status, {"detail": "wrong"}) if reply.status >= 400 else reply


@_fault("model.unknown-4xx", "errors.4xx")
def faults_of_the_server(request: Request) -> Reply:
    reply = reference.answer(request)
    return replace(reply, status=500) if reply.status >= 400 else reply


@_fault("errors.message")
def empty_messages(request: Request) -> Reply:
    reply = reference.answer(request)
    return reply_of(reply.status, {"error": ""}) if reply.status >= 400 else reply


@_fault("errors.object", "model.unknown-object")
def error_of_html(request: Request) -> Reply:
    reply = reference.answer(request)
    return replace(reply, body=b"<h1>wrong</h1>", media_type="text/html") if reply.status >= 400 else reply


# Versions.


@_fault("versions.array")
def versions_of_numbers(request: Request) -> Reply:
    return _metadata(request, lambda said: said.update(versions=[1]))


@_fault("versions.metadata", "versions.ready", "versions.infer")
def listed_alone(request: Request) -> Reply:
    return reply_of(404, {"error": "nothing"}) if "/versions/" in request.path else reference.answer(request)


@_fault("versions.named", "versions.chosen")
def another_version(request: Request) -> Reply:
    return _infer(request, lambda said: said.update(model_version="7"))


@_fault("versions.unlisted")
def version_of_no_list(request: Request) -> Reply:
    reply = another_version(request)
    return _changed(reply, lambda said: said.pop("versions", None)) if request.method == "GET" else reply


@_fault("versions.same")
def version_of_other_outputs(request: Request) -> Reply:
    return reversed_rows(request) if "/versions/" in request.path else reference.answer(request)


# Inference.


@_fault("infer.status")
def no_inference(request: Request) -> Reply:
    return _refusing(request, is_refused=True)


@_fault("infer.strict")
def bare_nan(request: Request) -> Reply:
    return _infer(request, lambda said: said.update(more=float("nan")))


@_fault("infer.model-name")
def answers_without_a_model(request: Request) -> Reply:
    return _infer(request, lambda said: said.pop("model_name"))


@_fault("infer.outputs", "infer.all-outputs")
def no_outputs(request: Request) -> Reply:
    return _infer(request, lambda said: said.update(outputs=[]))


@_fault("infer.output-fields")
def outputs_without_datatypes(request: Request) -> Reply:
    return _infer(request, _each_output(lambda each: each.pop("datatype")))


@_fault("infer.output-datatype")
def outputs_of_doubles(request: Request) -> Reply:
    return _infer(request, _each_output(lambda each: each.update(datatype="DOUBLE")))


@_fault("infer.output-shape")
def outputs_of_variable_shape(request: Request) -> Reply:
    return _infer(request, _each_output(lambda each: each.update(shape=[-1])))


@_fault("infer.output-size")
def outputs_of_other_size(request: Request) -> Reply:
    return _infer(request, _each_output(lambda each: each.update(shape=[7])))


@_fault("infer.output-size")
def numbers_as_texts(request: Request) -> Reply:
    return _infer(request, _each_output(lambda each: each.update(data=[str(x) for x in _list(each["data"])])))


@_fault("infer.all-outputs")
def one_output_less(request: Request) -> Reply:
    return _infer(request, lambda said: _list(said["outputs"]).pop())


@_fault("infer.no-other-outputs")
def one_output_more(request: Request) -> Reply:
    more: Object = {"name": "more", "datatype": "FP32", "shape": [1], "data": [1.0]}
    return _infer(request, lambda said: _list(said["outputs"]).append(more))


@_fault("infer.datatype-said")
def narrower_than_said(request: Request) -> Reply:
    def narrow(each: Object) -> None:
        each["datatype"] = "FP32" if each["datatype"] == "FP64" else each["datatype"]

    return _infer(request, _each_output(narrow))


@_fault("infer.shape-said")
def deeper_than_said(request: Request) -> Reply:
    return _infer(request, _each_output(lambda each: _list(each["shape"]).append(1)))


@_fault("infer.parameters")
def parameters_of_lists(request: Request) -> Reply:
    return _infer(request, lambda said: said.update(parameters={"tags": ["a"]}))


@_fault("infer.id", "infer.id-unicode", "infer.id-exact", "infer.id-own")
def one_id_for_all(request: Request) -> Reply:
    return _infer(request, lambda said: said.update(id="1"))


@_fault("infer.no-id")
def id_of_its_own(request: Request) -> Reply:
    return _infer(request, lambda said: said.setdefault("id", "made up"))


@_fault("infer.id-string", "infer.no-id")
def id_null(request: Request) -> Reply:
    return _infer(request, lambda said: said.setdefault("id", None))


@_fault("infer.nested")
def flat_alone(request: Request) -> Reply:
    return _refusing(request, is_refused=b"[[" in request.body)


@_fault("infer.rows")
def reversed_rows(request: Request) -> Reply:
    return _infer(request, _each_output(lambda each: _list(each["data"]).reverse()))


@_fault("infer.row-major", "infer.rows")
def column_major(request: Request) -> Reply:
    def turned(said: Object) -> None:
        for each in _list(said["inputs"]):
            if isinstance(each, dict) and each["name"] == "level":
                rows, data = _list(each["shape"])[0], _list(each["data"])
                each["data"] = [data[place + int(str(rows)) * i] for place in range(int(str(rows))) for i in range(2)]

    return _asked(request, turned)


@_fault("infer.batch")
def first_row_alone(request: Request) -> Reply:
    def cut(each: Object) -> None:
        each["shape"] = [1, *_list(each["shape"])[1:]]
        each["data"] = _list(each["data"])[:1]

    return _infer(request, _each_output(cut))


@_fault("infer.order")
def inputs_by_place(request: Request) -> Reply:
    inputs = b'{"inputs": [{"name": "site"'
    return _refusing(request, is_refused=request.body.startswith(inputs))


@_fault("infer.whole-floats")
def floats_with_points(request: Request) -> Reply:
    level = request.body.partition(b'"level"')[2].partition(b"]}")[0].partition(b'"data"')[2]
    return _refusing(request, is_refused=b"." not in level)


@_fault("infer.members")
def no_blanks(request: Request) -> Reply:
    return _refusing(request, is_refused=request.body.startswith(b" "))


@_fault("infer.escapes")
def no_escapes(request: Request) -> Reply:
    return _refusing(request, is_refused=b"\\u" in request.body)


@_fault("infer.charset", "infer.no-type")
def one_content_type(request: Request) -> Reply:
    is_json = request.headers.get("content-type") == "application/json"
    return _refusing(request, is_refused=not is_json, status=415)


@_fault("infer.parameters-taken", "infer.input-parameters", "outputs.parameters")
def no_other_parameters(request: Request) -> Reply:
    return _refusing(request, is_refused=b"conformance_text" in request.body)


@_fault("infer.unknown-members")
def no_other_members(request: Request) -> Reply:
    return _refusing(request, is_refused=b"not_of_it" in request.body)


# Outputs that are asked for.


@_fault("outputs.one", "outputs.some", "outputs.order", "outputs.unknown", "outputs.unknown-beside")
def all_outputs_always(request: Request) -> Reply:
    return _asked(request, lambda said: said.pop("outputs"))


@_fault("outputs.unknown-beside")
def unknown_passed_over(request: Request) -> Reply:
    def known(said: Object) -> None:
        named = [each for each in _list(said["outputs"]) if isinstance(each, dict)]
        said["outputs"] = [each for each in named if each["name"] in reference.OUTPUTS] or [*named]

    return _asked(request, known)


@_fault("outputs.same")
def others_when_asked(request: Request) -> Reply:
    return reversed_rows(request) if b'"outputs"' in request.body else reference.answer(request)


@_fault("outputs.all", "outputs.some")
def first_of_those_asked(request: Request) -> Reply:
    return _asked(request, lambda said: said.update(outputs=_list(said["outputs"])[:1]))


@_fault("outputs.order")
def order_of_its_own(request: Request) -> Reply:
    order = [*reference.OUTPUTS]
    return _infer(request, lambda said: _list(said["outputs"]).sort(key=lambda each: order.index(_name(each))))


@_fault("outputs.none")
def none_for_none(request: Request) -> Reply:
    reply = reference.answer(request)
    return _changed(reply, lambda said: said.update(outputs=[])) if b'"outputs": []' in request.body else reply


# Refusals.


@_fault(
    "refused.", "outputs.unknown", "binary.cut", "binary.trailing", "binary.size-small", "binary.size-large",
    "binary.size-negative", "binary.size-text", "binary.no-header", "binary.header-long", "binary.header-short",
    "binary.header-text", "binary.header-negative", "binary.both", "binary.bytes-length",
)  # fmt: skip
def takes_anything(request: Request) -> Reply:
    reply = reference.answer(request)
    return reply_of(200, {"outputs": []}) if _is_inference(request) and reply.status >= 400 else reply


class Spoiled:
    """A server whose outputs are others after the first refusal."""

    __name__ = "spoiled_by_refusals"

    def __init__(self) -> None:
        self.refusals = 0

    def __call__(self, request: Request) -> Reply:
        reply = reversed_rows(request) if self.refusals else reference.answer(request)
        self.refusals += reply.status == 400
        return reply


_fault("errors.afterwards")(Spoiled())


# Binary data.


@_fault(
    "binary.input", "binary.input-no-type", "binary.input-mixed", "binary.input-order", "binary.input-json",
    "binary.input-bytes", "binary.input-bool",
)  # fmt: skip
def no_binary_inputs(request: Request) -> Reply:
    return _refusing(request, is_refused="inference-header-content-length" in request.headers)


@_fault("binary.input")
def big_endian(request: Request) -> Reply:
    head = int(request.headers.get("inference-header-content-length", len(request.body)))
    first = request.body[head : head + 24]  # three rows of two float32, which come first
    turned = b"".join(first[i : i + 4][::-1] for i in range(0, len(first), 4))
    return reference.answer(replace(request, body=request.body[:head] + turned + request.body[head + 24 :]))


@_fault(
    "binary.output", "binary.output-size", "binary.output-header", "binary.output-no-data", "binary.output-type",
    "binary.outputs", "binary.outputs-mixed", "binary.outputs-order",
)  # fmt: skip
def no_binary_outputs(request: Request) -> Reply:
    body = request.body.replace(b'"binary_data": true', b'"binary_data": false').replace(
        b'_output": true', b'_output": 0'
    )
    return reference.answer(replace(request, body=body)) if _is_inference(request) else reference.answer(request)


@_fault("binary.output-false", "binary.outputs-false", "binary.override", "binary.outputs-mixed")
def binary_always(request: Request) -> Reply:
    body = request.body.replace(b'"binary_data": false', b'"binary_data": true')
    body = body.replace(b'_output": false', b'_output": true')
    return reference.answer(replace(request, body=body)) if _is_inference(request) else reference.answer(request)


@_fault("binary.output-size", "binary.output")
def sizes_of_elements(request: Request) -> Reply:
    reply = reference.answer(request)
    return replace(reply, body=reply.body.replace(b'"binary_data_size": 24', b'"binary_data_size":  3', 1))


@_fault("binary.output-header", "binary.output")
def no_header(request: Request) -> Reply:
    return replace(reference.answer(request), length=None)


@_fault("binary.outputs-order", "binary.output")
def bytes_in_another_order(request: Request) -> Reply:
    reply = reference.answer(request)
    head = reply.length or len(reply.body)
    return replace(reply, body=reply.body[:head] + reply.body[head:][::-1])


def _list(value: Json) -> list[Json]:
    assert isinstance(value, list)
    return value


def _name(value: Json) -> str:
    assert isinstance(value, dict)
    return str(value["name"])
