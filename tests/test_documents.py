"""The Python of README.md, of the pages of docs/ and of the notebooks runs, from top to bottom.

A page runs in a copy of the repository's root with examples/ alone, a notebook in examples/ itself, as Jupyter runs it.
"""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
BLOCK = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def python_of(path: Path) -> str:
    """Return all code of a page or a notebook, each line at its place, so that a traceback names it."""
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".ipynb":
        cells = json.loads(text)["cells"]
        return "\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "code")
    lines = [""] * len(text.splitlines())
    for block in BLOCK.finditer(text):
        first = text.count("\n", 0, block.start(1))
        for number, line in enumerate(block[1].splitlines(), first):
            lines[number] = line
    return "\n".join(lines)


PAGES = {
    page.name: code
    for page in sorted([ROOT / "README.md", *ROOT.glob("docs/*.md"), *ROOT.glob("examples/*.ipynb")])
    if (code := python_of(page)).strip()
}


@pytest.mark.parametrize("page", PAGES)
def test_the_python_of_a_page_runs(page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copytree(ROOT / "examples", tmp_path / "examples")
    monkeypatch.chdir(tmp_path / "examples" if page.endswith(".ipynb") else tmp_path)
    exec(compile(PAGES[page], page, "exec"), {"__name__": "__main__"})  # noqa: S102 - our own pages
