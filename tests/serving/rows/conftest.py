"""The application of the models that are served, in this process."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from lr_runtime import Predictor
from lr_runtime.serving import create_app
from tests.serving.asgi import Client

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@pytest.fixture(scope="session")
def client(models: Path) -> Client:
    return Client(create_app(models))


@pytest.fixture(scope="session")
def predictor(models: Path) -> Callable[[str], Predictor]:
    """Load one of `models` by its name."""
    return lambda name: Predictor.load(models / f"{name}.onnx")
