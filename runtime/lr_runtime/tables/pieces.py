"""The consecutive parts of a table, each a table itself, for several workers or processes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lr_runtime.tables.files.several import SeveralTables

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lr_runtime.tables.table import Table


def pieces_of(table: Table) -> Sequence[Table]:
    """Return the consecutive parts of a table; itself where it cannot be cut."""
    return table._tables if isinstance(table, SeveralTables) else [table]
