"""The records of an inference request, as the protocol's text and YAML have them.

Keys and parameters without a name here are ignored: the protocol defines no parameters, and its clients send some.
"""

from __future__ import annotations

from typing import Annotated

import msgspec

Size = Annotated[int, msgspec.Meta(ge=0)]


class Parameters(msgspec.Struct, frozen=True, omit_defaults=True):
    """What the extension of raw tensors says of an input, an output, all outputs; then what others say, not offered."""

    binary_data_size: Size | None = None
    binary_data: bool | None = None
    binary_data_output: bool = False
    classification: int | None = None
    shared_memory_region: str | None = None


class RequestInput(msgspec.Struct, frozen=True):
    """An input tensor; its `data` is JSON yet to be decoded, for its datatype says what may stand there."""

    name: str
    shape: Annotated[list[Size], msgspec.Meta(min_length=1, max_length=2)]
    datatype: str
    parameters: Parameters | None = None
    data: msgspec.Raw = msgspec.field(default_factory=lambda: msgspec.Raw(b"null"))  # which OpenAPI can leave out


class RequestOutput(msgspec.Struct, frozen=True):
    """An output that is asked for."""

    name: str
    parameters: Parameters | None = None


class InferenceRequest(msgspec.Struct, frozen=True):
    """The JSON of a request; without `outputs`, all are asked for."""

    inputs: Annotated[list[RequestInput], msgspec.Meta(min_length=1)]
    outputs: list[RequestOutput] | None = None
    parameters: Parameters | None = None
    id: str | None = None

    def keys(self) -> int:
        """Return how many keys JSON has that says this and no more, each once."""
        of_outputs = [1 + _keys(each.parameters) for each in self.outputs or ()]
        of_inputs = [3 + (bytes(each.data) != b"null") + _keys(each.parameters) for each in self.inputs]
        own = 1 + (self.outputs is not None) + (self.id is not None) + _keys(self.parameters)
        return own + sum(of_inputs) + sum(of_outputs)


def _keys(parameters: Parameters | None) -> int:
    return 0 if parameters is None else 1 + len(msgspec.to_builtins(parameters))
