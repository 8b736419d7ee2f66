"""Files that are no text: what each is, and what makes a table of it."""

from __future__ import annotations

from lr_runtime.system.signatures import format_of
from lr_runtime.tables.text.encoding import likely_encoding

_SEARCHED = 4096


def refusal(head: bytes) -> str | None:
    """Return what a file is that is no text, and what to do; None where it may be text.

    Args:
        head: its first bytes, UTF-8 where it is text.
    """
    found = format_of(head)
    if found is not None:
        return f"is {found.what}, not a text table" + (f". {found.to_table}" if found.to_table else "")
    start = head[:_SEARCHED]
    if b"\0" not in start:
        return None
    said = f"is a binary file, not a text table (a NUL byte at offset {start.index(0)})"
    encoding = likely_encoding(start)
    if encoding.startswith("utf-16") and _is_text(start, encoding):
        return f"{said}. It may be UTF-16 text. Try: --encoding {encoding}"
    return f"{said}. Name a table"


def _is_text(head: bytes, encoding: str) -> bool:
    """Return whether bytes are text in an encoding of two bytes a character, with a line end."""
    text = head[: len(head) // 2 * 2].decode(encoding, errors="replace")
    return "\n" in text and all(character.isprintable() or character in "\r\n\t" for character in text)
