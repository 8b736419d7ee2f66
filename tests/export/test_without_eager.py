"""The eager reference is left out on purpose or not at all: what the file, the certificate and the commands say."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner

from lr_export import export
from lr_export.cli import main
from lr_export.formats import torch_module
from lr_export.formats.registry import BACKENDS
from lr_runtime import Contract, Predictor
from lr_runtime.contract.contract import PRECISIONS
from lr_runtime.contract.formats import EXPORT_FORMATS
from lr_runtime.errors import CheckFailedError, ModelFileError, OptionError
from lr_runtime.inspection.artefact import Artefact
from lr_runtime.inspection.report import lines
from lr_trainer import fit
from tests.absent import Without
from tests.conftest import checkpoint_of, expanded, one_line
from tests.export.certificate.test_certificate import plant
from tests.export.certificate.test_engines import with_fault
from tests.export.present import param, runs

if TYPE_CHECKING:
    from pathlib import Path

    from lr_export.formats.backend import Opened
    from lr_export.program.program import Program
    from lr_runtime.contract.contract import Precision
    from lr_runtime.contract.formats import FormatName

CHECKPOINT = checkpoint_of([[2.0, -0.5]], 0.25)
ALONE: list[FormatName] = [name for name, each in EXPORT_FORMATS.items() if not each.in_torch]
IN_TORCH: list[FormatName] = [name for name in EXPORT_FORMATS if name not in ALONE]
PAIRS = [*(param("onnx", precision) for precision in PRECISIONS), param("c", "portable")]


@pytest.fixture
def without_torch(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Without:
    CHECKPOINT.save(tmp_path / "model.safetensors")
    return Without(tmp_path, tmp_path_factory.mktemp("blocker"), "torch")


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if path.name != "model.safetensors")


# --- where torch is not installed ---


@pytest.mark.parametrize("options", [[], ["--format", "all", "--unverified"]], ids=" ".join)
def test_the_reference_is_never_skipped_in_silence(options: list[str], without_torch: Without, tmp_path: Path) -> None:
    said = one_line(without_torch.run("lr-export", *options), 3)
    assert said == (
        "lr-export: not verified, because the eager reference, PyTorch, cannot run: the package 'torch' is not "
        "installed. Run: pip install 'linedge[torch]'. onnx, c, js, html can be verified without it: --without-eager"
    )
    assert names(tmp_path) == []


@pytest.mark.parametrize("format_name", IN_TORCH)
def test_a_format_of_torch_says_the_same(format_name: FormatName, without_torch: Without, tmp_path: Path) -> None:
    said = one_line(without_torch.run("lr-export", "--format", format_name), 3)
    assert "pip install 'linedge[torch]'" in said
    assert names(tmp_path) == []


def test_from_python_it_is_said_in_the_words_of_python(without_torch: Without, tmp_path: Path) -> None:
    done = without_torch.python("import lr_export; lr_export.export('model.safetensors', 'model.onnx')")
    assert done.stderr.splitlines()[-1] == (
        "lr_export.errors.MissingReferenceError: not verified, because the eager reference, PyTorch, cannot run: the "
        "package 'torch' is not installed. Run: pip install 'linedge[torch]'. onnx, c, js, html can be verified "
        "without it: without_eager=True"
    )
    assert names(tmp_path) == []


@pytest.mark.skipif(not all(map(runs, ALONE)), reason="no C compiler or no node on PATH")
def test_all_formats_are_those_that_need_no_torch(without_torch: Without, tmp_path: Path) -> None:
    done = without_torch.run("lr-export", "--format", "all", "--without-eager")
    assert (done.returncode, done.stderr) == (0, "wrote model.onnx\nwrote model.h\nwrote model.mjs\nwrote model.html\n")
    assert done.stdout.count("\n  eager: not run\n") == 4
    formats: dict[str, FormatName] = {"model.onnx": "onnx", "model.h": "c"}
    for written, format_name in formats.items():
        here = export(CHECKPOINT, tmp_path / "here", format=format_name, without_eager=True)
        assert (tmp_path / written).read_bytes() == (tmp_path / "here").read_bytes()
        assert here.sha256 in done.stdout


def test_the_same_bits_are_promised_and_held_without_torch(without_torch: Without) -> None:
    done = without_torch.run("lr-export", "--precision", "portable", "--without-eager")
    assert (done.returncode, done.stderr) == (0, "wrote model.onnx\n")


def test_the_package_and_the_help_need_no_torch(without_torch: Without) -> None:
    assert without_torch.run("lr-export", "--help").returncode == 0
    done = without_torch.python("import lr_export; lr_export.export; lr_export.Certificate")
    assert (done.returncode, done.stderr) == (0, "")


def test_source_code_needs_no_onnx_either(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    table = {"x": [1.0, 2.0, 3.0, 4.0], "y": [2.1, 3.9, 6.2, 7.8]}
    fit(table, target="y").save(tmp_path / "model.safetensors")
    bare = Without(tmp_path, tmp_path_factory.mktemp("blocker"), "torch", "onnx", "scipy", "safetensors", "pyarrow")
    done = bare.run("lr-export", "--format", "c", "--without-eager", "--unverified", "--quiet")
    assert (done.returncode, done.stderr) == (0, "")
    for missing, options in {"onnx": [], "scipy": ["--format", "c", "--interval", "0.95"]}.items():
        said = one_line(bare.run("lr-export", "--without-eager", "--unverified", *options), 1)
        assert said == f"lr-export: the package '{missing}' is not installed. Run: pip install 'linedge[export]'"


# --- where it is ---


@pytest.mark.parametrize(("format_name", "precision"), PAIRS)
def test_the_contract_and_the_certificate_say_it(format_name: FormatName, precision: Precision, tmp_path: Path) -> None:
    checkpoint, target = expanded(), tmp_path / "model"
    certificate = export(checkpoint, target, format=format_name, precision=precision, without_eager=True)
    assert certificate.eager == certificate.to_json()["eager"] == "not run"
    assert not [each for each in certificate.engines if "eager" in each.engine]
    left_out = Artefact.load(target)
    assert left_out.contract.eager == "not run"
    assert "eager: not run" in lines(left_out)
    assert '"eager":"not run"' in left_out.contract.to_json()
    # But for that field it is what it was.
    usual = export(checkpoint, target, format=format_name, precision=precision)
    assert (usual.eager, usual.engines[:-1], usual.bounds) == (None, certificate.engines, certificate.bounds)
    ran = Artefact.load(target)
    assert ran.contract == left_out.contract._replace(eager=None)
    assert "eager" not in ran.contract.to_json()
    assert not [line for line in lines(ran) if "eager" in line]


def test_the_command_says_it_in_json_and_in_the_certificate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    CHECKPOINT.save(tmp_path / "model.safetensors")
    monkeypatch.chdir(tmp_path)
    for options, eager in ((["--without-eager"], "not run"), ([], None)):
        done = CliRunner().invoke(main, [*options, "--json", "--certificate", "proof.json"])
        assert done.exit_code == 0
        assert json.loads(done.stdout) == json.loads((tmp_path / "proof.json").read_text())
        assert json.loads(done.stdout)["eager"] == eager
        assert Predictor.load(tmp_path / "model.onnx").contract.eager == eager


def test_eager_does_not_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def eager(_: Program) -> None:
        raise AssertionError("it ran")

    monkeypatch.setattr(torch_module, "eager", eager)
    export(CHECKPOINT, tmp_path / "model.onnx", without_eager=True)
    with pytest.raises(AssertionError, match="it ran"):
        export(CHECKPOINT, tmp_path / "model.onnx")


@pytest.mark.parametrize("format_name", [param("onnx"), param("c")])
def test_wrong_numbers_are_refused_all_the_same(
    format_name: FormatName, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    export(checkpoint_of([[2.0, -0.75]], 0.25), tmp_path / "other", format=format_name, without_eager=True)
    plant(monkeypatch, format_name, build=lambda *_: (tmp_path / "other").read_bytes())
    with pytest.raises(CheckFailedError, match="in the file as written is not the checkpoint's"):
        export(CHECKPOINT, tmp_path / "model", format=format_name, without_eager=True)
    assert names(tmp_path) == ["other"]


@pytest.mark.parametrize("format_name", [param("onnx"), param("c")])
def test_a_wrong_engine_is_refused_all_the_same(
    format_name: FormatName, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reopen = BACKENDS[format_name].reopen

    def faulty(content: bytes, program: Program) -> Opened:
        opened = reopen(content, program)
        engines = {name: with_fault(run, lambda run, x: -run(x)) for name, run in opened.engines.items()}
        return replace(opened, engines=engines)

    plant(monkeypatch, format_name, reopen=faulty)
    with pytest.raises(CheckFailedError, match="the bound there is"):
        export(CHECKPOINT, tmp_path / "model", format=format_name, without_eager=True)
    assert names(tmp_path) == []


@pytest.mark.parametrize("format_name", IN_TORCH)
def test_a_format_of_torch_cannot_go_without(format_name: FormatName, tmp_path: Path, typed: None) -> None:
    with pytest.raises(OptionError) as raised:
        export(CHECKPOINT, tmp_path / "model", format=format_name, without_eager=True)
    assert str(raised.value) == f"--without-eager goes with onnx, c, js, html; PyTorch itself runs {format_name}"
    assert names(tmp_path) == []


@pytest.mark.parametrize("format_name", ["c", "js"])
@pytest.mark.parametrize("precision", ["exact", "portable"])
def test_nothing_at_all_may_run_if_both_are_said(
    format_name: FormatName, precision: Precision, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    target = tmp_path / "model"
    found = export(CHECKPOINT, target, format=format_name, precision=precision, unverified=True, without_eager=True)
    assert (found.engines, found.eager) == ((), "not run")
    assert found.not_run is not None


@pytest.mark.parametrize("value", ["run", "", 1, True, ["not run"], {}])
def test_a_contract_says_nothing_else_of_it(value: object, tmp_path: Path) -> None:
    export(CHECKPOINT, tmp_path / "model.onnx", without_eager=True)
    fields = json.loads(Predictor.load(tmp_path / "model.onnx").contract.to_json())
    with pytest.raises(ModelFileError, match="is none of not run"):
        Contract.from_json(json.dumps({**fields, "eager": value}))
