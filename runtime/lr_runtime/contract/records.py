"""Records as flat JSON objects, and back: what the report of a fit is made of."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from lr_runtime.system.text import Json

_KEYS = {
    "adjr2": "adjusted_r2",
    "df_resid": "degrees_of_freedom",
    "loglikelihood": "log_likelihood",
    "stderror": "standard_error",
}
"""The JSON keys that are not the names of the fields."""


def key_of(name: str) -> str:
    """Return the JSON key of a field."""
    return _KEYS.get(name, name)


def object_of(record: NamedTuple) -> dict[str, Json]:
    """Return the JSON object of a record."""
    return {
        key_of(name): list(value) if isinstance(value, tuple) else value for name, value in record._asdict().items()
    }


def given(**values: Any) -> dict[str, Json]:
    """Return the JSON of the values that are not None, records as objects."""
    return {
        key: object_of(value) if hasattr(value, "_fields") else value
        for key, value in values.items()
        if value is not None
    }


def fields_of(kind: type[NamedTuple], content: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of a record that a JSON object has; null is the same as absent."""
    found = {name: content.get(key_of(name)) for name in kind._fields}
    return {name: tuple(each) if isinstance(each, list) else each for name, each in found.items() if each is not None}


def flat(values: Sequence[Json]) -> Json:
    """Return the figure of a single target as it is, those of several as a list."""
    return values[0] if len(values) == 1 else list(values)


def of_each(value: Any) -> Sequence[Any]:
    """Return the figure of every target: the inverse of `flat`."""
    return value if isinstance(value, list | tuple) else (value,)


def finite(value: float) -> float | None:
    """Return a finite number, None in the place of any other."""
    return value if math.isfinite(value) else None
