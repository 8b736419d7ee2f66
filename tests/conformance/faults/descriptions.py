"""Wrong health, metadata and versions."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from .. import reference
from ..reference import Reply, Request, reply_of
from .wrong import Object, changed, fault, inference_with, metadata_with, reversed_rows

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..tensors import Json


@fault("health.live", "health.ready", "health.model-ready", "server.metadata", "model.metadata", "infer.verb")
def dead(request: Request) -> Reply:
    return Reply(503, b"no", "text/plain")


@fault("health.live-object", "health.ready-object", "health.model-ready-name", "health.model-ready-object")
def health_without_bodies(request: Request) -> Reply:
    reply = reference.answer(request)
    return replace(reply, body=b"") if request.path.endswith(("/live", "/ready")) else reply


@fault("health.ready-object", "health.model-ready-object")
def never_ready(request: Request) -> Reply:
    reply = reference.answer(request)
    return changed(reply, lambda said: said.update(ready=False)) if request.path.endswith("/ready") else reply


@fault("health.live-verb", "server.verb", "model.verb", "infer.verb")
def any_verb(request: Request) -> Reply:
    reply = reference.answer(request)
    return reply_of(200, {}) if reply.status == 405 else reply


@fault(
    "health.unknown-model", "server.unknown-path", "model.unknown", "model.unknown-object", "model.unknown-4xx",
    "versions.unknown", "versions.unknown-ready", "versions.unknown-infer", "refused.no-model",
)  # fmt: skip
def nothing_is_unknown(request: Request) -> Reply:
    reply = reference.answer(request)
    return reply_of(200, {"ready": True}) if reply.status == 404 else reply


@fault("server.json", "model.json", "infer.json", "errors.json")
def text_for_json(request: Request) -> Reply:
    return replace(reference.answer(request), media_type="text/plain")


@fault("server.name", "server.version", "server.extensions")
def nameless_server(request: Request) -> Reply:
    return reply_of(200, {}) if request.path == "/v2" else reference.answer(request)


@fault("server.slash")
def no_slash(request: Request) -> Reply:
    return reply_of(404, {"error": "nothing"}) if request.path == "/v2/" else reference.answer(request)


@fault("model.name", "versions.metadata")
def other_name(request: Request) -> Reply:
    return metadata_with(request, lambda said: said.update(name="other"))


@fault("model.platform")
def platform_number(request: Request) -> Reply:
    return metadata_with(request, lambda said: said.update(platform=1))


@fault("model.platform-form", "model.platform-known")
def platform_of_one_word(request: Request) -> Reply:
    return metadata_with(request, lambda said: said.update(platform="onnx"))


@fault("model.inputs", "model.outputs")
def no_tensors(request: Request) -> Reply:
    return metadata_with(request, lambda said: said.update(inputs=[], outputs=[]))


def _first_input(**changed: Json) -> Callable[[Object], object]:
    def change(said: Object) -> None:
        inputs = said["inputs"]
        if isinstance(inputs, list) and isinstance(inputs[0], dict):
            inputs[0].update(changed)

    return change


@fault("model.tensors")
def tensor_without_shape(request: Request) -> Reply:
    return metadata_with(request, _first_input(shape=None))


@fault("model.datatypes")
def datatype_of_numpy(request: Request) -> Reply:
    return metadata_with(request, _first_input(datatype="float32"))


@fault("model.shapes")
def shape_of_names(request: Request) -> Reply:
    return metadata_with(request, _first_input(shape=["batch", 2]))


@fault("model.names")
def one_name_for_two(request: Request) -> Reply:
    return metadata_with(request, _first_input(name="count"))


@fault("model.unknown-object", "versions.unknown", "versions.unknown-infer", "errors.object")
def detail_for_error(request: Request) -> Reply:
    reply = reference.answer(request)
    return reply_of(reply.status, {"detail": "wrong"}) if reply.status >= 400 else reply


@fault("model.unknown-4xx", "errors.4xx")
def faults_of_the_server(request: Request) -> Reply:
    reply = reference.answer(request)
    return replace(reply, status=500) if reply.status >= 400 else reply


@fault("errors.message")
def empty_messages(request: Request) -> Reply:
    reply = reference.answer(request)
    return reply_of(reply.status, {"error": ""}) if reply.status >= 400 else reply


@fault("errors.object", "model.unknown-object")
def error_of_html(request: Request) -> Reply:
    reply = reference.answer(request)
    return replace(reply, body=b"<h1>wrong</h1>", media_type="text/html") if reply.status >= 400 else reply


@fault("versions.array")
def versions_of_numbers(request: Request) -> Reply:
    return metadata_with(request, lambda said: said.update(versions=[1]))


@fault("versions.metadata", "versions.ready", "versions.infer")
def listed_alone(request: Request) -> Reply:
    return reply_of(404, {"error": "nothing"}) if "/versions/" in request.path else reference.answer(request)


@fault("versions.named", "versions.chosen")
def another_version(request: Request) -> Reply:
    return inference_with(request, lambda said: said.update(model_version="7"))


@fault("versions.string")
def version_null(request: Request) -> Reply:
    return inference_with(request, lambda said: said.update(model_version=None))


@fault("versions.unlisted")
def version_of_no_list(request: Request) -> Reply:
    reply = another_version(request)
    return changed(reply, lambda said: said.pop("versions", None)) if request.method == "GET" else reply


@fault("versions.same")
def version_of_other_outputs(request: Request) -> Reply:
    return reversed_rows(request) if "/versions/" in request.path else reference.answer(request)
