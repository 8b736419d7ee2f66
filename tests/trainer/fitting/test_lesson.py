"""Our cycle is the lesson's cycle: against the numbers that a run of it published, and against the plain loop."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from torch import nn

from lr_runtime.errors import OptionError
from lr_trainer import lesson
from lr_trainer.errors import DivergedError
from tests.conftest import checkpoint_of

if TYPE_CHECKING:
    from collections.abc import Iterator

PUBLISHED_START = (0.05469733104109764, 0.2650507092475891)
PUBLISHED_LOSSES = [
    47.002342224121094,
    0.08923976868391037,
    0.020983560010790825,
    0.004934028722345829,
    0.0011601777514442801,
]
PUBLISHED_PREDICTION = 7.980875492095947


@pytest.fixture(params=[1, 2])
def _threads(request: pytest.FixtureRequest) -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(request.param)
    yield
    torch.set_num_threads(before)


@pytest.mark.usefixtures("_threads")
def test_reproduces_the_published_run_to_the_last_digit() -> None:
    losses: dict[int, float] = {}
    weight, bias = PUBLISHED_START
    _, asked = lesson(init=checkpoint_of([[weight]], bias), report=losses.__setitem__)
    assert [losses[epoch] for epoch in range(0, 500, 100)] == PUBLISHED_LOSSES
    assert asked == PUBLISHED_PREDICTION


OPTIMIZERS: dict[str, Any] = {"sgd": torch.optim.SGD, "adam": torch.optim.Adam, "adamw": torch.optim.AdamW}
LOSSES: dict[str, Any] = {"squared": nn.MSELoss, "huber": nn.HuberLoss, "absolute": nn.L1Loss}


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("loss", LOSSES)
def test_equals_the_loop_a_learner_would_write(optimizer: Any, loss: Any) -> None:
    x, y = torch.tensor([[1.0], [2.0], [3.0]]), torch.tensor([[2.0], [4.0], [6.0]])
    torch.manual_seed(3)
    model, criterion = nn.Linear(1, 1), LOSSES[loss](reduction="sum")
    stepper, losses = OPTIMIZERS[optimizer](model.parameters(), lr=0.02), []
    for _ in range(30):
        error = criterion(model(x), y)
        losses.append(error.item())
        stepper.zero_grad()
        error.backward()
        stepper.step()
    found: list[float] = []
    checkpoint, asked = lesson(
        epochs=30, lr=0.02, optimizer=optimizer, loss=loss, seed=3, report=lambda _, value: found.append(value)
    )
    assert found == losses
    assert asked == model(torch.tensor([[4.0]])).item()
    assert checkpoint.weight[0, 0] == model.weight.item()
    assert checkpoint.bias[0] == model.bias.item()


def test_the_checkpoint_is_the_trained_model_exactly() -> None:
    checkpoint, asked = lesson()
    with torch.no_grad():
        again = checkpoint.model()(torch.tensor([[4.0]]))
    np.testing.assert_allclose(again.item(), asked, rtol=2**-23)
    assert np.float32(checkpoint.weight) == checkpoint.weight
    assert checkpoint.contract.rows == 3
    assert (checkpoint.contract.columns[0].minimum, checkpoint.contract.columns[0].maximum) == (1.0, 3.0)


def test_the_seed_decides_the_start() -> None:
    assert lesson(seed=1)[1] == lesson(seed=1)[1] != lesson(seed=2)[1]


def test_no_epochs_leave_the_initial_weights() -> None:
    torch.manual_seed(0)
    assert nn.Linear(1, 1).weight.item() == lesson(epochs=0)[0].weight[0, 0]


def test_the_callers_random_numbers_are_left_alone() -> None:
    before = torch.get_rng_state()
    lesson(epochs=1)
    assert torch.equal(torch.get_rng_state(), before)


def test_residuals_are_described() -> None:
    checkpoint, _ = lesson()
    x, y = np.array([1.0, 2.0, 3.0]), np.array([2.0, 4.0, 6.0])
    residuals = y - (checkpoint.weight[0, 0] * x + checkpoint.bias[0])
    np.testing.assert_allclose(checkpoint.fit["residual_sd"], np.sqrt((residuals**2).sum() / 1), rtol=1e-12)
    np.testing.assert_allclose(checkpoint.fit["r2"], 1 - (residuals**2).sum() / 8, rtol=1e-12)


def test_divergence_is_an_error_with_its_epoch() -> None:
    with pytest.raises(DivergedError, match=r"diverged: the loss is (inf|nan) at epoch [0-9]+\. Try a smaller lr"):
        lesson(lr=10.0)


def test_an_init_of_another_shape_is_refused() -> None:
    with pytest.raises(OptionError, match="one column"):
        lesson(init=checkpoint_of([[1.0, 2.0]], 0.0))
