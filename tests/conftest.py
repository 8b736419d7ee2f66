"""What tests share: the commands as a user runs them, checkpoints with known numbers, and the tables of NIST."""

from __future__ import annotations

import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, cast

import numpy as np
import pytest

import lr_runtime.contract.checkpoint
from lr_runtime import Column, Contract, Output
from lr_runtime.contract.terms.category import Level
from lr_runtime.contract.terms.missing import MissingIndicator
from lr_runtime.contract.terms.power import Power
from lr_runtime.errors import MissingExtraError
from lr_runtime.wording import of_a_command

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from lr_runtime.contract.columns import Missing
    from lr_runtime.contract.terms.term import Term
    from lr_trainer import Checkpoint

ROOT = Path(__file__).parents[1]
DATA = Path(__file__).parent / "data"
SCRIPTS = Path(sys.executable).parent

# What nohup and the background of a shell ignore, every test and the commands that it runs would ignore, too.
for number in (signal.SIGINT, signal.SIGQUIT, signal.SIGHUP):
    if signal.getsignal(number) is signal.SIG_IGN:
        signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)

Run = subprocess.CompletedProcess[str]


@pytest.fixture
def run(tmp_path: Path) -> Callable[..., Run]:
    """Run an installed command in an empty folder, as a user does; returns its code, output and errors."""

    def command(name: str, *arguments: object, stdin: str | bytes | None = None) -> Run:
        raw = stdin.encode() if isinstance(stdin, str) else stdin
        done = subprocess.run(
            [SCRIPTS / name, *map(str, arguments)], cwd=tmp_path, input=raw or b"", capture_output=True, check=False
        )
        return Run(done.args, done.returncode, done.stdout.decode(), done.stderr.decode())

    return command


@pytest.fixture
def typed() -> Iterator[None]:
    """Have messages name options as a command's do, for tests of what commands are made of."""
    with of_a_command():
        yield


def one_line(done: Run, code: int) -> str:
    """Return the single line that a failed command left on standard error, and nothing on standard output."""
    assert done.returncode == code, done.stderr
    assert done.stderr.count("\n") == 1, done.stderr
    assert "Traceback" not in done.stderr
    return done.stderr.strip()


def has_begun(process: subprocess.Popen[bytes], folder: Path) -> bool:
    """Whether a process is writing a file in a folder: beside its target or, on Linux, without a name."""
    opened = []
    for link in Path(f"/proc/{process.pid}/fd").glob("*"):
        with suppress(OSError):  # closed meanwhile
            opened.append(str(link.readlink()))
    nameless = f"{folder.resolve()}/#"
    return any(name.startswith(nameless) for name in opened) or bool(list(folder.glob(".*.part")))


def checkpoint_of(
    weight: object,
    bias: object,
    *,
    low: object = -1.0,
    high: object = 1.0,
    origin: object = 0.0,
    scale: object = 1.0,
) -> Checkpoint:
    """Return a checkpoint with these numbers; scalars are repeated for every column."""
    w = np.atleast_2d(np.asarray(weight, dtype=np.float64))
    outputs, columns = w.shape

    def each(value: object) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
        return np.array(np.broadcast_to(np.asarray(value, dtype=np.float64), (columns,)))

    ranges = zip(each(low).tolist(), each(high).tolist(), strict=True)
    contract = Contract(
        columns=tuple(Column(f"x{index + 1}", *ends) for index, ends in enumerate(ranges)),
        outputs=tuple(Output(f"y{index + 1}" if outputs > 1 else "y", 0.5, 1.0) for index in range(outputs)),
        rows=10,
        linedge="0.1.0",
    )
    biases = np.array(np.broadcast_to(np.asarray(bias, dtype=np.float64), (outputs,)))
    terms = tuple(Power(index) for index in range(columns))
    return _checkpoint_class()(contract, w, biases, each(origin), each(scale), np.zeros(columns), terms)


def _checkpoint_class() -> type[Checkpoint]:
    """Return the trainer's, which writes itself; where the runtime is alone, the runtime's, which has the numbers."""
    try:
        from lr_trainer import Checkpoint
    except MissingExtraError:
        return cast("type[Checkpoint]", lr_runtime.contract.checkpoint.Checkpoint)
    return Checkpoint


CHECKPOINTS: dict[str, Callable[[], Checkpoint]] = {
    "one column": lambda: checkpoint_of([[2.0]], 0.5),
    "the published lesson": lambda: checkpoint_of([[1.9889246225357056]], 0.02517702803015709, low=1, high=3),
    "an offset column": lambda: checkpoint_of(
        [[1e-3, -2.0]], 0.25, low=[1.7e9 - 3600, -3], high=[1.7e9 + 3600, 3], origin=[1.7e9, 0]
    ),
    "two outputs": lambda: checkpoint_of([[1 / 3, -2.5, 1e-3], [0.0, 7.0, -1e3]], [0.1, -0.2], low=-10, high=20),
    "ten columns": lambda: checkpoint_of(np.random.default_rng(1).normal(size=(1, 10)), 3.0, low=-5, high=5),
    "cancelling": lambda: checkpoint_of([[1.0, -1.0]], 0.0, low=0.5e6, high=1e6),
    "a zero weight": lambda: checkpoint_of([[0.0, 1.5]], -1.0),
    "scales": lambda: checkpoint_of([[3.0, 0.7]], 1.0, origin=[8.0, 0.0], scale=[2.0**-10, 2.0**3]),
}
"""Named cases that artefacts are tested on."""


def expanded(outputs: int = 1, **kept: bool) -> Checkpoint:
    """Return a checkpoint with powers, categories and missing values, or those of them that are kept."""
    from lr_trainer import Checkpoint

    columns: tuple[Column, ...] = (
        Column("a", -2.0, 3.0, missing="mean"),
        Column("site", 0.0, 2.0, kind="category", categories=("p", "q", "r"), missing="indicator"),
        Column("b", 90.0, 110.0, missing="indicator"),
        Column("c", 0.0, 1.0),
        Column("d", 0.0, 1.0, kind="category", categories=("u", "v")),
    )
    terms: list[Term] = [Power(0), Power(0, 2), Power(0, 3), Level(1, 1), Level(1, 2), MissingIndicator(1)]
    terms += [Power(2), Power(2, 2), MissingIndicator(2), Power(3), Level(4, 1)]
    if not kept.get("powers", not kept):
        terms = [term for term in terms if term not in (Power(0, 2), Power(0, 3), Power(2, 2))]
    if not kept.get("categories", not kept):
        columns = tuple(c._replace(kind="number", categories=()) if c.kind == "category" else c for c in columns)
        terms = list(dict.fromkeys(Power(t.columns[0]) if isinstance(t, Level) else t for t in terms))
    if not kept.get("missing", not kept):
        columns = tuple(column._replace(missing="error") for column in columns)
        terms = [term for term in terms if not term.is_of_missing]
    random = np.random.default_rng(len(terms))
    return Checkpoint(
        contract=Contract(columns, tuple(Output(f"y{i}", 0.5, 1.0) for i in range(outputs)), 10, "0.1.0"),
        weight=random.normal(size=(outputs, len(terms))),
        bias=random.normal(size=outputs),
        origin=np.array([0.5, 0.0, 100.0, 0.0, 0.0]),
        scale=np.array([2.0, 1.0, 8.0, 1.0, 1.0]),
        fill=np.array([0.3, 0.0, 101.3, 0.0, 0.0]),
        terms=tuple(terms),
    )


EXPANDED: dict[str, Callable[[], Checkpoint]] = {
    "powers": lambda: expanded(powers=True),
    "categories": lambda: expanded(categories=True),
    "missing values": lambda: expanded(missing=True),
    "powers, categories and missing values": expanded,
    "the same with two outputs": lambda: expanded(2),
    "a category alone": lambda: _one_category("error"),
    "a category alone that may be missing": lambda: _one_category("indicator"),
}
"""Named cases whose terms are not their columns."""


def _one_category(missing: Missing) -> Checkpoint:
    from lr_trainer import Checkpoint

    column = Column("site", 0.0, 2.0, kind="category", categories=("p", "q", "r"), missing=missing)
    terms = (Level(0, 1), Level(0, 2), *([MissingIndicator(0)] if missing != "error" else []))
    return Checkpoint(
        contract=Contract((column,), (Output("y", 0.5, 1.0),), 10, "0.1.0"),
        weight=np.array([[1 / 3, -0.7, 5.1][: len(terms)]]),
        bias=np.array([0.1]),
        origin=np.zeros(1),
        scale=np.ones(1),
        fill=np.zeros(1),
        terms=terms,
    )


@pytest.fixture(params=CHECKPOINTS)
def checkpoint(request: pytest.FixtureRequest) -> Checkpoint:
    """Each of the named cases."""
    return CHECKPOINTS[request.param]()
