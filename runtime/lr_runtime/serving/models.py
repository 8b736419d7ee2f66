"""The models that are served, by name: one file, or every model of a folder; each replaced when its file is.

A file is looked at again and again, and read where its inode, size or times are others and two looks in a row saw it
alike: it is not being written then, and what is written to it later has a later time. What is not a good model is
refused once, and the model before it stays. So does one whose file is gone, until a restart: a disk that is away for a
while shall not end predictions.
"""

from __future__ import annotations

import time
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING
from weakref import ref

from lr_runtime.errors import CheckFailedError, MissingFileError, ModelFileError, OptionError, escaped, listed, shown
from lr_runtime.inspection.self_test import golden_test
from lr_runtime.prediction.predictor import Predictor
from lr_runtime.serving.http import HttpError
from lr_runtime.serving.watched import Tally, Watched
from lr_runtime.system.text import composed

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Iterator, Sequence

    from lr_runtime.choices import LoadOptions
    from lr_runtime.contract.contract import Contract
    from lr_runtime.serving.http import Request

_SECONDS_BETWEEN_LOOKS = 0.4
"""Two looks, after which a change is taken in, are over within a second."""


@dataclass(frozen=True)
class Served:
    """A model under its name. A request keeps the one that it began with, whatever is swapped in meanwhile.

    Attributes:
        name: the stem of its file.
        predictor: the model, ready.
        tally: of the rows that it is given.
        watched: the same model, whose rows are taken in by the tally.
    """

    name: str
    predictor: Predictor
    tally: Tally
    watched: Predictor

    @property
    def contract(self) -> Contract:
        """What it takes and gives."""
        return self.predictor.contract

    def asked_by(self, request: Request) -> Predictor:
        """Return what predicts the rows of a request: a trial's, such as those of the page's curve, are not counted."""
        return self.predictor if request.is_trial else self.watched

    @property
    def version(self) -> str:
        """The first twelve digits of the SHA-256 of its file, which no other file has."""
        return self.predictor.sha256[:12]


class Models:
    """The models of a file or a folder.

    Args:
        source: the path of a model, or of a folder of them, `*.onnx`.
        loading: how each is loaded.
        say: takes a line about a file.

    Attributes:
        swaps: how often a file was taken in later, by the model's name.
        refusals: how often one was not.

    Raises:
        LinedgeError: there is no model, one cannot be loaded, or is not right on this machine.
    """

    def __init__(
        self, source: str | os.PathLike[str], loading: LoadOptions, say: Callable[[str], None] = lambda _: None
    ) -> None:
        self._source, self._loading, self._say = Path(source), loading, say
        self._is_folder = self._source.is_dir()
        if loading.sha256 is not None and self._is_folder:
            raise OptionError("--sha256 is of one model. Name the model, not a folder")
        if not (paths := self._paths()):
            raise MissingFileError(self._source, "Put models into the folder: lr-export -o FOLDER/NAME.onnx")
        self._by_name = {each.name: each for each in map(self._load, paths)}
        if len(self._by_name) < len(paths):
            raise OptionError(f"{self._source}: two names are the same letters, composed otherwise. Rename one")
        self.swaps, self.refusals = Counter[str](), Counter[str]()
        self._seen: dict[Path, tuple[tuple[int, ...], bool]] = {}
        self._watcher = Thread()

    def __iter__(self) -> Iterator[Served]:
        """Iterate over the models in the order of their names."""
        return iter(served for _, served in sorted(self._by_name.items()))

    def known(self, name: str | None) -> Served | None:
        """Return the model of a name, the only one of None; None where there is none."""
        known = self._by_name
        if name is None:
            return next(iter(known.values())) if len(known) == 1 else None
        return known.get(name) or known.get(composed(name))

    def named(self, name: str | None, version: str | None = None) -> Served:
        """Return the model of a name, the only one of None; HttpError 404 where there is none."""
        if (served := self.known(name)) is None:
            there = listed(sorted(self._by_name))
            if name is None:
                raise HttpError(404, f"there are several models; name one of {there}: ?model=NAME")
            raise HttpError(404, f"there is no model {escaped(name)}; there is {there}")
        if version is not None and version != served.version:
            raise HttpError(404, f"the model {escaped(served.name)} has version {served.version} alone")
        return served

    def watch(self) -> None:
        """Have a thread look at the files from now on; a process that was forked has none until it asks itself."""
        if not self._watcher.is_alive():
            self._watcher = Thread(target=_look_again, args=(ref(self),), daemon=True)
            self._watcher.start()

    def look(self) -> None:
        """Look at all files once, and take in those that have changed and are as they were at the last look."""
        for path in dict.fromkeys([*self._seen, *self._paths()]):
            found, before = _signature(path), self._seen.get(path)
            if before == (found, False):
                self._take(path, is_there=bool(found))
            self._seen[path] = found, before is not None and before[0] == found

    def _paths(self) -> Sequence[Path]:
        if not self._is_folder:
            return [self._source]
        return sorted(path for path in self._source.glob("*.onnx") if not path.name.startswith("."))

    def _load(self, path: Path) -> Served:
        name = _name(path)
        if not name.isprintable():
            raise ModelFileError(f"{shown(str(path))}: its name cannot be printed, nor stand in a URL. Rename it")
        predictor = Predictor.load(path, **vars(self._loading))
        if predictor.contract.golden_rows:
            try:
                golden_test(lambda x: predictor.predict(x).values, predictor.contract)
            except CheckFailedError as error:
                raise CheckFailedError(f"{path}: {error}") from error
        if predictor.is_foreign:
            self._say(f"{path} is not of linedge: what it does, and how exact it is, is not checked")
        tally = Tally(predictor.contract)
        return Served(name, predictor, tally, Watched(predictor, tally))

    def _take(self, path: Path, *, is_there: bool) -> None:
        """Serve what a file has become, or say why not."""
        old = self._by_name.get(_name(path))
        stays = "it is not served" if old is None else f"version {old.version} is served on"
        if not is_there:
            self._say(f"{path} is gone; {stays}")
            return
        try:
            new = self._load(path)
        except Exception as error:  # whatever it is, the thread goes on
            self.refusals[shown(_name(path))] += 1
            self._say(f"refused, {stays}: {error}")
            return
        if old is None or old.version != new.version:
            if old is not None:
                new.tally.rows, new.tally.out_of_range = old.tally.rows, old.tally.out_of_range  # a counter goes on
            self._by_name = {**self._by_name, new.name: new}
            self.swaps[new.name] += 1
            before, names = old.version if old else "none", (new.contract.column_names, new.contract.output_names)
            takes = "takes {}, gives {}".format(*map(listed, names))
            self._say(f"{path}: version {new.version} is served in place of {before}; it {takes}")


def _name(path: Path) -> str:
    return composed(path.stem)


def _signature(path: Path) -> tuple[int, ...]:
    """Return numbers of which one changes when a file is replaced or written to; none where there is no file."""
    try:
        found = path.stat()
    except OSError:
        return ()
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns


def _look_again(models: ref[Models]) -> None:
    """Look at the files of models as long as anything refers to the models."""
    while True:
        time.sleep(_SECONDS_BETWEEN_LOOKS)
        if (found := models()) is None:
            return
        with suppress(OSError):  # of a folder that cannot be read now
            found.look()
        del found
