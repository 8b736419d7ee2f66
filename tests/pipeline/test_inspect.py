"""lr-inspect as a user runs it: every kind of file of linedge, every kind of other file, and the self-test."""

from __future__ import annotations

import gzip
import io
import json
import pickle
import zipfile
from dataclasses import replace
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
import pytest
import safetensors.numpy
from onnx import numpy_helper
from onnx.checker import check_model

from lr_export import export
from lr_runtime import Column, Contract, Output, Predictor
from lr_runtime.contract.contract import METADATA_KEY, PRECISIONS
from lr_runtime.contract.formats import EXPORT_FORMATS
from lr_runtime.errors import CheckFailedError, CheckpointError, LinedgeError
from lr_runtime.inspection import self_test
from lr_runtime.inspection.artefact import Artefact
from lr_runtime.inspection.difference import compare
from lr_runtime.inspection.report import lines
from lr_runtime.onnx_file.session import Session
from tests.conftest import DATA, checkpoint_of, one_line

if TYPE_CHECKING:
    from collections.abc import Callable

    from lr_runtime.contract.contract import Precision
    from lr_runtime.contract.formats import FormatName
    from tests.conftest import Run

    Runner = Callable[..., Run]

CHECKPOINT = checkpoint_of([[2.0, -0.5]], 0.25, low=[-1.0, 10.0], high=[1.0, 20.0], origin=[0.0, 16.0])
FORMAT_NAMES: list[FormatName] = list(EXPORT_FORMATS)


@pytest.fixture(scope="session")
def written(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """One file of each kind, made from CHECKPOINT."""
    folder = tmp_path_factory.mktemp("kinds")
    CHECKPOINT.save(folder / "checkpoint")
    for format_name in FORMAT_NAMES:
        export(CHECKPOINT, folder / format_name, format=format_name)
    return {path.name: path for path in folder.iterdir()}


TITLES = {
    "checkpoint": "checkpoint (safetensors)",
    "onnx": "ONNX model",
    "torchscript": "TorchScript archive",
    "pt2": "torch.export archive",
    "c": "C header",
    "js": "JavaScript module",
    "html": "HTML page",
}


@pytest.mark.parametrize("kind", ["checkpoint", *FORMAT_NAMES])
def test_what_a_file_is_does_not_depend_on_its_name(kind: str, run: Runner, written: dict[str, Path]) -> None:
    content = written[kind].read_bytes()
    done = run("lr-inspect", written[kind])
    assert (done.returncode, done.stderr) == (0, "")
    first, *lines = done.stdout.splitlines()
    assert first == f"{TITLES[kind]}, {len(content)} bytes, sha256 {sha256(content).hexdigest()}"
    assert lines[:8] == [
        "written by linedge 0.1.0 from 10 training rows",
        "columns",
        "  x1  number  -1 to 1",
        "  x2  number  10 to 20",
        "outputs",
        "  y  R2 0.5  residual standard deviation 1",
        "equation",
        "  y = 8.25 + 2 x1 - 0.5 x2",
    ]
    assert any(line.startswith("certificate: y within ") for line in lines) == (kind != "checkpoint")


@pytest.mark.parametrize("kind", ["checkpoint", *FORMAT_NAMES])
def test_json_holds_the_contract_and_the_file(kind: str, run: Runner, written: dict[str, Path]) -> None:
    content = written[kind].read_bytes()
    found = json.loads(run("lr-inspect", written[kind], "--json").stdout)
    assert (found["kind"], found["size"], found["sha256"]) == (kind, len(content), sha256(content).hexdigest())
    assert found["equation"]["weight"] == [[2.0, -0.5]]
    assert found["equation_text"] == ["y = 8.25 + 2 x1 - 0.5 x2"]
    fields = {name: found[name] for name in ("contract", *Contract._fields)}
    contract = Contract.from_json(json.dumps(fields))
    assert (contract.columns, contract.outputs) == (CHECKPOINT.contract.columns, CHECKPOINT.contract.outputs)
    assert (contract.bound is None) == (kind == "checkpoint")
    assert found["self_test"] is None
    graph = {"nodes": ["Cast", "Sub", "Gemm", "Cast"], "opset": 13, "ir_version": 7}
    assert found["graph"] == (graph if kind == "onnx" else None)


@pytest.mark.parametrize("kind", ["checkpoint", *FORMAT_NAMES])
def test_files_of_any_two_kinds_are_compared(kind: str, written: dict[str, Path]) -> None:
    changed = replace(CHECKPOINT, bias=CHECKPOINT.bias + 1)
    contract = Artefact.load(written[kind]).contract
    for other in written.values():
        assert compare(contract, Artefact.load(other).contract)["y"].bound == 0
    assert compare(Artefact.of(changed.to_bytes()).contract, contract)["y"].bound == 1


def test_the_report_of_a_fit_and_a_name_in_quotes(run: Runner, tmp_path: Path) -> None:
    columns = (Column("a b", -1.0, 1.0), *CHECKPOINT.contract.columns[1:])
    contract = CHECKPOINT.contract._replace(columns=columns)
    replace(CHECKPOINT, contract=contract, fit={"solver": "exact"}).save(tmp_path / "m")
    assert json.loads(run("lr-inspect", "m", "--json").stdout)["fit"] == {"solver": "exact"}
    assert '  y = 8.25 + 2 "a b" - 0.5 x2\n' in run("lr-inspect", "m").stdout


def test_units_categories_and_results_are_said() -> None:
    contract = CHECKPOINT.contract._replace(
        columns=(
            Column("t", -1.0, 2.5, unit="°C", missing="mean"),
            Column("site", 0.0, 1.0, kind="category", categories=("A", "two words")),
        ),
        outputs=(Output("y", None, None, unit="ppb"),),
        precision="float32",
        input_dtype="float32",
        results=("y", "y_lower", "y_upper", "in_range", "leverage"),
        interval_level=0.95,
        bound=(1.25e-6,),
        input_rounding=(0.125,),
    )
    said = list(lines(Artefact("onnx", b"", contract)))
    for line in (
        "  t     number    -1 to 2.5 °C            may be missing",
        '  site  category  0 = A, 1 = "two words"',
        "  y  R2 not determined  residual standard deviation not determined in ppb",
        "precision float32: x float32 (rows, 2), results float32",
        "certificate: y within 1.25e-06 ppb of the exact model anywhere in the training ranges",
        "inputs: rounding them to float32 changes y by at most 0.125 ppb",
        "interval: 0.95 of new observations fall inside",
    ):
        assert line in said
    assert [line.split()[0] for line in said if "(rows, 1)" in line] == list(contract.results)


def test_the_result_goes_into_a_file(run: Runner, written: dict[str, Path], tmp_path: Path) -> None:
    done = run("lr-inspect", written["onnx"], "-o", "said.txt")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert (tmp_path / "said.txt").read_text() == run("lr-inspect", written["onnx"]).stdout


# --- files that are none of ours ---


def _zip(*records: tuple[str, bytes], compression: int = zipfile.ZIP_STORED) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", compression) as archive:
        for name, record in records:
            archive.writestr(name, record)
    return content.getvalue()


class _Runs:
    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (Path("it-ran"),)


OTHERS: dict[str, tuple[bytes, str]] = {
    "nothing": (b"", ""),
    "a table": (b"x,y\n1,2\n", ""),
    "a pickle that runs code": (pickle.dumps(_Runs()), "a pickle file"),
    "a gzip file": (gzip.compress(b"x"), "a gzip file"),
    "a PDF": (b"%PDF-1.7\n", "a PDF file"),
    "a git-LFS pointer": (b"version https://git-lfs.github.com/spec/v1\n", "git-LFS"),
    "an ORT flatbuffer": (b"\x18\0\0\0ORTM" + bytes(40), "an ORT flatbuffer model"),
    "a spreadsheet": (_zip(("xl/workbook.xml", b"<x/>")), "a zip archive"),
    "a zip with a pickle for a contract": (_zip(("m/extra/linedge", pickle.dumps(_Runs()))), "damaged"),
    "a zip with half a contract": (_zip(("m/extra/linedge", b'{"contract":1,"columns":[')), "damaged"),
    "a compressed contract": (_zip(("m/extra/linedge", b"{}"), compression=zipfile.ZIP_DEFLATED), "compressed"),
    "half a zip": (_zip(("m/extra/linedge", b"{}" * 100))[:90], "a damaged zip archive"),
    "C of someone else": (b"/* a header */\nint main(void);\n", "no contract"),
    "C with half a contract": (b'// linedge c contract\n// |{"contract":1,"col|\n', "damaged"),
    "a language that we do not write": (b"// linedge rust contract\n// |{}|\n", "no contract"),
    "another's safetensors": (b"\x02\0\0\0\0\0\0\0{}", "lr-train did not write"),
    "a contract of tomorrow": (b'// linedge c contract\n// |{"contract":99}|\n', "pip install -U linedge"),
}


@pytest.mark.parametrize("case", OTHERS)
def test_a_file_that_is_none_of_ours_is_one_line(case: str, run: Runner, tmp_path: Path) -> None:
    content, said = OTHERS[case]
    (tmp_path / "file").write_bytes(content)
    message = one_line(run("lr-inspect", "file"), 1)
    assert message.startswith("lr-inspect: file: ")
    assert said in message
    assert message.endswith("Name a file that lr-train or lr-export wrote")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_no_file_and_a_folder(run: Runner, tmp_path: Path) -> None:
    assert one_line(run("lr-inspect", "nosuch"), 1).startswith("lr-inspect: nosuch: no such file. ")
    assert "is a directory" in one_line(run("lr-inspect", tmp_path), 1)
    assert "Missing argument" in one_line(run("lr-inspect"), 2)


@pytest.mark.parametrize("kind", ["checkpoint", *(name for name in FORMAT_NAMES if name != "onnx")])
def test_damaged_files_are_a_clear_error_or_the_contract_as_it_was(kind: str, written: dict[str, Path]) -> None:
    whole = written[kind].read_bytes()
    if kind in {"c", "js", "html"}:  # behind the contract there is code, where damage leaves it as it was
        whole = whole[: whole.index(b"\n", whole.rindex(b"// |")) + 1]
    content = np.frombuffer(whole, dtype=np.uint8)
    random = np.random.default_rng(4)
    refused = 0
    for _ in range(200):
        damaged = content.copy()
        damaged[random.integers(0, len(content), 3)] = random.integers(0, 256, 3)
        try:
            Artefact.of(damaged[: random.integers(1, len(content))].tobytes())
        except LinedgeError:
            refused += 1
    assert refused > 100


def test_a_report_of_a_fit_that_no_json_holds_is_damage() -> None:
    sound = replace(CHECKPOINT, fit={"r2": 0.25})
    damaged = {METADATA_KEY: sound.metadata()[METADATA_KEY].replace('"r2":0.25', '"r2":NaN')}
    with pytest.raises(CheckpointError, match="damaged"):
        Artefact.of(safetensors.numpy.save(dict(sound.tensors()), damaged))


# --- the self-test ---


def with_weight(content: bytes, weight: float) -> bytes:
    """Return the file with another first weight, and the contract as it was."""
    model = onnx.load_model_from_string(content)
    for tensor in model.graph.initializer:
        if tensor.name == "w":
            array = numpy_helper.to_array(tensor).copy()
            array[0, 0] = weight
            tensor.CopyFrom(numpy_helper.from_array(array, tensor.name))
    check_model(model)
    changed: bytes = model.SerializeToString()
    return changed


@pytest.fixture(scope="session")
def at_precision(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Precision], Path]:
    @cache
    def exported(precision: Precision) -> Path:
        target = tmp_path_factory.mktemp("precisions") / f"{precision}.onnx"
        export(CHECKPOINT, target, precision=precision)
        return target

    return exported


@pytest.mark.parametrize("precision", PRECISIONS)
def test_a_sound_file_passes(precision: Precision, run: Runner, at_precision: Callable[[Precision], Path]) -> None:
    path = at_precision(precision)
    done = run("lr-inspect", path, "--self-test")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines()[-1].startswith("self-test: onnxruntime ")
    found = json.loads(run("lr-inspect", path, "--self-test", "--json").stdout)["self_test"]
    assert found["rows"] == 3
    assert found["worst_error"][0] <= found["allowed"][0]
    assert (found["allowed"] == [0.0]) == (precision in {"exact", "portable"})


@pytest.mark.parametrize("precision", PRECISIONS)
def test_a_weight_that_moves_a_golden_output_ends_with_3(
    precision: Precision, run: Runner, tmp_path: Path, at_precision: Callable[[Precision], Path]
) -> None:
    content = at_precision(precision).read_bytes()
    bound = Predictor(content).contract.bound
    assert bound is not None
    # One column reaches 1 in training, so this is what the output moves by: three steps, or three times the bound.
    moved = 2.0 + 3 * (2.0**-21 if precision in {"exact", "portable"} else bound[0] / 0.25)
    (tmp_path / "m.onnx").write_bytes(with_weight(content, moved))
    assert run("lr-inspect", "m.onnx").returncode == 0
    message = one_line(run("lr-inspect", "m.onnx", "--self-test"), 3)
    assert 'from the golden "y" at x = [' in message
    assert ("it has to be equal" in message) == (precision in {"exact", "portable"})


def test_a_last_bit_in_one_row_alone_is_found(
    at_precision: Callable[[Precision], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    content = at_precision("exact").read_bytes()
    honest = Session.run

    def alone(session: Session, x: Any) -> Any:
        y = honest(session, x)
        return y if len(x) > 1 else np.nextafter(y, np.float32(np.inf))

    assert self_test.self_test(content).worst_error == (0.0,)
    monkeypatch.setattr(Session, "run", alone)
    with pytest.raises(CheckFailedError, match="has to be equal"):
        self_test.self_test(content)


def test_without_golden_rows_nothing_is_claimed(run: Runner, tmp_path: Path) -> None:
    # Every output of this model is a rounding tie.
    export(checkpoint_of([[1 + 2.0**-24]], 0.0, low=1, high=1), tmp_path / "m.onnx")
    assert "no golden rows" in one_line(run("lr-inspect", "m.onnx", "--self-test"), 3)


@pytest.mark.parametrize("kind", ["checkpoint", *(name for name in FORMAT_NAMES if name != "onnx")])
def test_only_onnx_tests_itself(kind: str, run: Runner, written: dict[str, Path]) -> None:
    assert "--self-test runs ONNX files" in one_line(run("lr-inspect", written[kind], "--self-test"), 2)


def test_the_golden_file_passes(run: Runner) -> None:
    assert "3 golden rows bit for bit" in run("lr-inspect", DATA / "golden.onnx", "--self-test").stdout


def test_units_come_from_the_trainer(run: Runner, tmp_path: Path) -> None:
    norris = DATA / "nist" / "norris.csv"
    assert run("lr-train", norris, "--target", "y", "--unit", "x=ppb", "--unit", "y=ppb").returncode == 0
    assert run("lr-export").returncode == 0
    for name in ("model.safetensors", "model.onnx"):
        assert "  x  number  0.2 to 999 ppb" in run("lr-inspect", name).stdout.splitlines()
    wrong = run("lr-train", norris, "--target", "y", "--unit", "x")
    assert "--unit takes NAME=UNIT" in one_line(wrong, 2)


def test_a_checkpoint_says_how_it_was_fitted(run: Runner, tmp_path: Path) -> None:
    rows = "".join(f"{row},{3 * row + row * row % 7}\n" for row in range(300))
    (tmp_path / "t.csv").write_text("x,y\n" + rows)
    fitted = ("--target", "y", "--l2", "0.1", "--no-intercept", "--interval", "0.9", "--unit", "y=mm", "--json")
    report = json.loads(run("lr-train", "t.csv", *fitted).stdout)
    lines = run("lr-inspect", "model.safetensors").stdout.splitlines()
    width = f"{report['conformal']['half_width'][0]:.6g}"
    assert f"0.9 interval (conformal, 30 rows held out): y +- {width} mm" in lines
    assert any("about 0, there is no intercept" in line for line in lines)
