"""The models of these tests, and their handlers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from lr_runtime.choices import LoadOptions
from lr_runtime.serving.models import Models
from tests.serving.protocol.served import asking, export_models

if TYPE_CHECKING:
    from pathlib import Path

    from tests.serving.protocol.client import Ask


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of models."""
    path = tmp_path_factory.mktemp("protocol")
    export_models(path)
    return path


@pytest.fixture(scope="session")
def loaded(folder: Path) -> Models:
    """The models of the folder, as a server has them."""
    return Models(folder, LoadOptions())


@pytest.fixture(scope="session")
def ask(loaded: Models) -> Ask:
    """Ask the handlers."""
    return asking(loaded)
