"""The errors of the export stage; those that it shares stand in `lr_runtime.errors`."""

from __future__ import annotations

from lr_runtime.errors import LinedgeError


class UnsupportedModelError(LinedgeError, ValueError):
    """A model that lacks what was asked for, or has terms that an artefact cannot hold yet."""
