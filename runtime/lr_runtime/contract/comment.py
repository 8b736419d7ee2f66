"""The contract inside source code: lines of comment that compilers pass over and lr-inspect reads.

    // linedge c contract
    // |{"contract":1,"columns":[{"name":"x", ... |
    // | ... "golden_rows":[]}|

The text is ASCII, whatever the names in it, and every line ends with a bar: after a backslash at the end of a line, C
would join the next line to the comment. Standard library only.
"""

from __future__ import annotations

import re

_WIDTH = 112
_BEYOND_ASCII = re.compile(r"[^\x20-\x7e]")
_BLOCK = re.compile(rb"^(//|#|--) linedge ([a-z]+) contract\n((?:\1 \|[\x20-\x7e]*\|\n)+)", re.MULTILINE)


def as_comment(contract: str, language: str, mark: str = "//") -> str:
    """Return the lines that hold a contract's JSON in a file of `language` (lower-case letters), after a `mark`."""
    text = _BEYOND_ASCII.sub(_escape, contract)
    lines = (text[start : start + _WIDTH] for start in range(0, len(text), _WIDTH))
    return f"{mark} linedge {language} contract\n" + "".join(f"{mark} |{line}|\n" for line in lines)


def from_comment(content: bytes) -> tuple[str, str] | None:
    """Return the language that a file names and the contract's JSON, in ASCII; None where it holds no contract."""
    found = _BLOCK.search(content.replace(b"\r\n", b"\n"))
    if found is None:
        return None
    mark, language, lines = (part.decode("ascii") for part in found.groups())
    return language, "".join(line.removeprefix(f"{mark} |").removesuffix("|") for line in lines.splitlines())


def _escape(character: re.Match[str]) -> str:
    """Return the JSON escape of a character in ASCII: JSON has other characters inside strings only."""
    units = character[0].encode("utf-16-be")
    return "".join(f"\\u{units[at]:02x}{units[at + 1]:02x}" for at in range(0, len(units), 2))
