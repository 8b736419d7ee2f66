"""The report of a fit: the figures of a statistics package, named as GLM.jl and statsmodels name them.

A checkpoint's header and `lr-train --json` hold it as one flat JSON object. A figure of a single target is a number
there and one of several targets a list; in these records it is a tuple with one entry per target.
"""

from __future__ import annotations

import itertools
import math
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from lr_runtime.contract.records import fields_of, finite, flat, given, key_of, object_of, of_each
from lr_runtime.errors import CheckpointError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lr_runtime.contract.contract import Contract
    from lr_runtime.system.text import Json


class RowCounts(NamedTuple):
    """The numbers of rows read, dropped and skipped, the number of passes over the table, and the weight column.

    Rows are skipped for a bad cell and dropped for a missing value: `drops_missing` of any column,
    `drops_missing_targets` of a target. The rows of the fit itself are `Contract.rows`.
    """

    rows_read: int = 0
    rows_dropped: int = 0
    rows_skipped: int = 0
    drops_missing: bool = False
    drops_missing_targets: bool = False
    passes: int = 0
    weight: str | None = None


class Quality(NamedTuple):
    """The quality of a target's fit; None for a figure not determined, or with fewer than 6 certain digits."""

    r2: float | None = None
    rmse: float | None = None
    adjr2: float | None = None
    residual_sd: float | None = None
    f: float | None = None
    f_p: float | None = None
    loglikelihood: float | None = None
    aic: float | None = None
    bic: float | None = None


class OwnScale(NamedTuple):
    """The quality of a fit on the target's own scale where a function of it was fitted, of the median that it predicts.

    None for a figure that is not determined, or has fewer than 6 certain digits.
    """

    r2: float | None = None
    residual_sd: float | None = None


class Coefficient(NamedTuple):
    """A coefficient on the raw columns, its standard error, t, two-sided p and 95 % interval; None as in `Quality`.

    `digits` are the certain digits of the estimate, relative to its standard error where that is larger: no rounding of
    ours can have changed them. None where there is no bound, as of a descent. `at_bound` is
    whether the estimate is an end of its range; None of a fit without bounds.
    """

    target: str
    term: str
    estimate: float | None
    stderror: float | None = None
    t: float | None = None
    p: float | None = None
    lower: float | None = None
    upper: float | None = None
    digits: float | None = None
    at_bound: bool | None = None


class Bound(NamedTuple):
    """The range of a term's coefficient on the raw columns, for every target; an open end is infinite."""

    term: str
    lower: float = -math.inf
    upper: float = math.inf


class Errors(NamedTuple):
    """The robust errors of the coefficients: hc0 to hc3, or by a column's clusters; t's degrees of freedom."""

    kind: str
    df_resid: int
    column: str | None = None
    clusters: int | None = None


class InfluentialRow(NamedTuple):
    """A row that moves the fit of a target, by its number, counted from 1.

    Cook's distance is None of a leverage of 1, or where residuals have fewer than 6 certain digits.
    """

    target: str
    row: int
    leverage: float
    residual: float
    cooks_distance: float | None = None


class Penalty(NamedTuple):
    """The penalty added to half the mean squared error, per target; see `lr_trainer.solvers.elastic_net`.

    Attributes:
        l1: the factor of the absolute weights of the columns at unit standard deviation.
        l2: the factor of half the squares of these weights.
        folds: the number of folds of the cross-validation that chose both factors; 0 for given factors.
    """

    l1: tuple[float, ...]
    l2: tuple[float, ...]
    folds: int = 0


class Conformal(NamedTuple):
    """A split-conformal interval: prediction +- `half_width` of each target at this level, from `rows` held out."""

    level: float
    half_width: tuple[float | None, ...]
    rows: int = 0


class CrossValidation(NamedTuple):
    """How well a target is predicted in rows that did not train; None for a figure as in `Quality`.

    Attributes:
        r2: R2 of each fold, predicted by the fit to the others, about the mean of its own rows.
        mean_r2: the mean of these.
        pooled_r2: R2 of all rows, each predicted while its fold was held out, about their mean.
        rmse: the cross-validated root mean squared residual, of the same predictions.
        group: the column whose groups each lie in one fold; None where rows were assigned one by one.
    """

    target: str
    r2: tuple[float | None, ...]
    mean_r2: float | None = None
    pooled_r2: float | None = None
    rmse: float | None = None
    group: str | None = None


class Validation(NamedTuple):
    """The least loss on the rows that a descent held out, and the epoch whose weights gave it."""

    rows: int
    loss: float
    epoch: int
    stopped_early: bool


_OF_EACH_DESCENT = ["loss", "optimizer", "epochs", "batch_size", "objective", "gradient_norm", "gap", "converged"]
"""The fields that every descent's report has; others stand in JSON where they are not None."""


class DescentReport(NamedTuple):
    """The state in which a descent ended.

    Attributes:
        objective: per target, the mean loss with the penalty, in the target's unit.
        gradient_norm: the norm of the gradient on columns and targets at unit deviation.
        gap: an upper bound of the objective's relative distance above its minimum; inf where none is known.
        distance: the distance to the exact weights, relative to their norm; None without an exact solution.
        delta: per target, the delta of the Huber loss, in the target's unit; empty for other losses.
    """

    loss: str
    optimizer: str
    epochs: int
    batch_size: int | None = None
    objective: tuple[float, ...] = ()
    gradient_norm: float = math.inf
    gap: float = math.inf
    converged: bool = False
    distance: float | None = None
    delta: tuple[float, ...] = ()
    quantile: float | None = None
    lr: float | None = None
    schedule: str | None = None
    validation: Validation | None = None

    def to_json(self) -> dict[str, Json]:
        """Return the JSON values."""
        fields: dict[str, Any] = self._asdict()
        always = {name: fields.pop(name) for name in _OF_EACH_DESCENT}
        fields["delta"] = flat(self.delta) if self.delta else None
        return always | {"objective": flat(self.objective), "gap": finite(self.gap)} | given(**fields)


class Imported(NamedTuple):
    """Where a model comes from that linedge did not fit.

    Attributes:
        model: what it is, such as `scikit-learn Ridge`.
        held_against: what the checkpoint was held against, such as `predict`; None where there was nothing to run.
        probes: the number of rows on which it was.
        difference: per output, the most that the two differed there, in the output's unit.
        share: the largest difference over what the rounding of both explains there, at most 1.
    """

    model: str
    held_against: str | None = None
    probes: int = 0
    difference: tuple[float, ...] = ()
    share: float = 0.0

    def __str__(self) -> str:
        if self.held_against is None:
            return f"nothing, because {self.model} cannot be run"
        return (
            f"{self.held_against} of {self.model} on {self.probes} rows: within {max(self.difference):.3g}, "
            f"{self.share:.0%} of what rounding explains"
        )


class FitReport(NamedTuple):
    """The report of a fit, without the fields of its contract.

    Attributes:
        arithmetic: the arithmetic of the solution: float64, double-double, or float32 in the first lesson.
        df_resid: the degrees of freedom of the residuals; see `lr_trainer.solvers.bounded` for a fit in bounds.
        condition_number: the condition number of the columns at unit length, centred with an intercept; may be inf.
        constant: the terms left out because they do not vary.
        collinear: the terms left out as combinations of others.
        quality: the quality of each target's fit.
        own_scale: the same on the targets' own scales where functions of targets were fitted; empty without any.
        coefficients: the coefficients of all targets, one target after the other.
        cautions: what a user should look at before trusting the fit.
        coefficient_digits: the fewest certain digits of a coefficient; None where they are 9 or more.
        penalty: the penalty on the weights; None for a fit without one.
        digits: the fewest certain digits of a fit that was joined from moments.
        imported: where a model comes from that linedge did not fit; most figures are absent then.
        cross_validation: how well each target is predicted in rows that did not train; empty where nobody asked.
        bounds: what the coefficients were held in.
        errors: which robust errors the coefficients have; None for the usual ones.
        influence: per target, the rows of the largest Cook's distances, and that of the largest leverage.
    """

    rows: RowCounts = RowCounts()
    solver: Literal["exact", "descent"] | None = None
    arithmetic: str = "float64"
    intercept: bool = True
    df_resid: int = 0
    condition_number: float = math.inf
    constant: tuple[str, ...] = ()
    collinear: tuple[str, ...] = ()
    quality: tuple[Quality, ...] = ()
    own_scale: tuple[OwnScale, ...] = ()
    coefficients: tuple[Coefficient, ...] = ()
    cautions: tuple[str, ...] = ()
    coefficient_digits: float | None = None
    descent: DescentReport | None = None
    penalty: Penalty | Literal["minimum norm"] | None = None
    conformal: Conformal | None = None
    digits: float | None = None
    imported: Imported | None = None
    cross_validation: tuple[CrossValidation, ...] = ()
    bounds: tuple[Bound, ...] = ()
    errors: Errors | None = None
    influence: tuple[InfluentialRow, ...] = ()

    def to_json(self, contract: Contract) -> dict[str, Json]:
        """Return the JSON values, with the rows, columns and targets of the contract among them."""
        rows, numbers = self.rows, (column for column in contract.columns if column.kind == "number")
        functions: dict[str, Json] = {output.name: output.function for output in contract.outputs}
        return {
            "rows": contract.rows,
            "rows_read": rows.rows_read,
            "rows_dropped": rows.rows_dropped,
            "rows_skipped": rows.rows_skipped,
            "drops_missing": rows.drops_missing,
            **given(drops_missing_targets=rows.drops_missing_targets or None),
            "passes": rows.passes,
            "columns": list(contract.column_names),
            "ranges": {column.name: [column.minimum, column.maximum] for column in numbers},
            "target": flat(contract.output_names),
            **({"functions": functions} if any(functions.values()) else {}),
            "weight": rows.weight,
            "solver": self.solver,
            "arithmetic": self.arithmetic,
            "intercept": self.intercept,
            "degrees_of_freedom": self.df_resid,
            "condition_number": finite(self.condition_number),
            "constant": list(self.constant),
            "collinear": list(self.collinear),
            **{key_of(name): flat([getattr(each, name) for each in self.quality]) for name in Quality._fields},
            **{
                f"own_scale_{key_of(name)}": flat([getattr(each, name) for each in self.own_scale])
                for name in (OwnScale._fields if self.own_scale else ())
            },
            "coefficients": [_coefficient(each) for each in self.coefficients],
            **given(coefficient_digits=self.coefficient_digits),
            "cautions": list(self.cautions),
            **({} if self.descent is None else self.descent.to_json()),
            **given(penalty=self.penalty, conformal=self.conformal, digits=self.digits, imported=self.imported),
            **given(cross_validation=[object_of(each) for each in self.cross_validation] or None),
            **given(
                bounds=[{"term": term, "lower": finite(a), "upper": finite(b)} for term, a, b in self.bounds] or None
            ),
            **given(errors=self.errors, influence=[*map(object_of, self.influence)] or None),
        }

    @staticmethod
    def from_json(content: Mapping[str, Json]) -> FitReport:
        """Return the report of JSON values; fields that are absent have their defaults.

        Raises:
            CheckpointError: the values are damaged.
        """
        try:
            conformal = _conformal(content["conformal"]) if content.get("conformal") is not None else None
        except (KeyError, TypeError, ValueError) as error:
            raise CheckpointError("its conformal interval is damaged. Train the model again") from error
        try:
            return FitReport(**fields_of(FitReport, content) | _records(content) | {"conformal": conformal})
        except (AttributeError, LookupError, TypeError, ValueError) as error:
            raise CheckpointError(f"its report is damaged ({error!r:.60}). Train the model again") from error


def _records(content: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of a report that are not JSON values themselves."""
    names = ("degrees_of_freedom", "penalty", "imported", "errors")
    degrees, penalty, imported, errors = map(content.get, names)
    figures = {name: of_each(content[key_of(name)]) for name in Quality._fields if key_of(name) in content}
    quality = (dict(zip(figures, row, strict=True)) for row in zip(*figures.values(), strict=True))
    own = [of_each(content.get(f"own_scale_{key_of(name)}", ())) for name in OwnScale._fields]
    return {
        "rows": RowCounts(**fields_of(RowCounts, content)),
        "df_resid": degrees if isinstance(degrees, int) else 0,
        "quality": tuple(Quality(**each) for each in quality),
        "own_scale": tuple(itertools.starmap(OwnScale, zip(*own, strict=True))),
        "coefficients": tuple(Coefficient(**fields_of(Coefficient, row)) for row in content.get("coefficients", ())),
        "descent": _descent(content) if "loss" in content else None,
        "penalty": Penalty(**fields_of(Penalty, penalty)) if isinstance(penalty, dict) else penalty,
        "cross_validation": tuple(
            CrossValidation(**fields_of(CrossValidation, row)) for row in content.get("cross_validation", ())
        ),
        "imported": imported and Imported(**fields_of(Imported, imported)),
        "bounds": tuple(Bound(**fields_of(Bound, each)) for each in content.get("bounds") or ()),
        "errors": errors and Errors(**fields_of(Errors, errors)),
        "influence": tuple(InfluentialRow(**fields_of(InfluentialRow, row)) for row in content.get("influence", ())),
    }


def _descent(content: Mapping[str, Any]) -> DescentReport:
    fields, validation = fields_of(DescentReport, content), content.get("validation")
    fields |= {name: of_each(fields[name]) for name in ("objective", "delta") if name in fields}
    return DescentReport(**fields | {"validation": validation and Validation(**fields_of(Validation, validation))})


def _conformal(content: Any) -> Conformal:
    widths = tuple(None if width is None else float(width) for width in content["half_width"])
    return Conformal(float(content["level"]), widths, content.get("rows", 0))


def _coefficient(record: Coefficient) -> dict[str, Json]:
    """Return the JSON object of a coefficient, without what not every fit has."""
    optional = {"digits", "at_bound"}
    return {key: value for key, value in object_of(record).items() if key not in optional or value is not None}
