"""The server and the model that are tested, as their metadata describe them."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import numpy as np

from .check import FailedError, NotApplicableError, applies
from .client import NoAnswerError
from .reading import inference, parsed
from .tensors import DATATYPES, Tensor

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from .client import Answer, Server
    from .reading import Inference
    from .tensors import Json, Values

MOST_ELEMENTS = 1 << 22
"""A larger input is not made up: its requests would be of some 20 MB each."""
BATCH = 3
"""The rows that are made for a model that takes several: enough that no order of rows is its own reverse by chance."""


@dataclass(frozen=True)
class Declared:
    """A tensor as the metadata of a model describe it; `values` are examples of its elements, where there are any."""

    name: str
    datatype: str
    shape: tuple[int, ...]
    values: tuple[str, ...] = ()

    @property
    def is_batched(self) -> bool:
        """Whether the first dimension is of variable size."""
        return self.shape[:1] == (-1,)

    def made(self, place: int) -> Tensor:
        """Return rows for it. Raises NotApplicableError where none can be made up."""
        applies(self.datatype in DATATYPES, f"the input {self.name} is {self.datatype}, which is not of the protocol")
        example = f"give examples by --value '{self.name}=TEXT'"
        applies(bool(self.values) or self.datatype != "BYTES", f"the input {self.name} is BYTES: {example}")
        shape = [BATCH if self.is_batched and i == 0 else abs(size) for i, size in enumerate(self.shape)]
        count = math.prod(shape)
        applies(0 < count <= MOST_ELEMENTS, f"the input {self.name} has {count} elements")
        return Tensor(self.name, self.datatype, self._elements(count, place).reshape(shape))

    def _elements(self, count: int, place: int) -> Values:
        if self.values:
            return np.array([_element(self.values[i % len(self.values)], self) for i in range(count)], self.dtype)
        # Small, positive, each unlike its neighbours, and exact in the narrowest data type.
        steps = 1 + (7 * np.arange(count) + 3 * place) % 13
        if self.dtype.kind == "b":
            return np.asarray(steps % 2 == 1)
        return (steps * 0.25 if self.dtype.kind == "f" else steps).astype(self.dtype)

    @property
    def dtype(self) -> np.dtype[Any]:
        """What numpy calls its data type."""
        return DATATYPES[self.datatype]


def _element(example: str, of: Declared) -> bytes | bool | int | float:
    """Return an example of an element. Raises NotApplicableError where it is none of the data type."""
    try:
        match of.dtype.kind:
            case "O":
                return example.encode()
            case "b":
                return {"true": True, "false": False}[example.lower()]
            case "f":
                return float(example)
        return int(np.array(int(example), of.dtype))
    except (ValueError, KeyError, OverflowError) as error:
        raise NotApplicableError(f"the input {of.name} is {of.datatype}, which {example!r} is not") from error


@dataclass(frozen=True)
class Target:
    """A server, a model of it, and what their metadata say; what they do not say, or say wrongly, is left out.

    Attributes:
        refusal: why the plain request of this model cannot be made or is refused; empty where it is answered.
    """

    server: Server
    model: str
    extensions: tuple[str, ...] = ()
    inputs: tuple[Declared, ...] = ()
    outputs: tuple[Declared, ...] = ()
    versions: tuple[str, ...] = ()
    refusal: str = ""

    @property
    def path(self) -> str:
        """The path of the model."""
        return f"/v2/models/{quote(self.model, safe='')}"

    def get(self, path: str) -> Answer:
        """Return the answer to GET."""
        return self.server.send("GET", path)

    def post(
        self, request: dict[str, Json] | bytes, headers: Mapping[str, str] | None = None, path: str | None = None
    ) -> Answer:
        """Return the answer to an inference request; it is JSON, unless headers say otherwise."""
        body = request if isinstance(request, bytes) else encoded(request)
        kind = {"Content-Type": "application/json"} if headers is None else headers
        return self.server.send("POST", path or f"{self.path}/infer", body, kind)

    def made(self) -> list[Tensor]:
        """Return a tensor for each input. Raises NotApplicableError where none can be made."""
        applies(bool(self.inputs), "the metadata name no inputs: name them by --input NAME:DATATYPE:DIM,DIM")
        return [each.made(place) for place, each in enumerate(self.inputs)]

    def sample(self) -> list[Tensor]:
        """Return tensors of a request that this model answers. Raises NotApplicableError where there is none."""
        applies(not self.refusal, f"the plain request is not answered: {self.refusal}")
        return self.made()

    def batch(self) -> list[Tensor]:
        """Return the same, of several rows. Raises NotApplicableError where the model does not take several."""
        is_batched = all(each.is_batched for each in self.inputs)
        applies(is_batched, "an input has no first dimension of variable size, so the model takes no batches")
        return self.sample()

    def inferred(self, request: dict[str, Json] | bytes, headers: Mapping[str, str] | None = None) -> Inference:
        """Return what a good request is answered with. Raises FailedError where it is not answered well."""
        return inference(self.post(request, headers))

    def plain(self) -> Inference:
        """Return what the plain request is answered with."""
        return self.inferred(request_of(self.sample()))


def encoded(value: Json) -> bytes:
    """Return JSON in UTF-8, as clients send it: without escapes that it does not need."""
    return json.dumps(value, ensure_ascii=False).encode()


def request_of(tensors: Sequence[Tensor], **more: Json) -> dict[str, Json]:
    """Return an inference request, its elements in JSON."""
    return {"inputs": [each.as_json() for each in tensors], **more}


def learned(
    server: Server,
    model: str,
    values: Mapping[str, Sequence[str]] | None = None,
    inputs: Sequence[Declared] = (),
) -> Target:
    """Return what a server says of itself and of a model.

    Args:
        values: examples of elements by the name of an input, where its metadata give none.
        inputs: the inputs, where the metadata name none.

    Raises:
        NoAnswerError: nothing answers at all.
    """
    about = _object(server.send("GET", "/v2"))
    said = _object(Target(server, model).get(Target(server, model).path))
    given = values or {}
    known = inputs or [
        Declared(each.name, each.datatype, each.shape, tuple(given.get(each.name, each.values)))
        for each in _tensors(said.get("inputs"))
    ]
    target = Target(
        server, model, _strings(about.get("extensions")), tuple(known), _tensors(said.get("outputs")),
        _strings(said.get("versions")),
    )  # fmt: skip
    return replace(target, refusal=_refusal(target))


def _refusal(target: Target) -> str:
    try:
        answer = target.post(request_of(target.made()))
    except (NotApplicableError, NoAnswerError) as error:
        return str(error)
    return "" if answer.status == 200 else str(answer)


def _object(answer: Answer) -> dict[str, object]:
    try:
        said = parsed(answer.body)
    except FailedError:
        return {}
    return said if answer.status == 200 and isinstance(said, dict) else {}


def _strings(value: object) -> tuple[str, ...]:
    return tuple(each for each in value if isinstance(each, str)) if isinstance(value, list) else ()


def _tensors(value: object) -> tuple[Declared, ...]:
    """Return the tensors of metadata that are in the form of the protocol."""
    found = []
    for each in value if isinstance(value, list) else []:
        match each:
            case {"name": str(name), "datatype": str(datatype), "shape": list(shape)}:
                if all(type(size) is int and -1 <= size < 1 << 20 for size in shape):
                    found.append(Declared(name, datatype, tuple(shape), _examples(each.get("parameters"))))
    return tuple(found)


def _examples(parameters: object) -> tuple[str, ...]:
    """Return what the parameters of a tensor say that its elements may be: `values` or `categories`, a list or a text
    of JSON, which servers have beside the protocol.
    """
    said = parameters if isinstance(parameters, dict) else {}
    found = said.get("values", said.get("categories"))
    try:
        listed = json.loads(found) if isinstance(found, str) else found
    except ValueError:
        return ()
    return tuple(str(each) for each in listed) if isinstance(listed, list) else ()
