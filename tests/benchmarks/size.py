"""How large things are: the artefacts of the lesson's model, and the runtime as a device installs it."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import venv
from pathlib import Path
from typing import TYPE_CHECKING

import onnx

from lr_export import export
from lr_runtime.contract.contract import PRECISIONS
from lr_trainer import lesson
from tests.conftest import ROOT, checkpoint_of

if TYPE_CHECKING:
    from collections.abc import Iterator


def report() -> Iterator[str]:
    """Yield the lines."""
    with tempfile.TemporaryDirectory() as folder:
        checkpoint, _ = lesson()
        export(checkpoint, Path(folder, "m.onnx"))
        model = onnx.load(Path(folder, "m.onnx"))
        whole = Path(folder, "m.onnx").stat().st_size
        del model.metadata_props[:]
        yield f"the lesson's ONNX file: {whole} bytes, {len(model.SerializeToString())} without metadata"
        export(checkpoint, Path(folder, "m.pt"), format="torchscript")
        yield f"its TorchScript file: {Path(folder, 'm.pt').stat().st_size} bytes"
        yield from _graphs(Path(folder))
        wheel = built(Path(folder))
        yield f"the wheel: {wheel.stat().st_size / 1e3:.0f} kB"
        yield from _installed(wheel, Path(folder, "bare"), "the bare runtime")
        yield from _installed(f"{wheel}[train,export]", Path(folder, "gateway"), "what trains, exports and infers")


def _graphs(folder: Path) -> Iterator[str]:
    """Weigh the ONNX files of three columns without their metadata."""
    for what, origin in (("origin 0", 0.0), ("origins", 1004.0)):
        checkpoint = checkpoint_of([[1.0, 2.0, 3.0]], 4.0, low=1000.0, high=1010.0, origin=origin)
        for precision in PRECISIONS:
            export(checkpoint, folder / "m.onnx", precision=precision)
            model = onnx.load(folder / "m.onnx")
            del model.metadata_props[:]
            yield f"ONNX, 3 columns with {what}, {precision}: {model.ByteSize()} bytes without metadata"


def built(folder: Path) -> Path:
    """Return the wheel of this tree, built into a folder."""
    _quietly(sys.executable, "-m", "build", "--wheel", "--outdir", folder, ROOT)
    (wheel,) = folder.glob("*.whl")
    return wheel


def _installed(wanted: object, folder: Path, title: str) -> Iterator[str]:
    """Install the wheel with some of its extras, without pip in the environment, and weigh what came."""
    venv.create(folder, with_pip=False)
    python = folder / "bin" / "python"
    _quietly(sys.executable, "-m", "pip", "--python", python, "install", "-c", ROOT / "constraints.txt", wanted)
    (site,) = (folder / "lib").glob("python*/site-packages")
    sizes = {
        entry.name: sum(file.stat().st_size for file in entry.rglob("*") if file.is_file()) / 1e6
        for entry in site.iterdir()
        if entry.is_dir()
    }
    packages = sorted(entry.name.split("-")[0] for entry in site.glob("*.dist-info"))
    largest = sorted(sizes, key=lambda name: -sizes[name])[:4]
    yield f"{title}: {sum(sizes.values()):.0f} MB on disk, packages: {', '.join(packages)}"
    yield f"  of that: {', '.join(f'{name} {sizes[name]:.0f} MB' for name in largest)}"


def _quietly(*command: object) -> None:
    subprocess.run([str(word) for word in command], check=True, capture_output=True)
