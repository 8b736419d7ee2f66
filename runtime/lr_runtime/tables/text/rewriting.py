"""Text tables with lines that hold no cells, or cells aligned with blanks, to what the parsers take.

Every line stays one, empty where it held no cells: messages count lines as the file does.
"""

from __future__ import annotations

import re
from dataclasses import replace
from functools import partial
from typing import IO, TYPE_CHECKING

from lr_runtime.errors import TableError
from lr_runtime.system.streams import converted, pieces_of
from lr_runtime.tables.text.encoding import BOM

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lr_runtime.system.streams import Opener
    from lr_runtime.tables.cells.options import TableOptions

_LONGEST_LINE = 64 << 20
_SEPARATOR = re.compile(rb'"?[sS][eE][pP]=([^\r\n"0-9A-Za-z\x80-\xff])"?\1*[ \t\r]*')
_CLOSING = re.compile(rb'(?:[^"]++|"")*+"')
_LINE = re.compile(rb"[^\n]*\n|[^\n]+")


def rewritten(opener: Opener, head: bytes, options: TableOptions, name: str) -> tuple[Opener, TableOptions] | None:
    """Return what opens a text, UTF-8 with these first bytes, as the parsers take it, and its options; None where it is
    that already. A first line `sep=;` names the delimiter, unless the options name another.
    """
    given = _given(head)
    if not (given or options.skip_rows or options.comment or options.delimiter == "whitespace"):
        return None
    opened = converted(opener, partial(_pieces, options=options, name=name))
    return opened, with_delimiter(options, given)


def _given(head: bytes) -> str | None:
    found = _SEPARATOR.fullmatch(head.removeprefix(BOM).partition(b"\n")[0])
    return found[1].decode() if found else None


def with_delimiter(options: TableOptions, given: str | None) -> TableOptions:
    """Return the options with the delimiter that the text itself gives, unless they name another than usual."""
    return replace(options, delimiter=given) if given and options.delimiter == type(options).delimiter else options


class Rewriter:
    """Takes whole lines in order, and gives as many, without lines and comments that the options leave out.
    The delimiter that the first line gives is `given`, None where it gives none.
    """

    def __init__(self, options: TableOptions) -> None:
        self.given: str | None = None
        self._options = options
        self._comment = options.comment.encode() if options.comment else None
        self._line = 0
        self._has_begun = False
        self._is_quoted = False
        """Whether a quoted cell goes on in the next line."""

    def __call__(self, content: bytes) -> bytes:
        """Return the next lines; a comment ends with its line, and begins anywhere but in quotes."""
        start = b""
        while content and not self._has_begun:
            line, end, content = content.partition(b"\n")
            start += self._first(line, end)
        return start + self._rest(content) if content else start

    def _first(self, line: bytes, end: bytes) -> bytes:
        """Return what becomes of a line when none before it held cells."""
        self._line += 1
        if self._line == 1:
            line = line.removeprefix(BOM)
            self.given = _given(line)
        bare = line.strip()
        is_comment = self._comment is not None and bare.startswith(self._comment)
        if not bare or is_comment or self._line <= self._options.skip_rows or (self._line == 1 and self.given):
            return end
        self._has_begun = True
        self._begin(is_json=self._options.format != "csv" and bare.startswith(b"{"))
        return self._rest(line + end)

    def _begin(self, *, is_json: bool) -> None:
        options = with_delimiter(self._options, self.given)
        self._is_aligned = options.delimiter == "whitespace" and not is_json
        marks = b" \t" if self._is_aligned else re.escape(options.mark.encode())
        self._opening = re.compile(rb'(?:\A|(?<=[%b]))"' % marks)
        self._comments = None
        if self._comment is not None:
            blanks = b" \t".replace(options.mark.encode(), b"") if not self._is_aligned else b" \t"
            mark = re.escape(self._comment)
            # JSON quotes in its own way: there, a comment has a line of its own.
            behind = b"" if is_json else rb"|[%b]*%b[^\n]*" % (blanks, mark)
            self._comments = re.compile(rb"(?m:^)[ \t]*%b[^\n]*" % mark + behind)
        self._has_quotes = not is_json and (self._is_aligned or self._comments is not None)

    def _rest(self, content: bytes) -> bytes:
        if self._has_quotes and (self._is_quoted or b'"' in content):
            return b"".join(part for line in _LINE.findall(content) for part in self._parts(line))
        if self._comments is not None and self._comment is not None and self._comment in content:
            content = self._comments.sub(b"", content)
        return self._bare(content, begins=True, ends=True)

    def _bare(self, text: bytes, *, begins: bool, ends: bool) -> bytes:
        """Return what becomes of text outside of quotes, which may begin or end a line; comments are gone."""
        if not self._is_aligned:
            return text
        text = text.replace(b" ", b"\t")
        while b"\t\t" in text:  # a dozen times as fast as a regular expression
            text = text.replace(b"\t\t", b"\t")
        text = text.removeprefix(b"\t") if begins else text
        if ends:
            text = text.replace(b"\t\r\n", b"\r\n").replace(b"\t\n", b"\n").replace(b"\n\t", b"\n")
        return text.removesuffix(b"\t") if ends else text

    def _parts(self, line: bytes) -> Iterator[bytes]:
        """Yield what becomes of a line with quotes in it, or behind such."""
        at = 0
        while at < len(line):
            if self._is_quoted:
                closed = _CLOSING.match(line, at)
                self._is_quoted = closed is None
                end = len(line) if closed is None else closed.end()
                yield line[at:end]
                at = end
                continue
            opened = self._opening.search(line, at)
            end = len(line) if opened is None else opened.start()
            if self._comments is not None and (comment := self._comments.search(line, at, end)):
                yield self._bare(line[at : comment.start()], begins=at == 0, ends=True)
                yield b"\n" if line.endswith(b"\n") else b""
                return
            yield self._bare(line[at:end], begins=at == 0, ends=opened is None)
            if opened is not None:
                self._is_quoted = True
                yield b'"'
            at = end + 1


def _pieces(stream: IO[bytes], options: TableOptions, name: str) -> Iterator[bytes]:
    rewriter, held = Rewriter(options), bytearray()
    for piece in pieces_of(stream):
        end = piece.rfind(b"\n") + 1
        held += piece[: end or None]
        if end:
            yield rewriter(bytes(held))
            held = bytearray(piece[end:])
        elif len(held) > _LONGEST_LINE:
            raise TableError(f"{name}: a line is longer than {_LONGEST_LINE >> 20} MiB. Is this a text table?")
    yield rewriter(bytes(held))
