"""The short form of `make soak`: nothing is lost; how long it takes is not asked."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.serving import soak

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def model(models: Path) -> Path:
    return models / "line.onnx"


def test_good_requests_are_answered_beside_bad_ones(model: Path) -> None:
    seen = soak.abuse(model, half_open=100, bodies=2, seconds=1)
    assert seen.lost == []
    assert seen.answered > 0


def test_no_request_is_lost_when_the_server_starts_again(model: Path) -> None:
    seen = soak.restarts(model, 5)
    assert seen.lost == []
    assert seen.answered > 0


def test_memory_is_read(model: Path) -> None:
    before, after = soak.memory(model, 2000)
    assert 10 << 20 < before < after + soak.MOST_GROWTH < 200 << 20
