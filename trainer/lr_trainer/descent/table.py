"""The way of a descent from a table to its end: moments, coordinates, the rows in these coordinates, the cycle."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import torch

from lr_runtime import __version__
from lr_runtime.errors import OptionError
from lr_runtime.options import dashed
from lr_trainer.descent.coordinates import Coordinates
from lr_trainer.descent.cycle import Cycle
from lr_trainer.descent.first_order import Batches, FirstOrder
from lr_trainer.descent.losses import MAD, Loss
from lr_trainer.descent.objective import Objective, Penalties
from lr_trainer.descent.options import HUBER, MEDIAN, Descent
from lr_trainer.descent.order_statistics import median_size
from lr_trainer.descent.problem import Setting, start_of
from lr_trainer.descent.quasi_newton import QuasiNewton
from lr_trainer.descent.result import Descended, descended
from lr_trainer.descent.row_store import Store
from lr_trainer.moments.prepared import Prepared, expanded
from lr_trainer.rows.blocks import one_thread

if TYPE_CHECKING:
    from collections.abc import Callable

    from lr_trainer.arithmetic.arrays import Array
    from lr_trainer.choices import FitOptions
    from lr_trainer.descent.epoch import Epoch
    from lr_trainer.descent.resume import Resume

_LARGE = 1 << 16
"""The numbers of a batch from which torch's threads gain more than they cost."""


def check(descent: Descent, asked: FitOptions) -> None:
    """Raise OptionError where options of the exact solver, or of another optimizer, meet a descent."""
    options = {
        "--minimum-norm": asked.minimum_norm,
        "--penalty auto": asked.is_auto,
        "--cv": asked.cv is not None,
        "--exact-sums": asked.exact_sums,
        "a bound of a coefficient": bool(asked.limits),
    }
    for option in [*(option for option, given in options.items() if given), *asked.of_least_squares]:
        raise OptionError(f"{option} belongs to --solver exact, and this is a descent. Leave it out")
    if descent.stepper == "adamw" and (asked.l1 or asked.l2):
        raise OptionError(
            "--optimizer adamw decays weights apart from the loss, so with a penalty it has no optimum to reach. "
            "Use --optimizer adam"
        )


def descend(setting: Setting, descent: Descent, memory: Resume | None, report: Callable[[Epoch], None]) -> Descended:
    """Return the solution to which a descent comes.

    Raises:
        FitError: the cycle diverged or was interrupted.
    """
    coordinates = _coordinates(setting, descent)
    store = _store(setting.prepared, coordinates)
    delta = _delta(setting, descent, coordinates, store)
    objective = _objective(setting, descent, coordinates, store, delta)
    start = np.zeros((coordinates.outputs, coordinates.size))
    if descent.init is not None:
        start = start_of(descent.init, setting, coordinates)
    validation = None
    if setting.validation is not None:
        held_out = _store(setting.validation, coordinates)
        if not held_out.rows:
            raise OptionError("--validation holds out no row of this table. Hold out a larger share")
        validation = Objective(held_out, coordinates, objective.loss, objective.penalties)
    cycle = Cycle(_stepper(objective, descent, start), descent, validation, objective.unit, memory, report)
    if memory is not None and (state := memory.begin(_identity(setting, descent, store, validation), store.workers)):
        cycle.restore(state)
    with nullcontext() if _is_large(descent, store) else one_thread():
        cycle.run()
    return descended(setting, descent, cycle, objective, delta)


def _is_large(descent: Descent, store: Store) -> bool:
    """Whether torch is faster on a batch with several threads; blocks of all rows have threads of their own."""
    return descent.batch_size is not None and min(descent.batch_size, store.rows) * store.width >= _LARGE


def _coordinates(setting: Setting, descent: Descent) -> Coordinates:
    return Coordinates.of(
        setting.data.moments,
        setting.kept,
        intercept=setting.data.intercept,
        weighted=setting.prepared.roles.weight is not None,
        ridge=max(setting.penalty.l2),
        uncorrelated=not any(setting.penalty.l1) or descent.stepper == "lbfgs",
    )


def _store(prepared: Prepared, coordinates: Coordinates) -> Store:
    rows = (coordinates.rows(*block) for block in expanded(prepared))
    return Store(rows, coordinates.width, torch.device(prepared.device), workers=prepared.rows.workers)


def _objective(
    setting: Setting, descent: Descent, coordinates: Coordinates, store: Store, delta: Array | None
) -> Objective:
    loss = Loss.named(descent.loss, coordinates.outputs, delta=delta, quantile=descent.quantile or MEDIAN)
    l1, l2 = np.array(setting.penalty.l1), np.array(setting.penalty.l2)
    if loss.has_corner:
        return Objective(store, coordinates, loss, Penalties(l1, l2 * coordinates.scale))
    return Objective(store, coordinates, loss.scaled(coordinates.scale), Penalties(l1 / coordinates.scale, l2))


def _delta(setting: Setting, descent: Descent, coordinates: Coordinates, store: Store) -> Array | None:
    """Return Huber's delta (outputs,), by default from the residuals that have the least mean absolute value.

    Their median size over 0.6745 estimates the standard deviation of normal residuals, whatever half of the rows holds.
    """
    if descent.loss != "huber":
        return None
    if descent.delta is not None:
        return np.full(coordinates.outputs, descent.delta)
    objective = _objective(setting, replace(descent, loss="absolute"), coordinates, store, None)
    stepper = QuasiNewton(objective, np.zeros((coordinates.outputs, coordinates.size)))
    with one_thread():
        for number in range(descent.most_epochs):
            if not stepper.is_done:
                stepper.epoch(number, lambda: None)
    sizes = median_size(objective.errors(stepper.at), coordinates.outputs, store.workers)
    # Half of the residuals may be 0: then any delta is as good, and one that is no part of the rounding is needed.
    return np.where(sizes > 0, HUBER / MAD * sizes, 1.0) * coordinates.scale


def _stepper(objective: Objective, descent: Descent, start: Array) -> FirstOrder | QuasiNewton:
    if descent.stepper == "lbfgs":
        return QuasiNewton(objective, start)
    return (FirstOrder if descent.batch_size is None else Batches)(objective, descent, start)


def _identity(setting: Setting, descent: Descent, store: Store, validation: Objective | None) -> dict[str, object]:
    """Return all that the state of a descent depends on, as JSON values: a state of another descent is refused."""
    roles, data = setting.prepared.roles, setting.data
    options = {dashed(name): value for name, value in descent.described().items()}
    return {
        **options,
        "--l1": setting.penalty.l1[0],
        "--l2": setting.penalty.l2[0],
        "--target": list(roles.targets),
        "the columns": list(roles.variables),
        "--weight": roles.weight,
        "the intercept": data.intercept,
        "the terms": [str(term.to_json()) for term in data.design.terms],
        "the number of workers": store.workers.count,
        "the number of rows": store.rows,
        "sha256 of the rows": store.digest,
        "sha256 of the rows held out": None if validation is None else validation.store.digest,
        "the device": setting.prepared.device,
        "the number of threads": torch.get_num_threads(),
        "linedge": __version__,
        "torch": torch.__version__,
    }
