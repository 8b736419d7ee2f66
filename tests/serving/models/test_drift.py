"""How far inputs have drifted, against sums over all rows with their weights."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lr_runtime import Column, Contract, Output, Predictor
from lr_runtime.serving import create_app
from lr_runtime.serving.drift import ENOUGH, GAUGES, HALF_LIFE, Drift
from tests.serving.models.conftest import ask
from tests.serving.models.test_metrics import of, scraped

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

COLUMNS = (
    Column("a", 0.0, 1.0),
    Column("site", 0.0, 2.0, kind="category", categories=("p", "q", "r")),
    Column("unknown", 0.0, 1.0),
    Column("far", 0.0, 2e9),
)
CONTRACT = Contract(
    COLUMNS, (Output("y", 1.0, 1.0),), 10, "0.1.0", distributions=((1.0, 2.0), (0.25, 0.5, 0.25), (), (1.7e9, 50.0))
)
FEATURES = [("a", ""), ("site", "p"), ("site", "q"), ("site", "r"), ("far", "")]
MEAN, SD = np.array([1.0, 0.25, 0.5, 0.25, 1.7e9]), np.sqrt([4, 3 / 16, 1 / 4, 3 / 16, 2500])


def figures(drift: Drift) -> dict[str, dict[tuple[str, ...], float]]:
    return {name: dict(values) for (name, *_), values in zip(GAUGES, drift.figures(), strict=True)}


def rows_of(random: np.random.Generator, count: int) -> NDArray[np.float64]:
    numbers = [random.normal(3, 0.5, count), random.integers(3, size=count), random.normal(size=count)]
    return np.column_stack([*numbers, random.normal(1.7e9, 20, count)])


@settings(max_examples=25, deadline=None)
@given(sizes=st.lists(st.sampled_from([0, 1, 2, 255, 256, 257, 700]), min_size=1, max_size=6), scrapes=st.booleans())
def test_means_and_deviations_are_those_of_all_rows_with_weights_that_halve(sizes: list[int], scrapes: bool) -> None:
    drift, x = Drift(CONTRACT), rows_of(np.random.default_rng(len(sizes)), sum(sizes))
    for end, size in zip(np.cumsum(sizes), sizes, strict=True):
        drift.add(x[end - size : end])
        if scrapes:
            figures(drift)
    found = figures(drift)
    if not len(x):
        assert found == {name: {} for name in found}
        return
    values = np.column_stack([x[:, 0], *(x[:, 1] == level for level in range(3)), x[:, 3]]).astype(np.longdouble)
    weights = 0.5 ** (np.arange(len(x))[::-1] / HALF_LIFE)
    mean = np.average(values, axis=0, weights=weights)
    sd = np.sqrt(np.average((values - mean) ** 2, axis=0, weights=weights))
    assert [*found["input_mean"]] == FEATURES
    np.testing.assert_allclose([*found["input_mean"].values()], mean.astype(float), rtol=1e-14)
    np.testing.assert_allclose([*found["input_sd"].values()], sd.astype(float), rtol=1e-6, atol=1e-12)
    assert [*found["training_mean"].values()] == MEAN.tolist()
    np.testing.assert_allclose([*found["training_sd"].values()], SD)
    expected = np.hypot(mean - MEAN, np.where(SD > 1, sd - SD, 0)) / SD
    np.testing.assert_allclose([*found["input_drift"].values()], expected.astype(float), rtol=1e-6)
    assert found["drift"] == ({(): max(found["input_drift"].values())} if len(x) >= ENOUGH else {})


def test_a_row_that_is_a_half_life_old_counts_half() -> None:
    drift = Drift(CONTRACT)
    drift.add(np.tile([[0.0, 0, 0, 1.7e9]], (10 * HALF_LIFE, 1)))
    drift.add(np.tile([[1.0, 0, 0, 1.7e9]], (HALF_LIFE, 1)))
    assert figures(drift)["input_mean"]["a", ""] == pytest.approx(0.5, rel=1e-3)


@pytest.mark.parametrize("mean", [0.0, 0.1, -7e5])
def test_a_column_that_was_constant_does_not_drift_by_its_rounding(mean: float) -> None:
    contract = CONTRACT._replace(columns=COLUMNS[:1], distributions=((mean, 0.0),), input_dtype="float32")
    drift = Drift(contract)
    drift.add(np.full((500, 1), mean, np.float32))
    assert figures(drift)["drift"][()] < 0.2
    drift.add(np.full((500, 1), mean + 0.5, np.float32))
    assert figures(drift)["drift"][()] > 1


def test_a_row_far_out_is_forgotten_like_any_other() -> None:
    drift, row = Drift(CONTRACT), np.array([[1.0, 0, 0, 1.7e9]])
    for x in (1e308, -1e308, 1e200):
        drift.add(np.where([True, False, False, True], x, row))
    assert all(np.isfinite([*values.values()]).all() for values in figures(drift).values())
    for _ in range(400):
        drift.add(np.tile(row, (2000, 1)))
    assert figures(drift)["input_mean"]["a", ""] == pytest.approx(1.0)


@pytest.mark.parametrize("values", [(-0.5, 1.5, 0.0), (2.0, -1.0, 0.0)])
def test_shares_that_are_none_stop_no_server(values: tuple[float, ...]) -> None:
    drift = Drift(CONTRACT._replace(columns=COLUMNS[:2], distributions=((1.0, -2.0), values)))
    drift.add(np.zeros((ENOUGH, 2)))
    assert figures(drift)["drift"][()] > 0


def test_a_missing_number_counts_as_what_the_model_puts_in_its_place(tmp_path: Path) -> None:
    import lr_export
    import lr_trainer

    x = np.array([1.0, 2.0, np.nan, 4.0, 7.0])
    checkpoint = lr_trainer.fit({"x": x, "y": [1.0, 2.1, 3.0, 3.9, 7.2]}, target="y", missing="indicator")
    lr_export.export(checkpoint, tmp_path / "m.onnx", drift=True, without_eager=True)
    contract = Predictor.load(tmp_path / "m.onnx").contract
    drift = Drift(contract)
    drift.add(x[:, None])
    found = figures(drift)
    assert found["input_mean"]["x", ""] == pytest.approx(3.5, rel=1e-3)
    assert found["input_mean"]["x", ""] == pytest.approx(found["training_mean"]["x", ""], rel=1e-3)
    assert found["input_sd"]["x", ""] == pytest.approx(found["training_sd"]["x", ""], rel=1e-3)


@pytest.fixture
def watched(tmp_path: Path) -> Any:
    import lr_export
    import lr_trainer

    random = np.random.default_rng(0)
    a, site = random.normal(10, 2, 400), random.choice(["p", "q"], 400)
    table = {"a": a, "site": site, "y": 2 * a + random.normal(size=400)}
    lr_export.export(lr_trainer.fit(table, target="y"), tmp_path / "m.onnx", drift=True, without_eager=True)
    line = lr_trainer.fit({"x": a, "y": 2 * a}, target="y")
    lr_export.export(line, tmp_path / "line.onnx", drift=True, without_eager=True)
    return create_app(tmp_path)


def counted(app: Any, name: str) -> int:
    drift = app.models.named(name).tally.drift
    figures(drift)
    return int(drift._rows)


def test_every_row_that_is_predicted_is_seen_once_and_no_other(watched: Any) -> None:
    assert ask(watched, "/predict?model=line", [[1.5]])[0] == 200  # the fast path
    assert ask(watched, "/predict?model=line", [{"x": 2.5}, {"x": 3.5}])[0] == 200
    predictor = watched.models.named("line").watched
    prediction, faults = predictor.predict_each([[5.5], ["no"], [7.5]])
    assert (len(prediction.values), [*faults]) == (3, [1])
    assert ask(watched, "/invert?model=line", {"reading": {"y": 12.0}})[0] == 200
    assert ask(watched, "/explain?model=line", [[1.5]])[0] == 200
    assert counted(watched, "line") == 5
    mean = scraped(watched)["linedge_input_mean"][of(model="line", column="x", category="")]
    assert mean == pytest.approx(np.mean([1.5, 2.5, 3.5, 5.5, 7.5]), rel=1e-3)
    assert counted(watched, "m") == 0


def test_what_watches_changes_no_bit(watched: Any, tmp_path: Path) -> None:
    x = np.random.default_rng(1).normal(10, 2, (50, 1))
    predictor, plain = watched.models.named("line").watched, Predictor.load(tmp_path / "line.onnx")
    assert predictor.predict(x).values.tobytes() == plain.predict(x).values.tobytes()
    for row in x.tolist():
        assert predictor.predict([row]).values.tobytes() == plain.predict([row]).values.tobytes()
    assert predictor.explain([[3.0]]) == plain.explain([[3.0]])
    assert predictor.invert(y=12.0) == plain.invert(y=12.0)
    assert predictor.sha256 == plain.sha256


def test_a_shift_is_told_in_training_standard_deviations(watched: Any) -> None:
    random = np.random.default_rng(2)
    shifted, sites = random.normal(12, 2, 3000).tolist(), random.choice(["p", "q"], 3000).tolist()
    rows = [{"a": a, "site": site} for a, site in zip(shifted, sites, strict=True)]
    assert ask(watched, "/predict?model=m", rows)[0] == 200
    found = scraped(watched)
    assert found["linedge_drift"][of(model="m")] == pytest.approx(1.0, abs=0.15)
    assert set(found["linedge_drift"]) == {of(model="m")}  # the other has seen too few rows
    assert found["linedge_input_mean"][of(model="m", column="site", category="q")] == pytest.approx(0.5, abs=0.1)


def test_a_model_without_training_rows_has_no_drift(tmp_path: Path, files: Any) -> None:
    (tmp_path / "m.onnx").write_bytes(files["one"])
    app = create_app(tmp_path / "m.onnx")
    assert app.models.named("m").tally.drift is None
    assert "linedge_input_mean" not in scraped(app)


def test_rows_out_of_range_are_those_that_a_file_flags(tmp_path: Path) -> None:
    import lr_export
    import lr_trainer

    ends = [0.1, 0.7, -1 / 3, 1e30]  # none is a float32
    table = {"a": ends, "b": [3.3, 1e-9, 7.7, 2.2], "y": [1.0, 2.0, 3.5, 4.0]}
    checkpoint = lr_trainer.fit(table, target="y", l2=1.0)
    lr_export.export(checkpoint, tmp_path / "m.onnx", flags=True, input_dtype="float32", without_eager=True)
    served = create_app(tmp_path / "m.onnx").models.named("m")
    near = np.array([*ends, *table["b"]], np.float32)
    values = np.concatenate([near, np.nextafter(near, np.float32(-np.inf)), np.nextafter(near, np.float32(np.inf))])
    rows = np.stack([each.ravel() for each in np.meshgrid(values, values)], axis=1)
    flags = served.watched.predict(rows).in_range
    assert flags is not None
    assert 0 < served.tally.out_of_range == np.count_nonzero(~flags) < len(rows) == served.tally.rows
