"""What a mutant is: one operator, comparison or number of a module, changed."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from itertools import accumulate, pairwise
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

Change = tuple[int, int, str]
"""The characters from the first number to the second become the text."""

OPERATORS: dict[type[ast.AST], tuple[str, str]] = {
    ast.Lt: ("<", "<="), ast.LtE: ("<=", "<"), ast.Gt: (">", ">="), ast.GtE: (">=", ">"), ast.Eq: ("==", "!="),
    ast.NotEq: ("!=", "=="), ast.Is: ("is", "is not"), ast.IsNot: ("is not", "is"), ast.In: ("in", "not in"),
    ast.NotIn: ("not in", "in"), ast.Add: ("+", "-"), ast.Sub: ("-", "+"), ast.Mult: ("*", "/"), ast.Div: ("/", "*"),
    ast.FloorDiv: ("//", "*"), ast.Mod: ("%", "*"), ast.And: ("and", "or"), ast.Or: ("or", "and"),
    ast.BitAnd: ("&", "|"), ast.BitOr: ("|", "&"),
}  # fmt: skip
NAMES = {"min": "max", "max": "min", "minimum": "maximum", "maximum": "minimum", "any": "all", "all": "any"}


@dataclass(frozen=True)
class Mutant:
    """A change of a file: the characters from `start` to `end` become `text`."""

    path: str
    line: int
    start: int
    end: int
    text: str

    def applied(self, source: str) -> str:
        """Return the changed source."""
        return source[: self.start] + self.text + source[self.end :]

    def said(self, source: str) -> str:
        """Return the line, and what it becomes."""
        first = source.rfind("\n", 0, self.start) + 1
        last = source.find("\n", self.end)
        before, after = source[first:last], source[first : self.start] + self.text + source[self.end : last]
        return f"{before.strip()}  ->  {after.strip()}"


def mutants_of(path: str, source: str) -> list[Mutant]:
    """Return every mutant of a module, in the order of its text."""
    text = _Text(source)
    changes = [change for node in _evaluated(ast.parse(source)) for change in text.changes(node)]
    return [Mutant(path, source.count("\n", 0, start) + 1, start, end, new) for start, end, new in sorted(changes)]


def _evaluated(tree: ast.AST) -> Iterator[ast.AST]:
    """Yield the nodes that compute something: no annotations, no messages, no imports for types, no defaults' names."""
    for name, value in ast.iter_fields(tree):
        if name in {"annotation", "returns", "type_params", "bases"} or isinstance(value, ast.JoinedStr):
            continue
        for child in value if isinstance(value, list) else [value]:
            is_for_types = isinstance(child, ast.If) and "TYPE_CHECKING" in ast.dump(child.test)
            is_alias = isinstance(child, ast.Assign | ast.AnnAssign) and "Literal" in ast.dump(child)
            if not isinstance(child, ast.AST) or is_for_types or is_alias:
                continue
            if isinstance(child, ast.Raise | ast.Assert | ast.Import | ast.ImportFrom | ast.JoinedStr):
                continue
            yield child
            yield from _evaluated(child)


class _Text:
    """A source, and where the nodes of its tree are in it."""

    def __init__(self, source: str) -> None:
        self._source = source
        self._lines = source.splitlines(keepends=True)
        self._starts = [0, *accumulate(map(len, self._lines))]

    def changes(self, node: ast.AST) -> Iterator[Change]:
        """Yield what a node may be changed to."""
        match node:
            case ast.Compare():
                for left, sign, right in zip([node.left, *node.comparators], node.ops, node.comparators, strict=False):
                    yield from self._between(left, sign, right)
            case ast.BinOp():
                yield from self._between(node.left, node.op, node.right)
            case ast.BoolOp():
                for left, right in pairwise(node.values):
                    yield from self._between(left, node.op, right)
            case ast.UnaryOp(op=ast.Not() | ast.USub()):
                yield self._start(node), self._start(node.operand), ""
            case ast.Constant(value=int() | float() as number) if not isinstance(number, bool):
                changed = number + 1 if isinstance(number, int) else 2 * number or 1.0
                yield self._start(node), self._end(node), repr(changed)
            case ast.Name(id=name) | ast.Attribute(attr=name) if name in NAMES:
                yield self._end(node) - len(name), self._end(node), NAMES[name]

    def _between(self, left: ast.expr, operator: ast.AST, right: ast.expr) -> Iterator[Change]:
        sign, other = OPERATORS.get(type(operator), ("", ""))
        start = self._source.find(sign, self._end(left), self._start(right)) if sign else -1
        if start >= 0:
            yield start, start + len(sign), other

    def _start(self, node: ast.expr) -> int:
        return self._place(node.lineno, node.col_offset)

    def _end(self, node: ast.expr) -> int:
        assert node.end_lineno is not None
        assert node.end_col_offset is not None
        return self._place(node.end_lineno, node.end_col_offset)

    def _place(self, line: int, column: int) -> int:
        return self._starts[line - 1] + len(self._lines[line - 1].encode()[:column].decode())
