"""A fleet's checkpoints, joined from a folder: the fit of all rows, listed, and refused where one does not fit."""

from __future__ import annotations

import hashlib
import json
import weakref
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from click.testing import CliRunner

from lr_runtime.errors import OptionError
from lr_trainer import Checkpoint, fit, merge
from lr_trainer.cli import main as lr_train
from lr_trainer.fitting.fleet import checkpoints_in, merge_files
from lr_trainer.fitting.joining import join
from tests.trainer.fitting.test_levels import assert_same

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from click.testing import Result

Columns = dict[str, Any]


def device(seed: int, rows: int = 40) -> Columns:
    """Return the rows of a device that has seen three of six sites."""
    numbers = np.random.default_rng(seed)
    site = numbers.choice(list("abcdef"), 3, replace=False)[numbers.integers(0, 3, rows)]
    a, b = numbers.normal(size=rows), 1e4 + numbers.normal(size=rows)
    y = 2 * a - b + 3.0 * (site == "d") + 2 * numbers.normal(size=rows)
    return {"site": site, "a": a, "b": b, "w": numbers.uniform(0.5, 2, rows), "y": y}


def whole(parts: list[Columns]) -> Columns:
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


CASES: dict[str, Columns] = {
    "numbers": {"features": ["a", "b"]},
    "categories": {"features": ["site", "a", "b"]},
    "weights, no intercept": {"features": ["site", "a"], "weight": "w", "intercept": False},
}


@pytest.mark.parametrize("case", CASES)
def test_a_tree_of_many_parts_is_the_fit_of_all_rows(case: str, monkeypatch: pytest.MonkeyPatch) -> None:
    parts = [device(seed) for seed in range(37)]
    fits = [fit(part, target="y", **CASES[case]) for part in parts]
    expected = fit(whole(parts), target="y", **CASES[case])
    for together in (1, 1 << 8, 1 << 14):  # joined in twos, in a tree of two heights, all at once
        monkeypatch.setattr("lr_trainer.fitting.joining._TOGETHER", together)
        assert_same(merge(*fits), expected)


def test_a_part_is_let_go_once_it_is_taken() -> None:
    made, most = list[weakref.ref[Checkpoint]](), 0

    def parts() -> Iterator[tuple[str, Checkpoint]]:
        nonlocal most
        for seed in range(20):
            checkpoint = fit(device(seed), target="y", features=["a"])
            made.append(weakref.ref(checkpoint))
            yield str(seed), checkpoint
            del checkpoint
            most = max(most, sum(each() is not None for each in made))

    assert join(parts()).contract.rows == 800
    assert most <= 3


@pytest.mark.parametrize("features", [["a", "b"], ["site", "a"]])
def test_with_exact_sums_any_order_gives_the_bytes_of_the_fit_of_all_rows(features: list[str]) -> None:
    parts = [device(seed) for seed in range(9)]
    options: Columns = {"target": "y", "features": features, "exact_sums": True}
    fits = [fit(part, **options) for part in parts]
    expected = fit(whole(parts), **options).to_bytes()
    for seed in range(3):
        fits = [fits[place] for place in np.random.default_rng(seed).permutation(len(fits))]
        assert merge(*fits).to_bytes() == expected
        cut = 1 + seed * 3
        assert merge(merge(*fits[cut:]), merge(*fits[:cut])).to_bytes() == expected


OPTIONS: Columns = {"target": "y", "features": ["site", "a"], "units": {"a": "mV"}}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "fleet").mkdir()
    for seed in range(5):
        fit(device(seed), **OPTIONS).save(tmp_path / f"fleet/{seed}.safetensors")
    (tmp_path / "fleet" / "notes.txt").write_text("no checkpoint")
    return tmp_path / "fleet"


def run(*arguments: object) -> Result:
    return CliRunner(catch_exceptions=False).invoke(lr_train, [str(each) for each in arguments])


def test_the_manifest_lists_what_was_joined(folder: Path, tmp_path: Path) -> None:
    output, manifest = tmp_path / "all.safetensors", tmp_path / "all.json"
    done = run("--merge", folder, "--manifest", manifest, "-o", output)
    assert done.exit_code == 0, done.output
    files = sorted(folder.glob("*.safetensors"))
    assert json.loads(manifest.read_text()) == {
        "sha256": hashlib.sha256(output.read_bytes()).hexdigest(),
        "rows": 200,
        "parts": [
            {"file": str(file), "sha256": hashlib.sha256(file.read_bytes()).hexdigest(), "rows": 40} for file in files
        ],
    }
    assert output.read_bytes() == merge(*map(Checkpoint.load, files)).to_bytes()  # which name no file
    again = tmp_path / "again.safetensors"
    assert run("--merge", folder / "*.safetensors", "-o", again).exit_code == 0
    assert again.read_bytes() == output.read_bytes()


def other(rows: int = 40, **options: Any) -> bytes:
    return fit(device(9, rows), **OPTIONS | options).to_bytes()


REFUSED: dict[str, tuple[Callable[[], bytes], str]] = {
    "other columns": (lambda: other(features=["a"]), " does not match {folder}/0.safetensors: the columns are "),
    "another unit": (
        lambda: other(units={"a": "V"}),
        ' does not match {folder}/0.safetensors: the units of "a" are mV',
    ),
    "another policy": (
        lambda: fit(device(9) | {"a": [None, *device(9)["a"][1:]]}, **OPTIONS, missing="mean").to_bytes(),
        ' does not match {folder}/0.safetensors: the missing-value policy of "a" are error',
    ),
    "a penalty": (lambda: other(l2=1.0), ": a penalised "),
    "no checkpoint": (lambda: b"hello", ": not a linedge checkpoint"),
    "few rows": (lambda: other(7), ": 7 rows, and --min-rows asks for 8. Take more rows together"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_part_that_does_not_fit_is_named_and_nothing_is_written(case: str, folder: Path, tmp_path: Path) -> None:
    make, said = REFUSED[case]
    (folder / "3x.safetensors").write_bytes(make())
    options = ["--min-rows", 8, "--manifest", tmp_path / "m.json", "-o", tmp_path / "all.safetensors"]
    done = run("--merge", folder, *options)
    assert (done.exit_code, done.output.count("\n")) == (1, 1)
    assert done.output.startswith(f"lr-train: {folder}/3x.safetensors{said.format(folder=folder)}")
    assert [path.name for path in tmp_path.iterdir()] == ["fleet"]


def test_a_copy_is_refused_by_its_bytes(folder: Path) -> None:
    (folder / "copy.safetensors").write_bytes((folder / "2.safetensors").read_bytes())
    with pytest.raises(OptionError, match=r"copy.safetensors is a copy of .*2.safetensors: its rows would"):
        merge_files(checkpoints_in([str(folder)]))
    with pytest.raises(OptionError, match="comes twice"):
        checkpoints_in([str(folder / "1.safetensors"), str(folder)])


def test_what_is_written_is_no_part_of_the_next_merge(folder: Path, tmp_path: Path) -> None:
    done = run("--merge", folder, "-o", folder / "all.safetensors")
    assert (done.exit_code, "would be one of the checkpoints in" in done.output) == (2, True)
    done = run("--merge", folder / "*.safetensors", "-o", folder / "1.safetensors")
    assert (done.exit_code, "which is read" in done.output) == (2, True)
    (tmp_path / "empty").mkdir()
    assert "fits no file" in run("--merge", tmp_path / "empty").output
    assert "--manifest lists the checkpoints that --merge joins" in run("--manifest", tmp_path / "m.json").output
