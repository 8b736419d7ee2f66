"""Wrong answers to inference, and wrong outputs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .. import reference
from .wrong import (
    Object,
    changed,
    each_output,
    fault,
    inference_with,
    listed,
    name_of,
    refusing,
    request_with,
    reversed_rows,
)

if TYPE_CHECKING:
    from ..reference import Reply, Request


@fault("infer.status")
def no_inference(request: Request) -> Reply:
    return refusing(request, is_refused=True)


@fault("infer.strict")
def bare_nan(request: Request) -> Reply:
    return inference_with(request, lambda said: said.update(more=float("nan")))


@fault("infer.model-name")
def answers_without_a_model(request: Request) -> Reply:
    return inference_with(request, lambda said: said.pop("model_name"))


@fault("infer.outputs", "infer.all-outputs")
def no_outputs(request: Request) -> Reply:
    return inference_with(request, lambda said: said.update(outputs=[]))


@fault("infer.output-fields")
def outputs_without_datatypes(request: Request) -> Reply:
    return inference_with(request, each_output(lambda each: each.pop("datatype")))


@fault("infer.output-datatype")
def outputs_of_doubles(request: Request) -> Reply:
    return inference_with(request, each_output(lambda each: each.update(datatype="DOUBLE")))


@fault("infer.output-shape")
def outputs_of_variable_shape(request: Request) -> Reply:
    return inference_with(request, each_output(lambda each: each.update(shape=[-1])))


@fault("infer.output-size")
def outputs_of_other_size(request: Request) -> Reply:
    return inference_with(request, each_output(lambda each: each.update(shape=[7])))


@fault("infer.output-size")
def numbers_as_texts(request: Request) -> Reply:
    return inference_with(request, each_output(lambda each: each.update(data=[str(x) for x in listed(each["data"])])))


@fault("infer.all-outputs")
def one_output_less(request: Request) -> Reply:
    return inference_with(request, lambda said: listed(said["outputs"]).pop())


@fault("infer.no-other-outputs")
def one_output_more(request: Request) -> Reply:
    more: Object = {"name": "more", "datatype": "FP32", "shape": [1], "data": [1.0]}
    return inference_with(request, lambda said: listed(said["outputs"]).append(more))


@fault("infer.datatype-said")
def narrower_than_said(request: Request) -> Reply:
    def narrow(each: Object) -> None:
        each["datatype"] = "FP32" if each["datatype"] == "FP64" else each["datatype"]

    return inference_with(request, each_output(narrow))


@fault("infer.shape-said")
def deeper_than_said(request: Request) -> Reply:
    return inference_with(request, each_output(lambda each: listed(each["shape"]).append(1)))


@fault("infer.parameters")
def parameters_of_lists(request: Request) -> Reply:
    return inference_with(request, lambda said: said.update(parameters={"tags": ["a"]}))


@fault("infer.id", "infer.id-unicode", "infer.id-exact", "infer.id-own")
def one_id_for_all(request: Request) -> Reply:
    return inference_with(request, lambda said: said.update(id="1"))


@fault("infer.no-id")
def id_of_its_own(request: Request) -> Reply:
    return inference_with(request, lambda said: said.setdefault("id", "made up"))


@fault("infer.id-string", "infer.no-id")
def id_null(request: Request) -> Reply:
    return inference_with(request, lambda said: said.setdefault("id", None))


@fault("infer.nested")
def flat_alone(request: Request) -> Reply:
    return refusing(request, is_refused=b"[[" in request.body)


rows_in_reverse = fault("infer.rows")(reversed_rows)


@fault("infer.row-major", "infer.rows")
def column_major(request: Request) -> Reply:
    def turned(said: Object) -> None:
        for each in listed(said["inputs"]):
            if isinstance(each, dict) and each["name"] == "level":
                rows, data = listed(each["shape"])[0], listed(each["data"])
                each["data"] = [data[place + int(str(rows)) * i] for place in range(int(str(rows))) for i in range(2)]

    return request_with(request, turned)


@fault("infer.batch")
def first_row_alone(request: Request) -> Reply:
    def cut(each: Object) -> None:
        each["shape"] = [1, *listed(each["shape"])[1:]]
        each["data"] = listed(each["data"])[:1]

    return inference_with(request, each_output(cut))


@fault("infer.order")
def inputs_by_place(request: Request) -> Reply:
    inputs = b'{"inputs": [{"name": "site"'
    return refusing(request, is_refused=request.body.startswith(inputs))


@fault("infer.whole-floats")
def floats_with_points(request: Request) -> Reply:
    level = request.body.partition(b'"level"')[2].partition(b"]}")[0].partition(b'"data"')[2]
    return refusing(request, is_refused=b"." not in level)


@fault("infer.members")
def no_blanks(request: Request) -> Reply:
    return refusing(request, is_refused=request.body.startswith(b" "))


@fault("infer.escapes")
def no_escapes(request: Request) -> Reply:
    return refusing(request, is_refused=b"\\u" in request.body)


@fault("infer.charset", "infer.no-type")
def one_content_type(request: Request) -> Reply:
    is_json = request.headers.get("content-type") == "application/json"
    return refusing(request, is_refused=not is_json, status=415)


@fault("infer.parameters-taken", "infer.input-parameters", "outputs.parameters")
def no_other_parameters(request: Request) -> Reply:
    return refusing(request, is_refused=b"conformance_text" in request.body)


@fault("infer.unknown-members")
def no_other_members(request: Request) -> Reply:
    return refusing(request, is_refused=b"not_of_it" in request.body)


@fault("outputs.one", "outputs.some", "outputs.order", "outputs.unknown", "outputs.unknown-beside")
def all_outputs_always(request: Request) -> Reply:
    return request_with(request, lambda said: said.pop("outputs"))


@fault("outputs.unknown-beside")
def unknown_passed_over(request: Request) -> Reply:
    def known(said: Object) -> None:
        named = [each for each in listed(said["outputs"]) if isinstance(each, dict)]
        said["outputs"] = [each for each in named if each["name"] in reference.OUTPUTS] or [*named]

    return request_with(request, known)


@fault("outputs.same")
def others_when_asked(request: Request) -> Reply:
    return reversed_rows(request) if b'"outputs"' in request.body else reference.answer(request)


@fault("outputs.all", "outputs.some")
def first_of_those_asked(request: Request) -> Reply:
    return request_with(request, lambda said: said.update(outputs=listed(said["outputs"])[:1]))


@fault("outputs.order")
def order_of_its_own(request: Request) -> Reply:
    order = [*reference.OUTPUTS]
    return inference_with(
        request, lambda said: listed(said["outputs"]).sort(key=lambda each: order.index(name_of(each)))
    )


@fault("outputs.none")
def none_for_none(request: Request) -> Reply:
    reply = reference.answer(request)
    return changed(reply, lambda said: said.update(outputs=[])) if b'"outputs": []' in request.body else reply
