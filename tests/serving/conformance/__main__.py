"""Holds lr-serve and its peers against the protocol, and prints what comes of each check: `make conformance`."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from lr_runtime import __version__
from tests.conformance.report import summary
from tests.conformance.report import table as listed
from tests.serving.conformance import peers, subjects
from tests.serving.conformance.document import as_markdown, outcomes, table
from tests.serving.conftest import serving

if TYPE_CHECKING:
    from tests.conformance.check import Outcome, Result


def main() -> int:
    """Print the checks of each server, and the table of docs/conformance.md; return 1 where lr-serve fails one."""
    ours = _ours()
    for title, results in ours.items():
        _say(f"lr-serve {__version__}, {title}", results)
    columns: dict[str, dict[str, Outcome]] = {"lr-serve": outcomes([*ours.values()])}
    for title, peer in peers.PEERS.items():
        if problem := peers.problem_of(peer):
            print(f"\n{title} is not held against it here: {problem}")
            continue
        with tempfile.TemporaryDirectory() as folder, peers.serving(peer, Path(folder)) as url:
            results = subjects.results(url, subjects.Model(peers.MODEL))
        _say(peers.version_of(peer), results)
        columns[title] = outcomes([results])
    print(f"\n{as_markdown(table(columns))}")
    return int(any(each.breaks for results in ours.values() for each in results))


def _ours() -> dict[str, list[Result]]:
    with tempfile.TemporaryDirectory() as folder:
        subjects.write_models(Path(folder))
        with serving(Path(folder)) as running:
            return {title: subjects.results(running.url, model) for title, model in subjects.OURS.items()}


def _say(title: str, results: list[Result]) -> None:
    print(f"\n{title}\n\n{listed(results)}\n{summary(results)}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
