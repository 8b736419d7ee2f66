"""Every error that linedge raises on purpose, each with the exit code that its command ends with.

Each class is also the builtin that a caller would expect, and builds its message itself, so the wording lives here
once: what was expected, what came, what to do.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from lr_runtime.wording import worded

if TYPE_CHECKING:
    from collections.abc import Sequence


class LinedgeError(Exception):
    """Base of all errors below; `exit_code` is what the command ends with.

    Args:
        message: with options as they are typed; from Python it names parameters (`lr_runtime.wording`).

    Example:
        >>> from lr_runtime import Predictor
        >>> try:
        ...     Predictor.load("nothing.onnx")
        ... except LinedgeError as error:
        ...     print(error)
        nothing.onnx: no such file. Run lr_export.export(format="onnx") first, or name a model
    """

    exit_code = 1

    def __init__(self, message: str) -> None:
        super().__init__(worded(message))

    def __reduce__(self) -> tuple[object, ...]:
        """Pickle as the message and what else it tells: most classes build both from other arguments."""
        return _unpickled, (type(self), self.args, vars(self))


def _unpickled(kind: type[LinedgeError], args: tuple[object, ...], attributes: dict[str, object]) -> LinedgeError:
    error = kind.__new__(kind)
    error.args = args
    vars(error).update(attributes)
    return error


class MissingFileError(LinedgeError, FileNotFoundError):
    """A file that was named does not exist."""

    def __init__(self, path: object, hint: str) -> None:
        super().__init__(f"{path}: no such file. {hint}")


class UnusableFileError(LinedgeError, OSError):
    """A file or folder cannot be read or written; the operating system's reason is in the message."""


class TableError(LinedgeError, ValueError):
    """A table that cannot be read as one: the message says where, what was seen, what was expected."""


class MissingColumnError(LinedgeError, ValueError):
    """Columns that were asked for by name are not there.

    Args:
        where: the file, or "the input".
        missing: the names asked for and not found.
        present: the names found.
    """

    def __init__(self, where: str, missing: Sequence[str], present: Sequence[str]) -> None:
        missing = list(dict.fromkeys(missing))
        columns = "column" if len(missing) == 1 else "columns"
        super().__init__(f"{where} has no {columns} {quoted(missing)}; it has: {listed(present)}")


class FitError(LinedgeError, ValueError):
    """The data do not determine the model that was asked for."""


class CheckpointError(LinedgeError, ValueError):
    """A file that is not a checkpoint, or not one that this version can read."""


class UnsupportedModelError(LinedgeError, ValueError):
    """A model that lacks what was asked for, or has terms that an artefact cannot hold yet."""


class ModelFileError(LinedgeError, ValueError):
    """A file that is not a model that linedge wrote."""


class ForeignModelError(ModelFileError):
    """An ONNX file that something else wrote.

    Args:
        producer: what wrote it, as the file says; empty where it does not.
        reason: what it has that linedge's files have not, or lacks.

    Attributes:
        what: the message without the way to run it.
    """

    def __init__(self, producer: str, reason: str) -> None:
        maker = f"made by {escaped(producer)}" if producer else "it does not say by what"
        self.what = f"an ONNX model that linedge did not write ({maker}): {reason}"
        way = "--allow-foreign runs it, without linedge's promise; use that where you trust its source"
        super().__init__(f"{self.what}. {way}")


class DigestError(LinedgeError, ValueError):
    """A file's bytes are not those that were asked for by their SHA-256."""

    exit_code = 3

    def __init__(self, path: object, expected: str, found: str) -> None:
        super().__init__(f"{path}: its SHA-256 is {found}, not {expected}. It is another file, or was changed")


class InputError(LinedgeError, ValueError):
    """Values that the model does not take."""


class RowError(InputError):
    """One row that the model does not take.

    Attributes:
        row: its position among the rows that were given, from 0.
        what: the column, what was seen and what is wrong with it.
    """

    def __init__(self, row: int, what: str) -> None:
        super().__init__(f"row {row + 1}: {what}")
        self.row = row
        self.what = what


class OptionError(LinedgeError, ValueError):
    """Options that do not go together: wrong usage, not wrong data."""

    exit_code = 2


class ForkedError(LinedgeError, RuntimeError):
    """ONNX Runtime does not start again in a process that was forked from one where it ran."""

    def __init__(self, reason: str) -> None:
        super().__init__(
            f"ONNX Runtime does not start again in this forked process ({reason}). "
            "Load the model there, or start the process by the method spawn"
        )


class WorkerError(LinedgeError, RuntimeError):
    """A process that worked for this one was ended by something else."""

    def __init__(self, how: str) -> None:
        super().__init__(
            f"one of the processes that work here ended {how}, before its work was done. Systems do that where memory "
            "is short. Try fewer --jobs"
        )


class CheckFailedError(LinedgeError, ArithmeticError):
    """What was to be written does not match the model within its proven bound. Nothing was written."""

    exit_code = 3


class MissingExtraError(LinedgeError, ImportError):
    """An optional dependency is not installed; the message is the command that installs it."""

    def __init__(self, package: str, extra: str) -> None:
        super().__init__(f"the package {package!r} is not installed. Run: pip install 'linedge[{extra}]'")


def quoted(names: Sequence[str]) -> str:
    """Names as they are shown in messages: escaped, in quotes, at most 60 characters each."""
    return ", ".join(escaped(name) for name in names)


def listed(names: Sequence[str], most: int = 12) -> str:
    """Names in quotes, the first `most` of them, then how many more there are."""
    more = len(names) - most
    return quoted(names[:most]) + (f" and {more} more" if more > 0 else "")


def escaped(text: str, most: int = 60) -> str:
    """One line of at most `most` characters, in quotes, that shows `text`, control characters escaped."""
    return f'"{shown(text, most)}"'


def shown(text: str, most: int = 60) -> str:
    """`escaped` without the quotes."""
    short = text if len(text) <= most else text[: most - 1] + "…"
    return short.encode("unicode_escape").decode("ascii") if not short.isprintable() else short
