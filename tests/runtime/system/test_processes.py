"""Items made in processes: in order, their errors where they stand, and nothing left when they are wanted no longer."""

from __future__ import annotations

import os
import sys
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING

import pytest

from lr_runtime.errors import OptionError, WorkerError
from lr_runtime.system.processes import in_processes

if TYPE_CHECKING:
    from pathlib import Path

# A worker knows no module of a test; all of these are evaluated there.
_IMPORTS = {name: f"__import__({name!r})" for name in ("os", "time", "signal")}
SLOW, KILLED, ENDED, PRINTED, PID = (
    text.format_map(_IMPORTS)
    for text in (
        "{time}.sleep(0.3) or 1",
        "{os}.kill({os}.getpid(), {signal}.SIGKILL)",
        "{os}._exit(3)",
        "print('x') or 5",
        "{os}.getpid()",
    )
)
REFUSED = "__import__('lr_runtime.errors').errors.OptionError('Leave out --jobs')"
RAISED = f"(_ for _ in ()).throw({REFUSED})"


def test_results_come_in_order_from_other_processes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "pickle.py").write_text("raise SystemExit('the wrong module')")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [path for path in sys.path if path])
    found = list(in_processes(eval, [SLOW, "2", PRINTED, *[PID] * 5], 2))
    assert found[:3] == [1, 2, 5]
    assert os.getpid() not in found[3:]
    assert 1 <= len(set(found[3:])) <= 2


def test_an_error_stands_where_its_result_would() -> None:
    results = in_processes(eval, ["1", SLOW, RAISED, "4"], 2)
    assert list(islice(results, 2)) == [1, 1]
    with pytest.raises(OptionError, match=r"^Leave out jobs$"):  # in the words of whoever asks
        next(results)


@pytest.mark.usefixtures("typed")
def test_messages_are_a_commands_where_it_asks() -> None:
    with pytest.raises(OptionError, match=r"^Leave out --jobs$"):
        list(in_processes(eval, [RAISED], 1))


@pytest.mark.parametrize(("item", "how"), [(KILLED, "by SIGKILL"), (ENDED, "with exit code 3")])
def test_a_process_that_is_ended_is_one_line(item: str, how: str) -> None:
    results = in_processes(eval, ["1", item, "3"], 2)
    assert next(results) == 1
    with pytest.raises(WorkerError, match=rf"^one of the processes that work here ended {how}, before its work was"):
        next(results)


def test_nothing_is_left_of_results_that_nobody_wants() -> None:
    forever = "{time}.sleep(1e6)".format_map(_IMPORTS)
    results = in_processes(eval, [PID, forever, forever, forever], 2)
    number = next(results)
    results.close()  # this hangs where the processes are waited for
    with pytest.raises(ProcessLookupError):
        os.kill(number, 0)


def test_each_has_its_share_of_the_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    from lr_runtime.system import parallel

    cores = partial(monkeypatch.setattr, parallel, "_cores")
    for found, processes, expected in ((8, 2, 4), (8, 3, 2), (2, 16, 1)):
        cores(found)
        parallel.share_cores(processes)
        assert parallel._cores == expected
