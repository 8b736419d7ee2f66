"""The zip archives that torch writes, record by record: what says where, when or by whom they were made goes."""

from __future__ import annotations

import io
import zipfile
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

_EPOCH = (1980, 1, 1, 0, 0, 0)


def repacked(saved: io.BytesIO, changed: Callable[[str, bytes], tuple[str, bytes] | None]) -> bytes:
    """Return the archive with every record as `changed` gives its name and content, or without it; all of one date."""
    packed = io.BytesIO()
    with zipfile.ZipFile(saved) as source, zipfile.ZipFile(packed, "w", zipfile.ZIP_STORED) as target:
        for record in source.infolist():
            kept = changed(record.filename, source.read(record))
            if kept is not None:
                target.writestr(zipfile.ZipInfo(kept[0], _EPOCH), kept[1])
    return packed.getvalue()
