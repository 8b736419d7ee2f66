"""The script of a page from disk in Node.js: what its backend answers, beside the predictor of the same model."""

from __future__ import annotations

import json
import subprocess
from html.parser import HTMLParser
from typing import TYPE_CHECKING, Any, NamedTuple

from lr_export.certificate.specification import Blueprint
from lr_export.formats.registry import BACKENDS
from lr_runtime import Predictor
from lr_runtime.page.page import SCRIPTS, in_script, part
from tests.export.source_code import tool_of

if TYPE_CHECKING:
    from pathlib import Path

    from lr_runtime.contract.checkpoint import Checkpoint

_RUN = """
const exact = (key, value) => {
  const isSpoiled = typeof value === "number" && (!Number.isFinite(value) || Object.is(value, -0));
  return isSpoiled ? `number ${Object.is(value, -0) ? "-0" : value}` : value;
};
const lines = (await import("node:readline")).createInterface({ input: process.stdin });
for await (const line of lines) {
  const [page, calls] = JSON.parse(line);
  const { backend } = await import(page);
  const answers = [];
  for (const [method, ...given] of calls) {
    answers.push(await backend[method](...given).then((answer) => ({ answer }), (error) => ({ error: error.message })));
  }
  process.stdout.write(JSON.stringify(answers, exact) + "\\n");
}
"""


class _Scripts(HTMLParser):
    """The content of a page's scripts, by their type, as a browser finds it."""

    def __init__(self) -> None:
        super().__init__()
        self.found: dict[str, str] = {}
        self._kind = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._kind = str(dict(attrs)["type"]) if tag == "script" else ""

    def handle_endtag(self, tag: str) -> None:
        self._kind = ""

    def handle_data(self, data: str) -> None:
        if self._kind:
            self.found[self._kind] = self.found.get(self._kind, "") + data


def scripts_of(page: str) -> dict[str, str]:
    """Return the content of a page's scripts by their type."""
    parser = _Scripts()
    parser.feed(page)
    return parser.found


def without_the_pages_own(page: str) -> str:
    """Return a page without the style and the scripts that are the same in every page."""
    for name in ("page.css", "local.js", *SCRIPTS):
        own = part(name) if name.endswith(".css") else in_script(part(name))
        assert own in page
        page = page.replace(own, "")
    return page


class Refused(NamedTuple):
    """The message of an error."""

    message: str


class Node:
    """Node.js, which runs the scripts of pages without their user interface.

    Args:
        folder: where the scripts lie.
    """

    def __init__(self, folder: Path) -> None:
        self._folder, self._count = folder, 0
        (folder / "run.mjs").write_text(_RUN)
        command = [tool_of("html"), "run.mjs"]
        self._process = subprocess.Popen(
            command, cwd=folder, text=True, encoding="utf-8", stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )

    def close(self) -> None:
        self._process.communicate()

    def backend(self, page: str) -> str:
        """Return the name of a module of a page's script, with the backend of its model."""
        scripts, self._count = scripts_of(page), self._count + 1
        before, _, _ = scripts["module"].partition(in_script(part(SCRIPTS[0])))
        described = json.dumps(json.loads(scripts["application/json"])[0])
        name, exported = f"./page{self._count}.mjs", f"export const backend = backendOf({described});"
        (self._folder / name).write_text(f"{before}\n{exported}\n", encoding="utf-8")
        return name

    def ask(self, name: str, *calls: tuple[object, ...]) -> list[Any]:
        """Return the answers to calls of a backend's methods; `Refused` for an error."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps([name, calls]) + "\n")
        self._process.stdin.flush()
        answers = json.loads(self._process.stdout.readline())
        return [_read(each["answer"]) if "answer" in each else Refused(each["error"]) for each in answers]


def _read(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _read(each) for name, each in value.items()}
    if isinstance(value, list):
        return [_read(each) for each in value]
    return float(value.removeprefix("number ")) if isinstance(value, str) and value.startswith("number ") else value


def page_and_predictor(blueprint: Blueprint) -> tuple[str, Predictor]:
    """Return the page of a model, and the predictor of its ONNX file."""
    program, contract = blueprint.program, blueprint.contract
    page = BACKENDS["html"].build(program, contract).decode()
    return page, Predictor(BACKENDS["onnx"].build(program, contract))


def both(node: Node, checkpoint: Checkpoint, *args: Any, **options: Any) -> tuple[str, Predictor]:
    """Return the backend in the page of a model, exported with these options, and its predictor."""
    page, predictor = page_and_predictor(Blueprint.of(checkpoint, *args, without_eager=True, **options))
    return node.backend(page), predictor
