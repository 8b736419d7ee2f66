"""What is checked, in the order of the protocol's text: each module holds the checks of one part of it."""

from __future__ import annotations

from ..check import Check
from . import answers, binary_inputs, binary_outputs, errors, health, inference, metadata, outputs, refusals, versions

_PARTS = (health, metadata, versions, answers, inference, outputs, refusals, errors, binary_inputs, binary_outputs)

ALL: tuple[Check, ...] = tuple(each for part in _PARTS for each in vars(part).values() if isinstance(each, Check))
