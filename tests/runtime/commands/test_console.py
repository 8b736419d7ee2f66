"""The habits of all commands: arguments, errors, exit codes, options from a file, and how a run is cut short."""

from __future__ import annotations

import errno
import fcntl
import gc
import os
import signal
import subprocess
import sys
import termios
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import pytest
from click.testing import CliRunner

from lr_runtime import __version__, errors
from lr_runtime.commands.console import argument, command, note, option, output_option, progress
from lr_runtime.commands.record_options import options_of, read_names, values_of
from lr_runtime.system import lazy
from lr_runtime.tables import TableOptions
from tests.conftest import DATA, SCRIPTS, one_line

if TYPE_CHECKING:
    from collections.abc import Callable

    from click.testing import Result

    from tests.conftest import Run

    Runner = Callable[..., Run]

GOLDEN = DATA / "golden.onnx"


@command("lr-echo")
@argument("first")
@argument("values", nargs=-1)
@option("--number", type=click.FloatRange(min=0))
@option("--pair", nargs=2)
@option("-e", "short", is_flag=True)
@option("--delimiter", default=",")
@output_option("Where.")
def echo(**values: Any) -> int | None:
    """Say what came in."""
    click.echo(repr(values))
    if values["first"].startswith("fail "):
        raise getattr(errors, values["first"].removeprefix("fail "))("a\nb  c")
    return None


def invoked(*arguments: str) -> Result:
    return CliRunner().invoke(echo, arguments)


def came_in(*arguments: str) -> dict[str, Any]:
    done = invoked(*arguments)
    assert done.exit_code == 0, done.stderr
    values: dict[str, Any] = eval(done.stdout, {"PosixPath": Path})  # noqa: S307 - our own repr
    return values


NEGATIVE = ["-4.0", "-1e5", "-.5", "-inf", "-nan", "-INFINITY", "-0", "-5x", "-1\n2", "-4.csv"]


@pytest.mark.parametrize("argument", NEGATIVE)
def test_a_negative_number_is_an_argument(argument: str) -> None:
    values = came_in("x", argument, "3", "-e", argument)
    assert values["values"] == (argument, "3", argument)
    assert values["short"] is True
    assert came_in(argument)["first"] == argument
    assert came_in("x", "--", argument, "-e")["values"] == (argument, "-e")


@pytest.mark.parametrize("argument", NEGATIVE)
def test_a_negative_number_is_the_value_of_an_option(argument: str) -> None:
    assert came_in("x", "-o", argument)["output"] == Path(argument)
    assert came_in("x", "--output", argument)["output"] == Path(argument)
    assert came_in("x", "--pair", argument, "b")["pair"] == (argument, "b")


def test_a_negative_number_where_none_is_taken() -> None:
    done = invoked("x", "--number", "-4")
    assert done.exit_code == 2
    assert "-4.0 is not in the range" in done.stderr
    assert "\0" not in done.stderr


@pytest.mark.parametrize("option", ["-x", "--unknown", "-", "--e"])
def test_what_is_no_number_stays_an_option(option: str) -> None:
    if option == "-":
        assert came_in("x", option)["values"] == ("-",)
    else:
        assert invoked("x", option).exit_code == 2


EXIT_CODES = {"TableError": 1, "ModelFileError": 1, "InputError": 1, "OptionError": 2, "CheckFailedError": 3}


@pytest.mark.parametrize("error", EXIT_CODES)
def test_an_error_is_one_line_and_its_exit_code(error: str) -> None:
    done = invoked(f"fail {error}")
    assert done.exit_code == EXIT_CODES[error]
    assert done.stderr == "lr-echo: a b c\n"


def test_every_error_of_ours_is_also_a_builtin() -> None:
    ours = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, errors.LinedgeError)]
    assert len(ours) > 10
    for kind in ours:
        assert kind is errors.LinedgeError or any(base.__module__ == "builtins" for base in kind.__mro__[1:-3])
        assert kind.exit_code in {1, 2, 3}


@pytest.mark.parametrize("number", [errno.EIO, errno.ENOSPC, errno.ESTALE], ids=errno.errorcode.get)
def test_a_disk_that_fails_is_said_with_its_file_and_not_laid_at_standard_output(number: int) -> None:
    @command("lr-broken")
    def broken(**_: object) -> None:
        raise OSError(number, os.strerror(number), "a.csv")

    done = CliRunner().invoke(broken, [])
    assert (done.exit_code, done.stdout) == (1, "")
    assert done.stderr == f"lr-broken: a.csv: cannot be read or written ({os.strerror(number)})\n"


def test_anything_else_keeps_its_traceback() -> None:
    @command("lr-broken")
    def broken(**_: object) -> None:
        raise ZeroDivisionError("a bug")

    assert isinstance(CliRunner().invoke(broken, []).exception, ZeroDivisionError)


def test_a_missing_extra_is_a_command_to_paste() -> None:
    with pytest.raises(errors.MissingExtraError) as caught, lazy.needs_extra("tables"):
        import nosuch.part  # type: ignore[import-not-found]  # noqa: F401
    assert str(caught.value) == "the package 'nosuch' is not installed. Run: pip install 'linedge[tables]'"


@pytest.mark.parametrize("collects", [True, False])
def test_garbage_is_looked_for_again_behind_imports(collects: bool) -> None:
    before = gc.isenabled()
    (gc.enable if collects else gc.disable)()
    try:
        with lazy.uncollected():
            inside = gc.isenabled()
        assert (inside, gc.isenabled()) == (False, collects)
    finally:
        (gc.enable if before else gc.disable)()


def test_a_bug_in_our_own_imports_is_not_a_missing_extra() -> None:
    with pytest.raises(ModuleNotFoundError) as caught, lazy.needs_extra("tables"):
        import lr_runtime.nosuch  # type: ignore[import-not-found]  # noqa: F401
    assert not isinstance(caught.value, errors.LinedgeError)


ESCAPED = {
    "plain": ("a b", '"a b"'),
    "unicode": ("größe 名", '"größe 名"'),
    "a newline": ("a\nb", '"a\\nb"'),
    "a terminal's code": ("\x1b[31m", '"\\x1b[31m"'),
    "half a surrogate pair": ("\ud800", '"\\ud800"'),
    "long": ("x" * 61, '"' + "x" * 59 + '…"'),
    "just short enough": ("x" * 60, '"' + "x" * 60 + '"'),
}


@pytest.mark.parametrize("case", ESCAPED)
def test_names_in_messages_are_escaped(case: str) -> None:
    text, shown = ESCAPED[case]
    assert errors.escaped(text) == shown


def test_long_lists_are_cut() -> None:
    assert errors.listed(["a", "b", "c"], most=2) == '"a", "b" and 1 more'
    assert errors.listed(["a", "b"], most=2) == '"a", "b"'


# --- --config, --version ---


def config(folder: Path, content: str | bytes) -> str:
    path = folder / "options.toml"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return str(path)


def test_options_come_from_a_file(tmp_path: Path) -> None:
    path = config(
        tmp_path, "[lr-echo]\nnumber = 5\nas-json = 1\n".replace("as-json = 1\n", 'json = true\noutput = "a b"\n')
    )
    values = came_in("x", "--config", path)
    assert values["number"] == 5.0
    assert values["as_json"] is True
    assert values["output"] == Path("a b")
    assert values["short"] is False


def test_the_command_line_goes_first_wherever_it_stands(tmp_path: Path) -> None:
    path = config(tmp_path, "[lr-other]\nx = 1\n[lr-echo]\nnumber = 5\nquiet = true\n")
    assert came_in("x", "--config", path, "--number", "6")["number"] == 6.0
    assert came_in("--number", "6", "x", "--config", path)["number"] == 6.0
    assert came_in("x", "--config", path)["quiet"] is True


def test_a_short_name_and_an_underscore_are_keys_too(tmp_path: Path) -> None:
    assert came_in("x", "--config", config(tmp_path, '[lr-echo]\no = "y"\n'))["output"] == Path("y")
    for content in ("no_header = true", "no-header = true"):
        assert read_from(tmp_path, f"[lr-table]\n{content}\n") == TableOptions(header=False)


def test_options_that_may_be_repeated_are_lists(tmp_path: Path) -> None:
    content = '[lr-table]\nmap = ["temp=t", "rh=h"]\nmissing-token = ["-999"]\n'
    assert read_from(tmp_path, content) == TableOptions(renames=(("temp", "t"), ("rh", "h")), missing=("-999",))

    assert read_from(tmp_path, '[lr-table]\nmap = "temp=t"\n') == TableOptions(renames=(("temp", "t"),))


def test_names_are_lists_or_as_they_are_typed(tmp_path: Path) -> None:
    seen: list[object] = []

    @command("lr-names")
    @option("--names", callback=read_names)
    def names(*, names: list[str] | None, **_: Any) -> None:
        seen.append(names)

    for content in ('["a", "b, c", "d"]', "'a, \"b, c\",d'", '["a"]'):
        done = CliRunner().invoke(names, ["--config", config(tmp_path, f"[lr-names]\nnames = {content}\n")])
        assert done.exit_code == 0
    assert seen == [["a", "b, c", "d"], ["a", "b, c", "d"], ["a"]]


@command("lr-table")
@options_of(TableOptions)
def table(**values: Any) -> None:
    """Say which options came in."""
    click.echo(repr(TableOptions(**values_of(TableOptions, values))))


def table_options(*arguments: str) -> object:
    done = CliRunner().invoke(table, arguments)
    assert done.exit_code == 0, done.stderr
    return eval(done.stdout, {"TableOptions": TableOptions})  # noqa: S307 - our own repr


def read_from(folder: Path, content: str) -> object:
    return table_options("--config", config(folder, content))


BAD_CONFIG: dict[str, tuple[str | bytes, list[str]]] = {
    "an unknown key": ("[lr-echo]\nnumbr = 5\n", ['no option "numbr"']),
    "an argument": ('[lr-echo]\nfirst = "x"\n', ['no option "first"']),
    "no table": ("number = 5\n", ["has no table [lr-echo]"]),
    "a table that is a value": ("lr-echo = 5\n", ["has no table [lr-echo]"]),
    "no TOML": ("[lr-echo\n", ["options.toml"]),
    "no text": (b"\xff\xfe\0", ["options.toml"]),
    "a value of another kind": ('[lr-echo]\nnumber = "five"\n', ["--number", "five"]),
    "a value out of range": ("[lr-echo]\nnumber = -5\n", ["-5.0 is not in the range"]),
}


@pytest.mark.parametrize("case", BAD_CONFIG)
def test_a_bad_config_is_wrong_usage(case: str, tmp_path: Path) -> None:
    content, said = BAD_CONFIG[case]
    done = invoked("x", "--config", config(tmp_path, content))
    assert done.exit_code == 2
    assert done.stderr.count("\n") == 1
    for words in said:
        assert words in done.stderr


def test_no_config_file_is_wrong_usage() -> None:
    done = invoked("x", "--config", "nosuch.toml")
    assert (done.exit_code, done.stderr) == (2, "lr-echo: --config nosuch.toml: no such file. Name a TOML file\n")


def test_the_version_needs_no_arguments() -> None:
    done = invoked("--version")
    assert (done.exit_code, done.stdout) == (0, f"lr-echo {__version__}\n")


def test_help_has_two_names() -> None:
    assert invoked("-h").stdout == invoked("--help").stdout
    assert "Say what came in." in invoked("-h").stdout


# --- notes, progress, tables ---


def test_quiet_is_quiet(capsys: pytest.CaptureFixture[str]) -> None:
    note("loud", quiet=False)
    note("soft", quiet=True)
    captured = capsys.readouterr()
    assert (captured.out, captured.err) == ("", "loud\n")


def test_no_bar_where_there_is_no_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    with progress("reading", 10, quiet=False) as advance:
        advance(10)
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize(("quiet", "length", "shown"), [(False, 10, True), (True, 10, False), (False, None, False)])
def test_a_bar_on_a_terminal(
    quiet: bool, length: int | None, shown: bool, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    clock = iter([0.0, 0.9, 1.1])
    monkeypatch.setattr("time.monotonic", lambda: next(clock))
    with progress("reading", length, quiet=quiet) as advance:
        advance(5)
        assert capsys.readouterr().err == ""  # who waits for less than a second wants none
        advance(5)
    captured = capsys.readouterr()
    assert ("reading" in captured.err) == shown
    assert captured.out == ""


def test_table_options_are_read() -> None:
    found = table_options("--delimiter", ";", "--decimal", ",", "--no-header")
    assert found == TableOptions(delimiter=";", decimal=",", header=False)
    assert table_options() == TableOptions()
    words = ("--thousands", "'", "--encoding", "cp1252", "--map", "a=b=c", "--missing-token", " none ")
    assert table_options(*words, "--from", "csv", "--skip-rows", "2") == TableOptions(
        thousands="'", encoding="cp1252", renames=(("a", "b=c"),), missing=("none",), format="csv", skip_rows=2
    )


def test_what_is_no_pair_is_wrong_usage() -> None:
    for text in ("a", "=a", "a="):
        done = CliRunner().invoke(table, ["--map", text])
        assert (done.exit_code, done.stderr) == (2, f'lr-table: --map takes NEW=OLD, not "{text}"\n')


def test_one_argument_too_many_is_named_as_it_came() -> None:
    @command("lr-one")
    @argument("value")
    def one(**_: object) -> None:
        pass

    done = CliRunner().invoke(one, ["-1", "-2.5"])
    assert (done.exit_code, done.stderr) == (2, "lr-one: Got unexpected extra argument (-2.5)\n")


BAD_TABLE_OPTIONS: dict[str, tuple[dict[str, Any], str]] = {
    "two characters": ({"thousands": ",,"}, "--thousands takes one character"),
    "a digit": ({"thousands": "0"}, "--thousands takes one character"),
    "a minus": ({"thousands": "-"}, "--thousands takes one character"),
    "the decimal mark": ({"thousands": "."}, "Try: --decimal ,"),
    "no encoding": ({"encoding": "utf-9"}, "no encoding that Python knows"),
    "an encoding of bytes": ({"encoding": "hex"}, "no encoding that Python knows"),
    "no encoding's name": ({"encoding": "\0"}, "no encoding that Python knows"),
    "no pair": ({"renames": ["a"]}, "--map takes pairs of texts"),
    "one pair alone": ({"renames": ("new", "old")}, "--map takes pairs of texts"),
    "a column under two names": ({"renames": [("a", "c"), ("b", "c")]}, '"c" comes twice as OLD'),
    "two columns under one name": ({"renames": [("a", "b"), ("a", "c")]}, '"a" comes twice as NEW'),
    "letters for texts": ({"missing": "n.d."}, "--missing-token takes a list of texts"),
    "no mark": ({"decimal": "·"}, "--decimal takes one of ., ,"),
    "a fraction of a row": ({"skip_rows": 1.5}, "--skip-rows takes a whole number of 0 or more, not 1.5"),
    "a word for a flag": ({"header": "no"}, 'header takes True or False, not "no"'),
}


@pytest.mark.usefixtures("typed")
@pytest.mark.parametrize("case", BAD_TABLE_OPTIONS)
def test_table_options_that_are_none(case: str) -> None:
    given, said = BAD_TABLE_OPTIONS[case]
    with pytest.raises(errors.OptionError, match=said):
        TableOptions(**given)


@pytest.mark.usefixtures("typed")
@pytest.mark.parametrize("delimiter", ["", ";;", '"', "\n", "\r"], ids=ascii)
def test_delimiters_that_are_none(delimiter: str) -> None:
    with pytest.raises(errors.OptionError, match="--delimiter takes one character"):
        TableOptions(delimiter=delimiter)


# --- as processes ---


def test_colours_are_never_used(run: Runner) -> None:
    assert "\x1b" not in run("lr-infer", "--help").stdout


def test_a_reader_that_has_enough_is_no_error(tmp_path: Path) -> None:
    table = tmp_path / "t.csv"
    table.write_text("x\n" + "1\n" * 200_000)
    line = f"set -o pipefail; {SCRIPTS / 'lr-infer'} {GOLDEN} {table} | head -1"
    done = subprocess.run(["/bin/bash", "-c", line], capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr, done.returncode) == ("y\n", "", 1)


@pytest.mark.parametrize("unbuffered", ["", "1"], ids=["buffered", "unbuffered"])
def test_a_reader_that_is_gone_before_the_first_line_is_no_error(unbuffered: str) -> None:
    read_end, write_end = os.pipe()
    os.close(read_end)
    done = subprocess.run(
        [SCRIPTS / "lr-infer", GOLDEN, "4.0"],
        stdout=write_end,
        stderr=subprocess.PIPE,
        env={**os.environ, "PYTHONUNBUFFERED": unbuffered},
        check=False,
    )
    os.close(write_end)
    assert (done.stderr, done.returncode) == (b"", 1)


def _waits_for_more(pid: int, pipe: int) -> bool:
    """Whether a process has taken all that the pipe held and sleeps: in between, Python may not see a signal."""
    held = int.from_bytes(fcntl.ioctl(pipe, termios.FIONREAD, bytes(4)), sys.byteorder)
    state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    return held == 0 and state == "S"


def test_an_interrupted_run_ends_with_130() -> None:
    read_end, write_end = os.pipe()
    # A shell that starts the tests in the background has them ignore SIGINT, and what they start inherits that.
    command_line = ["env", "--default-signal=INT", str(SCRIPTS / "lr-infer"), str(GOLDEN), "-"]
    waiting = subprocess.Popen(command_line, stdin=read_end, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    os.close(read_end)
    os.write(write_end, b"x\n1\n")
    while waiting.poll() is None and not _waits_for_more(waiting.pid, write_end):
        time.sleep(0.01)
    waiting.send_signal(signal.SIGINT)
    # A signal that lands between two reads is seen when the read returns: at the end of the input at the latest.
    os.close(write_end)
    out, err = waiting.communicate()
    # The newline ends the line on which a terminal shows ^C.
    assert (out, err, waiting.returncode) == (b"", b"\n", 130)


def test_one_line_of_the_command_itself(run: Runner) -> None:
    assert one_line(run("lr-infer", GOLDEN, "1", "2"), 2).startswith("lr-infer: expected 1 values")
