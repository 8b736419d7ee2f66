"""The options of commands and the parameters of Python, once: what each takes, its default, and its help.

A record of options is a dataclass with a field for each, made by `option`. A command has its options from the fields
(`lr_runtime.commands.record_options`), and the record checks with `check_options` the values that come from Python.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import Field, field, fields
from typing import Any, TypeVar

from lr_runtime.errors import OptionError, escaped

T = TypeVar("T")


# Plain classes: named tuples and dataclasses of these would cost every start of lr-infer a millisecond.
class Kind:
    """A kind of values that an option takes: the values in words, and whether a value from Python is one of them."""

    def __init__(self, expected: str, takes: Callable[[object], bool]) -> None:
        self.expected, self.takes = expected, takes


class OneOf(Kind):
    """A few words."""

    def __init__(self, words: Iterable[str]) -> None:
        self.words = tuple(words)
        super().__init__(
            f"one of {', '.join(self.words)}", lambda value: isinstance(value, str) and value in self.words
        )


class Number(Kind):
    """The finite numbers, or the whole ones, of a range.

    Args:
        expected: the range in words.
        low: its lower end; None where it has none.
        high: its upper end; likewise.
        ends: whether the ends belong to it.
        is_whole: whether it has whole numbers only.
        most_typed: the largest that a command takes, where Python takes more.
    """

    def __init__(
        self,
        expected: str,
        low: float | None = None,
        high: float | None = None,
        ends: tuple[bool, bool] = (True, True),
        *,
        is_whole: bool = False,
        most_typed: int | None = None,
    ) -> None:
        super().__init__(expected, self._has)
        self.low, self.high, self.ends, self.is_whole, self.most_typed = low, high, ends, is_whole, most_typed

    def _has(self, value: Any) -> bool:
        if isinstance(value, str | bytes):
            return False
        try:
            number = operator.index(value) if self.is_whole else float(value)
        except (TypeError, ValueError, OverflowError):  # of an integer of over 308 digits
            return False
        above = self.low is None or number > self.low or (number == self.low and self.ends[0])
        below = self.high is None or number < self.high or (number == self.high and self.ends[1])
        return number - number == 0 and above and below


def _are_names(value: object) -> bool:
    """Whether a value gives names one by one; text gives its letters, and an iterator gives them only once."""
    if isinstance(value, str | bytes) or not isinstance(value, Iterable):
        return False
    return not isinstance(value, Collection) or all(isinstance(each, str) for each in value)


def _are_pairs(value: object) -> bool:
    pairs = value.items() if isinstance(value, Mapping) else value
    return isinstance(pairs, Collection) and all(_are_names(pair) and len(pair) == 2 for pair in pairs)


def _are_ends(value: object) -> bool:
    given = [end for end in value if end is not None] if isinstance(value, list | tuple) and len(value) == 2 else []
    return bool(given) and all(map(_ANY.takes, given))


def _are_values(value: object) -> bool:
    if not isinstance(value, Mapping) or not _are_names([*value]):
        return False
    return all(isinstance(one, str) or not hasattr(one, "__iter__") for one in value.values())


_ANY = Number("a number")
POSITIVE = Number("a positive number", 0, ends=(False, True))
NOT_NEGATIVE = Number("0 or a positive number", 0)
SHARE = Number("a number between 0 and 1", 0, 1, (False, False))
LEVEL = Number("a level between 0 and 1, such as 0.95", 0, 1, (False, False))
COUNT = Number("a whole number of 0 or more", 0, is_whole=True)
AT_LEAST_1 = Number("a whole number of 1 or more", 1, is_whole=True)
FLAG = Kind("True or False", lambda value: isinstance(value, int) or type(value).__name__ in {"bool", "bool_"})
TEXT = Kind("text", lambda value: isinstance(value, str))
NAMES = Kind("a list of names", _are_names)
NAME_OR_NAMES = Kind("a name, or a list of names", lambda value: isinstance(value, str) or _are_names(value))
REPEATED = Kind("a list of texts", _are_names)
PAIRS = Kind("pairs of texts", _are_pairs)
ENDS = Kind(
    "a lower and an upper end by name, None for an open one",
    lambda value: isinstance(value, Mapping) and all(map(_are_ends, value.values())),
)
NUMBER = Kind("one finite number", _ANY.takes)
VALUES = Kind("one number or text for each name", _are_values)
CHECKPOINT = Kind("a checkpoint, which a command loads from a path", lambda value: hasattr(value, "contract"))


class Option:
    """An option of a command, and the field of a record that it fills.

    Args:
        field: of the record.
        kind: what the option takes.
        text: its help, with the default.
        typed: the option as it is typed, if not as the field is called, and what its help calls a value.
    """

    def __init__(self, field: Field[object], kind: Kind, text: str, typed: str) -> None:
        self.name, self.default, self.kind, self.help = field.name, field.default, kind, text
        self.typed, _, self.metavar = (typed or dashed(field.name)).partition(" ")

    @property
    def key(self) -> str:
        """The option as a Python name, by which click passes it on."""
        return self.typed.lstrip("-").replace("-", "_")


def option(default: T, kind: Kind, text: str, typed: str = "") -> T:
    """Return the field of a record for an option, see `Option`; the help names a default that is a number or a text."""
    is_number = isinstance(default, int | float) and not isinstance(default, bool)
    if is_number or isinstance(default, str):
        text += f" [default: {f'{default:g}' if isinstance(default, float) else default}]"
    return field(default=default, metadata={"option": (kind, text, typed)})


def options_in(record: Any) -> Iterator[Option]:
    """Yield the options of a record, or of its class."""
    return (Option(each, *each.metadata["option"]) for each in fields(record) if "option" in each.metadata)


def check_options(record: object) -> None:
    """Raise OptionError where a value of a record is none that its option takes."""
    for each in options_in(record):
        value = getattr(record, each.name)
        if value is not None or each.default is not None:
            # A flag is typed without a value, so what came for one came from Python.
            check_value(each.name if each.kind is FLAG else each.typed, each.kind, value)


def check_value(option: str, kind: Kind, value: object) -> None:
    """Raise OptionError where an option, called as it is typed, does not take a value.

    The commands let no other value through; from Python, one that nothing knows would pass for a default.
    """
    if not kind.takes(value):
        is_short = isinstance(value, float) or (isinstance(value, int) and abs(value) < 1 << 64)
        said = f"{value:g}" if is_short else escaped(str(value))
        raise OptionError(f"{option} takes {kind.expected}, not {said}")


def dashed(name: str) -> str:
    """Return an option as it is typed: --batch-size for batch_size."""
    return "--" + name.replace("_", "-")
