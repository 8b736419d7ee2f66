"""With exact sums, checkpoints have the same bytes on any processor, for which other kernels of the libraries stand."""

from __future__ import annotations

import ast
import hashlib
import json
import math
import os
import subprocess
import sys
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import scipy.linalg
import scipy.special

import lr_trainer
from lr_trainer import fit, merge
from tests.trainer.arithmetic.test_fixed_order import KERNELS

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from lr_trainer import Checkpoint

ROWS = 400


def columns() -> dict[str, Any]:
    """Return columns of numbers that no library computes, of several sizes and nearly dependent."""
    random = np.random.default_rng(3)

    def numbers(scale: float = 1.0, origin: float = 0.0) -> Any:
        return origin + scale * random.integers(-(1 << 20), 1 << 20, ROWS) * 2.0**-20

    a, b, c = numbers(), numbers(10.0, 5.0), numbers(1e-3, 1e3)
    return {
        "a": a,
        "b": b,
        "c": c,
        "near": a + numbers(1e-7),
        "positive": numbers(0.9, 1.0),
        "weight": numbers(0.5, 1.0),
        "site": np.array(["north", "east", "south"])[random.integers(0, 3, ROWS)],
        "group": random.integers(0, 20, ROWS),
        "y": 3 * a - b / 7 + c / 3 + numbers(),
        "z": a * b + numbers(1e-6),
    }


def fits(*, exact_sums: bool) -> dict[str, str]:
    """Return the SHA-256 of the checkpoints of many kinds of fits."""
    data = columns()
    wide = {f"x{place}": np.roll(data["a"], 7 * place) + data["b"] / (2 + place) for place in range(30)}

    def of(*features: str, **options: Any) -> Checkpoint:
        table = {name: each for name, each in {**data, **wide}.items() if name in features}
        targets = options.pop("target", ["y"])
        table |= {name: data[name] for name in (*targets, *filter(None, [options.get("weight")]))}
        if "cv_group" in options:
            table["group"] = data["group"]
        part = options.pop("part", slice(None))
        rows = {name: each[part] for name, each in table.items()}
        return fit(rows, target=targets, exact_sums=exact_sums, **options)

    plain = ("a", "b", "c")
    found = {
        "simple": of(*plain),
        "without intercept": of(*plain, intercept=False),
        "nearly dependent, two targets": of(*plain, "near", target=["y", "z"]),
        "weights": of(*plain, weight="weight"),
        "functions": of("positive", "b", transforms={"positive": "log,log1p,sqrt", "b": "exp"}),
        "powers": of("a", "b", degree=5),
        "powers of a function": of("positive", transforms={"positive": "log"}, degree=4),
        "levels": of(*plain, "site", interact=["a:site"]),
        "ridge": of(*plain, "near", l2=0.1),
        "lasso": of(*plain, l1=0.05),
        "bounds": of(*plain, "near", nonnegative=["a", "near"], bounds={"b": (-0.1, 0.1)}),
        "folds": of(*plain, cv=4, cv_group="group"),
        "many": of(*wide),
        "merged": merge(*(of(*plain, part=slice(place, None, 3)) for place in range(3))),
    }
    data["twice"] = 2 * data["a"] - data["b"]
    found["dependent"] = of(*plain, "twice", drop_collinear=True)
    found["smallest"] = of(*plain, "twice", minimum_norm=True)
    return {name: hashlib.sha256(each.to_bytes()).hexdigest() for name, each in found.items()}


@pytest.fixture(scope="module")
def here() -> dict[str, str]:
    """Return the fits in this process."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return fits(exact_sums=True)


SCRIPT = """
import json
import sys
from tests.trainer.fitting.test_any_processor import fits
print(json.dumps(fits(exact_sums=bool(int(sys.argv[1])))))
"""


def there(kernels: Mapping[str, str], *, exact_sums: bool = True) -> dict[str, str]:
    """Return the fits in a process with other kernels of libraries; skip where the processor does not run them."""
    command = [sys.executable, "-W", "ignore", "-c", SCRIPT, str(int(exact_sums))]
    done = subprocess.run(command, env={**os.environ, **kernels}, capture_output=True, check=False, text=True)
    if done.returncode < 0:
        pytest.skip(f"this processor does not run these kernels (signal {-done.returncode})")
    assert done.returncode == 0, done.stderr
    found: dict[str, str] = json.loads(done.stdout)
    return found


def test_other_kernels_write_the_same_bytes_with_exact_sums(here: dict[str, str]) -> None:
    kernels = dict(item for each in KERNELS.values() for item in each.items())
    assert there({**kernels, "OPENBLAS_NUM_THREADS": "1"}) == here


def test_another_blas_alone_writes_other_bytes_without_exact_sums() -> None:
    other, usual = (there(kernels, exact_sums=False) for kernels in (KERNELS["BLAS"], {}))
    if other == usual:
        pytest.skip("OpenBLAS took the same kernels")
    assert sum(other[name] != usual[name] for name in usual) > len(usual) / 2


def test_a_merge_has_the_bytes_of_the_fit(here: dict[str, str]) -> None:
    assert here["merged"] == here["simple"]


REST = {
    "moments/few_rows.py": "fits of few rows",
    "moments/pilot.py": "passes with a pilot",
    "moments/preconditioned.py": "joins of parts without exact sums",
    "moments/residuals.py": "conformal intervals, functions of targets",
    "solvers/dual.py": "fits of few rows",
    "solvers/elastic_net.py": "paths of penalties",
    "statistics/by_row.py": "robust errors",
}
"""Modules with products of BLAS, and what they are for: exact sums refuse it, or have no use for it."""


def test_what_follows_exact_sums_has_no_products_of_blas() -> None:
    root = Path(lr_trainer.__file__).parent
    found = {
        path.relative_to(root).as_posix()
        for room in ("moments", "solvers", "statistics")
        for path in (root / room).glob("*.py")
        if any(isinstance(node, ast.MatMult) for node in ast.walk(ast.parse(path.read_text())))
    }
    assert found == set(REST)


def test_what_follows_exact_sums_asks_no_library_whose_bits_differ(
    here: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Such as differ on no two x86 processors, but on others."""

    def refused(usual: Callable[..., object]) -> Callable[..., object]:
        def called(*values: object, **options: object) -> object:
            caller = sys._getframe(1).f_globals["__name__"]
            assert not caller.startswith("lr_trainer"), "a library whose bits differ from processor to processor"
            return usual(*values, **options)

        return called

    names: dict[Any, str] = {
        np: "einsum hypot vdot power geomspace",
        np.linalg: "solve inv eigh eigvalsh cholesky qr svd",
        scipy.linalg: "solve_triangular lu_factor lu_solve rq cho_solve eigh",
        scipy.linalg.lapack: "dpotrf dpotrs dtrtri dpocon",
        scipy.special: "stdtr stdtrit fdtrc",
        math: "log log10 log1p exp hypot",
    }
    for module, each in names.items():
        for name in each.split():
            monkeypatch.setattr(module, name, refused(getattr(module, name)))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert fits(exact_sums=True) == here
