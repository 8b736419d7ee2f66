"""Instants as numbers, for training and for prediction alike: counted in a unit from an origin, rounded once.

Without an offset an instant is in UTC, whose days have 86,400 seconds here, as in POSIX: leap seconds have no number.
Text is in the extended format of ISO 8601. `datetime.fromisoformat` alone would drop digits behind the microsecond,
take any letter before the time, and from one version of Python to the next take other texts.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Literal, NamedTuple, cast, get_args

from lr_runtime.system.text import is_missing

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    import numpy as np
    from numpy.typing import NDArray

    Counts = NDArray[np.int64]

TimeUnit = Literal["seconds", "minutes", "hours", "days", "weeks"]
_SECONDS: dict[str, int] = dict(zip(get_args(TimeUnit), (1, 60, 3600, 86_400, 604_800), strict=True))
_START = datetime(1970, 1, 1, tzinfo=UTC)
_EPOCH = "1970-01-01T00:00:00Z"
"""The origin unless another is asked for: the same for all tables, so that their models can be joined. A number of days
is rounded by a third of a microsecond in this century; powers lose nothing, for terms have an origin of their own."""

_HOURS, _SIXTY = "(?:[01][0-9]|2[0-3])", "[0-5][0-9]"
ISO_8601 = (
    rf"([0-9]{{4}}-[0-9]{{2}}-[0-9]{{2}})(?:([T ]{_HOURS}(?::{_SIXTY}(?::[0-9]{{2}})?)?)"
    rf"(?:(?<=:..:..)[.,]([0-9]{{1,9}}))?(Z|[+-]{_HOURS}(?::?{_SIXTY}(?::{_SIXTY})?)?)?)?"
)
"""An instant as text: its day, its time, the digits behind the second, its zone. JavaScript reads the pattern, too."""


class NotAnInstantError(ValueError):
    """A cell is no instant; the message says why, for a sentence that begins with the cell."""


class Clock(NamedTuple):
    """What the instants of a column are counted in, and from when.

    Example:
        >>> Clock.named("hours").words
        'hours since 1970-01-01T00:00:00Z'
    """

    unit: TimeUnit
    origin: str = _EPOCH

    @staticmethod
    def named(words: str) -> Clock:
        """Read a unit, or a unit and an origin, `days since 2024-01-01`; raises ValueError where it is none."""
        unit, since, origin = words.partition(" since ")
        if unit not in _SECONDS:
            raise ValueError(f"{unit} is none of {', '.join(_SECONDS)}")
        origin = origin if since else _EPOCH
        instant(origin)
        return Clock(cast("TimeUnit", unit), origin)

    @property
    def words(self) -> str:
        """The unit and the origin, as `named` takes them."""
        return f"{self.unit} since {self.origin}"

    @property
    def seconds(self) -> int:
        """The seconds in a unit."""
        return _SECONDS[self.unit]


def instant(text: str) -> tuple[int, int]:
    """Return the whole seconds since 1970 of an instant, and the nanoseconds beyond; raises NotAnInstantError.

    Example:
        >>> instant("1969-12-31T23:59:59.5"), instant("2024-05-01T12:00+02:00")
        ((-1, 500000000), (1714557600, 0))
    """
    if (found := re.fullmatch(ISO_8601, text)) is None:
        raise NotAnInstantError("is not an instant in ISO 8601, such as 2024-05-01 or 2024-05-01T12:00:00Z")
    day, time, fraction, zone = found.groups()
    try:
        since = datetime.fromisoformat(day + (time or "T00:00") + (zone or "Z")) - _START
    except ValueError as error:
        raise NotAnInstantError(f"is no instant ({error})") from error
    return since.days * 86_400 + since.seconds, int((fraction or "").ljust(9, "0"))


def numbers_of(
    cells: NDArray[np.generic] | Sequence[object], clock: Clock, missing: Collection[str]
) -> tuple[NDArray[np.float64], dict[int, str]]:
    """Return instants as float64 (rows,), each nearest to its number of units, and by row why a cell is none.

    Args:
        cells: numpy's dates and moments; or text in ISO 8601, moments of Python or pandas, None for a missing value.
        clock: what is counted, and from when.
        missing: the texts that mean a missing value, which is NaN.

    Example:
        >>> numbers_of(["2024-01-02", "NA", "2024-01-01T12:00:00Z"], Clock("days", "2024-01-01"), {"NA"})
        (array([1. , nan, 0.5]), {})
    """
    import numpy as np

    if isinstance(cells, np.ndarray) and cells.dtype.kind == "M":
        kind = np.datetime_data(str(cells.dtype))[0]
        unit = kind if kind in {"ms", "us"} else "s" if kind in "YMWDhms" else "ns"
        parts = 10 ** {"s": 0, "ms": 3, "us": 6, "ns": 9}[unit]
        seconds, beyond = np.divmod(cells.astype(f"M8[{unit}]").astype(np.int64), parts)
        return np.where(np.isnat(cells), np.nan, _counted(seconds, beyond * (10**9 // parts), clock)), {}
    texts = ["" if is_missing(cell) else str(cell).strip(" \t") for cell in cells]
    parts, absent, why = [(0, 0)] * len(texts), list[int](), dict[int, str]()
    for row, text in enumerate(texts):
        try:
            parts[row] = instant(text)
        except NotAnInstantError as error:
            absent.append(row)
            if text not in missing:
                why[row] = str(error)
    seconds, nanoseconds = np.array(parts, np.int64).reshape(-1, 2).T
    values = _counted(seconds, nanoseconds, clock)
    values[absent] = np.nan
    return values, why


def _counted(seconds: Counts, nanoseconds: Counts, clock: Clock) -> NDArray[np.float64]:
    """Return the units since the origin. A quotient of two integers that float64 holds is rounded once: of microseconds
    within 285 years of the origin. Python rounds that of any two once.
    """
    import numpy as np

    origin, unit = instant(clock.origin), clock.seconds
    seconds, nanoseconds = seconds - origin[0], nanoseconds - origin[1]
    values: NDArray[np.float64] = (seconds * 10**6 + nanoseconds // 1000) / (unit * 10**6)
    rest = np.flatnonzero((np.abs(seconds) >= 9 * 10**9) | (nanoseconds % 1000 != 0))
    pairs = zip(seconds[rest].tolist(), nanoseconds[rest].tolist(), strict=True)
    values[rest] = [(whole * 10**9 + beyond) / (unit * 10**9) for whole, beyond in pairs]
    return values
