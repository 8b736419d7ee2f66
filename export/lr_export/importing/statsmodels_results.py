"""From the results of a linear fit of statsmodels to a checkpoint: its coefficients, its figures, its training ranges.

The prediction interval comes along where statsmodels has the same one, from Student's t and the leverage: of OLS and
WLS with their own covariance. For WLS it is that of a new observation of weight 1.
"""

from __future__ import annotations

from dataclasses import replace
from math import isfinite, sqrt
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from lr_export.errors import UnsupportedModelError
from lr_export.importing.combination import Feature, dot, number, term
from lr_export.importing.folding import Basis, Source, SourceColumn, checkpoint_of, on_basis
from lr_export.importing.formula import Formula
from lr_export.importing.leverage import leverage_of
from lr_export.importing.ranges import ranges_of
from lr_runtime.contract.fit_report import Coefficient, FitReport, Quality
from lr_runtime.contract.terms.power import Power
from lr_runtime.errors import listed

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import ArrayLike, NDArray
    from pandas import Series
    from statsmodels.base.data import ModelData
    from statsmodels.base.model import LikelihoodModel
    from statsmodels.base.model import LikelihoodModelResults as Results

    from lr_export.importing.folding import Predict, Range
    from lr_runtime.contract.checkpoint import Checkpoint
    from lr_runtime.contract.leverage import Leverage

    Floats = NDArray[np.float64]

_MODELS = ("OLS", "WLS", "GLS", "GLSAR", "RLM", "QuantReg")
_WITH_INTERVAL = ("OLS", "WLS")
_FIGURES = ("rows", "degrees_of_freedom", "intercept", "r2", "adjusted_r2", "residual_sd", "coefficients")
"""Those that go into the report."""


class Training(NamedTuple):
    """What a fit of statsmodels has of its data.

    Attributes:
        features: the columns of its design matrix.
        constant: which of them is 1 in every row; None where there is none.
        levels: of each raw column by name; none of a column of numbers.
        rows: each raw column, numbers or places among its levels; none where the data are gone.
        is_formula: whether `predict` takes the raw columns.
    """

    features: list[Feature]
    constant: int | None
    levels: Mapping[str, tuple[object, ...]]
    rows: Mapping[str, Floats]
    is_formula: bool


def from_statsmodels(
    results: Results,
    *,
    ranges: Mapping[str, Range] | None = None,
    X: ArrayLike | Mapping[str, ArrayLike] | None = None,
    target: str | None = None,
) -> Checkpoint:
    """Return the checkpoint of a linear fit of statsmodels, held against its own `predict`.

    Rows, R2, residual standard deviation and the table of coefficients come along where the fit has them; prediction
    interval and leverage from OLS and WLS alone.

    Args:
        results: what `fit` returned, of OLS, WLS, GLS, GLSAR, RLM or QuantReg, with a formula or without. Of a formula
            powers of one column, sums and products with numbers, and categories can be folded.
        ranges: training ranges that go before those of the data.
        X: rows to take these from: (rows, columns), or columns by name.
        target: the name of the output; by default the one that the fit has.

    Raises:
        UnsupportedModelError: another model, or a term that cannot be folded; the message names it.
        OptionError: the data were removed from the results, and a range is missing.
        CheckFailedError: `predict` differs by more than rounding.

    Example:
        >>> import numpy as np
        >>> import statsmodels.api as sm
        >>> x = np.arange(10.0)
        >>> results = sm.OLS(2 * x + 1 + (x % 2), sm.add_constant(x)).fit()
        >>> checkpoint = from_statsmodels(results)
        >>> checkpoint.contract.column_names, checkpoint.contract.rows
        (('x1',), 10)
    """
    model = _model_of(results)
    is_formula = getattr(model.data, "model_spec", None) is not None
    training = _of_formula(model.data) if is_formula else _of_arrays(model)
    columns = tuple(SourceColumn(name, _range(training, name), levels) for name, levels in training.levels.items())
    source = Source(
        name=f"statsmodels {type(model).__name__}{_without_interval(results)}",
        columns=columns,
        outputs=(str(getattr(model, "endog_names", "y")) if target is None else target,),  # gone with the data
        predictions=(dot(_params(results), training.features, 0.0),),
        predict=_predict(results, training),
    )
    checkpoint = checkpoint_of(source, ranges_of(columns, ranges, X))
    has_figures = model.exog is not None and hasattr(results, "df_resid")
    return _with_figures(checkpoint, results, training) if has_figures else checkpoint


def _model_of(results: Results) -> LikelihoodModel:
    """Return the model of the results of a fit."""
    model = getattr(results, "model", None)
    if model is None or not hasattr(results, "params"):
        raise UnsupportedModelError(f"expected the results of a fit of statsmodels, not {type(results).__name__}")
    if type(model).__name__ not in _MODELS:
        can = ", ".join(_MODELS)
        raise UnsupportedModelError(f"statsmodels {type(model).__name__} is no linear model to import; {can} are")
    return model


def _params(results: Results) -> list[float]:
    params = np.asarray(results.params, dtype=np.float64)
    if params.ndim != 1 or not np.isfinite(params).all():
        raise UnsupportedModelError(f"the fit has coefficients of shape {params.shape}, or some that are not finite")
    return list(map(float, params))


def _without_interval(results: Results) -> str:
    """Return what of a fit by OLS or WLS keeps its interval from being that of Student's t and the leverage."""
    if type(results.model).__name__ not in _WITH_INTERVAL:
        return ""
    covariance = getattr(results, "cov_type", "of a penalty")
    if covariance != "nonrobust":
        return f" with the covariance {covariance}"
    if results.model.rank < len(results.params):
        return " of collinear columns"
    return "" if results.use_t else " with normal intervals"


def _of_formula(data: ModelData) -> Training:
    frame, left_out = getattr(data, "frame", None), getattr(data, "missing_row_idx", None)
    formula = Formula(data.model_spec, None if frame is None else list(map(str, frame.columns)))
    kept = frame if frame is None or left_out is None else frame.iloc[np.delete(np.arange(len(frame)), left_out)]
    rows = {} if kept is None else {name: _numbers(kept[name], levels) for name, levels in formula.levels.items()}
    ones = [place for place, feature in enumerate(formula.features) if feature.value == {None: 1}]
    return Training(formula.features, ones[0] if ones else None, formula.levels, rows, is_formula=True)


def _numbers(cells: Series, levels: Sequence[object]) -> Floats:
    """Return a column of numbers, or the places of its cells among the levels."""
    places = {level: place for place, level in enumerate(levels)}
    return np.array([places[cell] for cell in cells] if levels else cells, dtype=np.float64)


def _of_arrays(model: LikelihoodModel) -> Training:
    names, exog, constant = list(map(str, model.exog_names)), model.exog, model.data.const_idx
    if exog is not None and constant is not None and (exog[:, constant] != 1).any():
        constant = None  # a column like others, of one value
    if len(set(names)) < len(names):
        raise UnsupportedModelError(f"two columns have one name among {listed(names)}")
    inputs = [place for place in range(len(names)) if place != constant]
    features = [number(1.0) if place == constant else term(Power(inputs.index(place))) for place in range(len(names))]
    rows = {} if exog is None else {names[place]: exog[:, place] for place in inputs}
    return Training(features, constant, {names[place]: () for place in inputs}, rows, is_formula=False)


def _range(training: Training, name: str) -> Range | None:
    known = training.rows.get(name)
    return None if known is None or training.levels[name] else (float(known.min()), float(known.max()))


def _predict(results: Results, training: Training) -> Predict:
    """Return `predict`, of columns by name."""

    def predict(columns: Mapping[str, list[object]]) -> ArrayLike:
        if training.is_formula:
            import pandas as pd

            return np.asarray(results.predict(pd.DataFrame(columns)))
        exog = list(columns.values())
        if training.constant is not None:
            exog.insert(training.constant, [1.0] * len(exog[0]))
        return np.asarray(results.predict(np.array(exog).T))

    return predict


def _with_figures(checkpoint: Checkpoint, results: Results, training: Training) -> Checkpoint:
    """Return the checkpoint with the rows, the figures and the coefficients of the fit, and its leverage."""
    (output,), has_sd = checkpoint.contract.outputs, type(results.model).__name__ in _WITH_INTERVAL
    residual_sd = sqrt(results.mse_resid) if has_sd and results.df_resid > 0 else None
    quality = Quality(r2=_figure(results, "rsquared"), adjr2=_figure(results, "rsquared_adj"), residual_sd=residual_sd)
    outputs = (output._replace(r2=quality.r2, residual_sd=residual_sd),)
    contract = checkpoint.contract._replace(rows=len(results.model.exog), outputs=outputs)
    report = FitReport(
        df_resid=int(results.df_resid),
        intercept=bool(results.model.k_constant),
        quality=(quality,),
        coefficients=_coefficients(results, output.name),
    )
    said = report.to_json(contract)
    fit = {key: said[key] for key in _FIGURES if said[key] is not None} | dict(checkpoint.fit)
    leverage = None if _without_interval(results) or not has_sd else _leverage(checkpoint, results, training)
    return replace(checkpoint, contract=contract, fit=fit, leverage=leverage)


def _figure(results: Results, name: str) -> float | None:
    value = float(getattr(results, name, np.nan))
    return value if isfinite(value) else None


def _coefficients(results: Results, target: str) -> tuple[Coefficient, ...]:
    """Return the table of coefficients by the names that the source gives them, without figures that it has not."""
    names, nothing = results.model.exog_names, np.full(len(results.params), np.nan)
    parts = (np.asarray(getattr(results, name, nothing)) for name in ("params", "bse", "tvalues", "pvalues"))
    ends = np.asarray(results.conf_int()).T if hasattr(results, "conf_int") else (nothing, nothing)
    rows = np.array([*parts, *ends], dtype=np.float64).T.tolist()
    known = ([value if isfinite(value) else None for value in row] for row in rows)
    return tuple(Coefficient(target, str(name), *row) for name, row in zip(names, known, strict=True))


def _leverage(checkpoint: Checkpoint, results: Results, training: Training) -> Leverage | None:
    """Return the leverage of a least-squares fit, in the terms of the checkpoint."""
    names = checkpoint.contract.column_names
    x = [training.rows[name] for name in names]
    u = [(raw - origin) / scale for raw, origin, scale in zip(x, checkpoint.origin, checkpoint.scale, strict=True)]
    terms = np.column_stack([np.asarray(each.value(x, u), dtype=np.float64) for each in checkpoint.terms])
    basis = [Basis(*each) for each in zip(checkpoint.origin.tolist(), checkpoint.scale.tolist(), strict=True)]
    used = [list(training.levels).index(name) for name in names]
    design = [
        on_basis(each.moved(used).value, basis)
        for place, each in enumerate(training.features)
        if place != training.constant
    ]
    mixed = np.array([[float(column.get(each, 0)) for column in design] for each in checkpoint.terms])
    shift = np.array([float(column.get(None, 0)) for column in design])
    weights = np.broadcast_to(np.asarray(results.model.weights, dtype=np.float64), len(terms))
    return leverage_of(terms, weights, mixed, shift, intercept=training.constant is not None)
