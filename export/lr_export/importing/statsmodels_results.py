"""From the results of a linear fit of statsmodels to a checkpoint: its coefficients, its figures, its training ranges.

The prediction interval comes along where statsmodels has the same one, from Student's t and the leverage: of OLS and
WLS with their own covariance. For WLS it is that of a new observation of weight 1.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from math import isfinite, sqrt
from typing import TYPE_CHECKING

import numpy as np

from lr_export.errors import UnsupportedModelError
from lr_export.importing.combination import dot, number, term
from lr_export.importing.folding import Source, checkpoint_of, of_used_columns
from lr_export.importing.formula import features_of
from lr_export.importing.leverage import leverage_of
from lr_export.importing.ranges import ranges_of
from lr_export.importing.raw_columns import RawColumns
from lr_runtime.contract.fit_report import Coefficient, FitReport, Quality
from lr_runtime.contract.terms.power import Power
from lr_runtime.errors import listed

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import ArrayLike, NDArray
    from pandas import DataFrame, Series
    from patsy import DesignInfo
    from statsmodels.base.model import LikelihoodModel
    from statsmodels.base.model import LikelihoodModelResults as Results

    from lr_export.importing.combination import Feature
    from lr_export.importing.folding import Range
    from lr_runtime.contract.checkpoint import Checkpoint

_MODELS = ("OLS", "WLS", "GLS", "GLSAR", "RLM", "QuantReg")
_WITH_INTERVAL = ("OLS", "WLS")
_FIGURES = ("rows", "degrees_of_freedom", "intercept", "r2", "adjusted_r2", "residual_sd", "coefficients")
"""Those that go into the report."""


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
    model, without_interval = _model_of(results), _without_interval(results)
    table = _table(model)
    told = RawColumns(tuple(table))
    columns, features = told.closed(_features(model, told))
    source = of_used_columns(
        Source(
            name=f"statsmodels {type(model).__name__}{without_interval or ''}",
            columns=columns,
            outputs=(str(getattr(model, "endog_names", "y")) if target is None else target,),  # gone with the data
            predictions=(dot(_params(results), features, 0.0),),
            predict=partial(_predicted, results),
        )
    )
    rows = [_numbers(table[each.name], each.values) for each in source.columns]
    cells = zip(source.columns, rows, strict=True)
    known = {each.name: (float(x.min()), float(x.max())) for each, x in cells if len(x) and not each.values}
    checkpoint = checkpoint_of(source, known | ranges_of(source.columns, ranges, X))
    if model.exog is None or not hasattr(results, "df_resid"):
        return checkpoint
    if without_interval is None:
        used = [told.names.index(each.name) for each in source.columns]
        leverage = leverage_of(checkpoint, [each.moved(used) for each in features], rows, model.weights)
        checkpoint = replace(checkpoint, leverage=leverage)
    return _with_figures(checkpoint, results)


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


def _without_interval(results: Results) -> str | None:
    """Return what keeps a fit's interval from being that of Student's t and the leverage; None where it is that."""
    if type(results.model).__name__ not in _WITH_INTERVAL:
        return ""
    covariance = getattr(results, "cov_type", "of a penalty")
    if covariance != "nonrobust":
        return f" with the covariance {covariance}"
    if results.model.rank < len(results.params):
        return " of collinear columns"
    return None if results.use_t else " with normal intervals"


def _table(model: LikelihoodModel) -> DataFrame:
    """Return the training rows of the raw columns; none where they are gone."""
    from pandas import DataFrame

    names = list(map(str, model.exog_names))
    if len(set(names)) < len(names):
        raise UnsupportedModelError(f"two columns have one name among {listed(names)}")
    if _formula(model) is None:
        return DataFrame([] if model.exog is None else model.exog, columns=names)
    kept = np.delete(np.arange(len(model.data.frame)), model.data.missing_row_idx or [])
    return model.data.frame.iloc[kept].rename(columns=str)


def _formula(model: LikelihoodModel) -> DesignInfo | None:
    found = getattr(model.data, "model_spec", None)
    if found is not None and not hasattr(found, "term_codings"):
        raise UnsupportedModelError("the formula is one of formulaic. Set statsmodels' formula_engine to 'patsy'")
    return found


def _features(model: LikelihoodModel, told: RawColumns) -> list[Feature]:
    """Return the columns of the design matrix."""
    if (formula := _formula(model)) is not None:
        return features_of(formula, told)
    constant = model.data.const_idx
    if constant is not None and model.exog is not None and (model.exog[:, constant] != 1).any():
        constant = None  # a column like others, of one value
    return [number(1.0) if place == constant else term(Power(place)) for place in range(len(told.names))]


def _numbers(cells: Series, levels: Sequence[object]) -> NDArray[np.float64]:
    """Return a column of numbers, or the places of its cells among the levels."""
    places = {level: place for place, level in enumerate(levels)}
    return np.array([places[cell] for cell in cells] if levels else cells, dtype=np.float64)


def _predicted(results: Results, columns: Mapping[str, list[object]]) -> ArrayLike:
    """Return `predict` of columns by name; of a design matrix the constant is not among them."""
    from pandas import DataFrame

    rows = DataFrame(columns)
    if _formula(results.model) is None:
        rows = rows.reindex(columns=list(map(str, results.model.exog_names)), fill_value=1.0).to_numpy()
    return np.asarray(results.predict(rows))


def _with_figures(checkpoint: Checkpoint, results: Results) -> Checkpoint:
    """Return the checkpoint with the rows, the figures and the coefficients of the fit."""
    r2, adjr2 = (_figure(getattr(results, name, np.nan)) for name in ("rsquared", "rsquared_adj"))
    has_sd = type(results.model).__name__ in _WITH_INTERVAL and results.df_resid > 0
    quality = Quality(r2=r2, adjr2=adjr2, residual_sd=sqrt(results.mse_resid) if has_sd else None)
    (output,) = checkpoint.contract.outputs
    outputs = (output._replace(r2=r2, residual_sd=quality.residual_sd),)
    contract = checkpoint.contract._replace(rows=len(results.model.exog), outputs=outputs)
    said = FitReport(
        df_resid=int(results.df_resid),
        intercept=bool(results.model.k_constant),
        quality=(quality,),
        coefficients=_coefficients(results, output.name),
    ).to_json(contract)
    fit = {key: said[key] for key in _FIGURES if said[key] is not None} | dict(checkpoint.fit)
    return replace(checkpoint, contract=contract, fit=fit)


def _coefficients(results: Results, target: str) -> tuple[Coefficient, ...]:
    """Return the table of coefficients by the names that the source gives them, without figures that it has not."""
    nothing = np.full(len(results.params), np.nan)
    parts = (np.asarray(getattr(results, name, nothing)) for name in ("params", "bse", "tvalues", "pvalues"))
    ends = np.asarray(results.conf_int()).T if hasattr(results, "conf_int") else (nothing, nothing)
    rows = zip(results.model.exog_names, np.array([*parts, *ends], dtype=np.float64).T.tolist(), strict=True)
    return tuple(Coefficient(target, str(name), *map(_figure, row)) for name, row in rows)


def _figure(value: float) -> float | None:
    return float(value) if isfinite(value) else None
