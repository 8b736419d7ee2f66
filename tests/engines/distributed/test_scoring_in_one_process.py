"""A scorer alone, on the rows that engines are held on: however a table is cut, it gives what lr-infer writes."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lr_runtime import Scorer
from tests.engines.distributed.scored import ROWS, Scored, scored


@pytest.fixture(scope="module")
def case(tmp_path_factory: pytest.TempPathFactory) -> Scored:
    return scored(tmp_path_factory.mktemp("alone"))


@given(cuts=st.sets(st.integers(0, ROWS), max_size=6), on_error=st.sampled_from(["null", "skip"]))
@settings(max_examples=25, deadline=None)
def test_however_a_table_is_cut_its_rows_are_those_of_lr_infer(case: Scored, cuts: set[int], on_error: Any) -> None:
    ends = [0, *sorted(cuts), ROWS]
    scorer = Scorer(case.model, on_error=on_error)
    parts = [scorer(case.table.slice(first, end - first)) for first, end in pairwise(ends)]
    assert {part.schema for part in parts} == {scorer.schema(case.table.schema)}
    assert pa.concat_tables(parts).to_pylist() == case.expected[on_error]


OTHER_TYPES = {
    "price": lambda column: pa.array(map(float, column.to_pylist())),  # a decimal
    "count": lambda column: column.cast(pa.decimal128(12, 1)),
    "site": lambda column: column.dictionary_encode(),
    "day": lambda column: column.cast(pa.timestamp("ns")),
    "reading": lambda column: column.cast(pa.string()),
}


@pytest.mark.parametrize("name", OTHER_TYPES)
def test_a_column_of_another_type_has_the_same_predictions(case: Scored, name: str) -> None:
    place, scorer = case.table.column_names.index(name), Scorer(case.model, keep="id", on_error="null")
    assert scorer(case.table.set_column(place, name, OTHER_TYPES[name](case.table[name]))) == scorer(case.table)
