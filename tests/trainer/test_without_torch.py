"""An exact fit imports no torch, and what needs torch says in one line how to install it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

NORRIS = str(Path(__file__).parents[2] / "examples" / "norris.csv")

# In a fresh interpreter, because this one has imported torch. None in sys.modules fails an import as a missing package.
FITS = """
import sys
import numpy as np
from lr_trainer import fit, merge, update
from lr_trainer.__main__ import main
is_hidden = sys.argv.pop(1) == "hidden"
if is_hidden:
    sys.modules["torch"] = None
random = np.random.default_rng(0)
x, w, kind = random.normal(size=(200, 3)), random.uniform(1, 2, size=200), random.choice(["a", "b"], size=200)
table = {"x": x, "w": w, "kind": kind, "y": x @ [1.0, 2.0, 3.0] + 1e-7 * random.normal(size=200)}
gaps = {**table, "x": np.where(random.random((200, 3)) < 0.1, np.nan, x)}
plain = fit(table, target="y", device="auto" if is_hidden else "cpu")
merge(plain, plain)
update(plain, table)
fit(gaps, target="y", weight="w", missing="indicator", degree=3)
fit(table, target="y", ignore=["kind"], l2=1.0, interval=0.9)
fit(table, target="y", penalty="auto")
fit(table, target="y", minimum_norm=True)
plain.summary()
try:
    main()
finally:
    assert is_hidden or "torch" not in sys.modules
"""

NEEDS_TORCH = {
    "the lesson": [],
    "a descent": [NORRIS, "--target", "y", "--loss", "huber"],
    "a CUDA device": [NORRIS, "--target", "y", "--device", "cuda"],
}


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", *arguments], capture_output=True, text=True, check=False)


def test_exact_fits_import_no_torch(tmp_path: Path) -> None:
    output = str(tmp_path / "norris.safetensors")
    done = run(FITS, "there", NORRIS, "--target", "y", "-o", output)
    assert (done.returncode, Path(output).exists()) == (0, True), done.stderr


@pytest.mark.parametrize("what", NEEDS_TORCH)
def test_what_needs_torch_says_how_to_install_it(what: str, tmp_path: Path) -> None:
    output = str(tmp_path / "model.safetensors")
    done = run(FITS, "hidden", *NEEDS_TORCH[what], "-o", output)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.strip().endswith("the package 'torch' is not installed. Run: pip install 'linedge[torch]'")
    assert len(done.stderr.strip().splitlines()) == 1
    assert not list(tmp_path.iterdir())


def test_a_model_in_torch_says_how_to_install_it() -> None:
    start = (
        "import sys; sys.modules['torch'] = None; import lr_trainer; from lr_runtime.errors import MissingExtraError\n"
    )
    for asked in ("fit({'x': [1.0, 2, 3], 'y': [1.0, 2, 4]}, target='y').model()", "LinearModel", "lesson()"):
        done = run(f"{start}try: lr_trainer.{asked}\nexcept MissingExtraError as error: print(error)")
        assert done.stdout == "the package 'torch' is not installed. Run: pip install 'linedge[torch]'\n", done.stderr
