"""Protocol buffers' wire format, read strictly: a table says which fields a message may have, and nothing else passes.

Parsers of protocol buffers skip fields that they do not know, take the last of a field that came twice, and follow
nesting as deep as it goes. Here a field that the table does not allow, a second one where one is allowed, or a wire
type other than the table's is refused, and nesting goes as deep as the tables do. So what was checked is what any other
parser will find.

Encoding: protobuf.dev, "Encoding". A field begins with the tag (number << 3 | wire type).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, TypeAlias

from lr_runtime.errors import ModelFileError

VARINT, LENGTH = 0, 2


class WireError(ModelFileError):
    """The bytes are no protocol buffer: cut off, overlong, or not UTF-8 where text has to be."""


class Source:
    """The bytes of a file, and how many fields it may still have.

    A field takes two bytes and can cost a microsecond, so a bound on the bytes is none on the time.
    """

    def __init__(self, data: bytes, fields: int) -> None:
        self.data = data
        self.fields = fields


Read = Callable[[Source, int, int], object]
"""How the content from one position to another of the file becomes a value."""


Decoded: TypeAlias = dict[str, Any]
"""The values of a message's fields, by name: numbers, text, bytes, messages, and lists of them, as its table says."""


class Field(NamedTuple):
    """What a message may hold under one tag: at most `most` of it; in a list where that is more than 1."""

    name: str
    read: Read
    most: int = 1


class Message:
    """A kind of message, by the name that errors have for it: the fields that it may hold, by tag, the names of those
    it has to hold, and what is refused of the format, by field number, in the words of the error.
    """

    def __init__(
        self, name: str, fields: dict[int, Field], required: tuple[str, ...] = (), refused: dict[int, str] | None = None
    ) -> None:
        self.name, self.fields, self.required, self.refused = name, fields, required, refused or {}

    def __call__(self, source: Source, start: int, end: int) -> Decoded:
        """Return the fields' values by name; a field that may repeat is a list, and there only if it came.
        Raises WireError where it is no protocol buffer; ModelFileError for a field too many, missing or forbidden.
        """
        data, fields = source.data, self.fields
        found: Decoded = {}
        while start < end:
            tag, start = varint(data, start, end)
            if tag not in fields:
                raise _refusal(self, tag)
            name, read, most = fields[tag]
            # A tag of the table has one of two wire types: a length comes first, or the number is all there is.
            size, after = varint(data, start, end)
            start, stop = (after, after + size) if tag & 7 == LENGTH else (start, after)
            if stop > end:
                raise WireError(f"it is cut off or damaged at byte {start}")
            value = read(source, start, stop)
            if name not in found:
                found[name] = [value] if most > 1 else value
            elif most == 1:
                raise ModelFileError(f"{self.name} has two values of {name}")
            elif len(found[name]) == most:
                raise ModelFileError(f"{self.name} has over {most} values of {name}")
            else:
                found[name].append(value)
            start = stop
            source.fields -= 1
            if source.fields < 0:
                raise ModelFileError("it has more parts than linedge ever writes")
        for name in self.required:
            if name not in found:
                raise ModelFileError(f"{self.name} has no {name}")
        return found


def _refusal(message: Message, tag: int) -> ModelFileError:
    number = tag >> 3
    known = {field >> 3: allowed.name for field, allowed in message.fields.items()}
    if number == 0:
        return WireError(f"{message.name} has a field 0, which there is none of")
    if number in known:
        return WireError(f"{message.name} has a damaged {known[number]}")
    what = message.refused.get(number, f"the unknown field {number}")
    return ModelFileError(f"{message.name} has {what}, which linedge never writes")


def varint(data: bytes, start: int, end: int) -> tuple[int, int]:
    """Return the unsigned number that begins at `start`, and where the next byte stands.
    Raises WireError where it does not end before `end`, is over 64 bits, or is longer than need be.
    """
    if start < end and (byte := data[start]) < 0x80:
        return byte, start + 1
    value = shift = 0
    for position in range(start, min(end, start + 10)):
        byte = data[position]
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            if value >> 64 or (byte == 0 and shift):
                break
            return value, position + 1
        shift += 7
    raise WireError(f"it is cut off or damaged at byte {start}")


def integer(source: Source, start: int, end: int) -> int:
    """Read a signed 64-bit number."""
    value, _ = varint(source.data, start, end)
    return value - (1 << 64) if value >> 63 else value


def raw(source: Source, start: int, end: int) -> memoryview:
    """Give the bytes themselves, not a copy."""
    return memoryview(source.data)[start:end]


def text(most: int) -> Read:
    """Read UTF-8 text of at most `most` bytes."""

    def read(source: Source, start: int, end: int) -> str:
        if end - start > most:
            raise ModelFileError(f"it holds a text of {end - start} bytes, where {most} is the most")
        try:
            return source.data[start:end].decode()
        except UnicodeDecodeError as error:
            raise WireError(f"it is cut off or damaged at byte {start}: text that is not UTF-8") from error

    return read
