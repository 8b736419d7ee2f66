"""Requests that are wrong: each is refused by an HTTP error status. The form of the refusals is for `errors.py`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from .. import sources
from ..check import Check, Level, applies, require
from ..target import encoded, request_of
from ..tensors import DATATYPES
from .health import UNKNOWN

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..client import Answer
    from ..target import Target
    from ..tensors import Json, Tensor


class Wrong(NamedTuple):
    """A wrong request: its body, and its path where it is not that of the model."""

    body: bytes
    path: str | None = None


@dataclass(frozen=True)
class Refusal(Check):
    """A check that a wrong request is refused; `wrong` makes the request."""

    wrong: Callable[[Target], Wrong]


def _refused(
    name: str, sentence: str, level: Level, source: sources.Source
) -> Callable[[Callable[[Target], Wrong]], Refusal]:
    def made(wrong: Callable[[Target], Wrong]) -> Refusal:
        def looked(target: Target) -> str:
            answer = answer_to(target, wrong(target))
            require(400 <= answer.status < 600, answer)
            return str(answer)

        return Refusal(f"refused.{name}", f"{sentence} is refused.", level, source, looked, wrong)

    return made


def answer_to(target: Target, wrong: Wrong) -> Answer:
    """Return what a wrong request is answered with."""
    return target.post(wrong.body, path=wrong.path)


def _sent(request: Json) -> Wrong:
    return Wrong(encoded(request))


def _with(target: Target, **changed: Json) -> Wrong:
    """Return the plain request with members of its first input changed."""
    first, *others = target.sample()
    return _sent({"inputs": [{**first.as_json(), **changed}, *(each.as_json() for each in others)]})


def _without(target: Target, member: str) -> Wrong:
    first, *others = (each.as_json() for each in target.sample())
    return _sent({"inputs": [{key: value for key, value in first.items() if key != member}, *others]})


@_refused("no-model", "Inference by a model that is not there", Level.MUST, sources.ERROR)
def no_model(target: Target) -> Wrong:
    return Wrong(encoded(request_of(target.sample())), f"/v2/models/{UNKNOWN}/infer")


@_refused("empty", "An empty body", Level.MUST, sources.REQUEST_FIELDS)
def empty(target: Target) -> Wrong:
    target.sample()
    return Wrong(b"")


@_refused("cut", "JSON that is cut off", Level.MUST, sources.JSON)
def cut(target: Target) -> Wrong:
    return Wrong(encoded(request_of(target.sample()))[:-1])


@_refused("trailing", "JSON with more behind it", Level.MUST, sources.JSON)
def trailing(target: Target) -> Wrong:
    return Wrong(encoded(request_of(target.sample())) + b"}")


@_refused("not-utf8", "A body that is not UTF-8", Level.MUST, sources.JSON)
def not_utf8(target: Target) -> Wrong:
    return Wrong(encoded(request_of(target.sample(), id="@")).replace(b"@", b"\xff\xfe"))


@_refused("array", "An array in place of the request object", Level.MUST, sources.REQUEST_FIELDS)
def array(target: Target) -> Wrong:
    return _sent([request_of(target.sample())])


@_refused("no-inputs", 'A request without "inputs"', Level.MUST, sources.REQUEST_FIELDS)
def no_inputs(target: Target) -> Wrong:
    target.sample()
    return _sent({"id": "1"})


@_refused("inputs-object", 'A request whose "inputs" are an object', Level.MUST, sources.REQUEST_FIELDS)
def inputs_object(target: Target) -> Wrong:
    return _sent({"inputs": {each.name: each.as_json() for each in target.sample()}})


@_refused("inputs-empty", 'A request whose "inputs" are empty', Level.MUST, sources.MODEL_INPUTS)
def inputs_empty(target: Target) -> Wrong:
    target.sample()
    return _sent({"inputs": []})


@_refused("no-name", "An input without a name", Level.MUST, sources.INPUT_FIELDS)
def no_name(target: Target) -> Wrong:
    return _without(target, "name")


@_refused("no-shape", "An input without a shape", Level.MUST, sources.INPUT_FIELDS)
def no_shape(target: Target) -> Wrong:
    return _without(target, "shape")


@_refused("no-datatype", "An input without a datatype", Level.MUST, sources.INPUT_FIELDS)
def no_datatype(target: Target) -> Wrong:
    return _without(target, "datatype")


@_refused("no-data", "An input without data", Level.MUST, sources.INPUT_FIELDS)
def no_data(target: Target) -> Wrong:
    return _without(target, "data")


@_refused("data-text", "An input whose data are a string", Level.MUST, sources.ELEMENTS)
def data_text(target: Target) -> Wrong:
    return _with(target, data="1")


@_refused(
    "unknown-input", "A request with an input of another name in place of the model's", Level.MUST, sources.MODEL_INPUTS
)
def unknown_input(target: Target) -> Wrong:
    return _with(target, name="no-such-input")


@_refused("extra-input", "A request with an input more than the model has", Level.SHOULD, sources.MODEL_INPUTS)
def extra_input(target: Target) -> Wrong:
    first, *others = target.sample()
    extra = {**first.as_json(), "name": "no-such-input"}
    return _sent({"inputs": [first.as_json(), *(each.as_json() for each in others), extra]})


@_refused("missing-input", "A request without one of several inputs", Level.MUST, sources.MODEL_INPUTS)
def missing_input(target: Target) -> Wrong:
    tensors = target.sample()
    applies(len(tensors) > 1, "the model has one input")
    return _sent(request_of(tensors[1:]))


@_refused("twice", "An input that is given twice", Level.SHOULD, sources.INPUT_NAME)
def twice(target: Target) -> Wrong:
    tensors = target.sample()
    return _sent(request_of([*tensors, tensors[0]]))


@_refused("datatype", "An input of a datatype that the protocol has not", Level.MUST, sources.INPUT_DATATYPE)
def datatype(target: Target) -> Wrong:
    return _with(target, datatype="FLOAT99")


@_refused("datatype-number", "An input whose datatype is a number", Level.MUST, sources.INPUT_FIELDS)
def datatype_number(target: Target) -> Wrong:
    return _with(target, datatype=32)


@_refused("other-datatype", "An input of numbers sent as BYTES that are no numbers", Level.MUST, sources.INPUT_DATATYPE)
def other_datatype(target: Target) -> Wrong:
    first = _numeric(target)
    data: list[Json] = ["not a number"] * first.values.size
    return _exchanged(target, {**first.as_json(), "datatype": "BYTES", "data": data})


@_refused("element-text", "An input of numbers with a word among them", Level.MUST, sources.COERCED)
def element_text(target: Target) -> Wrong:
    first = _numeric(target)
    return _exchanged(target, {**first.as_json(), "data": ["not a number", *first.flat()[1:]]})


@_refused("element-null", "An input with null among its elements", Level.SHOULD, sources.ELEMENTS)
def element_null(target: Target) -> Wrong:
    first = target.sample()[0]
    return _with(target, data=[None, *first.flat()[1:]])


@_refused("element-object", "An input with an object among its elements", Level.MUST, sources.ELEMENTS)
def element_object(target: Target) -> Wrong:
    first = target.sample()[0]
    return _with(target, data=[{"value": 1}, *first.flat()[1:]])


@_refused("element-nan", "An input with NaN, which JSON has not, among its elements", Level.SHOULD, sources.JSON)
def element_nan(target: Target) -> Wrong:
    first = _float(target)
    return _exchanged(target, {**first.as_json(), "data": [float("nan"), *first.flat()[1:]]})


@_refused(
    "element-infinity", "An input with Infinity, which JSON has not, among its elements", Level.SHOULD, sources.JSON
)
def element_infinity(target: Target) -> Wrong:
    first = _float(target)
    return _exchanged(target, {**first.as_json(), "data": [float("inf"), *first.flat()[1:]]})


@_refused("element-large", "An input with an integer beyond the range of its datatype", Level.SHOULD, sources.COERCED)
def element_large(target: Target) -> Wrong:
    first = _of_kind(target, "iu", "no input is of integers")
    return _exchanged(target, {**first.as_json(), "data": [2**70, *first.flat()[1:]]})


@_refused("element-part", "An input of integers with a fraction among them", Level.SHOULD, sources.COERCED)
def element_part(target: Target) -> Wrong:
    first = _of_kind(target, "iu", "no input is of integers")
    return _exchanged(target, {**first.as_json(), "data": [1.5, *first.flat()[1:]]})


@_refused("fewer", "An input with fewer elements than its shape says", Level.MUST, sources.LINEAR)
def fewer(target: Target) -> Wrong:
    return _with(target, data=target.sample()[0].flat()[:-1])


@_refused("more", "An input with more elements than its shape says", Level.MUST, sources.LINEAR)
def more(target: Target) -> Wrong:
    data = target.sample()[0].flat()
    return _with(target, data=[*data, data[0]])


@_refused("ragged", "An input of nested data whose rows have different lengths", Level.MUST, sources.NESTED)
def ragged(target: Target) -> Wrong:
    data = target.sample()[0].flat()
    return _with(target, shape=[2, len(data)], data=[data, data[:-1]])


@_refused("width", "An input with a dimension other than that of the metadata", Level.MUST, sources.MODEL_INPUTS)
def width(target: Target) -> Wrong:
    found = next((i for i, each in enumerate(target.inputs) if any(size > 0 for size in each.shape[1:])), None)
    applies(found is not None, "no input has a dimension of fixed size behind the first")
    first = target.sample()[found or 0]
    rows, *others = first.values.shape
    wide: list[Json] = [rows, *others[:-1], others[-1] + 1]
    count = first.values.size // others[-1] * (others[-1] + 1)
    data = (first.flat() * 2)[:count] if count <= 2 * first.values.size else []
    return _exchanged(target, {**first.as_json(), "shape": wide, "data": data})


@_refused("rank", "An input with one dimension more than the metadata say", Level.MUST, sources.MODEL_INPUTS)
def rank(target: Target) -> Wrong:
    return _with(target, shape=[*target.sample()[0].shape, 2], data=target.sample()[0].flat() * 2)


@_refused("negative", "An input with a negative dimension", Level.MUST, sources.INPUT_SHAPE)
def negative(target: Target) -> Wrong:
    return _with(target, shape=[-1, *target.sample()[0].shape[1:]])


@_refused(
    "two-negatives",
    "An input with two negative dimensions, whose product is positive,",
    Level.MUST,
    sources.INPUT_SHAPE,
)
def two_negatives(target: Target) -> Wrong:
    return _with(target, shape=[-1, -target.sample()[0].values.size])


@_refused("fraction", "An input with a dimension that is a fraction", Level.MUST, sources.INPUT_SHAPE)
def fraction(target: Target) -> Wrong:
    return _with(target, shape=[1.5, *target.sample()[0].shape[1:]])


@_refused("dimension-text", "An input with a dimension that is a string", Level.MUST, sources.INPUT_SHAPE)
def dimension_text(target: Target) -> Wrong:
    rows, *others = target.sample()[0].shape or ["1"]
    return _with(target, shape=[str(rows), *others])


@_refused("huge", "An input with a dimension of 2**64", Level.MUST, sources.INPUT_SHAPE)
def huge(target: Target) -> Wrong:
    return _with(target, shape=[2**64, *target.sample()[0].shape[1:]])


@_refused(
    "overflow", "An input without data, the product of whose dimensions is 0 in 64 bits,", Level.MUST, sources.LINEAR
)
def overflow(target: Target) -> Wrong:
    return _with(target, shape=[2**32, 2**32], data=[])


@_refused("id-number", "A request with an id that is a number", Level.SHOULD, sources.REQUEST_FIELDS)
def id_number(target: Target) -> Wrong:
    return _sent(request_of(target.sample(), id=42))


@_refused("outputs-text", 'A request whose "outputs" are strings', Level.SHOULD, sources.REQUEST_FIELDS)
def outputs_text(target: Target) -> Wrong:
    return _sent(request_of(target.sample(), outputs=list(target.plain().names)))


@_refused("parameters-array", 'A request whose "parameters" are an array', Level.SHOULD, sources.PARAMETER)
def parameters_array(target: Target) -> Wrong:
    return _sent(request_of(target.sample(), parameters=[1]))


@_refused("deep", "An input of arrays nested 100,000 deep", Level.SHOULD, sources.NESTED)
def deep(target: Target) -> Wrong:
    depth = 100_000
    body = encoded({"inputs": [{**target.sample()[0].as_json(), "data": "@"}]})
    return Wrong(body.replace(b'"@"', b"[" * depth + b"]" * depth))


def _exchanged(target: Target, changed: dict[str, Json]) -> Wrong:
    """Return the plain request with the input of a name exchanged."""
    return _sent({"inputs": [changed if each.name == changed["name"] else each.as_json() for each in target.sample()]})


def _numeric(target: Target) -> Tensor:
    return _of_kind(target, "iuf", "no input is of numbers")


def _float(target: Target) -> Tensor:
    return _of_kind(target, "f", "no input is of floats")


def _of_kind(target: Target, kinds: str, reason: str) -> Tensor:
    found = [each for each in target.sample() if DATATYPES[each.datatype].kind in kinds]
    applies(bool(found), reason)
    return found[0]
