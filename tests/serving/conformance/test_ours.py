"""lr-serve passes every check of the protocol that applies to it, and docs/conformance.md says of each what is so."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.conformance.check import Outcome
from tests.conftest import ROOT
from tests.serving.conformance import document, subjects
from tests.serving.conformance.peers import PEERS
from tests.serving.conformance.subjects import OURS
from tests.serving.conftest import serving

if TYPE_CHECKING:
    from tests.conformance.check import Result


@pytest.fixture(scope="module")
def ours(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[Result]]:
    folder = tmp_path_factory.mktemp("conformance")
    subjects.write_models(folder)
    with serving(folder) as running:
        return {title: subjects.results(running.url, model) for title, model in OURS.items()}


def test_no_check_fails(ours: dict[str, list[Result]]) -> None:
    for model, results in ours.items():
        failed = {each.check.id: each.seen for each in results if each.outcome is Outcome.FAILED}
        assert failed == {}, model
        assert len([each for each in results if each.outcome is Outcome.PASSED]) > 150, model


def test_every_check_applies_to_a_model_but_for_two(ours: dict[str, list[Result]]) -> None:
    found = document.outcomes([*ours.values()])
    left = {id_ for id_, outcome in found.items() if outcome is Outcome.NOT_APPLICABLE}
    # It lists its versions, and its answers have no parameters, which are optional.
    assert left == {"versions.unlisted", "infer.parameters"}


def test_the_document_says_what_comes_of_every_check(ours: dict[str, list[Result]]) -> None:
    page = (ROOT / "docs" / "conformance.md").read_text(encoding="utf-8")
    lines = [line[2:-2].split(" | ") for line in page.splitlines() if line.startswith("| ")]
    wanted = document.table({"lr-serve": document.outcomes([*ours.values()])})
    assert [line[:4] for line in lines] == wanted
    assert {len(line) for line in lines} == {4 + len(PEERS)}
    assert lines[0][4:] == [*PEERS]
    assert {cell for line in lines[1:] for cell in line[4:]} <= {each.value for each in Outcome}


def test_the_document_says_each_failure_of_a_peer() -> None:
    page = (ROOT / "docs" / "conformance.md").read_text(encoding="utf-8")
    head, *lines = [line[2:-2].split(" | ") for line in page.splitlines() if line.startswith("| ")]
    for title in PEERS:
        listed = page.partition(f"{title}, where a check failed:\n\n")[2].partition("\n\n")[0]
        said = {
            word
            for line in listed.splitlines()
            if line.startswith("- ")
            for word in line.partition(": ")[0].split("`")[1::2]
        }
        assert said == {line[0] for line in lines if line[head.index(title)] == "failed"}
