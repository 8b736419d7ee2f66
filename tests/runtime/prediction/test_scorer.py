"""What engines call with each batch of Arrow: the rows with their predictions, whoever calls, and how often."""

from __future__ import annotations

import copy
import io
import pickle
from typing import Any

import numpy as np
import pytest

from lr_runtime import Predictor, Scorer
from lr_runtime.errors import InputError, MissingColumnError, OptionError, RowError, TableError
from lr_runtime.prediction.table import Scoring
from lr_runtime.tables import TableOptions, open_table
from tests.optional import needs, optional
from tests.runtime import sensor

pa, pl = optional("pyarrow"), optional("polars")
pytestmark = needs(pa)


@pytest.fixture
def model() -> Predictor:
    return Predictor(sensor.model())
