"""The house: rooms without circles, and names that no import can take the place of."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import re
from pathlib import Path
from typing import TYPE_CHECKING

import grimp
import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

PACKAGES = ["lr_trainer", "lr_export", "lr_runtime"]
MOST_LINES_WITH_ANY = 100
UNTYPED = re.compile(r"\bAny\b")


def modules(package: str) -> list[str]:
    path = importlib.import_module(package).__path__
    return [module.name for module in pkgutil.walk_packages(path, f"{package}.")]


def test_no_modules_import_each_other_in_a_circle() -> None:
    graph = grimp.build_graph(*PACKAGES, cache_dir=None)
    for module in sorted(graph.modules):
        for other in graph.find_modules_directly_imported_by(module):
            way_back = graph.find_shortest_chain(importer=other, imported=module)
            assert way_back is None, f"{module} -> {' -> '.join(way_back)}"


@pytest.mark.parametrize("package", PACKAGES)
def test_every_public_name_stays_what_it_is_when_every_module_is_imported(package: str) -> None:
    module = importlib.import_module(package)
    before = {name: getattr(module, name) for name in module.__all__}
    for name in modules(package):
        if not name.endswith("__main__"):
            importlib.import_module(name)
    after = {name: getattr(module, name) for name in module.__all__}
    assert all(before[name] is after[name] for name in before)
    called = [value for name, value in after.items() if not name.startswith("__")]
    assert all(map(callable, called))


@pytest.mark.parametrize("package", PACKAGES)
def test_no_module_bears_a_public_name(package: str) -> None:
    public = set(importlib.import_module(package).__all__)
    assert not [name for name in modules(package) if name.rsplit(".", 1)[-1] in public]


@pytest.mark.parametrize("package", [*PACKAGES, "lr_runtime.tables"])
def test_every_room_is_on_the_map(package: str) -> None:
    module = importlib.import_module(package)
    rooms = [path.name for path in Path(module.__path__[0]).iterdir() if (path / "__init__.py").exists()]
    assert [room for room in rooms if f" {room}/ " not in (module.__doc__ or "")] == []


def test_few_lines_leave_a_type_open() -> None:
    folders = [Path(importlib.import_module(package).__path__[0]) for package in PACKAGES]
    lines = [line for folder in folders for path in folder.rglob("*.py") for line in path.read_text().splitlines()]
    assert 0 < sum(1 for line in lines if UNTYPED.search(line) and "import" not in line) < MOST_LINES_WITH_ANY


def said_of(value: object) -> Iterator[tuple[str, str]]:
    """Yield the annotations of a function, or of the public members of a class and its bases in the house, by name."""
    house = [each for each in getattr(value, "__mro__", ()) if each.__module__.partition(".")[0] in PACKAGES]
    members = [member for each in house for name, member in vars(each).items() if not re.match("_[^_]", name)]
    for each in (value, *house, *members):
        function = each.fget if isinstance(each, property) else inspect.unwrap(getattr(each, "__func__", each))
        name = getattr(function, "__qualname__", "")
        is_generated = name.endswith("__init__") and hasattr(value, "__dataclass_fields__")  # says the fields again
        of = {} if is_generated else getattr(function, "__annotations__", {})
        yield from ((f"{name}.{parameter}", str(said)) for parameter, said in of.items())


@pytest.mark.parametrize("package", PACKAGES)
def test_no_public_signature_leaves_a_type_open(package: str) -> None:
    module = importlib.import_module(package)
    found = dict(pair for name in module.__all__ for pair in said_of(getattr(module, name)))
    assert found
    # The report as a parsed document, read by key; `Checkpoint.report` has the same as a record with types.
    assert {name for name, said in found.items() if UNTYPED.search(said)} <= {"Checkpoint.fit"}
