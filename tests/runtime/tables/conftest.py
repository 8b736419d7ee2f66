"""What the tests of tables share: every way to read a text table."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.runtime.tables.reading import WAYS, accelerate

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(params=WAYS)
def reader(request: pytest.FixtureRequest) -> Iterator[str]:
    """Each way to parse CSV."""
    with pytest.MonkeyPatch.context() as patch:
        accelerate(patch, request.param)
        yield request.param
