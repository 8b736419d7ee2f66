"""The table of formats: every pair that it has, every pair that it has not, and what is there when a tool is not."""

from __future__ import annotations

import json
import re
from itertools import product
from typing import TYPE_CHECKING

import numpy as np
import pytest
from click.testing import CliRunner

from lr_export import export
from lr_export.certificate.certify import certify
from lr_export.certificate.specification import Blueprint
from lr_export.choices import check_pair, that_have
from lr_export.cli import main
from lr_export.errors import MissingToolError
from lr_export.formats.registry import BACKENDS
from lr_runtime.contract.contract import PRECISIONS, RESULTS
from lr_runtime.contract.formats import EXPORT_FORMATS
from lr_runtime.errors import CheckFailedError, OptionError
from lr_runtime.inspection.artefact import Artefact
from tests.conftest import ROOT, checkpoint_of
from tests.export.present import FORMAT_NAMES, param, with_every_tool

if TYPE_CHECKING:
    from pathlib import Path

    from click.testing import Result as Done

    from lr_runtime.contract.contract import Precision, Result
    from lr_runtime.contract.formats import FormatName

CHECKPOINT = checkpoint_of([[1 / 3, -2.5]], 0.1, low=[1000.0, -3.0], high=[1010.0, 4.0], origin=[1004.0, 0.0])
PAIRS = list(product(FORMAT_NAMES, PRECISIONS))
HAD = [(name, precision) for name, precision in PAIRS if precision in EXPORT_FORMATS[name].precisions]
IN_SOURCE: list[FormatName] = ["c", "js", "html"]
WITH_TOOLS: list[FormatName] = [name for name in FORMAT_NAMES if EXPORT_FORMATS[name].tool is not None]


@pytest.fixture
def saved(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the checkpoint, and in it."""
    CHECKPOINT.save(tmp_path / "m.safetensors")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def no_tools(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    monkeypatch.setenv("PATH", str(tmp_path_factory.mktemp("empty")))


def ran(*arguments: str) -> Done:
    return CliRunner().invoke(main, ["m.safetensors", *arguments])


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()} - {"m.safetensors"}


def test_every_format_is_written_and_read_back_somewhere() -> None:
    assert all(BACKENDS[name] for name in FORMAT_NAMES)
    assert len({each.suffix for each in EXPORT_FORMATS.values()}) == len(FORMAT_NAMES)
    assert {precision for _, precision in HAD} == set(PRECISIONS)
    # As the design has them.
    assert [name for name in FORMAT_NAMES if "portable" in EXPORT_FORMATS[name].precisions] == ["onnx", *IN_SOURCE]
    assert [name for name in FORMAT_NAMES if "y_lower" in EXPORT_FORMATS[name].results] == ["onnx", *IN_SOURCE]


@pytest.mark.parametrize(("name", "precision"), [param(*pair) for pair in HAD])
def test_a_pair_that_a_format_has(name: FormatName, precision: Precision, tmp_path: Path) -> None:
    target = tmp_path / "model"
    certificate = export(CHECKPOINT, target, format=name, precision=precision)
    assert (certificate.format, certificate.precision, certificate.not_run) == (name, precision, None)
    assert len(certificate.engines) == (3 if name == "onnx" else 2)
    read = Artefact.load(target)
    assert (read.kind, read.contract.precision, read.sha256) == (name, precision, certificate.sha256)


@pytest.mark.parametrize(("name", "precision"), [pair for pair in PAIRS if pair not in HAD])
def test_a_pair_that_a_format_has_not_is_wrong_usage(name: FormatName, precision: Precision, saved: Path) -> None:
    done = ran("--format", name, "--precision", precision)
    assert (done.exit_code, done.stdout) == (2, "")
    assert done.stderr.startswith(f"lr-export: the format {name} has no precision {precision}; it has exact, ")
    assert done.stderr.endswith(f"Formats with {precision}: {', '.join(that_have(precision))}\n")
    assert names(saved) == set()
    with pytest.raises(OptionError):
        export(CHECKPOINT, saved / "model", format=name, precision=precision)


@pytest.mark.parametrize(("name", "result"), list(product(FORMAT_NAMES, RESULTS)))
def test_results_that_a_format_cannot_give(name: FormatName, result: Result) -> None:
    if result in EXPORT_FORMATS[name].results:
        check_pair(name, "exact", ("y", result))
    else:
        with pytest.raises(OptionError, match=f"{name} cannot give {result}. Formats that can: onnx, c, js, html"):
            check_pair(name, "exact", ("y", result))


@with_every_tool
@pytest.mark.parametrize("precision", ["float32", "portable"])
def test_all_formats_that_have_a_precision(precision: Precision, saved: Path) -> None:
    done = ran("--format", "all", "--precision", precision)
    assert done.exit_code == 0
    assert names(saved) == {f"m{EXPORT_FORMATS[name].suffix}" for name in that_have(precision)}
    assert done.stdout.count("verified: ") == len(that_have(precision))
    for name in that_have(precision):
        assert f"wrote m{EXPORT_FORMATS[name].suffix}\n" in done.stderr
        assert Artefact.load(saved / f"m{EXPORT_FORMATS[name].suffix}").kind == name


@with_every_tool
def test_all_into_a_folder_as_one_json_object(saved: Path) -> None:
    (saved / "out").mkdir()
    done = ran("--format", "all", "--precision", "portable", "-o", "out", "--json", "--quiet")
    assert (done.exit_code, done.stderr) == (0, "")
    assert [artefact["format"] for artefact in json.loads(done.stdout)["artefacts"]] == that_have("portable")
    assert names(saved / "out") == {"m.onnx", "m.h", "m.mjs", "m.html"}
    assert names(saved) == {"out"}


@with_every_tool
def test_with_all_an_option_goes_to_the_formats_that_have_it(saved: Path) -> None:
    done = ran("--format", "all", "--precision", "portable", "--opset", "15", "--name", "ozone")
    assert done.exit_code == 0
    graph = Artefact.load(saved / "m.onnx").graph
    assert graph is not None
    assert graph.opset == 15
    assert b"ozone_predict" in (saved / "m.h").read_bytes()


@pytest.mark.parametrize(
    ("name", "option", "value", "having"),
    [("js", "name", "ozone", "onnx or c"), ("pt2", "name", "ozone", "onnx or c"), ("c", "opset", "15", "onnx")],
)
def test_an_option_that_a_format_has_not(name: FormatName, option: str, value: str, having: str, saved: Path) -> None:
    done = ran("--format", name, f"--{option}", value, "--unverified")
    assert (done.exit_code, done.stdout) == (2, "")
    assert done.stderr == f"lr-export: --{option} goes with --format {having}; a {name} file has none\n"
    assert names(saved) == set()


def test_all_needs_a_folder_that_is_there(saved: Path) -> None:
    assert ran("--format", "all", "-o", "-").exit_code == 2
    done = ran("--format", "all", "--precision", "float32", "-o", "nowhere")
    assert done.exit_code == 1
    assert 'the folder "nowhere" cannot be written' in done.stderr
    assert names(saved) == set()


# --- where a compiler or an interpreter is absent ---


@pytest.mark.usefixtures("no_tools")
@pytest.mark.parametrize("name", [*WITH_TOOLS, "all"])
def test_what_nothing_runs_is_not_written(name: str, saved: Path) -> None:
    (saved / "m.h").write_text("an old file")
    done = ran("--format", name)
    assert (done.exit_code, done.stdout) == (3, "")
    assert done.stderr.count("\n") == 1
    for tool in [EXPORT_FORMATS[asked].tool for asked in WITH_TOOLS if name in {asked, "all"}]:
        assert tool is not None
        assert tool.what in done.stderr
        assert tool.install in done.stderr
    assert "--unverified" in done.stderr
    assert names(saved) == {"m.h"}
    assert (saved / "m.h").read_text() == "an old file"


@pytest.mark.usefixtures("no_tools")
@pytest.mark.parametrize("name", WITH_TOOLS)
def test_unverified_says_that_it_was_not_run(name: FormatName, saved: Path) -> None:
    tool = EXPORT_FORMATS[name].tool
    assert tool is not None
    done = ran("--format", name, "--unverified")
    assert done.exit_code == 0
    assert done.stdout.startswith(f"unverified: NOT RUN, for want of {tool.what}")
    assert "\nverified: " not in done.stdout
    assert json.loads(ran("--format", name, "--unverified", "--json").stdout)["not_run"] == tool.what
    assert Artefact.load(saved / f"m{EXPORT_FORMATS[name].suffix}").kind == name


@pytest.mark.usefixtures("no_tools")
@pytest.mark.parametrize("name", WITH_TOOLS)
def test_unverified_still_reads_the_numbers_back(name: FormatName) -> None:
    blueprint = Blueprint.of(CHECKPOINT)
    content = BACKENDS[name].build(blueprint.program, blueprint.contract)
    certify(content, blueprint, name, unverified=True)
    with pytest.raises(MissingToolError):
        certify(content, blueprint, name)
    other = Blueprint.of(checkpoint_of([[np.nextafter(1 / 3, 1), -2.5]], 0.1, origin=[1004.0, 0.0]))
    changed = BACKENDS[name].build(other.program, blueprint.contract)
    with pytest.raises(CheckFailedError, match="the weight in the file as written"):
        certify(changed, blueprint, name, unverified=True)


@with_every_tool
def test_unverified_runs_what_can_be_run(saved: Path) -> None:
    done = ran("--format", "js", "--unverified")
    assert done.stdout.startswith("verified: ")
    assert "  node v" in done.stdout
    assert names(saved) == {"m.mjs"}


# --- the document ---

DOCUMENT = (ROOT / "docs" / "formats.md").read_text(encoding="utf-8")


def test_the_document_has_the_table() -> None:
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in DOCUMENT.splitlines() if line[:1] == "|"]
    start = next(place for place, row in enumerate(rows) if row[0] == "format")
    for name, row in zip(FORMAT_NAMES, rows[start + 2 :], strict=False):
        choice = EXPORT_FORMATS[name]
        tool = f" ({', '.join(choice.tool.names[:-1])} or {choice.tool.names[-1]})" if choice.tool else ""
        assert row == [
            name,
            choice.title,
            choice.suffix,
            ", ".join(choice.precisions),
            ", ".join(choice.results),
            choice.engine + tool.replace("( or ", "("),
        ]


def test_the_document_says_what_is_not_offered() -> None:
    text = re.sub(r"\s+", " ", DOCUMENT)
    for words in ("| 899 | 2.4 % error", "| 1,864 |", "| 1.5 MB |", "armv7", "musl", "engines.md"):
        assert words in text
