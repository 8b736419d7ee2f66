"""The options of commands and the parameters of Python, once: what each takes, its default, and its help.

A record of options is a dataclass with a field for each, made by `option`. A command has its options from the fields
(`lr_runtime.commands.record_options`), and the record checks with `check_options` the values that come from Python.
"""

from __future__ import annotations

import operator
from collections.abc import Collection, Iterable, Mapping
from dataclasses import field, fields
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from lr_runtime.errors import OptionError, escaped

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

T = TypeVar("T")


class Kind(NamedTuple):
    """A kind of values that an option takes: the values in words, and whether a value from Python is one of them."""

    expected: str
    takes: Callable[[Any], bool]


class Number(NamedTuple):
    """The finite numbers, or the whole ones, of a range.

    Attributes:
        expected: the range in words.
        low, high: its ends; None where it has none.
        low_open, high_open: whether it is without that end.
        is_whole: whether it has whole numbers only.
        most_typed: the largest that a command takes, where Python takes more.
    """

    expected: str
    low: float | None = None
    high: float | None = None
    low_open: bool = False
    high_open: bool = False
    is_whole: bool = False
    most_typed: int | None = None

    def takes(self, value: Any) -> bool:
        """Whether a value from Python is a number of the range."""
        if isinstance(value, str | bytes):
            return False
        try:
            number = operator.index(value) if self.is_whole else float(value)
        except (TypeError, ValueError):
            return False
        above = self.low is None or number > self.low or (number == self.low and not self.low_open)
        below = self.high is None or number < self.high or (number == self.high and not self.high_open)
        return number - number == 0 and above and below


class OneOf(NamedTuple):
    """A few words."""

    words: tuple[str, ...]

    @property
    def expected(self) -> str:
        """The words in one line."""
        return f"one of {', '.join(self.words)}"

    def takes(self, value: Any) -> bool:
        """Whether a value from Python is one of the words."""
        return isinstance(value, str) and value in self.words


def _are_names(value: Any) -> bool:
    """Whether a value gives names one by one; text gives its letters, and an iterator gives them only once."""
    if isinstance(value, str | bytes) or not isinstance(value, Iterable):
        return False
    return not isinstance(value, Collection) or all(isinstance(each, str) for each in value)


def _are_pairs(value: Any) -> bool:
    pairs = value.items() if isinstance(value, Mapping) else value
    return isinstance(pairs, Collection) and all(_are_names(pair) and len(pair) == 2 for pair in pairs)


POSITIVE = Number("a positive number", 0, low_open=True)
NOT_NEGATIVE = Number("0 or a positive number", 0)
SHARE = Number("a number between 0 and 1", 0, 1, low_open=True, high_open=True)
COUNT = Number("a whole number of 0 or more", 0, is_whole=True)
AT_LEAST_1 = Number("a whole number of 1 or more", 1, is_whole=True)
FLAG = Kind("True or False", lambda value: isinstance(value, int) or type(value).__name__ in {"bool", "bool_"})
TEXT = Kind("text", lambda value: isinstance(value, str))
NAMES = Kind("a list of names", _are_names)
NAME_OR_NAMES = Kind("a name, or a list of names", lambda value: isinstance(value, str) or _are_names(value))
REPEATED = Kind("a list of texts", _are_names)
PAIRS = Kind("pairs of texts", _are_pairs)
CHECKPOINT = Kind("a checkpoint, which a command loads from a path", lambda value: hasattr(value, "contract"))


class Option(NamedTuple):
    """An option of a command, and the field of a record that it fills.

    Attributes:
        name: of the field.
        typed: the option as it is typed.
        metavar: what its help calls a value; empty for a name of its kind.
        kind: what it takes.
        default: of the field.
        help: its help, with the default.
    """

    name: str
    typed: str
    metavar: str
    kind: Kind | Number | OneOf
    default: Any
    help: str

    @property
    def key(self) -> str:
        """The option as a Python name, by which click passes it on."""
        return self.typed.lstrip("-").replace("-", "_")


def option(default: T, kind: Kind | Number | OneOf, text: str, typed: str = "") -> T:
    """Return the field of a record for an option.

    Args:
        default: of the field; a number or a text is named in the help.
        kind: what the option takes.
        text: its help.
        typed: the option as it is typed, if not as the field is called, and what its help calls a value.
    """
    is_number = isinstance(default, int | float) and not isinstance(default, bool)
    if is_number or isinstance(default, str):
        text += f" [default: {f'{default:g}' if is_number else default}]"
    return field(default=default, metadata={"option": (typed, kind, text)})


def options_in(record: Any) -> Iterator[Option]:
    """Yield the options of a record, or of its class."""
    for each in fields(record):
        if "option" in each.metadata:
            typed, kind, text = each.metadata["option"]
            name, _, metavar = (typed or dashed(each.name)).partition(" ")
            yield Option(each.name, name, metavar, kind, each.default, text)


def check_options(record: Any) -> None:
    """Raise OptionError where a value of a record is none that its option takes."""
    for each in options_in(record):
        value = getattr(record, each.name)
        if value is not None or each.default is not None:
            # A flag is typed without a value, so what came for one came from Python.
            check_value(each.name if each.kind is FLAG else each.typed, each.kind, value)


def check_value(option: str, kind: Kind | Number | OneOf, value: object) -> None:
    """Raise OptionError where an option, called as it is typed, does not take a value.

    The commands let no other value through; from Python, one that nothing knows would pass for a default.
    """
    if not kind.takes(value):
        said = f"{value:g}" if isinstance(value, int | float) else escaped(str(value))
        raise OptionError(f"{option} takes {kind.expected}, not {said}")


def dashed(name: str) -> str:
    """Return an option as it is typed: --batch-size for batch_size."""
    return "--" + name.replace("_", "-")
