"""Models to predict with, exported once for each name and shared by the tests of the runtime."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from lr_runtime import Column, Output
from tests.conftest import CHECKPOINTS, checkpoint_of
from tests.runtime import prebuilt

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from lr_runtime.contract.checkpoint import Checkpoint

Model = tuple["Checkpoint", Path]

# These are about the libraries themselves: that which writes checkpoints, defines operators, holds columns.
collect_ignore = [
    *([] if find_spec("safetensors") else ["contract/test_checkpoint.py"]),
    *([] if find_spec("onnx") else ["onnx_file/test_operators.py"]),
    *([] if find_spec("pyarrow") else ["tables/test_arrow_memory.py"]),
]


@pytest.fixture(scope="session")
def model(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Model]:
    """Give one of `MODELS` by its name: the checkpoint, and the path of the ONNX file made from it."""
    there = prebuilt.folder()
    folder = there or tmp_path_factory.mktemp("models")

    @cache
    def exported(name: str) -> Model:
        if there is None:
            export_model(name, folder)
        return MODELS[name](), folder / file_name(name)

    return exported


def export_model(name: str, folder: Path) -> None:
    """Export one of `MODELS` to a folder."""
    from lr_export import export

    export(MODELS[name](), folder / file_name(name))


def file_name(name: str) -> str:
    """Return the name of a model's file."""
    return f"model-{list(MODELS).index(name)}.onnx"


def with_names(columns: Sequence[str], outputs: Sequence[str] = ("y",)) -> Checkpoint:
    """Return a checkpoint with these names, its weights 2, 4, 8, ... for the first output and more for the next."""
    weight = [[2.0 ** (k + j + 1) for j in range(len(columns))] for k in range(len(outputs))]
    checkpoint = checkpoint_of(weight, 0.5)
    contract = checkpoint.contract._replace(
        columns=tuple(Column(name, -1.0, 1.0) for name in columns),
        outputs=tuple(Output(name, None, None) for name in outputs),
    )
    return replace(checkpoint, contract=contract)


MODELS: dict[str, Callable[[], Checkpoint]] = {
    **CHECKPOINTS,
    "weather": lambda: with_names(["rh", "temp", "p"], ["ozone"]),
    "strange names": lambda: with_names(["a b", "größe", "u=v", '"q",'], ["y (mm)", "名前"]),
}
