"""The C header: compilers of this machine, other processors under qemu-user, and WebAssembly in wasmtime.

The flags are those of a build that says nothing of floating point, where a fused multiply-add is allowed: the header
has to ask for what it needs by itself.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pytest

from lr_export.formats.toolchain import Driver, output_of, version_of
from tests.engines.holding import check, held, needs_command, needs_package
from tests.engines.measuring import Engine
from tests.engines.models import cases
from tests.export.source_code import c_files
from tests.export.straight_line import same_bits

if TYPE_CHECKING:
    from _pytest.mark.structures import ParameterSet

    from lr_export.formats.backend import Engine as Run
    from lr_export.program.program import Program
    from lr_runtime.contract.contract import Precision
    from tests.engines.measuring import Kept

KEEPS: dict[Precision, Kept] = {"exact": "correctly rounded", "portable": "same bits"}


class Build(NamedTuple):
    """How driver.c becomes a program, and how that is run."""

    compiler: tuple[str, ...]
    run: tuple[str, ...] = ("./driver",)
    absent: str = ""

    @property
    def command(self) -> tuple[str, ...]:
        return (*self.compiler, "-O2", "-o", self.run[-1].removeprefix("./"), "driver.c", "-lm")

    def open(self, content: bytes, program: Program) -> Run:
        """Return what evaluates a header; s390x takes and gives numbers with their first byte first."""
        run = Driver(program, c_files(content, program), build=self.command, run=self.run)
        if not self.compiler[0].startswith("s390x"):
            return run
        return lambda x: {name: values.byteswap() for name, values in run(x.byteswap()).items()}

    def self_test(self, content: bytes) -> int:
        """Return what the header's own test gives."""
        with tempfile.TemporaryDirectory(prefix="linedge-") as name:
            Path(name, "model.h").write_bytes(content)
            Path(name, "driver.c").write_text(SELF_TEST)
            output_of(self.command, folder=Path(name))
            return int(output_of(self.run, folder=Path(name)))


SELF_TEST = """
#include "model.h"
#include <stdio.h>
int main(void) { printf("%d", linedge_self_test()); return 0; }
"""


def _cross(target: str, processor: str, *flags: str) -> Build:
    compiler, emulator = (f"{target}-gcc", "-std=gnu17", "-static", *flags), f"qemu-{processor}"
    absent = needs_command(compiler[0], emulator) or _needs_library(*compiler)
    return Build(compiler, (emulator, "./driver"), absent)


def _needs_library(*compiler: str) -> str:
    """Return why a compiler makes no programs for its target: it has no C library for it."""
    command = (*compiler, "-o", "/dev/null", "-x", "c", "-")
    done = subprocess.run(command, input="int main(void) { return 0; }", capture_output=True, text=True, check=False)
    return f"{compiler[0]} has no C library for this target: make engines" if done.returncode else ""


def _wasm() -> Build:
    compiler = ("clang", "--target=wasm32-wasi", "-std=gnu17")
    absent = needs_command("clang", "wasm-ld") or needs_package("wasmtime") or _needs_library(*compiler)
    run = (sys.executable, str(Path(__file__).with_name("run_wasm.py")), "driver.wasm")
    return Build(compiler, run, absent)


def _version(build: Build) -> str:
    """Return those of the compiler and of what runs its program."""
    found = [version_of(build.compiler[0])]
    if build.run[0] == sys.executable:
        found.append(f"wasmtime {version('wasmtime')}")
    elif build.run[0] != "./driver":  # an emulator
        found.append(version_of(build.run[0]))
    return ", ".join(found)


BUILDS = {
    "C, gcc": Build(("gcc", "-std=gnu17"), absent=needs_command("gcc")),
    "C, clang": Build(("clang", "-std=gnu17"), absent=needs_command("clang")),
    "C++, g++": Build(("g++", "-std=gnu++17"), absent=needs_command("g++")),
    "C++, clang++": Build(("clang++", "-x", "c++", "-std=gnu++17"), absent=needs_command("clang++")),
    "C, gcc for aarch64, under qemu-user": _cross("aarch64-linux-gnu", "aarch64"),
    "C, gcc for armhf, under qemu-user": _cross("arm-linux-gnueabihf", "arm", "-mfpu=vfpv4"),
    "C, gcc for riscv64, under qemu-user": _cross("riscv64-linux-gnu", "riscv64"),
    "C, gcc for s390x, under qemu-user": _cross("s390x-linux-gnu", "s390x"),
    "C, clang for WebAssembly, in wasmtime": _wasm(),
}
ENGINES = tuple(
    Engine(name, "c", KEEPS, build.open, partial(_version, build), absent=build.absent)
    for name, build in BUILDS.items()
)


@held(*ENGINES)
def test_it_keeps_what_the_table_says(engine: Engine, precision: Precision) -> None:
    check(engine, precision)


# --- what the header says of its own results ---


def _self_testing(name: str) -> bytes:
    return cases("c", "portable")[name].content("c")


def _here(build: Build, *values: object) -> ParameterSet:
    return pytest.param(build, *values, marks=pytest.mark.skipif(bool(build.absent), reason=build.absent or "-"))


@pytest.mark.parametrize("build", [_here(build) for build in BUILDS.values()])
def test_the_self_test_finds_nothing_where_the_bits_are_right(build: Build) -> None:
    for name in ("powers, categories, missing values", "missing values, two targets, interval and flags"):
        assert build.self_test(_self_testing(name)) == 0


_REASSOCIATED = ("-fassociative-math", "-fno-signed-zeros", "-fno-trapping-math")
UNMARKED = [
    ("gcc", _REASSOCIATED),
    ("gcc", ("-funsafe-math-optimizations",)),
    ("clang", _REASSOCIATED),
    ("clang", ("-funsafe-math-optimizations",)),
    ("clang", ("-ffp-contract=fast", "-march=native")),
]
"""Options that change bits and leave no mark for the preprocessor, of one compiler or of some version of it."""


@pytest.mark.parametrize(
    ("build", "options"),
    [_here(BUILDS[f"C, {name}"], options) for name, options in UNMARKED],
    ids=[f"{name} {' '.join(options)}" for name, options in UNMARKED],
)
def test_bits_that_an_option_changes_are_refused_or_seen_by_the_self_test(
    build: Build, options: tuple[str, ...]
) -> None:
    build, unseen = build._replace(compiler=(*build.compiler, *options)), []
    for name, case in cases("c", "portable").items():
        content = _self_testing(name)
        try:
            found = build.self_test(content)
        except ChildProcessError as error:
            unseen += [] if "#error" in str(error) else [str(error)]
            continue
        given = build.open(content, case.blueprint.program)(case.x)
        right = all(same_bits(given[result], wanted) for result, wanted in case.expected.items())
        unseen += [] if right or found else [name]
    assert unseen == []


S390X = "s390x-linux-gnu-gcc"


@pytest.mark.skipif(bool(needs_command(S390X)), reason=needs_command(S390X) or "-")
def test_excess_precision_of_s390x_in_strict_modes_is_refused(tmp_path: Path) -> None:
    (tmp_path / "model.h").write_bytes(cases("c", "portable")["two outputs"].content("c"))
    for standard, refused in (("c99", True), ("gnu99", False), ("gnu17", False)):
        command = [S390X, f"-std={standard}", "-fsyntax-only", "-x", "c", "model.h"]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
        assert ("excess precision" in done.stderr, done.returncode != 0) == (refused, refused), done.stderr
