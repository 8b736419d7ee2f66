"""--min-rows refuses a checkpoint that tells something of fewer rows, as counts of the rows themselves say."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from lr_runtime.errors import FitError
from lr_trainer import Checkpoint, fit, merge, update
from lr_trainer.cli import main as lr_train
from lr_trainer.fitting.disclosure import check_rows

if TYPE_CHECKING:
    from pathlib import Path


def told(checkpoint: Checkpoint, least: int, before: Checkpoint | None = None) -> str | None:
    """Return what `check_rows` says, None where it lets the checkpoint pass."""
    try:
        check_rows(checkpoint, least, before=before)
    except FitError as error:
        return str(error)
    return None


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.sampled_from("abcc"), st.booleans(), st.integers(-9, 9)), min_size=9, max_size=40))
def test_levels_and_missing_values_are_counted(rows: list[tuple[str, bool, int]]) -> None:
    site = np.array([level for level, _, _ in rows])
    x = np.array([float(value) if known else np.nan for _, known, value in rows])
    if len(set(x[~np.isnan(x)].tolist())) < 2:
        return
    y = np.arange(len(rows)) ** 2.0
    found = fit({"site": site, "x": x, "y": y}, target="y", missing="indicator", drop_collinear=True)
    counts = [len(rows), *np.unique(site, return_counts=True)[1].tolist()]
    if np.isnan(x).any():
        counts += [int(np.isnan(x).sum()), int((~np.isnan(x)).sum())]
    for least in {min(counts), min(counts) + 1, 2, 5}:
        assert (told(found, least) is not None) == (min(counts) < least)


def sites(*levels: str, seed: int = 0) -> dict[str, Any]:
    numbers = np.random.default_rng(seed)
    site = np.array([level for level in levels for _ in range(20)])
    return {"site": site, "x": numbers.normal(size=len(site)), "y": numbers.normal(size=len(site))}


def test_a_level_with_few_rows_is_named() -> None:
    columns = sites("north", "south")
    columns["site"][:2] = "east"  # the reference level, which has no indicator of its own
    said = told(fit(columns, target="y"), 3)
    assert said == '2 rows of "site=east", and min_rows asks for 3. Take more rows together'
    with pytest.raises(FitError, match='checkpoint 2: 2 rows of "site=east"'):
        merge(fit(sites("north", "south"), target="y"), fit(columns, target="y"), min_rows=3)


def test_an_update_with_few_rows_tells_of_them_by_the_difference() -> None:
    before = fit(sites("north", "south"), target="y")
    one = {name: each[:1] for name, each in sites("north", seed=1).items()}
    more = {name: np.append(each, one[name]) for name, each in sites("south", seed=2).items()}
    assert told(update(before, one), 5, before) is not None
    assert told(update(before, one), 5) is None
    said = told(update(before, more), 5, before)
    assert said is not None
    assert '1 new row of "site=north"' in said
    assert told(update(before, sites("south", "west", seed=3)), 5, before) is None


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"weight": "w", "features": ["site", "x"], "target": "y"}, "cannot count the rows"),
        ({"formula": "y ~ x + x:site"}, "cannot count the rows"),
        ({"influence": True, "features": ["x"], "target": "y"}, "influence lists single rows"),
    ],
)
def test_what_cannot_be_counted_is_refused(options: dict[str, Any], said: str) -> None:
    columns = sites("north", "south")
    columns["w"] = np.linspace(1, 2, len(columns["y"]))
    found = told(fit(columns, **options), 2)
    assert found is not None
    assert said in found


def test_the_command_writes_nothing_then(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("x,y\n" + "".join(f"{i},{i * i}\n" for i in range(9)))
    (tmp_path / "one.csv").write_text("x,y\n9,80\n")
    output = tmp_path / "m.safetensors"
    runner = CliRunner(catch_exceptions=False)
    done = runner.invoke(lr_train, [f"{tmp_path}/t.csv", "--target", "y", "--min-rows", "10", "-o", str(output)])
    assert (done.exit_code, output.exists()) == (1, False)
    assert done.output == "lr-train: 9 rows, and --min-rows asks for 10. Take more rows together\n"
    done = runner.invoke(lr_train, [f"{tmp_path}/t.csv", "--target", "y", "--min-rows", "9", "-o", str(output)])
    assert done.exit_code == 0
    before = output.read_bytes()
    added = [f"{tmp_path}/one.csv", "--update", str(output), "--min-rows", "9", "-o", str(output)]
    assert "1 new row, and --min-rows asks for 9" in runner.invoke(lr_train, added).output
    assert output.read_bytes() == before
