"""A scikit-learn estimator whose `fit` is `lr_trainer.fit`, and whose fitted model is a checkpoint."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Self

import numpy as np
from scipy.special import stdtrit

from lr_runtime.contract.interval import interval_of
from lr_runtime.errors import TableError, listed
from lr_runtime.prediction.coercion import Coercion
from lr_runtime.prediction.inputs import first_fault, given, unmasked
from lr_runtime.system.lazy import needs_extra
from lr_trainer.arithmetic.functions import on_own_scale, with_functions
from lr_trainer.choices import Device, FitOptions, MissingPolicy, MissingTarget
from lr_trainer.fitting.joining import update
from lr_trainer.fitting.table import fit
from lr_trainer.model.design import Design

with needs_extra("sklearn"):
    from sklearn.base import BaseEstimator, MultiOutputMixin, RegressorMixin
    from sklearn.utils import _safe_indexing, check_array
    from sklearn.utils.validation import _check_sample_weight, check_is_fitted, validate_data

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from numpy.typing import ArrayLike, NDArray

    from lr_trainer.descent.options import Descent
    from lr_trainer.model.checkpoint import Checkpoint


@dataclass(kw_only=True, eq=False, repr=False)
class LinearModelRegressor(MultiOutputMixin, RegressorMixin, BaseEstimator):  # type: ignore[misc] # sklearn has no types
    """A linear model as an estimator of scikit-learn; `lr_export.export` takes it once it is fitted.

    Each parameter is the option of `lr_trainer.fit` of that name. An array's columns are called x1, x2, ...

    Attributes:
        checkpoint_: the model, its contract, its report and its moments.
        coef_: float64 (terms,) or (outputs, terms): on the raw columns; NaN for one beyond the range of float64.
        intercept_: float64 () or (outputs,).
        term_names_: str (terms,): `x`, `x^2`, `site=B`, `x missing`.

    Example:
        >>> model = LinearModelRegressor().fit([[1.0], [2.0], [3.0], [4.0]], [2.1, 3.9, 6.2, 7.8])
        >>> model.coef_.round(6), model.intercept_.round(6)
        (array([1.94]), np.float64(0.15))
        >>> model.predict([[2.5]], return_interval=True).round(3).tolist()
        [[5.0], [4.026], [5.974]]
    """

    category: Sequence[str] = ()
    missing: MissingPolicy = "error"
    missing_target: MissingTarget = "error"
    degree: int = 1
    transforms: Mapping[str, str] | None = None
    interact: Sequence[str] = ()
    intercept: bool = True
    drop_collinear: bool = False
    minimum_norm: bool = False
    l1: float = 0.0
    l2: float = 0.0
    penalty: Literal["auto"] | None = None
    l1_ratio: float | None = None
    nonnegative: Sequence[str] = ()
    nonpositive: Sequence[str] = ()
    bounds: Mapping[str, tuple[float | None, float | None]] | None = None
    interval: float | None = None
    units: Mapping[str, str] | None = None
    cv: int | None = None
    cv_group: str | None = None
    seed: int | None = None
    time: Mapping[str, str] | None = None
    digits: int = FitOptions.digits
    errors: str | None = None
    influence: bool = False
    formula: str | None = None
    exact_sums: bool = False
    device: Device = "cpu"
    descent: Descent | None = None

    def fit(self, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None) -> Self:
        """Fit the model; ValueError says what is wrong with the rows or the parameters.

        Args:
            X: numbers or text (rows, columns), or a frame of pandas, polars or pyarrow.
            y: numbers (rows,), or (rows, outputs), each output fitted separately; a frame or a series names them.
            sample_weight: numbers (rows,), the inverse variances of the rows up to a factor; rows of 0 are left out.
        """
        table, outputs, weight, shape = self._rows(X, y, sample_weight, reset=True)
        return self._keep(fit(table, target=outputs, weight=weight, **self.get_params(deep=False)), shape)

    def partial_fit(self, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None) -> Self:
        """Fit the rows so far and these, from the moments of both (`lr_trainer.update`); the first call is `fit`, and a
        penalised model or a descent, which is more than its moments, takes no further rows.
        """
        if not hasattr(self, "checkpoint_"):
            return self.fit(X, y, sample_weight)
        table, outputs, weight, shape = self._rows(X, y, sample_weight, reset=False)
        if outputs != (before := list(self.checkpoint_.contract.output_names)):
            raise TableError(f"y is {listed(outputs)}; expected {listed(before)}, as in the rows before")
        if weight != self.checkpoint_.report.rows.weight:
            raise TableError("some rows have a sample_weight and some have none. Give all of them one, such as 1")
        return self._keep(update(self.checkpoint_, table, device=self.device), shape)

    def predict(self, X: ArrayLike, return_interval: bool = False, level: float | None = None) -> NDArray[np.float64]:
        """Predict every row of columns as in `fit`: float64 (rows,) or (rows, outputs).

        With `return_interval` (3, rows) or (3, rows, outputs): y, and the lower and upper ends of its prediction
        interval, which holds a new y with the probability `level`; None is the parameter `interval`, or else 0.95.
        """
        check_is_fitted(self, "checkpoint_")
        model, x = self.checkpoint_, self._checked(X, reset=False)
        if isinstance(x, np.ndarray) and (self.errors or any(column.categories for column in model.contract.columns)):
            # By name a number is a category's value, as in the fit, and the column of clusters no feature.
            x = dict(zip(_names(x, "x", self.n_features_in_), x.T, strict=True))
        columns, faults = Coercion(model.contract)(given(x, model.contract.column_names, model.contract.category_names))
        if faults:
            raise first_fault(faults)
        variables = with_functions(columns.astype(np.float64, copy=False), model.contract.derived)
        terms = Design.of(model).expand(variables)
        eta, functions = terms @ model.weight.T + model.bias, [output.function for output in model.contract.outputs]
        y = on_own_scale(eta, functions)
        if return_interval:
            half = interval_of(model, (self.interval or 0.95) if level is None else level, stdtrit).half(terms)
            ends = on_own_scale(eta - half, functions), on_own_scale(eta + half, functions)
            y = np.stack([y, np.minimum(*ends), np.maximum(*ends)])
        return y if self.coef_.ndim > 1 else y[..., 0]

    def __sklearn_tags__(self) -> object:
        tags = super().__sklearn_tags__()
        tags.input_tags.string, tags.input_tags.allow_nan = True, self.missing != "error"
        return tags

    def _checked(self, X: object, y: object = "no_validation", *, reset: bool) -> object:
        """Return X as an array, or the frame that it is, after checking its names and the number of its columns."""
        if not (hasattr(X, "shape") and hasattr(X, "columns")):
            allowed = self.missing == "error" or "allow-nan"
            X = check_array(unmasked(X), dtype=None, ensure_all_finite=allowed, input_name="X")
        validate_data(self, X, y, reset=reset, skip_check_array=True)
        return X

    def _rows(
        self, X: object, y: object, sample_weight: ArrayLike | None, *, reset: bool
    ) -> tuple[dict[str, ArrayLike], list[str], str | None, tuple[int, ...]]:
        """Return X, y and the weights by name; the names of y and of the weights; the shape of a row of y."""
        x, allowed = self._checked(X, y, reset=reset), self.missing_target == "error" or "allow-nan"
        targets = check_array(unmasked(y), ensure_2d=False, ensure_all_finite=allowed, input_name="y")
        weights = None if sample_weight is None else _check_sample_weight(unmasked(sample_weight), x, dtype=np.float64)
        if weights is not None and not weights.all():
            x, targets, weights = (_safe_indexing(each, np.flatnonzero(weights)) for each in (x, targets, weights))
        names, columns = _names(x, "x", self.n_features_in_), np.atleast_2d(targets.T)
        if isinstance(x, np.ndarray) and len(names) > 1:
            table: dict[str, ArrayLike] = {"x": x}  # whole, which is faster; its columns get these names
        else:
            table = {name: _safe_indexing(x, place, axis=1) for place, name in enumerate(names)}
        outputs = _names(y, "y", len(columns), taken=[*names, *table])
        table |= dict(zip(outputs, columns, strict=True))
        if weights is None:
            return table, outputs, None, targets.shape[1:]
        (weight,) = _names(None, "sample_weight", 1, taken=[*names, *table])
        return {**table, weight: weights}, outputs, weight, targets.shape[1:]

    def _keep(self, checkpoint: Checkpoint, outputs: tuple[int, ...]) -> Self:
        lines, first = checkpoint.report.coefficients, int(checkpoint.report.intercept)
        estimates = np.array([line.estimate for line in lines], dtype=np.float64).reshape(*outputs, -1)
        self.checkpoint_, self.coef_ = checkpoint, estimates[..., first:]
        self.intercept_ = estimates.T[0] if first else np.zeros(outputs)[()]
        self.term_names_ = np.array([line.term for line in lines[first : estimates.shape[-1]]], dtype=object)
        return self


def _names(columns: object, called: str, count: int, taken: Collection[str] = ()) -> list[str]:
    """Return the names of a frame or a series, else those that `lr_trainer.fit` gives the columns of an array."""
    if hasattr(columns, "columns"):
        names = list(map(str, getattr(columns, "column_names", columns.columns)))  # pyarrow's columns are no names
    else:
        name = str(getattr(columns, "name", None) or called)
        names = [name] if count == 1 else [f"{called}{place + 1}" for place in range(count)]
    if len(set(names)) < count:
        raise TableError(f"a name stands twice among the columns {listed(names)}")
    while not set(names).isdisjoint(taken):
        names = [f"{name}_" for name in names]
    return names
