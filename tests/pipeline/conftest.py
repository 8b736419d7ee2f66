"""What the tests of whole commands share."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner

from lr_trainer.cli import main as lr_train

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from click.testing import Result

    Train = Callable[..., Result]


@pytest.fixture
def train(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Train:
    """Run lr-train in an empty folder, in this process: torch is imported once."""
    monkeypatch.chdir(tmp_path)

    def command(*arguments: object, stdin: str | bytes | None = None) -> Result:
        return CliRunner().invoke(lr_train, list(map(str, arguments)), input=stdin)

    return command
