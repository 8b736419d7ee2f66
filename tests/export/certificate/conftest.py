"""What the tests of the certificate share: an export that has to fail."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from lr_export import export
from lr_runtime.errors import CheckFailedError
from tests.export.formats.test_formats import CHECKPOINT

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from lr_runtime.contract.formats import FormatName


@pytest.fixture
def refused(tmp_path: Path) -> Callable[..., str]:
    """Export CHECKPOINT over an old file, which has to fail and leave it; returns the message."""
    target = tmp_path / "model"
    target.write_text("an old file")

    def attempt(format_name: FormatName) -> str:
        with pytest.raises(CheckFailedError) as caught:
            export(CHECKPOINT, target, format=format_name)
        assert caught.value.exit_code == 3
        assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {"model": "an old file"}
        return str(caught.value)

    return attempt
