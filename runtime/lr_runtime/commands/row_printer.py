"""The prediction of one row as a person reads it: one line, or a table of what each term adds."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from lr_runtime.contract.equation import plain_name
from lr_runtime.errors import shown
from lr_runtime.system.text import aligned

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from lr_runtime.prediction.explanation import Explanation
    from lr_runtime.prediction.result import Prediction

_TITLES = ("term", "value", "weight", "contribution")


def line(prediction: Prediction) -> str:
    """Return the results of a row, tabs between them."""
    (row,) = prediction.rows()
    return values(row)


def values(row: Mapping[str, object]) -> str:
    """Return named values, tabs between them."""
    return "\t".join(str(value).lower() if isinstance(value, bool) else repr(value) for value in row.values()) + "\n"


def document(results: Mapping[str, object], sha256: str) -> str:
    """Return results as one JSON object, with the digest of the model that gave them; null for an infinite limit."""
    named = {**results, "model_sha256": sha256}
    try:
        return json.dumps(named, ensure_ascii=False, allow_nan=False) + "\n"
    except ValueError:
        from lr_runtime.tables.writing import json_object  # takes 5 ms

        return json_object(named) + "\n"


def tables(explanations: Sequence[Explanation]) -> str:
    """Return a table for each output."""
    return "\n".join(map(_table, explanations))


def _table(explanation: Explanation) -> str:
    of = "" if explanation.fitted == plain_name(explanation.output) else f" of {explanation.fitted}"
    rows = [
        _TITLES,
        ("intercept", "", "", repr(explanation.intercept)),
        *(
            (shown(share.term), *map(repr, (share.value, share.weight, share.contribution)))
            for share in explanation.shares
        ),
        (f"sum{of}", "", "", repr(explanation.total)),
        *_corrected(explanation),
        ("prediction", "", "", repr(explanation.prediction)),
    ]
    return "\n".join([shown(explanation.output), *aligned(rows, numbers=True)]) + "\n"


def _corrected(explanation: Explanation) -> Iterator[tuple[str, str, str, str]]:
    """Yield what the mean adds, where the prediction is one of a target that was fitted as a function."""
    if explanation.correction is not None:
        to = "it" if explanation.fitted.startswith("log(") else "its square"
        yield f"for the mean, to {to}", "", "", repr(explanation.correction)
