"""The C header: compilers of this machine, other processors under qemu-user, and WebAssembly in wasmtime.

The flags are those of a build that says nothing of floating point, where a fused multiply-add is allowed: the header
has to ask for what it needs by itself.
"""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from lr_export.toolchain import Driver, c_driver, c_files, version_of
from tests.engines.holding import check, held, needs_command, needs_package
from tests.engines.measuring import Engine
from tests.engines.models import cases
from tests.export.straight_line import same_bits

if TYPE_CHECKING:
    from collections.abc import Callable

    from lr_export.formats import Engine as Run
    from lr_export.program import Program
    from lr_runtime.contract import Precision
    from tests.engines.measuring import Kept

KEEPS: dict[Precision, Kept] = {"exact": "correctly rounded", "portable": "same bits"}


def _native(compiler: str, *flags: str) -> Callable[[bytes, Program], Run]:
    return lambda content, program: c_driver(content, program, compiler, flags)


def _cross(target: str, processor: str, *flags: str) -> Callable[[bytes, Program], Run]:
    build = (f"{target}-gcc", "-std=gnu17", "-O2", "-static", *flags, "-o", "driver", "driver.c", "-lm")

    def opened(content: bytes, program: Program) -> Run:
        return Driver(program, c_files(content, program), build=build, run=(f"qemu-{processor}", "./driver"))

    return opened


def _big_endian(opened: Callable[[bytes, Program], Run]) -> Callable[[bytes, Program], Run]:
    def swapped(content: bytes, program: Program) -> Run:
        run = opened(content, program)
        return lambda x: {name: values.byteswap() for name, values in run(x.byteswap()).items()}

    return swapped


def _wasm(content: bytes, program: Program) -> Run:
    build = ("clang", *WASM, "-O2", "-o", "driver.wasm", "driver.c", "-lm")
    runner = Path(__file__).with_name("run_wasm.py")
    return Driver(program, c_files(content, program), build=build, run=(sys.executable, str(runner), "driver.wasm"))


WASM = ("--target=wasm32-wasi", "-std=gnu17")
COMPILERS = {
    "C, gcc": ("gcc", "-std=gnu17"),
    "C, clang": ("clang", "-std=gnu17"),
    "C++, g++": ("g++", "-std=gnu++17"),
    "C++, clang++": ("clang++", "-x", "c++", "-std=gnu++17"),
}
PROCESSORS = {
    "aarch64": ("aarch64-linux-gnu", "aarch64"),
    "armhf": ("arm-linux-gnueabihf", "arm", "-mfpu=vfpv4"),
    "riscv64": ("riscv64-linux-gnu", "riscv64"),
    "s390x": ("s390x-linux-gnu", "s390x"),
}


def _native_engine(name: str, compiler: str, *flags: str) -> Engine:
    opened, absent = _native(compiler, *flags), needs_command(compiler)
    return Engine(name, "c", KEEPS, opened, lambda: version_of(compiler), absent=absent)


def _cross_engine(name: str, target: str, processor: str, *flags: str) -> Engine:
    compiler, emulator, opened = f"{target}-gcc", f"qemu-{processor}", _cross(target, processor, *flags)
    return Engine(
        f"C, gcc for {name}, under qemu-user",
        "c",
        KEEPS,
        _big_endian(opened) if name == "s390x" else opened,
        lambda: f"{version_of(compiler)}, {version_of(emulator)}",
        absent=needs_command(compiler, emulator) or _needs_library(compiler, "-static"),
    )


def _no_wasm() -> str:
    return needs_command("clang", "wasm-ld") or needs_package("wasmtime") or _needs_library("clang", *WASM)


def _needs_library(*command: str) -> str:
    """Return why a compiler makes no programs for its target: it has no C library for it."""
    command = (*command, "-o", "/dev/null", "-x", "c", "-")
    done = subprocess.run(command, input="int main(void) { return 0; }", capture_output=True, text=True, check=False)
    return f"{command[0]} has no C library for this target: make engines" if done.returncode else ""


ENGINES = (
    *(_native_engine(name, *command) for name, command in COMPILERS.items()),
    *(_cross_engine(name, *words) for name, words in PROCESSORS.items()),
    Engine(
        "C, clang for WebAssembly, in wasmtime",
        "c",
        KEEPS,
        _wasm,
        lambda: f"{version_of('clang')}, wasmtime {version('wasmtime')}",
        absent=_no_wasm(),
    ),
)


@held(*ENGINES)
def test_it_keeps_what_the_table_says(engine: Engine, precision: Precision) -> None:
    check(engine, precision)


UNMARKED = {
    "gcc": ("-fassociative-math -fno-signed-zeros -fno-trapping-math", "-funsafe-math-optimizations"),
    "clang": (
        "-fassociative-math -fno-signed-zeros -fno-trapping-math",
        "-funsafe-math-optimizations",
        "-ffp-contract=fast -mfma",
    ),
}
"""Options that change bits and leave no mark for the preprocessor, of one compiler or of some version of it."""


@pytest.mark.parametrize(
    ("compiler", "options"),
    [
        pytest.param(
            name, options, marks=pytest.mark.skipif(bool(needs_command(name)), reason=needs_command(name) or "-")
        )
        for name, each in UNMARKED.items()
        for options in each
    ],
)
def test_bits_that_an_option_changes_are_seen_by_the_self_test(compiler: str, options: str) -> None:
    seen = 0
    for name, case in cases("c", "portable").items():
        content = case.content("c")
        if b"_self_test" not in content:
            pytest.skip("the header has no self-test yet")
        run = c_driver(content, case.blueprint.program, compiler, ("-std=gnu17", *options.split()))
        try:
            given = run(case.x)
        except ChildProcessError:  # refused by the header, or wrong by its self-test, which the driver runs first
            seen += 1
        else:
            assert [r for r, wanted in case.expected.items() if not same_bits(given[r], wanted)] == [], name
    assert seen > 0


S390X = f"{PROCESSORS['s390x'][0]}-gcc"


@pytest.mark.skipif(bool(needs_command(S390X)), reason=needs_command(S390X) or "-")
def test_excess_precision_of_s390x_in_strict_modes_is_refused(tmp_path: Path) -> None:
    (tmp_path / "model.h").write_bytes(cases("c", "portable")["two outputs"].content("c"))
    for standard, refused in (("c99", True), ("gnu99", False), ("gnu17", False)):
        command = [S390X, f"-std={standard}", "-fsyntax-only", "-x", "c", "model.h"]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
        assert ("excess precision" in done.stderr, done.returncode != 0) == (refused, refused), done.stderr
