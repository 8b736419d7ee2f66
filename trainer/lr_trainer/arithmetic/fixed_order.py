"""A fixed order of arithmetic, which gives the same bits on every processor; libraries do not promise it.

IEEE 754 says how +, -, *, / and the square root round, so that NumPy has the same bits everywhere element by element,
and in sums along an axis, whose order is the same on all processors. That of BLAS, LAPACK and `einsum` is not, nor are
logarithms, exponentials, powers and `hypot`. `linear_algebra.py`, `elementary.py` and the distributions of the
statistics call libraries, and inside of `fixed_order()` compute in a fixed order. Threads of `in_order` do as their
caller does.
"""

from __future__ import annotations

from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_IS_FIXED = ContextVar("fixed order", default=False)


@contextmanager
def fixed_order(is_asked: bool = True) -> Iterator[None]:
    """Compute in a fixed order inside of it, where that is asked for; also a decorator."""
    before = _IS_FIXED.set(is_asked)
    try:
        yield
    finally:
        _IS_FIXED.reset(before)


def in_fixed_order() -> bool:
    """Return whether the caller is inside of `fixed_order()`."""
    return _IS_FIXED.get()
