"""The fast path for one row: a device predicts one at a time, and should not wait for the work that tables need."""

from __future__ import annotations

from math import isfinite
from typing import TYPE_CHECKING, Any

import numpy as np

from lr_runtime.prediction.coercion import DENSE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from lr_runtime.contract.contract import Contract
    from lr_runtime.onnx_file.session import BoundRow, Session

_FLOATS = (np.dtype(np.float32), np.dtype(np.float64))
_ORDINARY = frozenset({float, int, np.float64})


class OneRow:
    """Evaluates one row of ordinary numbers: its arrays are bound once per thread, and one check covers all numbers.

    Any other row (a value is missing, not finite, an integer that may be rounded, a category) is left to `Coercion`.
    """

    def __init__(self, session: Session, contract: Contract, results: Sequence[str]) -> None:
        self._session = session
        self._asked = results
        self._shape = (1, len(contract.columns))
        self._order = contract.column_names
        self._names = set(self._order)
        has_categories = any(column.kind == "category" for column in contract.columns)
        self._dense = 0.0 if has_categories else DENSE[contract.input_dtype]

    def results(self, x: Any) -> list[NDArray[np.generic]] | None:
        """Return copies of the results; None for a row that is not one of ordinary numbers."""
        kind = type(x)
        if kind is list and len(x) == 1 and type(x[0]) is dict:
            x, kind = x[0], dict
        if kind is np.ndarray:
            if x.shape != self._shape or x.dtype not in _FLOATS:
                return None
            row = x.tolist()[0]
        elif kind is list and len(x) == 1 and type(x[0]) is list and len(x[0]) == self._shape[1]:
            row = x[0]
        elif kind is dict and x.keys() == self._names:
            row = [x[name] for name in self._order]
            x = [row]
        else:
            return None
        try:
            # Below this limit all numbers are finite, integers exact, and none is beyond the input type; NaN compares
            # false. Sums of other kinds of numbers, such as numpy's integers, may wrap.
            if not (_ORDINARY.issuperset(map(type, row)) and sum(map(abs, row)) < self._dense):
                return None
            bound = self._bound()
            bound.x[...] = x
        except (TypeError, ValueError):
            return None
        bound.run()
        copies = [result.copy() for result in bound.results]
        for copy in copies:
            if not isfinite(copy.item() if copy.size == 1 else sum(copy[0].tolist())):
                return None
        return copies

    def taken(self) -> NDArray[np.generic]:
        """Return the last row of this thread that `results` evaluated, as the model took it: valid until the next."""
        return self._bound().x

    def _bound(self) -> BoundRow:
        local = self._session.local
        try:
            return local.bound  # type: ignore[no-any-return] # what a thread keeps has no declared type
        except AttributeError:
            local.bound = bound = self._session.bound_row(self._asked)
            return bound
