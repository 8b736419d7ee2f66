"""Ways in which a server can be wrong, each with the checks that have to see it."""

from __future__ import annotations

from . import descriptions, inference, refusals
from .wrong import Fault

FAULTS = {
    name: each
    for part in (descriptions, inference, refusals)
    for name, each in vars(part).items()
    if isinstance(each, Fault)
}
