"""Consecutive pieces of a table, on which several processes work side by side.

Each piece is a table: it has the names, options and indexes of the whole, its messages name the rows and lines of the
whole file, and its batches are those that the whole gives at its place. It is pickled as what opens it, not as its
rows.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from lr_runtime.tables.table import Cut, CutTable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lr_runtime.tables.table import Table


def pieces_of(table: Table, cut: Cut | None = None) -> Sequence[Table]:
    """Return tables that together, one after the other, are `table`: its files, and parts of large ones.

    Parquet is cut at row groups, Arrow files at record batches, text between records, for which it is read through
    once. What is packed, rewritten, read once or in memory is one piece.

    Example:
        >>> from pathlib import Path
        >>> from lr_runtime.tables import open_table
        >>> from lr_runtime.tables.table import Cut
        >>> _ = Path("line.csv").write_text("x,y\\n1,3\\n2,5\\n3,7\\n4,9\\n")
        >>> pieces = pieces_of(open_table("line.csv"), Cut(text=8))
        >>> [[batch.values[:, 0].tolist() for batch in piece.batches(["x"])] for piece in pieces]
        [[[1.0, 2.0]], [[3.0, 4.0]]]
        >>> [rows_of(piece) for piece in pieces]
        [2, 2]
    """
    return table.pieces(cut or Cut()) if isinstance(table, CutTable) else [table]


def rows_of(table: Table) -> int | None:
    """Return how many rows a table has, bad ones among them; None where only reading them as rows would tell.

    The files of Parquet say it; text is read through for it.
    """
    return table.count() if isinstance(table, CutTable) else None
