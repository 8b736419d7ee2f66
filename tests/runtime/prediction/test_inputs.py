"""Every form that rows come in gives the same predictions, on a model with all that a contract can say."""

from __future__ import annotations

import threading
import unicodedata
from decimal import Decimal
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lr_runtime import Predictor
from lr_runtime.errors import InputError, MissingColumnError, OptionError, RowError
from lr_runtime.prediction.explanation import explained
from tests.conftest import DATA
from tests.optional import optional
from tests.runtime import sensor

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.runtime.conftest import Model

    Models = Callable[[str], Model]

pa, pd = optional("pyarrow"), optional("pandas")

NAN = float("nan")
ROWS: list[tuple[float | None, str | None, float]] = [
    (18.0, "south", 3.0),
    (None, "north", -1.0),
    (8.0, None, 0.5),
    (20.0, "east", 11.0),
]
EXPECTED = [sensor.expected(*row) for row in ROWS]
NAMED: dict[str, Any] = {name: [row[index] for row in ROWS] for index, name in enumerate(["t", "site", "p"])}
SHUFFLED: dict[str, Any] = {"id": ["a", "b", "c", "d"], **dict(reversed(NAMED.items())), "time": [0, 1, 2, 3]}
INDICES = [
    [NAN if t is None else t, NAN if site is None else float(sensor.SITES.index(site)), p] for t, site, p in ROWS
]
FORMS: dict[str, Any] = {
    "an array, categories by index": np.array(INDICES),
    "a float32 array": np.array(INDICES, np.float32),
    "rows with text": [list(row) for row in ROWS],
    "tuples": ROWS,
    "an array of objects": np.array(ROWS, dtype=object),
    "columns by name": NAMED,
    "columns in another order, and more of them": SHUFFLED,
    "columns as arrays": {name: np.array(cells, dtype=object) for name, cells in NAMED.items()},
    "rows by name": [dict(zip(NAMED, row, strict=True)) for row in ROWS],
    "rows by name that leave out what is missing": [
        {name: cell for name, cell in zip(NAMED, row, strict=True) if cell is not None} for row in ROWS
    ],
    "a frame of pandas": pd.DataFrame(SHUFFLED),
    "a frame with a strange index": pd.DataFrame(SHUFFLED, index=[7, 5, 5, -1]),
    "a frame of pandas's own types": pd.DataFrame(SHUFFLED).convert_dtypes(),
    "a frame with a category": pd.DataFrame(SHUFFLED).astype({"site": "category"}),
    "a table of pyarrow": pa.table(SHUFFLED),
    "a batch of pyarrow": pa.RecordBatch.from_pydict(SHUFFLED),
    "a dictionary column": pa.table({**SHUFFLED, "site": pa.array(SHUFFLED["site"]).dictionary_encode()}),
    "a structured array": np.array(
        [(p, site or "", t) for t, site, p in ROWS if t is not None and site is not None],
        dtype=[("p", "f8"), ("site", "U5"), ("t", "f8")],
    ),
}


@pytest.fixture(scope="module")
def predictor() -> Predictor:
    return Predictor(sensor.model())


@pytest.mark.parametrize("form", FORMS)
def test_every_form_gives_the_same(form: str, predictor: Predictor) -> None:
    expected = [EXPECTED[0], EXPECTED[3]] if form == "a structured array" else EXPECTED
    assert predictor.predict(FORMS[form]).rows() == expected


def test_results_are_arrays_of_rows(predictor: Predictor) -> None:
    prediction = predictor.predict(NAMED)
    assert (prediction.lower is not None, prediction.upper is not None) == (True, True)
    assert prediction.values.shape == prediction.lower.shape == prediction.upper.shape == (4, 1)  # type: ignore[union-attr]
    assert prediction.in_range is not None
    assert prediction.in_range.tolist() == [True, True, True, False]
    assert prediction.leverage is not None
    assert prediction.leverage.shape == (4,)
    assert list(prediction.columns()) == ["ozone", "ozone_lower", "ozone_upper", "in_range", "leverage"]


def test_y_alone(predictor: Predictor) -> None:
    alone = Predictor(sensor.model(), only_y=True).predict(NAMED)
    assert (alone.lower, alone.upper, alone.in_range, alone.leverage) == (None, None, None, None)
    assert alone.values.tobytes() == predictor.predict(NAMED).values.tobytes()


def test_columns_that_are_ignored_are_named(predictor: Predictor) -> None:
    assert predictor.predict(SHUFFLED).ignored == ("id", "time")
    assert predictor.predict(NAMED).ignored == ()


def test_one_row_is_the_row_among_others(predictor: Predictor) -> None:
    for index, row in enumerate(ROWS):
        single = dict(zip(NAMED, row, strict=True))
        assert predictor.predict(single).rows() == predictor.predict([list(row)]).rows() == [EXPECTED[index]]


NUMBERS: dict[str, Any] = {
    "a float": 0.5,
    "an integer": 3,
    "a truth value": True,
    "a number of numpy": np.float64(0.5),
    "an array without dimensions": np.array(0.5),
    "an array of one": np.array([0.5]),
    "a list of one": [0.5],
    "a decimal": Decimal("0.5"),
    "a fraction": Fraction(1, 2),
}


@pytest.mark.parametrize("kind", NUMBERS)
def test_one_row_by_name_in_any_order(kind: str, model: Models) -> None:
    _, path = model("weather")
    weather, value = Predictor.load(path), NUMBERS[kind]
    number = float(value[0]) if isinstance(value, list) or np.shape(value) else float(value)
    expected = weather.predict(np.array([[number, number, 2.0 * number]])).values
    doubled = [2 * one for one in value] if isinstance(value, list) else 2 * value
    by_name = {"p": doubled, "temp": value, "rh": value}
    assert weather.predict(by_name).values.tolist() == expected.tolist()
    assert weather.predict({**by_name, "more": 1}).ignored == ("more",)


def test_names_are_compared_in_composed_characters(model: Models) -> None:
    strange = Predictor.load(model("strange names")[1])
    names = strange.contract.column_names
    decomposed = {unicodedata.normalize("NFD", name): [1.0] for name in names}
    assert set(decomposed) != set(names)
    assert strange.predict(decomposed).values.tolist() == strange.predict([[1.0] * len(names)]).values.tolist()
    rows = [dict.fromkeys(each, 1.0) for each in (names, decomposed)]
    for twice in (rows, rows[::-1], [rows[0] | rows[1]], rows[0] | rows[1]):  # whose values would be taken for missing
        with pytest.raises(InputError, match="a name stands twice among the columns"):
            strange.predict(twice)


FAULTS: dict[str, tuple[Any, list[str]]] = {
    "a category that is nearly one": (
        {"site": "Nroth"},
        ['"Nroth" is unknown', 'Did you mean "north"', "--unknown missing"],
    ),
    "another category": ({"site": "x"}, ['column "site"', '"x" is unknown. The model knows "north", "south", "east"']),
    "a number for a category": ({"site": 1}, ['the category "1" is unknown']),
    "a missing value": ({"p": None}, ['column "p": the value is missing']),
    "NaN": ({"p": NAN}, ['column "p": the value is missing']),
    "infinity": ({"t": -np.inf}, ['column "t": -inf is not a finite number']),
    "beyond float32": ({"p": 1e39}, ['column "p": 1e+39 is beyond the range of float32']),
    "an integer that float32 rounds": ({"p": 2**24 + 1}, ["16777217 is an integer", "holds 16777216"]),
    "an integer beyond float64": ({"p": 2**70 + 1}, [f"{2**70 + 1} is an integer"]),
    "an integer without end": ({"p": 10**400}, ['column "p": inf is not a finite number']),
    "text for a number": ({"t": "warm"}, ['column "t"', '"warm" is not a number']),
    "a prediction beyond float32": ({"p": 3e38, "t": 3e38}, ["is beyond the range of float32 there"]),
}


@pytest.mark.usefixtures("typed")
@pytest.mark.parametrize("case", FAULTS)
def test_a_bad_value_says_what_is_wrong(case: str, predictor: Predictor) -> None:
    change, said = FAULTS[case]
    with pytest.raises(InputError) as caught:
        predictor.predict({"t": 18.0, "site": "south", "p": 3.0, **change})
    for words in said:
        assert words in str(caught.value)


@pytest.mark.parametrize("cells", [(1, 2.5), (True, 2), (2.0, True, 1), (2**63, -1), (np.int8(1), 0.5)])
def test_a_category_is_called_as_it_is_alone_whatever_stands_beside_it(
    cells: tuple[object, ...], predictor: Predictor
) -> None:
    rows = [{"t": 18.0, "site": cell, "p": 3.0} for cell in cells]
    columns = {name: [row[name] for row in rows] for name in rows[0]}
    for x in (rows, columns):
        _, faults = predictor.predict_each(x)
        assert [f'the category "{cell}" is unknown' in faults[row] for row, cell in enumerate(cells)] == [True] * len(
            rows
        )


INTEGERS: dict[str, Callable[[int], Any]] = {
    "an array": lambda n: np.array([[1, 0, n]]),
    "a list": lambda n: [[1.5, 0, n]],
    "a column": lambda n: {"t": [1.5], "site": ["north"], "p": [n]},
    "an array by name": lambda n: {"t": [1.5], "site": ["north"], "p": np.array([n])},
    "a row by name": lambda n: [{"t": 1.5, "site": "north", "p": n}],
    "text": lambda n: [["1.5", "north", str(n)]],
    "a column of text": lambda n: {"t": [1.5], "site": ["north"], "p": [str(n)]},
    "a row of text by name": lambda n: {"t": "1.5", "site": "north", "p": str(n)},
    "a frame": lambda n: pd.DataFrame({"t": [1.5], "site": ["north"], "p": [n]}, index=["a"]),
    "a table of pyarrow": lambda n: pa.table({"t": [1.5], "site": ["north"], "p": [n]}),
}


@pytest.mark.parametrize("form", INTEGERS)
@given(n=st.integers(-(2**53), 2**53))
@settings(max_examples=40, deadline=None)
def test_an_integer_is_taken_where_float32_holds_it(form: str, n: int, predictor: Predictor) -> None:
    if int(np.float32(n)) == n:
        predictor.predict(INTEGERS[form](n))
    else:
        with pytest.raises(RowError, match=f"{n} is an integer that float32 does not hold exactly"):
            predictor.predict(INTEGERS[form](n))


def test_integers_of_a_frame_are_told_by_place_not_by_label(predictor: Predictor) -> None:
    frame = pd.DataFrame({"t": [1.5, 1.5], "site": ["north", "north"], "p": [2**25, 2**24 + 1]}, index=[1, 0])
    assert predictor.predict(frame[:1]).values.shape == (1, 1)
    with pytest.raises(RowError, match=r"row 2: .* 16777217 is an integer"):
        predictor.predict(frame)


def test_a_float_is_rounded_as_the_certificate_states(predictor: Predictor) -> None:
    large = float(2**24 + 1)  # written as a float: a measurement, not a count
    assert predictor.predict([[16.0, 0.0, large]]).rows() == predictor.predict([[16.0, 0.0, float(2**24)]]).rows()


INDEX_FAULTS = [3.0, -1.0, 0.5]


@pytest.mark.parametrize("index", INDEX_FAULTS)
def test_an_index_that_is_none_is_refused(index: float, predictor: Predictor) -> None:
    with pytest.raises(RowError, match=f'column "site": {index} is none of its indices, 0 to 2'):
        predictor.predict([[18.0, index, 3.0]])


def test_an_unknown_category_may_be_missing() -> None:
    lenient = Predictor(sensor.model(), unknown="missing")
    assert lenient.predict({"t": 18.0, "site": "moon", "p": 3.0}).rows() == [sensor.expected(18.0, None, 3.0)]


def test_a_missing_column_is_named_with_what_came(predictor: Predictor) -> None:
    with pytest.raises(MissingColumnError, match='no columns "t", "p"; it has: "site", "temp"'):
        predictor.predict(pd.DataFrame({"site": ["north"], "temp": [1.0]}))


def test_no_provider_and_no_engine_are_said_in_one_line() -> None:
    with pytest.raises(OptionError, match=r'"abacus" is not in this ONNX Runtime, which has: .*cpu'):
        Predictor(sensor.model(), provider="abacus")
    assert Predictor(sensor.model(), provider="CPUExecutionProvider", threads=2).predict(NAMED).rows() == EXPECTED


# --- explanations ---


@pytest.mark.parametrize("row", ROWS, ids=str)
def test_shares_sum_to_the_prediction(row: tuple[float | None, str | None, float], predictor: Predictor) -> None:
    (explanation,) = predictor.explain([list(row)])
    y = sensor.expected(*row)["ozone"]
    assert explanation.prediction == explanation.total == y
    assert sum(share.contribution for share in explanation.shares) + explanation.intercept == y
    assert [share.weight for share in explanation.shares] == list(sensor.WEIGHTS)
    assert all(share.contribution == share.weight * share.value for share in explanation.shares)


def test_an_explanation_names_its_terms(predictor: Predictor) -> None:
    (explanation,) = predictor.explain({"t": 18, "site": "south", "p": 3})
    names = ["(t - 16) / 4", "((t - 16) / 4)^2", "site=south", "site=east", "site missing", "p"]
    assert [share.term for share in explanation.shares] == names
    assert [share.value for share in explanation.shares] == [0.5, 0.25, 1.0, 0.0, 0.0, 3.0]


def test_only_one_row_is_explained(predictor: Predictor) -> None:
    with pytest.raises(InputError, match="of one row, not of 4"):
        predictor.explain(NAMED)


def test_a_model_without_an_equation_is_not_explained() -> None:
    with pytest.raises(InputError, match="carries no equation"):
        explained(sensor.CONTRACT._replace(equation=None), [1.0, 0.0, 1.0], [1.0])


@pytest.mark.parametrize("name", ["two outputs", "an offset column", "ten columns"])
def test_an_exported_model_explains_itself(name: str, model: Models) -> None:
    checkpoint, path = model(name)
    exported = Predictor.load(path)
    row = np.random.default_rng(5).normal(size=(1, len(checkpoint.contract.columns)))
    for explanation in exported.explain(row):
        assert np.float32(explanation.total) == pytest.approx(np.float32(explanation.prediction), rel=1e-6)


MASKED: dict[str, Any] = {
    "numbers": np.ma.array([[18.0, 1.0, 3.0], [-999.0, 0.0, -1.0]], mask=np.array([[0, 0, 0], [1, 0, 0]], bool)),
    "columns": {
        "t": np.ma.array([18, -999], mask=np.array([0, 1], bool)),
        "site": ["south", "north"],
        "p": [3.0, -1.0],
    },
    "text": {"t": [18.0, None], "site": np.ma.array(["south", "north"], mask=np.array([0, 0], bool)), "p": [3.0, -1.0]},
}


AS_TEXT: dict[str, Any] = {
    "a list with NaN": {"t": [18.0, None], "site": ["south", "north"], "p": ["3.0", " -1"]},
    "numbers and text in one list": {"t": ["18", float("nan")], "site": ["south", "north"], "p": [3, "-1.0"]},
    "a token for a missing number": {"t": ["18.0", "NA"], "site": ["south", "north"], "p": [3.0, -1.0]},
    "rows": [{"t": "18", "site": "south", "p": "3"}, {"t": None, "site": "north", "p": "-1"}],
    "by position": [["18", "south", 3], [None, "north", "-1"]],
}


@pytest.mark.parametrize("case", AS_TEXT)
def test_text_that_is_a_number_is_read_as_in_a_table(case: str, predictor: Predictor) -> None:
    assert predictor.predict(AS_TEXT[case]).rows() == EXPECTED[:2]


def test_nan_beside_categories_is_missing(predictor: Predictor) -> None:
    for sites in (["south", float("nan")], np.array(["south", float("nan")]), np.array(["south", None], dtype=object)):
        found = predictor.predict({"t": [18.0, 20.0], "site": sites, "p": [3.0, 1.0]}).rows()
        assert found == [sensor.expected(18.0, "south", 3.0), sensor.expected(20.0, None, 1.0)]


@pytest.mark.parametrize("case", MASKED)
def test_a_masked_value_is_missing(case: str, predictor: Predictor) -> None:
    assert predictor.predict(MASKED[case]).rows() == EXPECTED[:2]


def test_a_number_by_position_is_an_index_whatever_stands_beside_it(predictor: Predictor) -> None:
    alone = predictor.predict([[18.0, 1, 3.0]]).rows()
    assert alone == [sensor.expected(18.0, "south", 3.0)]
    for other in ([None, 0, 1.0], [20.0, "east", 1.0], [20.0, None, 1.0]):
        assert predictor.predict([[18.0, 1, 3.0], other]).rows()[:1] == alone
        assert predictor.predict(np.array([[18.0, 1, 3.0], other], dtype=object)).rows()[:1] == alone
    with pytest.raises(RowError, match='the category "index 3" is unknown'):
        predictor.predict([[18.0, 3, 3.0], [20.0, "east", 1.0]])


@pytest.mark.parametrize(
    ("row", "error"),
    [
        ([np.int32(2**31 - 1), np.int32(1)], RowError),
        ([np.int64(2**62 + 1), np.int64(2**62 + 1)], RowError),
        ([np.complex128(1 + 2j), np.complex128(1)], InputError),
    ],
    ids=["32 bits", "64 bits", "complex"],
)
def test_one_row_of_numpys_numbers_is_held_to_the_same_rules(
    row: list[Any], error: type[Exception], model: Models
) -> None:
    exported = Predictor.load(model("a zero weight")[1])
    with pytest.raises(error):
        exported.predict([row, row])
    with pytest.raises(error):
        exported.predict([row])
    assert exported.predict([[np.int8(-128), np.uint8(255)]]).rows() == exported.predict([[-128.0, 255.0]]).rows()


# --- threads ---


def test_threads_do_not_see_each_others_rows() -> None:
    """Many threads, one predictor, a row of its own each: a shared binding gives wrong answers here."""
    shared = Predictor.load(DATA / "golden.onnx")
    rows = [np.array([[float(index)]], np.float32) for index in range(4)]
    alone = [shared.predict(row).values.item() for row in rows]
    wrong: list[int] = []
    start = threading.Barrier(len(rows))

    def work(index: int) -> None:
        start.wait()
        for _ in range(3_000):
            if shared.predict(rows[index]).values.item() != alone[index]:
                wrong.append(index)

    threads = [threading.Thread(target=work, args=(index,)) for index in range(len(rows))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_a_result_is_the_callers_own() -> None:
    shared = Predictor.load(DATA / "golden.onnx")
    first = shared.predict([[1.0]])
    before = first.values.copy()
    shared.predict([[2.0]])
    assert first.values.tobytes() == before.tobytes()


def test_a_row_with_a_fault_is_in_no_range(predictor: Predictor) -> None:
    rows = [{"t": 20.0, "site": "north", "p": 1.0}, {"t": 20.0, "site": "nowhere", "p": 1.0}]
    alone, _ = predictor.predict_each(rows[:1])
    prediction, faults = predictor.predict_each(rows)
    assert list(faults) == [1]
    assert alone.in_range is not None
    assert prediction.in_range is not None
    assert prediction.leverage is not None
    assert prediction.in_range.tolist() == [*alone.in_range.tolist(), False]
    assert np.isnan([prediction.values[1, 0], prediction.leverage[1]]).all()
