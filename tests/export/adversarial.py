"""A search for rows at which an artefact leaves its bound: models of derived variables and products, hill climbing.

    python -m tests.export.adversarial --models 300

Each model goes through every format and precision; at each precision, rows climb on the share of the bound that an
error takes, from random ones. At the rows that came furthest, every engine is held against a second, plain model in
fractions and mpmath. It prints the largest share of each precision, and ends with an error where one is above 1.
"""

from __future__ import annotations

import argparse
import time
from collections import Counter, defaultdict
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from lr_export import export
from lr_export.certificate.specification import Blueprint
from lr_export.certificate.trial import Allowed
from lr_export.formats.registry import BACKENDS
from lr_export.program.evaluation import evaluated
from lr_runtime.contract.contract import PRECISIONS
from lr_runtime.contract.formats import EXPORT_FORMATS
from lr_runtime.errors import CheckFailedError
from tests.export.oracle import as_array, fractions, leverages, outputs
from tests.export.random_terms import random_model, some_rows

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from lr_export.formats.backend import Results
    from lr_export.program.program import Array
    from lr_runtime.contract.checkpoint import Checkpoint
    from lr_runtime.contract.contract import Precision
    from lr_runtime.contract.formats import FormatName
    from tests.export.oracle import Exact, Floats

_ROWS = 24
_ENGINES_OF_A_PROOF = ("onnx", "c", "js")


class Found(NamedTuple):
    """The largest share of its bound that an error of y, and of the leverage, takes at the rows of a search."""

    y: float
    leverage: float


def climbed(blueprint: Blueprint, random: np.random.Generator, rounds: int, rows: int = _ROWS) -> Floats:
    """Return the rows that a search for the largest share ends at, from random rows in the training box."""
    x = some_rows(blueprint.checkpoint, rows, blueprint.numbers.input, random)
    best = _shares(blueprint, x)
    for turn in range(rounds):
        other = _moved(blueprint, x, random, turn)
        shares = _shares(blueprint, other)
        x = np.where((shares > best)[:, None], other, x)
        best = np.maximum(shares, best)
    return x


def _moved(blueprint: Blueprint, x: Floats, random: np.random.Generator, turn: int) -> Floats:
    """Return rows with one number each moved: to anywhere in its range, or by some of its last bits."""
    fresh = some_rows(blueprint.checkpoint, len(x), blueprint.numbers.input, random)
    steps = random.integers(-(2 ** (turn % 12 + 1)), 2 ** (turn % 12 + 1) + 1, size=x.shape)
    near = x + steps.astype(x.dtype) * np.spacing(x)
    ends = np.array([(column.minimum, column.maximum) for column in blueprint.contract.columns]).T.astype(x.dtype)
    is_number = np.array([column.kind == "number" for column in blueprint.contract.columns])
    near = np.where(is_number, np.clip(near, *ends), fresh)
    picked = random.integers(x.shape[1], size=len(x))[:, None] == np.arange(x.shape[1])
    return np.where(picked, fresh if turn % 3 == 0 else near, x)


def _shares(blueprint: Blueprint, x: Floats) -> Floats:
    """Return the largest share of each row, (rows,)."""
    results, dtype = evaluated(blueprint.program, x), blueprint.contract.output_dtype
    shares = [np.zeros(len(x))]
    for name, claim in blueprint.claims.at(x).items():
        if name != "in_range":
            allowed = Allowed.around(*claim, dtype)
            shares += [*np.nan_to_num(allowed.errors(results[name]) / allowed.bound, nan=np.inf).T]
    found: Floats = np.max(shares, axis=0)
    return found


class Expected(NamedTuple):
    """The exact results at some rows, by the model that is written a second time, and the library's bounds of them."""

    y: Exact
    y_bound: Exact
    leverage: Exact | None
    leverage_bound: Exact | None

    @staticmethod
    def of(blueprint: Blueprint, x: Floats) -> Expected:
        """Return them at rows (rows, columns)."""
        checkpoint, claims = blueprint.checkpoint, blueprint.claims.at(x)
        found = {name: as_array(claims[name][1]) for name in ("y", "leverage") if name in claims}
        leverage = leverages(checkpoint, x) if "leverage" in found else None
        return Expected(outputs(checkpoint, x), found["y"], leverage, found.get("leverage"))

    def shares(self, results: Results) -> Found:
        """Return the largest shares of the bounds that an engine's errors take."""
        y = _largest(results["y"], self.y, self.y_bound)
        if self.leverage is None or self.leverage_bound is None or "leverage" not in results:
            return Found(y, 0.0)
        return Found(y, _largest(results["leverage"], self.leverage, self.leverage_bound))


def _largest(got: Array, exact: Exact, bound: Exact) -> float:
    errors = zip(abs(fractions(got) - exact).flat, bound.flat, strict=True)
    return max((float(error / most) if most else float("inf") for error, most in errors if error), default=0.0)


def formats_of(precision: Precision) -> list[FormatName]:
    """Return the formats that have a precision, without the page, whose module is the one that js writes."""
    return [name for name, each in EXPORT_FORMATS.items() if precision in each.precisions and name != "html"]


def search(
    checkpoint: Checkpoint, precision: Precision, formats: Sequence[FormatName], seed: int, rounds: int
) -> Found | None:
    """Return the largest shares over every engine of the formats; None where the precision does not hold the model.

    Raises:
        CheckFailedError: a file was refused for anything else.
        AssertionError: engines of `portable` do not give the same bits.
    """
    random = np.random.default_rng(seed)
    try:
        blueprint = Blueprint.of(checkpoint, precision, flags=True)
    except CheckFailedError:
        return None
    x = np.concatenate([climbed(blueprint, random, rounds), some_rows(checkpoint, 8, blueprint.numbers.input, random)])
    expected, bits = Expected.of(blueprint, x), {}
    found = [expected.shares(evaluated(blueprint.program, x))]
    for name in formats:
        for engine, run in _engines(checkpoint, precision, name).items():
            results = run(x)
            bits[engine] = results["y"].tobytes()
            found.append(expected.shares(results))
    assert precision != "portable" or len(set(bits.values())) <= 1, f"seed {seed}: {[*bits]} do not give the same bits"
    return Found(*(max(each) for each in zip(*found, strict=True)))


def _engines(checkpoint: Checkpoint, precision: Precision, name: FormatName) -> dict[str, Callable[[Floats], Results]]:
    flags = name in _ENGINES_OF_A_PROOF
    with TemporaryDirectory() as folder:
        target = Path(folder, "model")
        export(checkpoint, target, format=name, precision=precision, flags=flags)
        blueprint = Blueprint.of(checkpoint, precision, flags=flags)
        return {**BACKENDS[name].reopen(target.read_bytes(), blueprint.program).engines}


def main() -> None:
    """Run the search on many models, and print what came out."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", type=int, default=300)
    parser.add_argument("--first", type=int, default=0, help="the seed of the first model")
    parser.add_argument("--rounds", type=int, default=24, help="of the search, for each model and precision")
    parser.add_argument("--seconds", type=float, default=float("inf"), help="start no further model after that")
    asked = parser.parse_args()
    largest: dict[Precision, list[tuple[Found, int]]] = defaultdict(list)
    models, files, start = 0, Counter[str](), time.monotonic()
    for seed in range(asked.first, asked.first + asked.models):
        if time.monotonic() - start > asked.seconds:
            break
        models += 1
        for precision in PRECISIONS:
            # torch.export takes seconds for a file: one precision of each model.
            is_its_turn = EXPORT_FORMATS["pt2"].precisions[seed % 3] == precision
            formats = [name for name in formats_of(precision) if name != "pt2" or is_its_turn]
            found = search(random_model(seed), precision, formats, seed, asked.rounds)
            if found is not None:
                largest[precision].append((found, seed))
                files.update(f"{name} {precision}" for name in formats)
        of_model = [max(found) for shares in largest.values() for found, of_seed in shares if of_seed == seed]
        print(f"model {seed}: at most {max(of_model, default=0.0):.4f} of a bound", flush=True)
    print(f"{models} models, seeds {asked.first} to {asked.first + models - 1}; files: {dict(sorted(files.items()))}")
    for precision, shares in largest.items():
        (y, of_y), (leverage, of_leverage) = max(shares), max(shares, key=lambda each: each[0].leverage)
        print(f"{precision}: y took {y.y:.4f} of its bound (seed {of_y}), ", end="")
        print(f"leverage {leverage.leverage:.4f} (seed {of_leverage})")
    if any(max(found) > 1 for shares in largest.values() for found, _ in shares):
        raise SystemExit("a bound was left")


if __name__ == "__main__":
    main()
