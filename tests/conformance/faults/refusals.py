"""Wrong refusals, and wrong binary data."""

from __future__ import annotations

from dataclasses import replace

from .. import reference
from ..reference import Reply, Request, reply_of
from .wrong import fault, is_inference, refusing, reversed_rows


@fault(
    "refused.", "outputs.unknown", "binary.cut", "binary.trailing", "binary.size-small", "binary.size-large",
    "binary.size-negative", "binary.size-text", "binary.no-header", "binary.header-long", "binary.header-short",
    "binary.header-text", "binary.header-negative", "binary.bytes-length",
)  # fmt: skip
def takes_anything(request: Request) -> Reply:
    reply = reference.answer(request)
    return reply_of(200, {"outputs": []}) if is_inference(request) and reply.status >= 400 else reply


class Spoiled:
    """A server whose outputs are others after the first refusal."""

    def __init__(self) -> None:
        self.refusals = 0

    def __call__(self, request: Request) -> Reply:
        reply = reversed_rows(request) if self.refusals else reference.answer(request)
        self.refusals += reply.status == 400
        return reply


spoiled_by_refusals = fault("errors.afterwards")(Spoiled())


@fault(
    "binary.input", "binary.input-no-type", "binary.input-mixed", "binary.input-order", "binary.input-json",
    "binary.input-bytes", "binary.input-bool",
)  # fmt: skip
def no_binary_inputs(request: Request) -> Reply:
    return refusing(request, is_refused="inference-header-content-length" in request.headers)


@fault("binary.input")
def big_endian(request: Request) -> Reply:
    head = int(request.headers.get("inference-header-content-length", len(request.body)))
    first = request.body[head : head + 24]  # three rows of two float32, which come first
    turned = b"".join(first[i : i + 4][::-1] for i in range(0, len(first), 4))
    return reference.answer(replace(request, body=request.body[:head] + turned + request.body[head + 24 :]))


@fault(
    "binary.output", "binary.output-size", "binary.output-header", "binary.output-no-data", "binary.output-type",
    "binary.outputs", "binary.outputs-mixed", "binary.outputs-order",
)  # fmt: skip
def no_binary_outputs(request: Request) -> Reply:
    body = request.body.replace(b'"binary_data": true', b'"binary_data": false').replace(
        b'_output": true', b'_output": 0'
    )
    return reference.answer(replace(request, body=body)) if is_inference(request) else reference.answer(request)


@fault("binary.output-false", "binary.outputs-false", "binary.override", "binary.outputs-mixed")
def binary_always(request: Request) -> Reply:
    body = request.body.replace(b'"binary_data": false', b'"binary_data": true')
    body = body.replace(b'_output": false', b'_output": true')
    return reference.answer(replace(request, body=body)) if is_inference(request) else reference.answer(request)


@fault("binary.output-size", "binary.output")
def sizes_of_elements(request: Request) -> Reply:
    reply = reference.answer(request)
    return replace(reply, body=reply.body.replace(b'"binary_data_size": 24', b'"binary_data_size":  3', 1))


@fault("binary.output-header", "binary.output")
def no_header(request: Request) -> Reply:
    return replace(reference.answer(request), length=None)


@fault("binary.outputs-order", "binary.output")
def bytes_in_another_order(request: Request) -> Reply:
    reply = reference.answer(request)
    head = reply.length or len(reply.body)
    return replace(reply, body=reply.body[:head] + reply.body[head:][::-1])
