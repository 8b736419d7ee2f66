"""What messages call an option: as it is typed where a command runs, as the parameter that it is from Python.

Messages are written once, with options as they are typed. Where no command runs, each becomes the parameter of its
name, a value behind it an assignment: `Try: --decimal ,` is `Try: TableOptions(decimal=",")` there.
"""

from __future__ import annotations

import json
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import re
    from collections.abc import Iterator

_PARAMETERS = {
    "bound": "bounds",
    "checkpoint-every": "Resume.every",
    **{each: f"TableOptions.{each}" for each in ("comment", "decimal", "delimiter", "encoding", "sheet", "thousands")},
    "from": "TableOptions.format",
    "input": "input_dtype",
    "map": "TableOptions.renames",
    "missing-token": "TableOptions.missing",
    "no-header": "TableOptions.header=False",
    "no-intercept": "intercept=False",
    "range": "ranges",
    "ranges-from": "X",
    "resume": "Resume.goes_on",
    "skip-rows": "TableOptions.skip_rows",
    "transform": "transforms",
    "unit": "units",
    "without-eager": "without_eager=True",
}
"""Of options that Python calls otherwise; behind the class that has them, where that is not what is called."""
_PHRASES = {
    ("on-error", "skip"): "TableOptions(skips=True)",
    ("solver", "descent"): "descent",
    ("solver", "exact"): "descent=None",
}
_SEVERAL = frozenset({"category", "features", "ignore", "interact", "TableOptions.missing"})
_CALLS = {"lr-train": "lr_trainer.fit", "lr-export": "lr_export.export", "lr-infer": "lr_runtime.Predictor.load"}
_OPTION = r"""
    \ with\ -o\ FILE                                        # from Python, a path is always named
    | "[^"]*"                                               # what came stays as it came
    | (?:\b(?P<command>lr-[a-z]+)\ )?
      (?<![\w-])--(?P<option>[a-z][a-z0-9-]*)
      (?:\ (?P<value>
          "[^"]*" | \$?'[^']*'
        | [+-]?[0-9](?:[^\s,;:)]*[^\s,;:).])?
        | [,.;|](?=[.\s]|$)
        # A word before the sentence pauses or goes on with one of these.
        | (?!--|(?:and|goes|or|out)\b)[^\s;:)]*[^\s,;:).](?=[.,;:)]|$|\ (?:--|(?:and|chooses|first|or|takes|with)\b))
      ))?
"""

_runs_command = False


@contextmanager
def of_a_command() -> Iterator[None]:
    """Have messages name options as they are typed while the block runs, in all of the process's threads."""
    global _runs_command  # noqa: PLW0603 - a command has its process to itself, and messages come out of its threads, too
    before, _runs_command = _runs_command, True
    try:
        yield
    finally:
        _runs_command = before


def runs_command() -> bool:
    """Return whether messages name options as they are typed."""
    return _runs_command


def worded(message: str) -> str:
    """Return a message that names options as they are typed in the words of its reader: a command's, or Python's."""
    if _runs_command or "-" not in message:
        return message
    import re

    return re.sub(_OPTION, _in_python, message, flags=re.VERBOSE)


def _in_python(found: re.Match[str]) -> str:
    option, value, command = found["option"], found["value"], found["command"]
    if option is None:
        return "" if found[0].startswith(" with") else found[0]
    if (option, value) in _PHRASES:
        return _PHRASES[option, value]
    name = _PARAMETERS.get(option, option.replace("-", "_"))
    if value is not None:
        name = f"{name}={_literal(name, value)}"
    home, _, parameter = name.rpartition(".") if name.startswith(("TableOptions.", "Resume.")) else ("", "", name)
    if home and "=" in name:
        home, parameter = name.split(".", 1)
        return f"{home}({parameter})"
    return f"{_CALLS[command]}({parameter})" if command in _CALLS else name


def _literal(name: str, value: str) -> str:
    """Return the value of a parameter as Python has it."""
    if name == "TableOptions.renames":
        return f"({tuple(value.split('=', 1))!r},)"
    if value[0] == "$":  # of a shell, which has the same marks in it as Python
        return f'"{value[2:-1]}"'
    plain = value[1:-1] if value[0] in "\"'" else value
    if name == "time" and "=" in plain:
        return json.dumps(dict([plain.split("=", 1)]), ensure_ascii=False)
    if name in _SEVERAL:
        return json.dumps(plain.split(",") if plain == value else [plain], ensure_ascii=False)
    try:
        float(plain)
    except ValueError:
        return json.dumps(plain, ensure_ascii=False)
    return plain
