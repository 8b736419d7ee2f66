"""The habits that all commands share, once: options, one-line errors, exit codes, progress, negative numbers.

Exit codes: 0 done, 1 failed, 2 wrong usage, 3 a check failed, 128 + n ended by signal n. Results go to standard output,
everything else to standard error.
"""

from __future__ import annotations

import atexit
import errno
import gc
import io
import os
import re
import sys
import time
from contextlib import ExitStack, contextmanager
from typing import IO, TYPE_CHECKING, Any, TypeVar, cast

import click

from lr_runtime.errors import LinedgeError, OptionError, UnusableFileError, escaped
from lr_runtime.system.signals import InOrder, handled
from lr_runtime.wording import of_a_command

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from pathlib import Path

    from lr_runtime.options import Number

_NEGATIVE_NUMBER = re.compile(r"-(?:[0-9.].*|inf|infinity|nan)", re.IGNORECASE | re.DOTALL)
_SHIELD = "\0"
_STDOUT = "standard output"
_LARGEST_CONFIG = 1 << 20
_SECONDS_WITHOUT_BAR = 1.0
_F = TypeVar("_F", bound="Callable[..., object]")


class FiniteRange(click.FloatRange):
    """The finite numbers of a range, which an error names in its own words; NaN is in every range of click's."""

    def __init__(self, kind: Number) -> None:
        super().__init__(kind.low, kind.high, *(not included for included in kind.ends))
        self._kind = kind
        self.name = "float"  # whose range, where it has one, the help tells

    def _describe_range(self) -> str:
        return "" if self.min is self.max is None else super()._describe_range()

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """See `click.ParamType`."""
        number = click.FLOAT.convert(value, param, ctx)
        if not self._kind.takes(number):
            self.fail(f"expected {self._kind.expected}, not {number}.", param, ctx)
        return number


class FilePath(click.Path):
    """A path, as pathlib has it; that is imported where one is given, as it takes 4 ms of a start of 150."""

    def convert(self, value: str | os.PathLike[str], param: click.Parameter | None, ctx: click.Context | None) -> Path:
        """See `click.ParamType`."""
        from pathlib import Path

        if value == "-" and not self.allow_dash:
            self.fail("'-' is standard output; name a file.", param, ctx)
        return Path(cast("str", super().convert(value, param, ctx)))


option, argument = click.option, click.argument


class Command(click.Command):
    """A command whose errors are one line on standard error, and whose arguments may be negative numbers."""

    def make_parser(self, ctx: click.Context) -> Any:
        """Shield negative numbers, which click takes for options, while it tells options and arguments apart."""
        parser: Any = super().make_parser(ctx)
        parse = parser.parse_args

        def parse_shielded(args: list[str]) -> Any:
            # No argument can hold a NUL, so nothing else begins with the shield.
            given, left, order = parse([_SHIELD + arg if _NEGATIVE_NUMBER.fullmatch(arg) else arg for arg in args])
            return {name: _unshielded(value) for name, value in given.items()}, _unshielded(left), order

        parser.parse_args = parse_shielded
        return parser

    def main(self, *args: Any, **extra: Any) -> Any:
        """Run the command and leave the process with its exit code."""
        # All that is left then goes with the process: to look for garbage in it takes an eighth of a small fit's time.
        atexit.register(gc.freeze)
        with handled(InOrder()):
            try:
                sys.exit(self._run(*args, **extra, standalone_mode=False))
            except (click.Abort, KeyboardInterrupt):
                sys.exit(130)

    def _run(self, *args: Any, **extra: Any) -> int:
        _mark_stdout()
        try:
            with of_a_command():
                code = super().main(*args, **extra)
            sys.stdout.flush()
        except BrokenPipeError:
            _leave_stdout()  # whoever read our output has enough of it
            return 1
        except click.ClickException as error:
            return self._failed(error.format_message(), error.exit_code)
        except LinedgeError as error:
            return self._failed(str(error), error.exit_code)
        except OSError as error:
            if error.filename is None:  # a bug, which keeps its traceback: each of our files has a name
                raise
            return self._failed(_said_of(error), 1)
        return code if isinstance(code, int) else 0

    def _failed(self, message: str, code: int) -> int:
        text = " ".join(message.split())
        click.echo(f"{self.name}: {text}", err=True)
        return code


def _said_of(error: OSError) -> str:
    """Return an error of the system in words, where it is of no file that has ones of its own."""
    if error.filename == _STDOUT:
        _leave_stdout()
        reason = "it is closed" if error.errno == errno.EBADF else error.strerror
        return f"{_STDOUT} cannot be written ({reason}). What was written is not all"
    return f"{os.fsdecode(error.filename)}: cannot be read or written ({error.strerror})"


class _Stdout(io.FileIO):
    """Standard output, whose errors say that they are its own."""

    def write(self, content: Any) -> int:
        """See `io.FileIO`."""
        try:
            return super().write(content)
        except OSError as error:
            error.filename = _STDOUT
            raise


def _mark_stdout() -> None:
    """Have the errors of standard output told from those of other files; where it is closed, every write fails."""
    stdout: Any = sys.stdout
    buffer = getattr(stdout, "buffer", None)
    raw = getattr(buffer, "raw", buffer)
    if stdout is None:
        closed = _Stdout(os.open(os.devnull, os.O_RDONLY), "w")
        sys.stdout = io.TextIOWrapper(io.BufferedWriter(closed, 1), write_through=True)
    elif type(raw) is io.FileIO:  # not what a test has put in its place
        size = 1 if stdout.write_through else io.DEFAULT_BUFFER_SIZE
        as_before = {name: getattr(stdout, name) for name in ("encoding", "errors", "line_buffering", "write_through")}
        marked = _Stdout(raw.fileno(), "w", closefd=False)
        sys.stdout = io.TextIOWrapper(io.BufferedWriter(marked, size), **as_before)


def _leave_stdout() -> None:
    """Have what is still to be written go nowhere: Python would complain once more while it ends."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _unshielded(value: object) -> object:
    if isinstance(value, str):
        return value.removeprefix(_SHIELD)
    return type(value)(map(_unshielded, value)) if isinstance(value, list | tuple) else value


def command(name: str) -> Callable[[Callable[..., object]], Command]:
    """Make a function a command with the options that every command has: --json, --quiet, --config, --version."""

    def decorate(body: Callable[..., object]) -> Command:
        options = (
            option("--json", "as_json", is_flag=True, help="Print one JSON object."),
            option("--quiet", is_flag=True, help="Print results and errors only."),
            option(
                "--config",
                type=FilePath(dir_okay=False),
                is_eager=True,
                expose_value=False,
                callback=_read_config,
                help=f"Take options from the table [{name}] of a TOML file; the command line goes before it.",
            ),
            option(
                "--version", is_flag=True, is_eager=True, expose_value=False, callback=_print_version, help="Print it."
            ),
        )
        for each in reversed(options):
            body = each(body)
        return click.command(name, cls=Command, context_settings={"help_option_names": ["-h", "--help"]})(body)

    return decorate


def output_option(help_text: str) -> Callable[[_F], _F]:
    """The option -o FILE of a command that writes one."""
    return option("-o", "--output", type=FilePath(allow_dash=True, readable=False), help=help_text)


def is_stdout(output: Path) -> bool:
    """Whether -o names standard output: what is said about the result then goes to standard error."""
    return str(output) == "-"


def check_output(output: Path | None, *inputs: str | Path, tables: Sequence[str] = (), option: str = "-o") -> None:
    """Refuse, before any work is done, a file to write that cannot be written, or that is one of the files to be read.

    Args:
        output: what the option names.
        inputs: files.
        tables: files, folders and patterns.
        option: its name.

    Raises:
        UnusableFileError: its folder cannot be written, or it is a directory.
        OptionError: it is one of the inputs, which would be lost.
    """
    if output is None or is_stdout(output):
        return
    from lr_runtime.system.replacement import check_replaceable

    try:
        caution = check_replaceable(output)
    except UnusableFileError as error:
        raise UnusableFileError(f"{error}. Name another with {option} FILE") from error
    if caution is not None:
        note(f"{click.get_current_context().info_name}: warning: {caution}", quiet=False)
    if not os.path.isfile(output):  # noqa: PTH113 - false where the disk fails
        return
    from lr_runtime.tables.files.several import files_of

    for path in (*inputs, *files_of(tables)):
        if os.path.exists(path) and output.samefile(path):  # noqa: PTH110 - text or a path
            raise OptionError(f"{option} {output} is {path}, which is read. Name another file")


@contextmanager
def result_sink(output: Path | None) -> Iterator[IO[bytes]]:
    """Give what takes a result: standard output, or the file that -o names, which appears when the block ends well."""
    if output is None or is_stdout(output):
        yield sys.stdout.buffer
        return
    from lr_runtime.system.replacement import replacing

    with replacing(output) as part, part.open("wb") as file:
        yield file


def write_text(pieces: Iterable[str], output: Path | None) -> None:
    """Write a result piece by piece: to standard output, or into the file that -o names, whole or not at all."""
    with result_sink(output) as sink:
        for piece in pieces:
            sink.write(piece.encode())


def _read_config(ctx: click.Context, _: click.Parameter, path: Path | None) -> None:
    if path is None:
        return
    import tomllib

    from lr_runtime.system.files import read_bytes

    try:
        content = tomllib.loads(read_bytes(path, "Name a TOML file", _LARGEST_CONFIG).decode())
    except LinedgeError as error:
        raise OptionError(f"--config {error}") from error
    except ValueError as error:
        raise OptionError(f"--config {path}: {error}") from error
    table = content.get(ctx.command.name or "")
    if not isinstance(table, dict):
        raise OptionError(f"--config {path}: has no table [{ctx.command.name}]")
    options = {
        typed.lstrip("-"): parameter
        for parameter in ctx.command.params
        if isinstance(parameter, click.Option)
        for typed in parameter.opts
    }
    if unknown := [key for key in table if key.replace("_", "-") not in options]:
        raise OptionError(f"--config {path}: {ctx.command.name} has no option {escaped(unknown[0])}")
    given = [(options[key.replace("_", "-")], value) for key, value in table.items()]
    ctx.default_map = {option.name or "": _as_typed(option, value) for option, value in given}


def _as_typed(option: click.Option, value: object) -> object:
    """Return a value of TOML as `option` takes it: one that may be repeated a list, another its text."""
    if option.multiple:
        return value if isinstance(value, list) else [value]
    if not isinstance(value, list):
        # As it is typed, so that 1.9 is no whole number here either; a flag is true or false.
        return value if option.is_flag else str(value)
    import csv

    names = io.StringIO()
    csv.writer(names, lineterminator="").writerow(value)  # as `read_names` reads them
    return names.getvalue()


def _print_version(ctx: click.Context, _: click.Parameter, wanted: bool) -> None:
    if wanted:
        from lr_runtime import __version__

        click.echo(f"{ctx.command.name} {__version__}")
        ctx.exit()


def note(text: str, *, quiet: bool) -> None:
    """Say something beside the results, on standard error."""
    if not quiet:
        click.echo(text, err=True)


@contextmanager
def progress(label: str, length: int | None, *, quiet: bool) -> Iterator[Callable[[int], None]]:
    """Show a bar on standard error while the block runs, where that is a terminal; gives what advances it.

    It comes after a second: who waits for less wants none.
    """
    if quiet or length is None or not sys.stderr.isatty():
        yield lambda _: None
        return
    started, waiting = time.monotonic(), 0
    with ExitStack() as shown:
        bar: Any = None

        def advance(size: int) -> None:
            nonlocal bar, waiting
            waiting += size
            if bar is None and time.monotonic() - started >= _SECONDS_WITHOUT_BAR:
                bar = shown.enter_context(click.progressbar(length=length, label=label, file=sys.stderr))
            if bar is not None:
                bar.update(waiting)
                waiting = 0

        yield advance
