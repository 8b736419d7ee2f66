"""The house: rooms without circles, and names that no import can take the place of."""

from __future__ import annotations

import importlib
import pkgutil
from pathlib import Path

import grimp
import pytest

PACKAGES = ["lr_trainer", "lr_export", "lr_runtime"]


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
