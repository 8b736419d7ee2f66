"""Rows over the protocol are the rows of `Predictor.predict`: the same bits, or the same line of refusal."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st

from lr_runtime.errors import LinedgeError
from tests.serving.protocol.client import Tensor, Wanted, infer

if TYPE_CHECKING:
    from lr_runtime import Predictor
    from lr_runtime.contract.columns import Column
    from lr_runtime.prediction.result import Prediction
    from lr_runtime.serving.models import Models
    from tests.serving.protocol.client import Answer, Ask, Value

    Values = list[Value | None]

DTYPES = {"FP16": "f2", "FP32": "f4", "FP64": "f8", "BOOL": "?"}
DTYPES |= {f"{kind}{8 * size}": f"{kind[0].lower()}{size}" for kind in ("INT", "UINT") for size in (1, 2, 4, 8)}
TEXTS = ["p", "q", "u", "v", "north", "süd", "Nord", "", "2024-01-01", "2024-01-02T12:30:00+02:00", "soon"]
MODELS = ["ten", "doubles", "sole", "every term", "air", "inverse"]


def numbers(datatype: str, *, is_raw: bool) -> st.SearchStrategy[Value | None]:
    """Values that a column is likely to take, and a few that none takes."""
    dtype = np.dtype(DTYPES[datatype])
    if dtype.kind == "b":
        return st.booleans()
    if dtype.kind in "iu":
        bounds = np.iinfo(dtype)
        odd = st.sampled_from([int(bounds.min), int(bounds.max), *(2**b + 1 for b in (24, 53) if b < bounds.bits - 1)])
        return st.integers(0, 3) | odd
    width = 8 * dtype.itemsize
    usual = st.floats(0.5, 9.0, width=width) if is_raw else st.floats(0.5, 9.0)  # type: ignore[arg-type]
    if is_raw:
        return usual | st.sampled_from([np.nan, np.inf, float(np.finfo(dtype).max)])
    return usual | st.sampled_from([None, 1e300, -5e-324, 0.1])


def array(datatype: str, values: Values, *, is_raw: bool) -> Any:
    """What a tensor is in Python: numbers in JSON are those of JSON."""
    if datatype == "BYTES":
        return np.array(values, dtype=object)
    return np.array(values, "f8" if datatype.startswith("FP") and not is_raw else DTYPES[datatype])


@st.composite
def of_column(draw: st.DrawFn, column: Column, rows: int, *, is_raw: bool) -> Tensor:
    is_text = (column.kind == "category" or column.time is not None) and draw(st.integers(0, 9)) > 0
    datatype = "BYTES" if is_text else draw(st.sampled_from([*DTYPES]))
    one = st.sampled_from([*column.categories, *TEXTS]) if is_text else numbers(datatype, is_raw=is_raw)
    values = draw(st.lists(one, min_size=rows, max_size=rows))
    is_nested = draw(st.booleans()) and not is_raw
    shape = (rows, 1) if is_nested or draw(st.booleans()) else (rows,)
    return Tensor(column.name, datatype, shape, values, is_raw, is_nested)


@st.composite
def of_all(draw: st.DrawFn, columns: int, rows: int, *, is_raw: bool) -> Tensor:
    datatype = draw(st.sampled_from([*DTYPES]))
    size, one = rows * columns, numbers(datatype, is_raw=is_raw)
    values = draw(st.lists(one, min_size=size, max_size=size))
    return Tensor("x", datatype, (rows, columns), values, is_raw, draw(st.booleans()) and not is_raw)


def bits(answer: Answer) -> dict[str, tuple[str, tuple[int, ...], bytes]]:
    kinds = {"FP32": "f4", "FP64": "f8", "BOOL": "?"}
    return {
        name: (each.datatype, each.shape, np.array(each.values, kinds[each.datatype]).tobytes())
        for name, each in answer.tensors.items()
    }


def bits_of(prediction: Prediction) -> dict[str, tuple[str, tuple[int, ...], bytes]]:
    given = ("values", "lower", "upper", "in_range", "leverage")
    found = {}
    for name, attribute in zip(("y", "y_lower", "y_upper", "in_range", "leverage"), given, strict=True):
        if (values := getattr(prediction, attribute)) is not None:
            datatype = {"float32": "FP32", "float64": "FP64", "bool": "BOOL"}[values.dtype.name]
            found[name] = datatype, (len(values), *(values.shape[1:] or (1,))), values.tobytes()
    return found


@pytest.mark.parametrize("is_raw", [False, True])
@pytest.mark.parametrize("model", MODELS)
@given(data=st.data())
@settings(max_examples=30, deadline=None)
def test_rows_have_the_bits_and_the_messages_of_python(
    loaded: Models, ask: Ask, model: str, data: st.DataObject, is_raw: bool
) -> None:
    served, rows = loaded.named(model), data.draw(st.integers(0, 3))
    columns = served.contract.columns
    if data.draw(st.booleans()) and model != "sole":
        tensors = [data.draw(of_all(len(columns), rows, is_raw=is_raw))]
        x = array(tensors[0].datatype, [*tensors[0].values], is_raw=is_raw).reshape(tensors[0].shape)
    else:
        named = [data.draw(of_column(column, rows, is_raw=is_raw)) for column in columns]
        tensors = data.draw(st.permutations(named))
        x = {each.name: array(each.datatype, [*each.values], is_raw=is_raw) for each in tensors}
    outputs = [Wanted(name, is_raw) for name in served.contract.results]
    answer = infer(ask, model, tensors, outputs)
    event("refused" if answer.status == 400 else "taken")
    if (line := refusal(served.predictor, x)) is None:
        assert bits(answer) == bits_of(served.predictor.predict(x))
    else:
        assert (answer.status, answer.error) == (400, line)


def refusal(predictor: Predictor, x: object) -> str | None:
    try:
        predictor.predict(x)
    except LinedgeError as error:
        return str(error)
    return None
