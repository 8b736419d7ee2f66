"""Sums over blocks in a tree whose shape depends on the blocks' numbers alone, whoever takes which of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

T = TypeVar("T")


class Tree(Generic[T]):
    """What consecutive blocks give, merged in pairs of halves: no more than log2 of them wait, twice that of a part.

    A block may give nothing, None. A node of height h stands for 2^h blocks, from a multiple of that number on.

    Args:
        merge: makes one of two neighbours.
        first: the number of the first block.

    >>> from operator import add
    >>> letters, whole, parts = "abcdefg", Tree(add), [Tree(add), Tree(add, first=3)]
    >>> for place, letter in enumerate(letters):
    ...     whole.push(letter)
    ...     parts[place >= 3].push(letter)
    >>> whole.nodes == Tree.joined(parts).nodes, whole.total()
    (True, 'abcdefg')
    """

    def __init__(self, merge: Callable[[T, T], T], first: int = 0) -> None:
        self.nodes: list[tuple[int, T | None]] = []
        self._merge, self._next = merge, first

    def push(self, leaf: T | None) -> None:
        """Add what the next block gives."""
        self.add(0, leaf)

    def add(self, height: int, node: T | None) -> None:
        """Add what the next blocks give together, as another tree has it."""
        start, self._next = self._next, self._next + (1 << height)
        while self.nodes and self.nodes[-1][0] == height and (start >> height) & 1:
            node, start = self._both(self.nodes.pop()[1], node), start - (1 << height)
            height += 1
        self.nodes.append((height, node))

    def _both(self, left: T | None, right: T | None) -> T | None:
        if left is None or right is None:
            return right if left is None else left
        return self._merge(left, right)

    def total(self) -> T | None:
        """Return what all blocks give together; None of none."""
        total = None
        for _, node in reversed(self.nodes):
            total = self._both(node, total)
        return total

    @staticmethod
    def joined(trees: Iterable[Tree[T]]) -> Tree[T]:
        """Return the tree of all blocks, from those of its parts in their order."""
        first, *others = trees
        whole = Tree(first._merge, first._next - sum(1 << height for height, _ in first.nodes))
        for height, node in (each for tree in (first, *others) for each in tree.nodes):
            whole.add(height, node)
        return whole


def summed(merge: Callable[[T, T], T], leaves: Iterable[T | None]) -> T | None:
    """Return what all leaves give together; None of none."""
    tree = Tree(merge)
    for leaf in leaves:
        tree.push(leaf)
    return tree.total()
