"""What engines call with each batch of Arrow: the rows with their predictions, whoever calls, and how often."""

from __future__ import annotations

import pytest

from lr_runtime import Predictor
from tests.optional import needs, optional
from tests.runtime import sensor

pa, pl = optional("pyarrow"), optional("polars")
pytestmark = needs(pa)


@pytest.fixture
def model() -> Predictor:
    return Predictor(sensor.model())
