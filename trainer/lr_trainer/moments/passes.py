"""The passes that a fit takes over its rows: a look where one is needed, the moments, the double-double products."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import torch

from lr_runtime.contract.terms.category import Level
from lr_runtime.contract.terms.missing import MissingIndicator
from lr_runtime.contract.terms.power import Power
from lr_runtime.errors import FitError, TableError, escaped, listed
from lr_trainer.arithmetic.double_double import Extended, two_sum
from lr_trainer.arithmetic.gram import block_gram
from lr_trainer.arithmetic.rounding import varies
from lr_trainer.model.design import Design, nearest_float32
from lr_trainer.moments.moments import Moments, block_moments, merged
from lr_trainer.rows.blocks import block_rows, in_blocks, joined, over_blocks
from lr_trainer.rows.holdout import Part, Parts
from lr_trainer.rows.roles import Rows, check_weights
from lr_trainer.rows.sources import ArrayTable
from lr_trainer.rows.survey import Survey, survey

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from lr_runtime.contract.terms.term import Term
    from lr_trainer.choices import MissingPolicy
    from lr_trainer.model.checkpoint import Checkpoint
    from lr_trainer.rows.blocks import Block
    from lr_trainer.rows.outliers import Found

    Array = NDArray[np.float64]


class Passes:
    """The passes of one fit over its rows, and what they found."""

    def __init__(self, rows: Rows, device: torch.device, *, intercept: bool) -> None:
        self.rows = rows
        self.roles = rows.roles
        self.intercept = intercept
        self.count = 0
        self.levels: dict[str, tuple[str, ...]] = {}
        self.seen: Survey | None = None
        self.device = device
        self.design = self._design(None, 1, "error")

    def look(self, degree: int, missing: MissingPolicy) -> None:
        """Take the passes that the design needs: for the categories' values, for means and ranges."""
        if self.roles.coded:
            self.levels = self.rows.levels()
            self.count += 1
        if degree > 1 or missing in {"mean", "indicator"}:
            self.seen = survey(self._blocks(), self.roles.width)
            self.count += 1
            self._check_present(self.seen)
        self.design = self._design(self.seen, degree, missing)
        if not self.design.terms:
            name = self.roles.features[0]
            raise FitError(
                f"the category {escaped(name)} has the same value in every row, and there is no other feature to "
                f"predict {listed(self.roles.targets)} from"
            )

    def adopt(self, design: Design, levels: dict[str, tuple[str, ...]]) -> None:
        """Take the design and the categories of an earlier fit, in place of a look."""
        self.design, self.levels = design, levels

    def split(self, share: float, seed: Sequence[int]) -> tuple[Passes, Passes]:
        """Return the passes over the rows that are kept, and over a share of them held out by chance."""
        kept, held_out = (self._over(Part(self.rows.table, share, seed, held_out=held)) for held in (False, True))
        kept.count = self.count
        return kept, held_out

    def _over(self, table: Part) -> Passes:
        part = Passes(self.rows.of(table), self.device, intercept=self.intercept)
        part.adopt(self.design, self.levels)
        part.seen = self.seen
        return part

    def moments(self) -> Moments:
        """Take the pass for the float64 moments of the terms and targets."""
        in_place = self._moments_in_place()
        return self._some(in_place or merged(over_blocks(self._moments_of, self._blocks())))

    def _moments_in_place(self) -> Moments | None:
        """Take it over arrays in memory as they stand; None where there are none, or a value is missing or infinite."""
        table = self.rows.table
        if not isinstance(table, ArrayTable) or not self.design.is_plain or self.roles.weight is not None:
            return None
        views = table.views(self.roles.numbers, block_rows(self.roles.width))
        if views is None:
            return None
        blocks = (tuple(self._tensor(part) for part in block) for block in views)
        moments = merged(over_blocks(lambda block: block_moments(*block), blocks))
        self.rows.read = moments.rows if moments is not None else 0
        if moments is None or not np.isfinite(moments.comoment).all():
            return None
        if self.rows.outliers is None:
            first = self.rows.first_rows()
            block = next(table.views(self.roles.numbers, first.left) or iter(()))
            first.take(block, np.arange(len(block[0])))
            self.rows.outliers = first.outliers()
        return moments

    def _tensor(self, array: Array) -> torch.Tensor:
        # torch takes no steps backwards or between elements, and warns of memory that it may not write to. Nothing here
        # writes, and the copy of a block is small.
        steps = all(stride >= 0 and stride % array.itemsize == 0 for stride in array.strides)
        return torch.from_numpy(array if steps and array.flags.writeable else array.copy()).to(self.device)

    def outliers(self) -> list[Found]:
        """Return the gross outliers among the first rows, by their rows in the whole table."""
        table, found = self.rows.table, self.rows.outliers or ()
        return [each._replace(row=table.row_of(each.row)) if isinstance(table, Part) else each for each in found]

    def moments_by_part(self, parts: Parts) -> list[Moments | None]:
        """Take that pass for each part of the rows apart."""
        blocks = over_blocks(self._parted, self._labelled(parts))
        by_part: list[list[Moments]] = [[] for _ in range(parts.count)]
        for found in blocks:
            for part, moments in found.items():
                by_part[part].append(moments)
        self._some(next((each[0] for each in by_part if each), None))
        return [merged(each) for each in by_part]

    def residuals(self, checkpoint: Checkpoint, parts: Parts | None = None) -> tuple[Array, Array]:
        """Take one pass for the absolute residuals (rows, outputs) of a model, and how far any is off (outputs,).

        A sum of products is off by its number of roundings times what its parts are in all (Higham 2002, Accuracy and
        Stability of Numerical Algorithms, 3.1).

        Args:
            checkpoint: the model.
            parts: of the rows that `parts` hold out; None for all rows.
        """
        weight, bias = torch.from_numpy(checkpoint.weight), torch.from_numpy(checkpoint.bias)
        design, found, sizes = Design.of(checkpoint), [], [torch.zeros_like(bias)]
        blocks = self._blocks() if parts is None else self._of_parts(parts, held_out=True)
        for block in blocks:
            x, y, _ = self._split(block)
            terms, slope, start = design.expand(x), weight.to(x.device).T, bias.to(x.device)
            found.append((y - (terms @ slope + start)).abs().cpu().numpy())
            sizes.append((y.abs() + terms.abs() @ slope.abs() + start.abs()).amax(dim=0).cpu())
        self.count += 1
        off = (len(weight.T) + 4) * 2.0**-53 * torch.stack(sizes).amax(dim=0).numpy()
        return np.concatenate(found) if found else np.empty((0, len(self.roles.targets))), off

    def _of_parts(self, parts: Parts, *, held_out: bool) -> Iterator[Block]:
        for block, labels in self._labelled(parts):
            rows = joined(block)[torch.from_numpy((labels == parts.held_out) == held_out)]
            if len(rows):
                yield (rows,)

    def _labelled(self, parts: Parts) -> Iterator[tuple[Block, NDArray[np.int64]]]:
        start = 0
        for block in self._blocks():
            rows = sum(len(piece) for piece in block)
            yield block, parts.labels(start, rows)
            start += rows

    def _parted(self, labelled: tuple[Block, NDArray[np.int64]]) -> dict[int, Moments]:
        block, labels = labelled
        rows, chosen = joined(block), {part: torch.from_numpy(labels == part) for part in sorted(set(labels.tolist()))}
        return {part: self._moments_of((rows[mask],)) for part, mask in chosen.items()}

    def _some(self, moments: Moments | None) -> Moments:
        self.count += 1
        if moments is None:
            name = self.rows.table.name
            dropped = f" ({self.rows.dropped} rows were dropped)" if self.rows.dropped else ""
            raise TableError(f"{name} has no rows{dropped}. A table has a row of names and rows of numbers")
        return moments

    def same(self, pairs: Sequence[tuple[int, int]]) -> list[bool]:
        """Take one pass to see of which (feature, target) pairs the values are equal in every row."""
        same = [True] * len(pairs)
        for block in self._blocks():
            x, y, _ = self._split(block)
            equal = [torch.equal(x[:, feature], y[:, target]) for feature, target in pairs]
            same = [before and now for before, now in zip(same, equal, strict=True)]
        self.count += 1
        return same

    def expanded(self) -> Iterator[tuple[torch.Tensor, torch.Tensor, torch.Tensor | None]]:
        """Take one pass over the terms (rows, terms), targets (rows, outputs) and weights (rows,), in blocks."""
        for block in self._blocks():
            x, y, weights = self._split(block)
            yield self.design.expand(x), y, weights
        self.count += 1

    def gram(self, design: Design, shift: Array, parts: Parts | None = None) -> tuple[Extended[Array], float]:
        """Take the pass for the double-double products of the terms and targets, a column of ones first.

        Beside them it returns the largest weight of a row.

        Args:
            design: of the terms.
            shift: float64 (terms + targets,), taken from every row.
            parts: leaves out the rows that they hold out; None for all rows.
        """
        total, heaviest = None, 0.0
        blocks = self._blocks() if parts is None else self._of_parts(parts, held_out=False)
        for part, heavy in over_blocks(lambda block: self._gram_of(block, design, shift), blocks):
            total, heaviest = part if total is None else total + part, max(heaviest, heavy)
        self.count += 1
        assert total is not None
        return total, heaviest

    def _blocks(self) -> Iterator[Block]:
        return in_blocks(self.rows.arrays(self.levels), self.roles.width)

    def _split(self, block: Block) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor | None]:
        features, targets = len(self.roles.features), len(self.roles.targets)
        rows = joined(block).to(self.device)
        x, y = rows[:, :features], rows[:, features : features + targets]
        if self.roles.weight is None:
            return x, y, None
        weights = rows[:, -1].contiguous()
        check_weights(weights.cpu().numpy())
        return x, y, weights

    def _moments_of(self, block: Block) -> Moments:
        if self.design.is_plain and self.roles.weight is None:
            return block_moments(tuple(piece.to(self.device) for piece in block))
        x, y, weights = self._split(block)
        return block_moments(self.design.expand(x), y, weights=weights)

    def _gram_of(self, block: Block, design: Design, shift: Array) -> tuple[Extended[Array], float]:
        x, y, weights = self._split(block)
        terms, away = design.expand_extended(x), torch.from_numpy(-shift).to(y.device)
        terms = terms + Extended.of(away[: terms.high.shape[1]])
        targets = Extended(*two_sum(y, away[terms.high.shape[1] :]))
        ones = [torch.ones_like(y[:, :1])] if self.intercept else []
        high = torch.cat([*ones, terms.high, targets.high], dim=1)
        low = torch.cat([*(part * 0 for part in ones), terms.low, targets.low], dim=1)
        return block_gram(Extended(high, low), weights), 1.0 if weights is None else float(weights.max())

    def _check_present(self, seen: Survey) -> None:
        for name, count in zip(self.roles.features, seen.count, strict=False):
            if not count:
                raise FitError(f"the column {escaped(name)} has no values. Leave it out with --ignore")

    def _design(self, seen: Survey | None, degree: int, missing: MissingPolicy) -> Design:
        features = self.roles.features
        origin, scale, fill = np.zeros(len(features)), np.ones(len(features)), np.full(len(features), np.nan)
        terms: list[Term] = []
        for index, name in enumerate(features):
            if name in self.roles.categories:
                terms += [Level(index, level) for level in range(1, len(self.levels.get(name, ())))]
                if missing == "indicator":
                    fill[index] = 0.0
            else:
                powers = degree
                if seen is not None and degree > 1:
                    if _is_rounded_constant(seen, index):
                        powers = 1
                    else:
                        origin[index], scale[index] = basis_of(seen, index, intercept=self.intercept)
                if seen is not None and missing in {"mean", "indicator"}:
                    fill[index] = seen.mean[index]
                terms += [Power(index, power) for power in range(1, powers + 1)]
            if missing == "indicator" and seen is not None and seen.count[index] < self.rows.read - self.rows.dropped:
                terms.append(MissingIndicator(index))
        levels = np.array([len(self.levels.get(name, ())) for name in features])
        return Design(tuple(terms), origin, scale, fill, levels)


def _is_rounded_constant(seen: Survey, column: int) -> bool:
    """Whether a column's values are one number but for rounding, all that its powers about their mean would hold."""
    low, high = seen.minimum[column], seen.maximum[column]
    return bool(low < high and not varies(low, high))


def basis_of(seen: Survey, column: int, *, intercept: bool) -> tuple[float, float]:
    """Return an origin in the middle of the data and a power of two near their reach: powers stay near 1.

    Without an intercept the origin is 0: powers about another point are no combination of those about 0.
    """
    mean, spread = float(seen.mean[column]), seen.maximum[column] - seen.minimum[column]
    origin = nearest_float32(mean) if intercept else 0.0
    if intercept and abs(origin - mean) > spread:  # float32 is too coarse there, as for microseconds of one second
        origin = mean
    reach = max(seen.maximum[column] - origin, origin - seen.minimum[column])
    return origin, math.ldexp(1.0, math.frexp(reach)[1] - 1) if reach > 0 else 1.0
