"""From a table to a checkpoint by descent: moments, coordinates, the rows in them, the cycle, what it came to."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import torch

from lr_runtime import __version__
from lr_runtime.errors import OptionError
from lr_trainer.blocks import one_thread
from lr_trainer.cautions import check_not_the_target
from lr_trainer.coordinates import Coordinates
from lr_trainer.describing import columns_of, term_names
from lr_trainer.descent import Cycle, Descent
from lr_trainer.design import Design
from lr_trainer.errors import TooFewRowsError
from lr_trainer.extended import Extended
from lr_trainer.first_order import Batches, Whole
from lr_trainer.least_squares import CONSTANT, Normal, Solution, condition_number
from lr_trainer.losses import HUBER, MAD, Loss
from lr_trainer.objective import Objective, Penalties
from lr_trainer.order_statistics import median_size
from lr_trainer.passes import Passes
from lr_trainer.quasi_newton import QuasiNewton
from lr_trainer.rows import Rows
from lr_trainer.solving import Penalty, Solved, shifted, solve_shrunk, solve_with_passes, with_origins
from lr_trainer.splitting import Part
from lr_trainer.store import Store

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from numpy.typing import NDArray

    from lr_runtime.contract import Column
    from lr_trainer.checkpoint import Checkpoint
    from lr_trainer.descent import Epoch, Keeper, Stepper
    from lr_trainer.moments import Moments

    Array = NDArray[np.float64]

_CONVERGED = 1e-9
"""The gradient norm below which a smooth objective is said to have converged."""

_CONVERGED_GAP = 1e-6
"""The duality gap, as a share of the objective, below which any is."""


_LARGE = 1 << 16
"""The numbers of a batch from which torch's threads gain more than they cost."""


class Memory(Protocol):
    """Where a descent's state is kept; see `lr_trainer.resume`."""

    def begin(self, identity: Mapping[str, Any]) -> dict[str, Any] | None:
        """Return the state to go on from."""
        ...

    def due(self) -> bool:
        """Whether it is time to keep the state."""
        ...

    def keep(self, state: dict[str, Any]) -> None:
        """Keep it."""
        ...


@dataclass(frozen=True)
class Setting:
    """What is fitted: the moments of the rows, the columns that take part, the exact solution where there is one.

    Attributes:
        passes: over the rows that train.
        validation: over those held out.
        moments: of the rows that train.
        columns: of the contract.
        kept: bool (terms,), the columns that take part.
        constant: bool (terms,), those left out because they do not vary.
        exact: the least-squares solution, with the penalties where the loss is squared; None under other penalties.
        penalty: per target, in the data's units.
    """

    passes: Passes
    validation: Passes | None
    moments: Moments
    columns: tuple[Column, ...]
    kept: NDArray[np.bool_]
    constant: NDArray[np.bool_]
    exact: Solved | None
    penalty: Penalty

    @property
    def penalised(self) -> bool:
        """Whether there is a penalty."""
        return any(self.penalty.l1) or any(self.penalty.l2)


@dataclass(frozen=True)
class Descended:
    """Where a descent has come to, and how far that is from the optimum."""

    solved: Solved
    report: dict[str, Any]


def check(descent: Descent, *, l1: float, l2: float, exact_only: Mapping[str, bool]) -> None:
    """Raise OptionError where options of the exact solver, or of another optimizer, meet a descent."""
    for option, given in exact_only.items():
        if given:
            raise OptionError(f"{option} belongs to --solver exact, and this is a descent. Leave it out")
    if descent.stepper == "adamw" and (l1 or l2):
        raise OptionError(
            "--optimizer adamw decays weights apart from the loss, so with a penalty it has no optimum to reach. "
            "Use --optimizer adam"
        )


def descend(
    passes: Passes,
    descent: Descent,
    *,
    l1: float,
    l2: float,
    drop_collinear: bool,
    memory: Memory,
    report: Callable[[Epoch], None],
) -> tuple[Setting, Descended]:
    """Take the passes and the cycle.

    Raises:
        FitError: the rows do not determine the model, or the cycle diverged or was interrupted.
    """
    setting = _setting(passes, descent, l1=l1, l2=l2, drop_collinear=drop_collinear)
    coordinates = _coordinates(setting, descent)
    store = _store(setting.passes, coordinates)
    delta = _delta(setting, descent, coordinates, store)
    objective = _objective(setting, descent, coordinates, store, delta)
    start = np.zeros((coordinates.outputs, coordinates.size))
    if descent.init is not None:
        start = _start(descent.init, setting, coordinates)
    validation = None
    if setting.validation is not None:
        held_out = _store(setting.validation, coordinates)
        if not held_out.rows:
            raise OptionError("--validation holds out no row of this table. Hold out a larger share")
        validation = replace_store(objective, held_out)
    cycle = Cycle(_stepper(objective, descent, start), descent, validation, objective.unit, memory, report)
    state = memory.begin(_identity(setting, descent, store))
    if state is not None:
        cycle.restore(state)
    with nullcontext() if _is_large(descent, store) else one_thread():
        cycle.run()
    return setting, _descended(setting, descent, cycle, objective, delta)


def _is_large(descent: Descent, store: Store) -> bool:
    """Whether a batch is worth more than one of torch's threads; blocks of all rows have threads of their own."""
    return descent.batch_size is not None and min(descent.batch_size, store.rows) * store.width >= _LARGE


def replace_store(objective: Objective, store: Store) -> Objective:
    """Return the same objective on other rows."""
    return Objective(store, objective.coordinates, objective.loss, objective.penalties)


def _setting(passes: Passes, descent: Descent, *, l1: float, l2: float, drop_collinear: bool) -> Setting:
    validation = None
    if descent.validation is not None:
        passes, validation = (_part(passes, descent, held_out=held) for held in (False, True))
    moments = passes.moments()
    columns = columns_of(passes.roles.features, passes.levels, passes.design, moments)
    names, outputs = term_names(passes.design, columns), len(passes.roles.targets)
    check_not_the_target(moments, names, passes.roles.targets)
    penalty = Penalty((l1,) * outputs, (l2,) * outputs)
    constant = _constant(moments, len(names), intercept=passes.intercept)
    exact, kept = None, ~constant
    if not (l1 or l2):
        exact = solve_with_passes(
            moments, passes.design, names, passes.gram, intercept=passes.intercept, drop_collinear=drop_collinear
        )
        kept = exact.solution.kept
    else:
        if moments.rows < 2:
            raise TooFewRowsError(moments.rows, 2)
        if descent.loss == "squared":
            exact = solve_shrunk(moments, passes.design, outputs, penalty, intercept=passes.intercept)
    return Setting(passes, validation, moments, columns, kept, constant, exact, penalty)


def _part(passes: Passes, descent: Descent, *, held_out: bool) -> Passes:
    assert descent.validation is not None
    table = Part(passes.rows.table, descent.validation, descent.seed, held_out=held_out)
    part = Passes(passes.rows.of(table), passes.device, intercept=passes.intercept)
    part.adopt(passes.design, passes.levels)
    part.count = 0 if held_out else passes.count
    return part


def _constant(moments: Moments, terms: int, *, intercept: bool) -> NDArray[np.bool_]:
    spread = (moments.maximum - moments.minimum)[:terms]
    varies = spread > CONSTANT * moments.largest[:terms] if intercept else moments.largest[:terms] > 0
    return np.asarray(~varies)


def _coordinates(setting: Setting, descent: Descent) -> Coordinates:
    passes = setting.passes
    return Coordinates.of(
        setting.moments,
        setting.kept,
        intercept=passes.intercept,
        weighted=passes.roles.weight is not None,
        ridge=max(setting.penalty.l2),
        uncorrelated=not any(setting.penalty.l1) or descent.stepper == "lbfgs",
    )


def _store(passes: Passes, coordinates: Coordinates) -> Store:
    return Store((coordinates.rows(*block) for block in passes.expanded()), coordinates.width, passes.device)


def _objective(
    setting: Setting, descent: Descent, coordinates: Coordinates, store: Store, delta: Array | None
) -> Objective:
    loss = Loss.named(descent.loss, coordinates.outputs, delta=delta, quantile=descent.quantile or 0.5)
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
        while not stepper.is_coarse:
            stepper.epoch(0, lambda: None)
    sizes = median_size(objective.errors(stepper.at), coordinates.outputs)
    # Half of the residuals may be 0: then any delta is as good, and one that is no part of the rounding is needed.
    return np.where(sizes > 0, HUBER / MAD * sizes, 1.0) * coordinates.scale


def _stepper(objective: Objective, descent: Descent, start: Array) -> Stepper:
    if descent.stepper == "lbfgs":
        return QuasiNewton(objective, start)
    return (Whole if descent.batch_size is None else Batches)(objective, descent, start)


def _start(init: Checkpoint, setting: Setting, coordinates: Coordinates) -> Array:
    """Return the coordinates of a checkpoint's model."""
    design, passes = Design.of(init), setting.passes
    same = (
        init.contract.column_names == passes.roles.features
        and init.contract.output_names == passes.roles.targets
        and init.terms == passes.design.terms
        and [column.categories for column in init.contract.columns] == [c.categories for c in setting.columns]
    )
    if not same:
        raise OptionError("--init: the checkpoint has other columns, targets, categories or powers than this fit")
    plain = shifted(passes.design)
    powers = {term.column for term, column in zip(passes.design.terms, plain, strict=True) if column is None}
    if any(
        design.origin[column] != passes.design.origin[column] or design.scale[column] != passes.design.scale[column]
        for column in powers
    ):
        raise OptionError("--init: the checkpoint's powers are of another origin or scale than this table's")
    terms = len(plain)
    origin = np.array([0.0 if column is None else design.origin[column] for column in plain])
    weights = init.weight / np.array([1.0 if column is None else design.scale[column] for column in plain])
    means = (setting.moments.mean - np.concatenate([origin, np.zeros(coordinates.outputs)])) + setting.moments.mean_low
    offsets = init.bias + weights @ means[:terms] - means[terms:]
    return coordinates.place(weights, offsets)


def _identity(setting: Setting, descent: Descent, store: Store) -> dict[str, Any]:
    """Return what a state belongs to."""
    roles, design = setting.passes.roles, setting.passes.design
    options = {_option(name): value for name, value in descent.described().items()}
    return {
        **options,
        "--l1": setting.penalty.l1[0],
        "--l2": setting.penalty.l2[0],
        "--target": list(roles.targets),
        "the columns": list(roles.features),
        "--weight": roles.weight,
        "the intercept": setting.passes.intercept,
        "the terms": [str(term.to_json()) for term in design.terms],
        "the number of rows": store.rows,
        "sha256 of the rows": store.digest,
        "the device": setting.passes.device.type,
        "the number of threads": torch.get_num_threads(),
        "linedge": __version__,
        "torch": torch.__version__,
    }


def _option(name: str) -> str:
    return "--" + name.replace("_", "-")


def _descended(
    setting: Setting, descent: Descent, cycle: Cycle, objective: Objective, delta: Array | None
) -> Descended:
    at, coordinates = cycle.at, objective.coordinates
    offsets = coordinates.offsets(at)
    passes, moments = setting.passes, setting.moments
    normal = Normal.of_moments(moments, intercept=passes.intercept)
    solution = _solution(setting, objective, at, normal)
    design = with_origins(passes.design, moments)
    solved = Solved(design, normal, solution, is_extended=False, offsets=tuple(offsets.tolist()))
    return Descended(solved, _report(setting, descent, cycle, objective, delta))


def _solution(setting: Setting, objective: Objective, at: Array, normal: Normal) -> Solution:
    coordinates, terms = objective.coordinates, len(setting.kept)
    gram = normal.gram.high
    squared = Loss.named("squared", coordinates.outputs)
    squares = 2 * Objective(objective.store, coordinates, squared, objective.penalties).mean_loss(at)
    return Solution(
        weight=Extended.of(coordinates.weights(at)),
        inverse=Extended.of(np.zeros((terms, terms))),
        kept=setting.kept,
        constant=setting.constant,
        residual_sum=squares * coordinates.scale**2 * normal.weight,
        total_sum=np.diag(gram)[terms:].copy(),
        degrees=0,
        condition=condition_number(gram[:terms, :terms][np.ix_(setting.kept, setting.kept)]),
        is_unbiased=False,
    )


def _report(
    setting: Setting, descent: Descent, cycle: Cycle, objective: Objective, delta: Array | None
) -> dict[str, Any]:
    at, stepper = cycle.at, cycle.stepper
    softness = stepper.softness if isinstance(stepper, QuasiNewton) else 0.0
    gradient = float(np.linalg.norm(objective.optimality(at, objective.gradient(at, softness))))
    gap = _gap(objective, at, softness)
    smooth = not objective.has_corners
    figures: dict[str, Any] = {
        "solver": "descent",
        "loss": descent.loss,
        "optimizer": descent.stepper,
        "epochs": cycle.number,
        "batch_size": descent.batch_size,
        "objective": _each(objective.value(at) * objective.unit),
        "gradient_norm": gradient,
        "gap": gap if np.isfinite(gap) else None,
        "converged": bool(gap <= _CONVERGED_GAP or (smooth and gradient <= _CONVERGED)),
    }
    if setting.exact is not None and descent.loss == "squared":
        figures["distance"] = _distance(objective, at, setting.exact)
    if delta is not None:
        figures["delta"] = _each(delta)
    if descent.loss == "quantile":
        figures["quantile"] = descent.quantile or 0.5
    if isinstance(stepper, Whole | Batches):
        figures |= {"lr": stepper.rate.start, "schedule": stepper.rate.schedule}
    if cycle.best is not None and cycle.validation is not None:
        figures["validation"] = {
            "rows": cycle.validation.store.rows,
            "loss": cycle.best_loss,
            "epoch": cycle.best_number,
            "stopped_early": cycle.stopped_early,
        }
    if setting.penalised:
        figures["penalty"] = {"l1": list(setting.penalty.l1), "l2": list(setting.penalty.l2), "folds": 0}
    return figures


def _gap(objective: Objective, at: Array, softness: float) -> float:
    """Return the duality gap; at the corners of a loss no slope is the right one, so the least that softer ones give."""
    if softness or not objective.loss.has_corner:
        return objective.gap(at, softness)
    return min(objective.gap(at, each) for each in (1e-1, 1e-2, 1e-3, 1e-4))


def _each(values: Array) -> float | list[float]:
    """Return the figure of a single target as it is, those of several as a list."""
    return float(values[0]) if len(values) == 1 else values.tolist()


def _distance(objective: Objective, at: Array, exact: Solved) -> float:
    """Return how far the weights are from the exact solution's, as a share of theirs, on columns at unit deviation."""
    coordinates = objective.coordinates
    zeros = np.zeros(coordinates.outputs)
    best = coordinates.unit(coordinates.place(exact.solution.weight.rounded(), zeros))
    lengths = np.linalg.norm(best, axis=1)
    away = np.linalg.norm(coordinates.unit(at) - best, axis=1)
    return float(np.divide(away, lengths, out=away.copy(), where=lengths > 0).max())
