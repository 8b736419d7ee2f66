"""How a row of docs/engines.md is held: each of its cells by a test, which says where the engine is not."""

from __future__ import annotations

import os
from importlib.util import find_spec
from shutil import which
from typing import TYPE_CHECKING

import pytest

from tests.conftest import ROOT
from tests.engines.measuring import measure

if TYPE_CHECKING:
    from lr_runtime.contract.contract import Precision
    from tests.engines.measuring import Engine

INSTALLED = ROOT / "build" / "engines"
"""Where `make engines` puts what is neither a Python package nor one of the system."""
ASKED_FOR = "LINEDGE_ENGINES"
"""Set by `make engines`: what takes more than a moment to build runs there only."""


def needs_command(*names: str) -> str:
    """Return why an engine is absent: which of these commands are not on PATH."""
    missing = [name for name in names if which(name) is None]
    return f"no {' and no '.join(missing)} on PATH: make engines" if missing else ""


def needs_package(name: str) -> str:
    """Return why an engine is absent: its Python package is."""
    return "" if find_spec(name) else f"the Python package {name} is not installed: make engines"


def needs_time(seconds: int) -> str:
    """Return why an engine is absent unless it is asked for: it takes this long to build."""
    return "" if os.environ.get(ASKED_FOR) else f"takes {seconds} s of building: make engines"


def held(*engines: Engine) -> pytest.MarkDecorator:
    """Parametrize a test by every cell of these rows."""
    return pytest.mark.parametrize(
        ("engine", "precision"),
        [
            pytest.param(
                engine,
                precision,
                id=f"{engine.name}-{precision}",
                marks=pytest.mark.skipif(bool(engine.absent), reason=f"{engine.name}: {engine.absent}"),
            )
            for engine in engines
            for precision in engine.keeps
        ],
    )


def check(engine: Engine, precision: Precision) -> None:
    """Raise AssertionError where an engine keeps more or less of a precision than its row says.

    What is kept is kept of every model; one model is enough for the other cells.
    """
    kept, seen = engine.keeps[precision], measure(engine, precision)
    if kept in {"beyond the bound", "does not load"}:
        assert any(each.keeps(kept) for each in seen.values()), seen
    else:
        assert {name: each for name, each in seen.items() if not each.keeps(kept)} == {}
