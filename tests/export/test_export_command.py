"""lr-export as a user runs it."""

from __future__ import annotations

import json
import os
import subprocess
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

import onnx
import pytest
from click.testing import CliRunner

from lr_export import export
from lr_export.cli import main
from lr_runtime import Predictor
from lr_runtime.errors import OptionError
from tests.conftest import SCRIPTS, checkpoint_of, has_begun, one_line

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.conftest import Run

    Runner = Callable[..., Run]

CHECKPOINT = checkpoint_of([[2.0, -0.5]], 0.25)


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    CHECKPOINT.save(tmp_path / "model.safetensors")
    return tmp_path


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_without_arguments(run: Runner, saved: Path) -> None:
    done = run("lr-export")
    assert (done.returncode, done.stderr) == (0, "wrote model.onnx\n")
    assert names(saved) == ["model.onnx", "model.safetensors"]
    content = (saved / "model.onnx").read_bytes()
    for said in ("verified: ", "onnxruntime", "onnx reference evaluator", "eager torch", "proven: within"):
        assert said in done.stdout
    assert done.stdout.endswith(f"{len(content)} bytes, sha256 {sha256(content).hexdigest()}\n")


def test_a_name_for_the_file_and_json(run: Runner, saved: Path) -> None:
    done = run("lr-export", "model.safetensors", "--precision", "float64", "-o", "other.bin", "--json", "--quiet")
    assert (done.returncode, done.stderr) == (0, "")
    found = json.loads(done.stdout)
    predictor = Predictor.load(saved / "other.bin")
    assert found["sha256"] == predictor.sha256
    assert found["precision"] == predictor.contract.precision == "float64"
    assert tuple(found["bounds"]["y"]) == predictor.contract.bound
    assert names(saved) == ["model.safetensors", "other.bin"]


def test_torchscript_says_in_one_line_that_it_is_deprecated(run: Runner, saved: Path) -> None:
    done = run("lr-export", "--format", "torchscript")
    deprecation, wrote = done.stderr.splitlines()
    assert "deprecated" in deprecation
    assert wrote == "wrote model.pt"
    assert "torchscript in torch" in done.stdout
    assert names(saved) == ["model.pt", "model.safetensors"]


def test_to_standard_output(run: Runner, saved: Path) -> None:
    done = subprocess.run([SCRIPTS / "lr-export", "-o", "-"], cwd=saved, capture_output=True, check=True)
    assert b"verified" in done.stderr
    assert Predictor(done.stdout).contract.column_names == ("x1", "x2")
    assert names(saved) == ["model.safetensors"]


def test_no_checkpoint(run: Runner, tmp_path: Path) -> None:
    message = one_line(run("lr-export"), 1)
    assert message == "lr-export: model.safetensors: no such file. Run lr-train first, or name a checkpoint"
    assert names(tmp_path) == []


def test_not_a_checkpoint(run: Runner, tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("x,y\n1,2\n")
    assert "t.csv: not a linedge checkpoint" in one_line(run("lr-export", "t.csv"), 1)
    assert names(tmp_path) == ["t.csv"]


def test_a_folder_that_is_not_there(run: Runner, saved: Path) -> None:
    message = one_line(run("lr-export", "-o", "nowhere/model.onnx"), 1)
    assert 'the folder "nowhere" cannot be written' in message
    assert names(saved) == ["model.safetensors"]


def test_a_failed_check_leaves_the_old_file(run: Runner, tmp_path: Path) -> None:
    checkpoint_of([[1e300]], 0.0).save(tmp_path / "model.safetensors")
    (tmp_path / "model.onnx").write_text("an old file")
    message = one_line(run("lr-export", "--precision", "float32", "--certificate", "proof.json"), 3)
    assert "the weight 1e+300 is beyond the range of float32" in message
    assert "--precision" in message
    assert (tmp_path / "model.onnx").read_text() == "an old file"
    assert names(tmp_path) == ["model.onnx", "model.safetensors"]


def test_a_format_that_does_not_exist_is_wrong_usage(run: Runner, saved: Path) -> None:
    assert "'onnx', 'torchscript'" in one_line(run("lr-export", "--format", "pmml"), 2)
    assert names(saved) == ["model.safetensors"]


def test_the_checkpoint_is_not_its_own_target(run: Runner, saved: Path) -> None:
    before = (saved / "model.safetensors").read_bytes()
    assert "-o model.safetensors is model.safetensors, which is read" in one_line(
        run("lr-export", "-o", "model.safetensors"), 2
    )
    assert (saved / "model.safetensors").read_bytes() == before


def test_a_certificate_as_a_file(run: Runner, saved: Path) -> None:
    done = run("lr-export", "--certificate", "proof.json", "--json")
    assert done.returncode == 0, done.stderr
    written = json.loads((saved / "proof.json").read_text())
    assert written == json.loads(done.stdout)
    content = (saved / "model.onnx").read_bytes()
    assert (written["sha256"], written["size"]) == (sha256(content).hexdigest(), len(content))
    engines = [measured["engine"] for measured in written["engines"]]
    assert [any(map(str.isdigit, engine)) for engine in engines] == [True] * 3  # each with its version
    for measured in written["engines"]:
        assert 0 < measured["worst_error"]["y"] <= written["bounds"]["y"][0]
        assert measured["correctly_rounded"] == 1.0
    contract = Predictor.load(saved / "model.onnx").contract
    assert contract.bound == tuple(written["bounds"]["y"])
    assert contract.input_rounding == tuple(written["input_rounding"])
    # What was measured here, and on which engine, is not in the artefact.
    assert not [engine for engine in engines if engine.encode() in content]


def test_a_certificate_that_cannot_be_written_leaves_no_artefact(run: Runner, saved: Path) -> None:
    assert "nowhere" in one_line(run("lr-export", "--certificate", "nowhere/proof.json"), 1)
    assert names(saved) == ["model.safetensors"]


@pytest.mark.parametrize("there", [True, False], ids=["replaced", "new"])
@pytest.mark.parametrize("option", [[], ["--format", "all", "--precision", "portable", "--unverified"]], ids=" ".join)
def test_a_certificate_that_fails_at_the_very_end_leaves_the_old_model(
    option: list[str], there: bool, saved: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if there:
        for name in ("model.onnx", "model.h", "proof.json"):
            (saved / name).write_text(f"old {name}")
    before = {path.name: path.read_bytes() for path in saved.iterdir()}
    replace, link = Path.replace, os.link

    def replaced(self: Path, target: Path) -> Path:
        if target.name == "proof.json":
            raise OSError(5, "Input/output error")
        return replace(self, target)

    def linked(source: Path, target: Path, **options: Any) -> None:
        if target.name == "proof.json":
            raise OSError(5, "Input/output error")
        link(source, target, **options)

    monkeypatch.setattr(Path, "replace", replaced)
    monkeypatch.setattr(os, "link", linked)
    monkeypatch.chdir(saved)
    done = CliRunner().invoke(main, ["--certificate", "proof.json", *option])
    assert (done.exit_code, done.stdout) == (1, "")
    assert done.stderr == "lr-export: proof.json: cannot be written (Input/output error)\n"
    assert {path.name: path.read_bytes() for path in saved.iterdir()} == before


def test_the_certificate_is_not_the_artefact_by_another_name(run: Runner, saved: Path) -> None:
    (saved / "link").symlink_to("model.onnx")
    assert "is the artefact itself" in one_line(run("lr-export", "--certificate", "link"), 2)
    assert names(saved) == ["link", "model.safetensors"]


def test_an_export_that_is_ended_leaves_nothing(saved: Path) -> None:
    command: list[str | Path] = ["env", "--default-signal", SCRIPTS / "lr-export", "--certificate", "proof.json"]
    with subprocess.Popen(command, cwd=saved, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        while not has_begun(process, saved):
            assert process.poll() is None
        process.terminate()
        assert process.communicate() == (b"", b"")
    assert process.returncode == 143
    assert names(saved) == ["model.safetensors"]


def test_opset_and_name(run: Runner, saved: Path) -> None:
    assert run("lr-export", "--opset", "18", "--name", "kiln 3", "--quiet").returncode == 0
    model = onnx.load(saved / "model.onnx")
    assert (model.opset_import[0].version, model.ir_version, model.graph.name) == (18, 8, "kiln 3")
    assert Predictor.load(saved / "model.onnx").predict([[1.0, 1.0]]).values.tolist() == [[1.75]]


WRONG_OPTIONS: dict[str, tuple[dict[str, Any], str]] = {
    "an opset too low": ({"opset": 12}, "opset takes 13 to"),
    "an opset that onnx does not know": ({"opset": 99}, "opset takes 13 to"),
    "an opset of TorchScript": ({"opset": 18, "format": "torchscript"}, 'opset goes with format="onnx"'),
    "a name of TorchScript": ({"name": "n", "format": "torchscript"}, 'name goes with format="onnx"'),
    "an empty name": ({"name": ""}, "^name takes"),
}


@pytest.mark.parametrize(("options", "said"), WRONG_OPTIONS.values(), ids=WRONG_OPTIONS)
def test_options_that_do_not_go_together_are_wrong_usage(options: dict[str, Any], said: str, tmp_path: Path) -> None:
    with pytest.raises(OptionError, match=said):
        export(CHECKPOINT, tmp_path / "model", **options)
    assert names(tmp_path) == []


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--input", "float64", "--precision", "portable"], "takes float32 inputs, not float64"),
        (["--input", "int8"], "'auto', 'float32', 'float64'"),
        (["--precision", "int8"], "'exact', 'float32', 'float64', 'portable'"),
    ],
)
def test_the_command_says_wrong_usage_in_one_line(options: list[str], said: str, run: Runner, saved: Path) -> None:
    assert said in one_line(run("lr-export", *options), 2)
    assert names(saved) == ["model.safetensors"]


def test_float64_inputs_are_chosen_in_one_line(run: Runner, tmp_path: Path) -> None:
    checkpoint_of([[1.0]], 0.0, high=1e8).save(tmp_path / "model.safetensors")
    chosen, wrote = run("lr-export").stderr.splitlines()
    assert chosen.startswith('lr-export: inputs are float64: float32 does not hold every integer of column "x1"')
    assert wrote == "wrote model.onnx"
    kept = run("lr-export", "--input", "float32")
    assert kept.stderr == "wrote model.onnx\n"
    assert "rounding the inputs to float32 moves the output by at most 4" in kept.stdout
