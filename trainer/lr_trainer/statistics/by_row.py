"""What one more pass over the rows of a least-squares fit tells: robust covariances, leverage and Cook's distances.

With X the terms and the constant of n rows, W their weights, k coefficients and L L' = (X' W X)^-1, q = sqrt(w) x L is
a row of orthonormal columns, whatever the columns' units. With r = sqrt(w) (y - prediction) / s,

    h = |q|^2, the leverage (Hoaglin and Welsch 1978)
    D = r^2 h / (k (1 - h)^2), Cook's distance (Cook 1977)
    s^2 L M L', the covariance of the coefficients, M = sum of a^2 r^2 q' q

a = 1 for hc0 (White 1980), sqrt(n / (n - k)) for hc1, 1 / sqrt(1 - h) for hc2 and 1 / (1 - h) for hc3 (MacKinnon and
White 1985). Of G clusters, M = G / (G - 1) (n - 1) / (n - k) sum of c' c, c the sum of r q over the rows of a cluster
(Liang and Zeger 1986, with the correction of Stata and statsmodels).
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from lr_runtime.contract.fit_report import Errors
from lr_runtime.errors import FitError, escaped
from lr_trainer.moments.pilot import Pilot
from lr_trainer.moments.preconditioner import size_of_parts
from lr_trainer.moments.prepared import first_block
from lr_trainer.moments.residuals import over_rows
from lr_trainer.rows.numbered import Numbered
from lr_trainer.rows.tree import Tree

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from lr_trainer.arithmetic.arrays import Array
    from lr_trainer.choices import FitOptions
    from lr_trainer.moments.prepared import Prepared
    from lr_trainer.solvers.strategy import Solved

_SHARE, _MARGIN = 1e-11, 1e-2
"""Columns of which rounding is a larger share are formed exactly, and then those within two digits of it, too."""

_WHOLE = 1e-9
"""Of a leverage nearer to 1, rounding leaves no digits of the residual."""

_POWERS = {"hc2": 0.5, "hc3": 1.0}
"""The powers of 1 - h that a divides by; 0 of other kinds."""

_MOST_BYTES, _WORST = 1 << 28, 20


class ByRow(NamedTuple):
    """What the pass tells, of each output.

    Attributes:
        worst: float64 (4, rows), Cook's distance (-1 of a leverage of 1), number, leverage and residual of the rows of
            the largest distances, and of that of the largest leverage.
        errors: which robust errors; None where none are asked for.
        robust: M, float64 (terms + 1, terms + 1), the constant last, and how far rounding moves the root of any g' M g,
            as a share of the length of g.
    """

    worst: Sequence[Array]
    errors: Errors | None = None
    robust: Sequence[tuple[Array, float]] = ()


class _Basis(NamedTuple):
    """Z of `pilot` times matrix (columns, terms + 1 + outputs), plus shift, are q and r but for the root of w.

    `sds` are s, 1 where it is 0, and `noise` is that of `ByRow.robust` for a = 1, float64 (outputs,).
    """

    pilot: Pilot
    matrix: Array
    shift: Array
    sds: Array
    noise: Array


def _basis(solved: Solved) -> _Basis:
    normal, solution, terms = solved.normal, solved.solution, solved.normal.terms
    assert solution.basis is not None
    fine, factor, degrees = normal.among(solution.support).preconditioned, solution.basis[1], max(solution.df_resid, 1)
    sds = np.sqrt(solution.ssr / degrees)
    sds[sds == 0] = 1.0
    matrix = np.zeros((len(normal.gram), len(normal.gram) + 1))
    matrix[:terms, :terms], matrix[terms:, terms + 1 :] = factor, np.diag(1 / sds)
    matrix[:terms, terms + 1 :] = -factor @ (factor.T @ fine.comoment[:terms, terms:]) / sds
    parts, left = size_of_parts(fine.transform, normal.lengths), np.sqrt(np.maximum(np.diag(fine.comoment), 0.0))
    share = np.divide(2.0**-53 * parts, left, out=np.zeros_like(left), where=left > 0)
    pilot = Pilot(normal.mean.high, fine.transform, bool((share > _SHARE).any()), only=share > _MARGIN * _SHARE)
    shift, off = -(normal.mean.low @ fine.transform) @ matrix, (pilot.unit * parts) @ np.abs(matrix)
    shift[terms] = normal.weight**-0.5 * normal.intercept
    unit, reach, lost = solution.rounding.unit, solution.rounding.reach / sds, np.linalg.norm(off[:terms])
    return _Basis(pilot, matrix, shift, sds, unit * reach + off[terms + 1 :] + degrees**0.5 * (lost + unit))


def taken_by_row(prepared: Prepared, solved: Solved, asked: FitOptions) -> ByRow:
    """Take one pass over the rows for the robust errors and the influence that are asked for.

    Raises:
        FitError: hc2 or hc3 would divide by 0 for a row that has a leverage of 1; there is one cluster, or there are
            more than `_MOST_BYTES` hold.
    """
    basis, (kind, _, _), degrees = _basis(solved), (asked.errors or "").partition(":"), solved.solution.df_resid
    rows, workers = solved.normal.rows, prepared.rows.workers
    work = partial(_of_block, basis, kind, rows - degrees)
    parts = workers.gathered("the rows", lambda: _taken_here(prepared, basis, work, asked.cluster))
    found = Tree.joined(_together(parts)).total()
    assert found is not None
    sums, places, worst = found
    errors = Errors(kind, degrees) if kind else None
    scale = rows / max(degrees, 1) if kind == "hc1" else 1.0
    if asked.cluster is not None:
        if (count := len(places)) < 2:
            raise FitError(f"{escaped(asked.cluster)} has one value in all rows, so one cluster. Use --errors hc1")
        errors = Errors(kind, count - 1, asked.cluster, count)
        scale = count / (count - 1) * (rows - 1) / max(degrees, 1)
        sums = np.array([np.dot(each.T, each) for each in sums])
    noise = basis.noise * scale**0.5 * (1 - worst[0][2].max()) ** -_POWERS.get(kind, 0.0)
    return ByRow(worst if asked.influence else (), errors, list(zip(sums * scale, noise.tolist(), strict=True)))


class _Sums(NamedTuple):
    """What some rows give.

    Attributes:
        sums: float64 (outputs, places, terms + 1), of M or of clusters.
        places: int (places,), increasing, those of the sums: rows of M, or numbers of clusters.
        worst: the worst rows of each output, see `ByRow`.
    """

    sums: Array
    places: NDArray[np.intp]
    worst: list[Array]

    def of(self, places: NDArray[np.intp]) -> Array:
        """Return the sums at these places, which include its own; 0 at others."""
        if len(places) == len(self.places):
            return self.sums
        room = np.zeros((len(self.sums), len(places), self.sums.shape[2]))
        room[:, np.searchsorted(places, self.places)] = self.sums
        return room


def _merged(column: str | None, one: _Sums, other: _Sums) -> _Sums:
    """Return what the rows of both give; `column` tells the clusters."""
    places, most = np.union1d(one.places, other.places), _MOST_BYTES // (8 * one.sums.shape[0] * one.sums.shape[2])
    if column is not None and len(places) > most:
        raise FitError(
            f"{escaped(column)} has over {most:,} different values: the sums of more take over 256 MiB. Name a "
            "column of larger clusters, or use --errors hc1"
        )
    worst = [_chosen(np.hstack(pair)) for pair in zip(one.worst, other.worst, strict=True)]
    return _Sums(one.of(places) + other.of(places), places, worst)


def _taken_here(
    prepared: Prepared, basis: _Basis, work: Callable[[Array, Array, Array], _Sums], column: str | None
) -> tuple[Tree[_Sums], list[str]]:
    """Return what a worker's blocks give, and the clusters in the order of their numbers there."""
    share = prepared.rows.share
    table = Numbered(prepared.rows.table, column, 0 if share is None else share.first_given)
    tree = Tree(partial(_merged, column), first_block(prepared))
    for found in over_rows(replace(prepared, rows=prepared.rows.numbered(table)), basis.pilot, work):
        tree.push(found)
    return tree, list(table.clusters)


def _together(found: Sequence[tuple[Tree[_Sums], list[str]]]) -> list[Tree[_Sums]]:
    """Return the trees of all workers with the same numbers of clusters."""
    clusters: dict[str, int] = {}
    for tree, names in found:
        numbers = np.array([clusters.setdefault(name, len(clusters)) for name in names], dtype=np.intp)
        for place, (height, node) in enumerate(tree.nodes):
            if node is not None and len(names):
                order = np.argsort(renumbered := numbers[node.places])
                tree.nodes[place] = height, node._replace(sums=node.sums[:, order], places=renumbered[order])
    return [tree for tree, _ in found]


def _of_block(basis: _Basis, kind: str, coefficients: int, *block: Array) -> _Sums:
    """Return what a block gives."""
    columns, roots, numbers = block
    found = (np.dot(basis.matrix.T, columns) + basis.shift[:, None]) * roots
    q, r = np.split(found, [len(found) - len(basis.sds)])
    leverage = np.einsum("tr,tr->r", q, q)
    is_whole = leverage >= 1 - _WHOLE
    if kind in _POWERS and is_whole.any():
        raise FitError(
            f"row {numbers[is_whole.argmax(), 0]:.0f} has a leverage of 1: the fit goes through it wherever it lies, "
            f"and {kind} would divide 0 by 0. Use --errors hc1, or leave out the row, or the column that it decides"
        )
    left = np.where(is_whole, 1.0, 1 - leverage)
    distances = np.where(is_whole, -1.0, r**2 * leverage / (coefficients * left**2))
    facts = zip(distances, np.where(is_whole, 0.0, r * basis.sds[:, None] / roots), strict=True)
    worst = [_chosen(np.stack([distance, numbers[:, 0], leverage, residual])) for distance, residual in facts]
    scores = [q * each for each in r / left ** _POWERS.get(kind, 0.0)]
    if kind != "cluster":
        return _Sums(np.array([np.dot(each, each.T) for each in scores]), np.arange(len(q)), worst)
    order = np.argsort(numbers[:, 1], kind="stable")
    clusters, starts = np.unique(numbers[order, 1].astype(np.intp), return_index=True)
    return _Sums(np.array([np.add.reduceat(each.T[order], starts) for each in scores]), clusters, worst)


def _chosen(rows: Array) -> Array:
    """Return the rows of the largest distances, the first of equal ones, and that of the largest leverage."""
    count = min(_WORST, rows.shape[1])
    kept = np.flatnonzero(rows[0] >= max(np.partition(rows[0], -count)[-count], 0.0))
    order = kept[np.argsort(-rows[0, kept], kind="stable")][:_WORST].tolist()
    return rows[:, list(dict.fromkeys([*order, int(rows[2].argmax())]))]
