"""What requests for inference may be, and that they mean what they say."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import numpy as np

from .. import sources
from ..check import Level, applies, check, require
from ..reading import inference, short, text
from ..target import BATCH, encoded, request_of
from ..tensors import DATATYPES, are_close

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..reading import Inference
    from ..target import Target
    from ..tensors import Json, Tensor


@check("infer.id", 'The "id" of a request is returned.', Level.MUST, sources.ID)
def identifier(target: Target) -> str:
    found = target.inferred(request_of(target.sample(), id="42")).said.get("id")
    require(found == "42", f'{short(found)} for "42"')
    return short(found)


@check("infer.id-unicode", "An id of letters of any script is returned as it is.", Level.MUST, sources.ID)
def identifier_unicode(target: Target) -> str:
    wanted = "für €5 数 😀"
    found = target.inferred(request_of(target.sample(), id=wanted)).said.get("id")
    require(found == wanted, short(found))
    return short(found)


@check("infer.id-exact", "An id that JSON has to escape is returned as it is.", Level.MUST, sources.ID)
def identifier_exact(target: Target) -> str:
    wanted = 'a "quoted" \\ and\ttwo\nlines'
    found = target.inferred(request_of(target.sample(), id=wanted)).said.get("id")
    require(found == wanted, short(found))
    return short(found)


@check("infer.id-own", "Of requests at the same time, each is returned its own id.", Level.MUST, sources.ID)
def identifier_own(target: Target) -> str:
    request = request_of(target.sample())
    wanted = [f"request-{number}" for number in range(16)]

    def found(one: str) -> object:
        return target.inferred({**request, "id": one}).said.get("id")

    with ThreadPoolExecutor(4) as threads:
        answered = [*threads.map(found, wanted)]
    require(answered == wanted, short(answered))
    return f"{len(wanted)} ids, each by its own answer"


@check("infer.no-id", "A request without an id is answered without one.", Level.SHOULD, sources.NO_ID)
def no_identifier(target: Target) -> str:
    said = target.plain().said
    require("id" not in said, f"id is {short(said.get('id'))}")
    return "there is none"


@check("infer.id-string", "An id of an answer is a string.", Level.MUST, sources.ID_STRING)
def identifier_string(target: Target) -> str:
    for request in (request_of(target.sample()), request_of(target.sample(), id="42")):
        said = target.inferred(request).said
        text(said.get("id", ""), "the id")
    return "a string, or none"


@check("infer.nested", "Data nested in the shape and data in one list are the same.", Level.MUST, sources.NESTED)
def nested(target: Target) -> str:
    tensors = target.sample()
    applies(any(each.values.ndim > 1 for each in tensors), "no input has more than one dimension")
    wanted = target.plain()
    found = target.inferred({"inputs": [{**each.described(), "data": each.nested()} for each in tensors]})
    return _same(wanted, found)


@check("infer.rows", "Each row of a batch has the outputs that it has alone.", Level.MUST, sources.REQUEST_BATCH)
def rows(target: Target) -> str:
    tensors = target.batch()
    together = target.inferred(request_of(tensors))
    _by_row(together)
    for row in range(BATCH):
        alone = target.inferred(request_of([each.rows(row, row + 1) for each in tensors]))
        pairs = zip(together.outputs, alone.outputs, strict=False)
        are_same = together.names == alone.names and all(
            are_close(one.rows(row, row + 1), other) for one, other in pairs
        )
        require(are_same, f"row {row} of {BATCH} differs from the same row alone")
    return f"{BATCH} rows, the same alone"


@check("infer.row-major", "Data in one list are read row by row.", Level.MUST, sources.ROW_MAJOR)
def row_major(target: Target) -> str:
    tensors = target.batch()
    wide = any(each.values.ndim > 1 and each.values.shape[1] > 1 for each in tensors)
    applies(wide, "no input has several columns")
    wanted = target.inferred(request_of(_last_rows(tensors)))
    by_columns = target.post(request_of(_last_rows([_read_by_columns(each) for each in tensors])))
    is_telling = by_columns.status != 200 or not _are_same(wanted, inference(by_columns))
    applies(is_telling, "the model gives the same for the elements in the order of columns")
    found = target.inferred(request_of(tensors))
    _by_row(found)
    pairs = zip(_last_rows(found.outputs), wanted.outputs, strict=False)
    require(all(are_close(*pair) for pair in pairs), "the last row of a batch is not its last elements")
    return "row by row"


@check("infer.batch", "Outputs of variable size have as many rows as the inputs.", Level.MUST, sources.RESPONSE_BATCH)
def batch(target: Target) -> str:
    tensors = target.batch()
    batched = {each.name for each in target.outputs if each.is_batched}
    applies(bool(batched), "no output has a first dimension of variable size")
    for count in (1, 2, BATCH):
        answer = target.inferred(request_of([each.rows(0, count) for each in tensors]))
        for each in (each for each in answer.outputs if each.name in batched):
            require(each.values.shape[:1] == (count,), f"{each.name} has shape {each.shape} for {count} rows")
    return f"1, 2 and {BATCH} rows"


@check("infer.order", "Inputs are told apart by their names, in any order.", Level.MUST, sources.INPUT_NAME)
def order(target: Target) -> str:
    tensors = target.sample()
    applies(len(tensors) > 1, "the model has one input")
    return _same(target.plain(), target.inferred(request_of(tensors[::-1])))


@check("infer.whole-floats", "Whole numbers are taken as elements of floats.", Level.SHOULD, sources.ELEMENTS)
def whole_floats(target: Target) -> str:
    tensors = target.sample()
    applies(any(DATATYPES[each.datatype].kind == "f" for each in tensors), "no input is of floats")
    wanted = request_of([_rounded(each) for each in tensors])
    whole: list[Json] = [
        {**each.described(), "data": [int(x) if isinstance(x, float) else x for x in _rounded(each).flat()]}
        for each in tensors
    ]
    return _same(target.inferred(wanted), target.inferred({"inputs": whole}))


@check("infer.members", "The members of objects may have any order and blanks between them.", Level.MUST, sources.JSON)
def members_in_any_order(target: Target) -> str:
    request = request_of(target.sample(), id="1")

    def turned(value: Json) -> Json:
        return dict(reversed(value.items())) if isinstance(value, dict) else value

    inputs = request["inputs"]
    other = {"id": "1", "inputs": [turned(each) for each in inputs] if isinstance(inputs, list) else inputs}
    body = f" \r\n\t{json.dumps(turned(other), indent=3)}\n\n".encode()
    return _same(target.inferred(request), target.inferred(body))


@check("infer.escapes", "Strings may be written by escapes of JSON.", Level.MUST, sources.JSON)
def escapes(target: Target) -> str:
    request = encoded(request_of(target.sample()))
    for each in target.inputs:
        request = request.replace(b'"name": ' + encoded(each.name), b'"name": "' + _escaped(each.name) + b'"')
    return _same(target.plain(), target.inferred(request))


@check("infer.charset", "A content type with a charset is taken.", Level.SHOULD, sources.REQUEST_JSON)
def charset(target: Target) -> str:
    body = encoded(request_of(target.sample()))
    return _same(target.plain(), target.inferred(body, {"Content-Type": "application/json; charset=utf-8"}))


@check("infer.no-type", "A request of JSON without a content type is taken.", Level.SHOULD, sources.API)
def no_type(target: Target) -> str:
    body = encoded(request_of(target.sample()))
    return _same(target.plain(), target.inferred(body, {}))


@check("infer.parameters-taken", "Parameters that a server does not know are taken.", Level.SHOULD, sources.PARAMETERS)
def parameters_taken(target: Target) -> str:
    request = request_of(target.sample(), parameters=_unknown())
    return _same(target.plain(), target.inferred(request))


@check(
    "infer.input-parameters",
    "Parameters of an input that a server does not know are taken.",
    Level.SHOULD,
    sources.PARAMETERS,
)
def input_parameters(target: Target) -> str:
    inputs: list[Json] = [{**each.as_json(), "parameters": _unknown()} for each in target.sample()]
    return _same(target.plain(), target.inferred({"inputs": inputs}))


@check("infer.unknown-members", "Members that the protocol has not are passed over.", Level.SHOULD, sources.JSON)
def unknown_members(target: Target) -> str:
    return _same(target.plain(), target.inferred(request_of(target.sample(), model_name=target.model, not_of_it=[1])))


def _unknown() -> dict[str, Json]:
    return {"conformance_text": "text", "conformance_number": 1.5, "conformance_boolean": True}


def _escaped(name: str) -> bytes:
    """Return a string of JSON, each of its UTF-16 units as an escape."""
    units = name.encode("utf-16-be").hex()
    return "".join(f"\\u{units[i : i + 4]}" for i in range(0, len(units), 4)).encode()


def _rounded(tensor: Tensor) -> Tensor:
    is_float = DATATYPES[tensor.datatype].kind == "f"
    values = np.ceil(tensor.values.astype(np.float64)).astype(tensor.values.dtype) if is_float else tensor.values
    return type(tensor)(tensor.name, tensor.datatype, values)


def _read_by_columns(tensor: Tensor) -> Tensor:
    """Return the tensor that a server sees that reads data in one list column by column."""
    turned = tensor.values.ravel().reshape(tensor.values.shape, order="F")
    return type(tensor)(tensor.name, tensor.datatype, np.ascontiguousarray(turned))


def _last_rows(tensors: Sequence[Tensor]) -> list[Tensor]:
    return [each.rows(BATCH - 1, BATCH) for each in tensors]


def _by_row(found: Inference) -> None:
    are_rows = all(each.values.shape[:1] == (BATCH,) for each in found.outputs)
    applies(are_rows, f"an output has not {BATCH} rows for {BATCH} rows of input")


def _are_same(one: Inference, other: Inference) -> bool:
    pairs = zip(one.outputs, other.outputs, strict=False)
    return one.names == other.names and all(are_close(*pair) for pair in pairs)


def _same(wanted: Inference, found: Inference) -> str:
    require(_are_same(wanted, found), f"outputs {short(_said(found))} in place of {short(_said(wanted))}")
    return f"the same outputs: {short(_said(found))}"


def _said(found: Inference) -> dict[str, Json]:
    return {each.name: each.flat() for each in found.outputs}
