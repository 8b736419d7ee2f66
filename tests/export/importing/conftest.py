"""What tests of imported models share."""

from __future__ import annotations

import pytest

from lr_export.importing import folding


@pytest.fixture
def few_probes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hold a model against its source on few rows: the tests hold it on others."""
    monkeypatch.setattr(folding, "_MOST_PROBED", 300)
