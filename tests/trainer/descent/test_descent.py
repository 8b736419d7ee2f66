"""Descents against the exact fit, scikit-learn and statsmodels; early stopping, warm starts, and what they say."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import statsmodels.api as sm
import torch
from sklearn.linear_model import HuberRegressor, QuantileRegressor

from lr_runtime.errors import FitError, OptionError
from lr_trainer import fit
from lr_trainer.descent.options import Descent
from lr_trainer.errors import CollinearError, DivergedError, TooFewHeldOutError
from lr_trainer.rows.holdout import Part
from lr_trainer.rows.sources import opened

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from lr_trainer import Checkpoint
    from lr_trainer.choices import LossName, Optimizer
    from lr_trainer.descent.epoch import Epoch

    Array = NDArray[np.float64]

OPTIMIZERS: tuple[Optimizer, ...] = ("sgd", "adam", "adamw", "lbfgs")


def sample(kind: str, rows: int = 300, seed: int = 0) -> tuple[Array, Array]:
    """Return columns and a target with heavy tails, as tables come."""
    random = np.random.default_rng(seed)
    x = random.normal(size=(rows, 3))
    if kind == "timestamps":
        x = x * [3600, 1, 1] + [1.7e9, 0, 20]
    elif kind == "currents":
        x = x * [1e-9, 1e-9, 1e-12] + [5e-9, 0, 0]
    elif kind == "nearly collinear":
        x[:, 2] = x[:, 0] + x[:, 1] + 1e-4 * x[:, 2]
    sd = x.std(axis=0)
    y = ((x - x.mean(axis=0)) / sd) @ [1.0, -0.5, 0.25] + 3 + 0.4 * random.standard_t(3, size=rows)
    return x, 1e-9 * y if kind == "currents" else y


KINDS = ("ordinary", "timestamps", "currents", "nearly collinear")


def table(x: Array, y: Array, **more: Array) -> dict[str, Array]:
    return {"x": x, "y": y, **more}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_the_squared_loss_converges_to_the_exact_fit_with_every_optimizer(optimizer: Optimizer, kind: str) -> None:
    x, y = sample(kind)
    found = fit(table(x, y), target="y", descent=Descent(optimizer=optimizer))
    exact = fit(table(x, y), target="y")
    unit = x.std(axis=0)
    length = np.linalg.norm(exact.weight * unit)
    assert np.linalg.norm((found.weight - exact.weight) * unit) <= 1e-8 * length
    np.testing.assert_allclose(found.bias, exact.bias, rtol=1e-8)
    assert found.fit["distance"] <= 1e-8
    assert found.fit["converged"]
    np.testing.assert_allclose(found.fit["r2"], exact.fit["r2"], rtol=1e-9)


@pytest.mark.parametrize("momentum", [{"momentum": 0.5}, {"momentum": 0.5, "nesterov": True}])
def test_momentum_converges_too(momentum: dict[str, Any]) -> None:
    found = fit(table(*sample("ordinary")), target="y", descent=Descent(optimizer="sgd", lr=0.1, **momentum))
    assert found.fit["distance"] <= 1e-8
    plain = fit(table(*sample("ordinary")), target="y", descent=Descent(optimizer="sgd", lr=0.1))
    assert found.fit["epochs"] < 0.6 * plain.fit["epochs"]


def predictions(checkpoint: Checkpoint, x: Array) -> Array:
    with torch.no_grad():
        return np.asarray(checkpoint.model()(torch.from_numpy(x)).numpy()[:, 0])


def pinball(residual: Array, quantile: float) -> float:
    return float(np.maximum(quantile * residual, (quantile - 1) * residual).mean())


def huber(residual: Array, delta: float) -> float:
    size = np.abs(residual)
    return float(np.where(size <= delta, size**2 / 2, delta * size - delta**2 / 2).mean())


@pytest.mark.parametrize("quantile", [0.1, 0.5, 0.9])
@pytest.mark.parametrize("kind", KINDS)
def test_quantiles_are_those_of_scikit_learn_and_statsmodels(kind: str, quantile: float) -> None:
    x, y = sample(kind)
    found = fit(table(x, y), target="y", descent=Descent(loss="quantile", quantile=quantile))
    loss = pinball(y - predictions(found, x), quantile)
    np.testing.assert_allclose(found.fit["objective"], loss, rtol=1e-9)
    # The peers get columns and a target that they can digest; the loss scales with the target.
    z, scale = (x - x.mean(axis=0)) / x.std(axis=0), y.std()
    theirs = QuantileRegressor(quantile=quantile, alpha=0.0, solver="highs").fit(z, y / scale)
    np.testing.assert_allclose(loss, scale * pinball(y / scale - theirs.predict(z), quantile), rtol=1e-6)
    if kind != "nearly collinear":
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # statsmodels says when its iterations end in a cycle
            other = sm.QuantReg(y / scale, sm.add_constant(z)).fit(q=quantile, max_iter=5000, p_tol=1e-10)
        np.testing.assert_allclose(loss, scale * pinball(np.asarray(other.resid), quantile), rtol=1e-6)
    assert found.fit["converged"]
    assert found.fit["gap"] <= 1e-6


def test_the_absolute_loss_is_twice_the_median_s() -> None:
    x, y = sample("ordinary")
    found = fit(table(x, y), target="y", descent=Descent(loss="absolute"))
    theirs = QuantileRegressor(quantile=0.5, alpha=0.0, solver="highs").fit(x, y)
    np.testing.assert_allclose(found.fit["objective"], np.abs(y - theirs.predict(x)).mean(), rtol=1e-6)


@pytest.mark.parametrize("alpha", [0.0, 20.0])
@pytest.mark.parametrize("optimizer", ["sgd", "lbfgs"])
def test_huber_is_scikit_learn_s(optimizer: Optimizer, alpha: float) -> None:
    x, y = sample("ordinary")
    z = (x - x.mean(axis=0)) / x.std(axis=0)
    epsilon = 1.35
    # Theirs is sum(sigma + H(r / sigma) sigma) + alpha |w|^2, where H sigma = 2 / sigma huber(r; epsilon sigma): at
    # their sigma the same weights minimise mean huber + alpha sigma / (2 n) |w|^2, which is our l2 / 2 |w|^2.
    theirs = HuberRegressor(epsilon=epsilon, alpha=alpha, tol=1e-10, max_iter=1000).fit(z, y)
    delta, l2 = epsilon * float(theirs.scale_), alpha * float(theirs.scale_) / len(y)
    found = fit(table(z, y), target="y", l2=l2, descent=Descent(loss="huber", optimizer=optimizer, delta=delta))
    penalty = l2 / 2 * float((theirs.coef_**2).sum())
    np.testing.assert_allclose(found.fit["objective"], huber(y - theirs.predict(z), delta) + penalty, rtol=1e-6)
    np.testing.assert_allclose(found.weight[0], theirs.coef_, rtol=1e-3)
    assert found.fit["gap"] <= 1e-9


def test_huber_s_default_delta_is_robust() -> None:
    random = np.random.default_rng(2)
    x = random.normal(size=(2001, 2))
    noise = random.normal(size=2001)
    clean = fit(table(x, x @ [1, 2] + 0.5 * noise), target="y", descent=Descent(loss="huber")).fit["delta"]
    np.testing.assert_allclose(clean, 1.345 * 0.5, rtol=0.06)
    noise[random.permutation(2001)[:500]] += 1000
    spoilt = fit(table(x, x @ [1, 2] + 0.5 * noise), target="y", descent=Descent(loss="huber"))
    assert spoilt.fit["delta"] < 2.5 * clean  # a standard deviation would have grown 800 times
    np.testing.assert_allclose(spoilt.weight[0], [1, 2], atol=0.1)


def test_quantiles_cover_what_they_say() -> None:
    random = np.random.default_rng(5)
    x = random.uniform(0, 10, size=(8000, 1))
    y = 2 * x[:, 0] + (1 + 0.5 * x[:, 0]) * random.normal(size=8000)
    train, test = slice(0, 4000), slice(4000, None)
    for quantile in (0.05, 0.5, 0.95):
        found = fit(table(x[train], y[train]), target="y", descent=Descent(loss="quantile", quantile=quantile))
        below = float((y[test] < predictions(found, x[test])).mean())
        assert abs(below - quantile) < 4 * np.sqrt(quantile * (1 - quantile) / 4000) + 0.01


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize(("l1", "l2"), [(0.1, 0.0), (0.0, 0.2), (0.05, 0.1)])
def test_penalties_are_those_of_the_exact_solver(optimizer: Optimizer, l1: float, l2: float) -> None:
    x, y = sample("timestamps")
    descent = Descent(optimizer=optimizer, epochs=3000)
    if optimizer == "adamw":
        with pytest.raises(OptionError, match='optimizer="adam"'):
            fit(table(x, y), target="y", l1=l1, l2=l2, descent=descent)
        return
    found = fit(table(x, y), target="y", l1=l1, l2=l2, descent=descent)
    exact = fit(table(x, y), target="y", l1=l1, l2=l2)
    np.testing.assert_allclose(found.weight, exact.weight, rtol=1e-5, atol=1e-7 * np.abs(exact.weight).max())
    assert found.fit["gap"] <= 1e-6
    assert found.fit["penalty"] == {"l1": [l1], "l2": [l2], "folds": 0}


def test_a_lasso_leaves_weights_at_exactly_0() -> None:
    x, y = sample("ordinary")
    for optimizer in ("sgd", "adam", "lbfgs"):
        found = fit(table(x, y), target="y", l1=0.4, descent=Descent(optimizer=optimizer))
        exact = fit(table(x, y), target="y", l1=0.4)
        assert (found.weight == 0).tolist() == (exact.weight == 0).tolist() != [[False] * 3]


def test_a_lasso_of_a_quantile_is_scikit_learn_s() -> None:
    x, y = sample("ordinary")
    z = (x - x.mean(axis=0)) / x.std(axis=0)
    theirs = QuantileRegressor(quantile=0.7, alpha=0.05, solver="highs").fit(z, y)
    found = fit(table(z, y), target="y", l1=0.05, descent=Descent(loss="quantile", quantile=0.7))
    expected = pinball(y - theirs.predict(z), 0.7) + 0.05 * np.abs(theirs.coef_).sum()
    np.testing.assert_allclose(found.fit["objective"], expected, rtol=1e-6)
    assert found.fit["converged"]
    assert found.fit["gradient_norm"] < 1e-6


LOSSES: tuple[LossName, ...] = ("squared", "huber", "absolute", "quantile")


@pytest.mark.parametrize("loss", LOSSES)
def test_a_weight_of_2_is_a_row_twice(loss: LossName) -> None:
    x, y = sample("ordinary", rows=60)
    options: dict[str, Any] = {"huber": {"delta": 0.5}, "quantile": {"quantile": 0.3}}.get(loss, {})
    twice = np.arange(60) % 3 == 0
    descent = Descent(loss=loss, **options)
    weighted = fit(table(x, y, w=1.0 + twice), target="y", weight="w", descent=descent)
    repeated = fit(table(np.vstack([x, x[twice]]), np.append(y, y[twice])), target="y", descent=descent)
    np.testing.assert_allclose(weighted.fit["objective"], repeated.fit["objective"], rtol=1e-7)


@pytest.mark.parametrize("loss", LOSSES)
def test_several_targets_are_each_fitted_for_themselves(loss: LossName) -> None:
    x, y = sample("ordinary")
    other = 1e6 * sample("ordinary", seed=1)[1]
    both = fit({"x": x, "y": y, "z": other}, target=["y", "z"], descent=Descent(loss=loss))
    for place, target in enumerate((y, other)):
        alone = fit(table(x, target), target="y", descent=Descent(loss=loss))
        np.testing.assert_allclose(both.fit["objective"][place], alone.fit["objective"], rtol=1e-6)
        if loss == "huber":
            np.testing.assert_allclose(both.fit["delta"][place], alone.fit["delta"], rtol=1e-2)


@pytest.mark.parametrize("loss", LOSSES)
def test_without_an_intercept_the_fit_goes_through_0(loss: LossName) -> None:
    x, y = sample("ordinary")
    options: dict[str, Any] = {"delta": 0.5} if loss == "huber" else {}
    found = fit(table(x, y), target="y", intercept=False, descent=Descent(loss=loss, **options))
    assert found.bias[0] == 0
    assert found.fit["converged"]
    if loss == "quantile":
        theirs = QuantileRegressor(quantile=0.5, alpha=0.0, fit_intercept=False, solver="highs").fit(x, y)
        np.testing.assert_allclose(found.fit["objective"], pinball(y - theirs.predict(x), 0.5), rtol=1e-6)


def test_powers_categories_and_missing_values_enter_a_descent() -> None:
    random = np.random.default_rng(8)
    a = random.uniform(5, 9, size=400)
    site = random.choice(["north", "south", "west"], size=400)
    y = a**2 - a + (site == "west") * 3 + 0.1 * random.normal(size=400)
    a[::50] = np.nan
    columns = {"a": a, "site": site, "y": y}
    found = fit(columns, target="y", degree=2, missing="mean", descent=Descent(optimizer="lbfgs"))
    exact = fit(columns, target="y", degree=2, missing="mean")
    np.testing.assert_allclose(found.weight, exact.weight, rtol=1e-8)
    assert found.terms == exact.terms


def test_collinear_columns_are_an_error_that_names_them_or_dropped() -> None:
    x, y = sample("ordinary")
    x[:, 2] = x[:, 0] - 2 * x[:, 1]
    with pytest.raises(CollinearError, match='"x3"'):
        fit(table(x, y), target="y", descent=Descent(loss="absolute"))
    dropped = fit(table(x, y), target="y", drop_collinear=True, descent=Descent(loss="absolute"))
    assert dropped.weight[0, 2] == 0
    assert dropped.fit["collinear"] == ["x3"]
    ridge = fit(table(x, y), target="y", l2=0.01, descent=Descent(loss="absolute"))
    assert ridge.fit["converged"]


@pytest.mark.parametrize(("seed", "index"), [(5, 1), (8, 1)])
def test_newton_s_steps_finish_what_nearly_collinear_columns_hold_up(seed: int, index: int) -> None:
    random = np.random.default_rng(seed)
    x, noise, *away = random.normal(size=(5, 60))
    columns = {"x": x, "z": x + away[index] / 10.0 ** (9 + index), "y": x + noise}
    report = fit(columns, target="y", descent=Descent()).fit
    assert report["epochs"] > 100  # those of LBFGS alone
    assert report["converged"]
    np.testing.assert_allclose(report["rmse"], fit(columns, target="y").fit["rmse"], rtol=1e-8)


def test_a_constant_target_is_fitted_by_itself() -> None:
    x, _ = sample("ordinary")
    found = fit(table(x, np.full(300, 7.0)), target="y", descent=Descent(loss="huber"))
    assert found.weight.tolist() == [[0.0, 0.0, 0.0]]
    assert found.bias.tolist() == [7.0]


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_batches_come_near_the_optimum(optimizer: Optimizer) -> None:
    x, y = sample("timestamps", rows=4000)
    found = fit(table(x, y), target="y", descent=Descent(optimizer=optimizer, batch_size=64))
    assert found.fit["gap"] < 1e-3
    (line,) = [line for line in found.fit["cautions"] if "not converged" in line]
    assert "--epochs" in line
    assert "--batch-size" in line


def test_batches_of_one_loss_are_steps_of_torch_on_autograd() -> None:
    x, y = sample("ordinary", rows=200)
    z = (x - x.mean(axis=0)) / x.std(axis=0)
    z = np.linalg.qr(z - z.mean(axis=0))[0] * np.sqrt(200)
    # In columns that are uncorrelated at unit deviation already, the coordinates are the columns but for the target's
    # unit, so one epoch in one batch order is the loop that a learner would write.
    descent = Descent(optimizer="adam", batch_size=32, epochs=2, lr=0.05, schedule="constant", seed=3)
    found = fit(table(z, y), target="y", descent=descent)
    model = torch.nn.Linear(3, 1, dtype=torch.float64)
    torch.nn.init.zeros_(model.weight)
    torch.nn.init.zeros_(model.bias)
    stepper = torch.optim.Adam(model.parameters(), lr=0.05, eps=1e-30)
    rows = torch.tensor(np.column_stack([z, (y - y.mean()) / y.std()]))
    for epoch in range(2):
        random = np.random.default_rng([3, epoch])
        random.permutation(1)
        for batch in rows[torch.from_numpy(random.permutation(200))].split(32):  # type: ignore[no-untyped-call]
            stepper.zero_grad()
            ((model(batch[:, :3])[:, 0] - batch[:, 3]) ** 2 / 2).mean().backward()
            stepper.step()
    with torch.no_grad():
        expected = model(torch.from_numpy(z))[:, 0].numpy() * y.std() + y.mean()
    np.testing.assert_allclose(predictions(found, z), expected, rtol=1e-9)


def test_the_seed_decides_the_order() -> None:
    x, y = sample("ordinary")
    one, again, other = (
        fit(table(x, y), target="y", descent=Descent(batch_size=10, epochs=2, seed=seed)).weight for seed in (1, 1, 2)
    )
    assert one.tolist() == again.tolist() != other.tolist()


def test_the_bits_do_not_depend_on_the_threads() -> None:
    x, y = sample("ordinary", rows=60_000)
    before, found = torch.get_num_threads(), []
    for threads in (1, 2):
        torch.set_num_threads(threads)
        found.append(fit(table(x, y), target="y", descent=Descent(loss="huber", epochs=5)).weight.tolist())
        assert torch.get_num_threads() == threads
    torch.set_num_threads(before)
    assert found[0] == found[1]


def test_divergence_is_an_error_with_what_to_change() -> None:
    with pytest.raises(DivergedError, match=r"diverged: the loss is .* at epoch [0-9]+\. Try a smaller lr than 2.5"):
        fit(table(*sample("ordinary")), target="y", descent=Descent(optimizer="sgd", lr=2.5))
    with pytest.raises(FitError, match="diverged"):
        fit(table(*sample("ordinary")), target="y", descent=Descent(optimizer="sgd", lr=50, batch_size=10))


def test_a_fit_that_ran_out_of_epochs_says_how_far_it_is() -> None:
    x, y = sample("ordinary")
    found = fit(table(x, y), target="y", descent=Descent(optimizer="sgd", lr=0.01, epochs=50))
    assert not found.fit["converged"]
    (line,) = found.fit["cautions"]
    assert line.startswith("not converged after 50 epochs: the gradient's norm is ")
    assert "use --optimizer lbfgs" in line
    # 0.99^50 of the way is left, and in these coordinates the gradient is that distance.
    np.testing.assert_allclose(found.fit["distance"], 0.99**50, rtol=1e-9)
    exact = fit(table(x, y), target="y", descent=Descent(optimizer="lbfgs"))
    share = 1 - exact.fit["objective"] / found.fit["objective"]
    np.testing.assert_allclose(found.fit["gap"], share, rtol=1e-6)


def noisy(rows: int, columns: int) -> dict[str, Array]:
    random = np.random.default_rng(11)
    x = random.normal(size=(rows, columns))
    return {"x": x, "y": x[:, 0] + 2 * random.normal(size=rows)}


def test_early_stopping_keeps_the_weights_that_predict_best() -> None:
    seen: list[Epoch] = []
    columns = noisy(80, 30)
    descent = Descent(optimizer="sgd", lr=0.05, validation=0.3, patience=5, epochs=500)
    found = fit(columns, target="y", descent=descent, report=seen.append)
    losses = [epoch.validation for epoch in seen]
    validation = found.fit["validation"]
    assert validation["loss"] == min(loss for loss in losses if loss is not None)
    assert losses.index(validation["loss"]) + 1 == validation["epoch"] == len(seen) - 5 < 500
    assert validation["stopped_early"]
    assert any("stopped early" in line and "--patience" in line for line in found.fit["cautions"])
    assert found.fit["rows"] + validation["rows"] == 80
    # The kept weights are those of that epoch, and no others.
    until = Descent(optimizer="sgd", lr=0.05, epochs=validation["epoch"], validation=0.3)
    assert fit(columns, target="y", descent=until).weight.tolist() == found.weight.tolist()


def test_validation_rows_train_nothing() -> None:
    columns = noisy(400, 3)
    descent = Descent(validation=0.25, seed=4)
    found = fit(columns, target="y", descent=descent)
    held = np.random.default_rng([4, 0]).random(4096)[:400] < 0.25
    kept = {name: values[~held] for name, values in columns.items()}
    np.testing.assert_allclose(found.weight, fit(kept, target="y").weight, rtol=1e-9)
    residuals = columns["y"][held] - predictions(found, columns["x"][held])
    np.testing.assert_allclose(found.fit["validation"]["loss"], (residuals**2).mean() / 2, rtol=1e-9)
    assert found.contract.rows == int((~held).sum())


@pytest.mark.parametrize("kind", ["ordinary", "timestamps"])
def test_a_warm_start_begins_where_the_checkpoint_is(kind: str) -> None:
    x, y = sample(kind)
    exact = fit(table(x, y), target="y")
    none = fit(table(x, y), target="y", descent=Descent(optimizer="sgd", epochs=0, init=exact))
    np.testing.assert_allclose(none.weight, exact.weight, rtol=1e-12)
    np.testing.assert_allclose(predictions(none, x), predictions(exact, x), rtol=1e-9)
    with pytest.raises(OptionError, match=r"^init: "):
        fit(table(x[:, :2], y), target="y", descent=Descent(init=exact))


def test_the_report_has_no_false_standard_errors() -> None:
    found = fit(table(*sample("ordinary")), target="y", descent=Descent(loss="huber"))
    assert all(row["standard_error"] is None for row in found.fit["coefficients"])
    assert "a descent gives no standard errors" in found.summary()
    assert found.contract.outputs[0].residual_sd is None
    assert found.fit["solver"] == "descent"
    assert set(found.moments) >= {"mean", "comoment"}


WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "delta of another loss": ({"delta": 1.0}, 'delta belongs to loss="huber"'),
    "quantile of another loss": ({"quantile": 0.5}, 'quantile belongs to loss="quantile"'),
    "batches for lbfgs": ({"optimizer": "lbfgs", "batch_size": 8}, "all rows at once"),
    "momentum for adam": ({"optimizer": "adam", "momentum": 0.9}, 'optimizer="sgd"'),
    "nesterov alone": ({"optimizer": "sgd", "nesterov": True}, "nesterov needs a momentum"),
    "patience alone": ({"patience": 3}, "validation=0.2"),
    "a rate for lbfgs": ({"lr": 0.1}, "line search"),
    "a quantile of 1": ({"loss": "quantile", "quantile": 1.0}, "quantile takes a number between 0 and 1, not 1"),
    "no delta": ({"loss": "huber", "delta": 0.0}, "delta takes a positive number, not 0"),
    "a batch of none": ({"batch_size": 0}, "batch_size takes a whole number of 1 or more, not 0"),
}


@pytest.mark.parametrize("case", WRONG)
def test_options_that_do_not_go_together_are_refused(case: str) -> None:
    options, said = WRONG[case]
    with pytest.raises(OptionError, match=said):
        Descent(**options)


def test_options_of_the_exact_solver_are_refused() -> None:
    for options in ({"minimum_norm": True}, {"penalty": "auto"}, {"errors": "hc3"}, {"influence": True}):
        with pytest.raises(OptionError, match="belongs to descent=None"):
            fit(table(*sample("ordinary")), target="y", descent=Descent(), **options)


@pytest.mark.parametrize("validation", [None, 0.2])
def test_an_interval_is_the_quantile_of_the_rows_held_out(validation: float | None) -> None:
    columns = table(*sample("timestamps", rows=3000))
    descent = Descent(loss="huber", seed=3, validation=validation)
    found = fit(columns, target="y", descent=descent, interval=0.9)
    (held_out,) = Part(opened(columns, None, print), 0.1, [3, 1], held_out=True).batches(
        [*found.contract.column_names, "y"]
    )
    x, y = held_out.values[:, :-1], held_out.values[:, -1]
    errors = np.sort(np.abs(y - predictions(found, x)))
    assert found.fit["conformal"]["rows"] == len(errors)
    assert found.fit["conformal"]["half_width"] == [pytest.approx(errors[int(np.ceil(0.9 * (len(errors) + 1))) - 1])]
    if validation is None:
        assert found.fit["rows"] + len(errors) == 3000
        whole = fit(columns, target="y", descent=Descent(loss="huber"))
        assert found.contract.columns == whole.contract.columns  # the rows held out are in the ranges


def test_too_few_rows_for_an_interval_are_said_before_the_descent() -> None:
    epochs: list[Epoch] = []
    with pytest.raises(TooFewHeldOutError, match="19 held-out rows or more"):
        fit(table(*sample("ordinary", rows=60)), target="y", descent=Descent(), interval=0.95, report=epochs.append)
    assert not epochs


@pytest.mark.parametrize("delta", [1e-4, 1e-7, 1e-10])
def test_a_huber_loss_with_a_small_delta_comes_as_near_to_absolute_errors(delta: float) -> None:
    random = np.random.default_rng(1)
    x = random.normal(size=(200, 2))
    columns = {"x": x, "y": x @ [2.0, -1.5] + random.normal(size=200)}
    found = fit(columns, target="y", descent=Descent(loss="huber", delta=delta))
    least = fit(columns, target="y", descent=Descent(loss="absolute"))
    assert found.fit["converged"]
    # delta |e| - delta^2 / 2 lies within delta^2 / 2 of Huber's loss.
    errors = [np.abs(columns["y"] - x @ each.weight[0] - each.bias[0]).mean() for each in (found, least)]
    assert errors[0] <= errors[1] + delta / 2 + 1e-6 * errors[1]
