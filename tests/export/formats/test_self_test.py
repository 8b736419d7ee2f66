"""Source code that tests itself: right bits under every standard, flags refused or found, nothing left when unused."""

from __future__ import annotations

import re
import shutil
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from lr_export import export
from lr_export.certificate.specification import Blueprint
from lr_export.formats.known_rows import KnownRows
from lr_export.formats.toolchain import output_of
from lr_export.program.program import Builder, Constant
from lr_runtime.contract.formats import EXPORT_FORMATS
from lr_runtime.errors import CheckFailedError
from tests.conftest import CHECKPOINTS, EXPANDED
from tests.export.formats.test_source import CONTRACT
from tests.export.present import runs
from tests.export.scaled import LEVEL, conformal, fitted
from tests.export.source_code import c_bytes, js_bytes, read_c
from tests.export.straight_line import evaluated

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lr_export.choices import InputChoice
    from lr_export.program.program import Program
    from lr_runtime.contract.contract import Contract, Precision

STRICT = ("-Wall", "-Wextra", "-Wpedantic", "-Werror")
COMPILERS = {
    **dict.fromkeys(("gcc", "clang"), ("c99", "c11", "c17", "c2x")),
    **dict.fromkeys(("g++", "clang++"), ("c++11", "c++14", "c++17", "c++20", "c++2b")),
}
STANDARDS = [
    pytest.param(name, standard, marks=pytest.mark.skipif(shutil.which(name) is None, reason=f"no {name} on PATH"))
    for name, standards in COMPILERS.items()
    for standard in standards
]


def needs(name: str) -> pytest.MarkDecorator:
    return pytest.mark.skipif(shutil.which(name) is None, reason=f"no {name} on PATH")


needs_node = pytest.mark.skipif(not runs("js"), reason="no node on PATH")


@cache
def blueprint_of(name: str, precision: Precision) -> Blueprint:
    """Return a model with missing values, a category, powers, an interval and flags; or of float64; or a plain one."""
    if name == "everything":
        return Blueprint.of(fitted(17, degree=2), precision, interval=LEVEL, flags=True)
    if name == "conformal":
        inputs: InputChoice = "float64" if precision == "exact" else "auto"
        return Blueprint.of(conformal(fitted(2)), precision, inputs, interval=LEVEL, flags=True)
    return Blueprint.of((CHECKPOINTS | EXPANDED)[name](), precision)


def header(name: str, precision: Precision, prefix: str = "linedge") -> bytes:
    blueprint = blueprint_of(name, precision)
    return c_bytes(blueprint.program, blueprint.contract, name=prefix)


def self_tested(folder: Path, headers: dict[str, bytes], command: Sequence[str]) -> list[int]:
    """Return what each self-test gives in one program with all the headers."""
    for name, content in headers.items():
        (folder / f"{name}.h").write_bytes(content)
    lines = [*(f'#include "{name}.h"' for name in headers), "#include <stdio.h>", "int main(void) {"]
    lines += [*(f'  printf("%d ", {name}_self_test());' for name in headers), "  return 0;", "}", ""]
    (folder / "main.c").write_text("\n".join(lines))
    language = ("-x", "c++") if command[0].endswith("++") else ()
    output_of([command[0], "-O1", *command[1:], *language, "-o", "main", "main.c", "-lm"], folder=folder)
    return [int(word) for word in output_of(["./main"], folder=folder).split()]


@pytest.mark.parametrize(("compiler", "standard"), STANDARDS)
def test_every_standard_compiles_it_without_a_warning_and_its_bits_are_right(
    compiler: str, standard: str, tmp_path: Path
) -> None:
    headers = {
        "a": header("everything", "exact", "a"),
        "b": header("everything", "portable", "b"),
        "c": header("the same with two outputs", "portable", "c"),
    }
    assert self_tested(tmp_path, headers, [compiler, f"-std={standard}", *STRICT, "-O0"]) == [0] * 3


@needs("gcc")
def test_nothing_is_left_of_a_self_test_that_is_not_called(tmp_path: Path) -> None:
    (tmp_path / "model.h").write_bytes(header("everything", "portable"))
    (tmp_path / "main.c").write_text(
        '#include "model.h"\nint main(void) { const float x[4] = {0}; return (int)linedge_predict(x).y[0]; }\n'
    )
    output_of(["gcc", "-std=c99", *STRICT, "-O0", "-c", "main.c"], folder=tmp_path)
    symbols = output_of(["nm", "main.o"], folder=tmp_path).decode()
    assert "linedge_predict" in symbols
    assert not re.search("self_test|expected|given|_bits", symbols)


REFUSED = {
    "-ffast-math": "compile without -ffast-math",
    "-Ofast": "compile without -ffast-math",
    "-ffinite-math-only": "compile without -ffinite-math-only",
    "-fassociative-math -fno-signed-zeros -fno-trapping-math": "compile without -fassociative-math",
    "-freciprocal-math": "compile without -fassociative-math",
    "-fno-signed-zeros": "compile without -fassociative-math",
    "-funsafe-math-optimizations": "compile without -fassociative-math",
    "-fsingle-precision-constant": "compile_without_fsingle_precision_constant",
}


def macros(flags: str) -> str:
    return output_of(["gcc", *flags.split(), "-dM", "-E", "-"]).decode()


@needs("gcc")
@pytest.mark.parametrize("flags", REFUSED)
def test_what_leaves_a_mark_is_refused(flags: str, tmp_path: Path) -> None:
    if "associative" in REFUSED[flags] and "__NO_SIGNED_ZEROS__" not in macros("-fno-signed-zeros"):
        pytest.skip("this gcc leaves no mark of it")
    with pytest.raises(ChildProcessError, match=REFUSED[flags]):
        self_tested(tmp_path, {"linedge": header("everything", "exact")}, ["gcc", *flags.split()])


@needs("gcc")
def test_float_alone_is_right_with_single_precision_constants(tmp_path: Path) -> None:
    headers = {"linedge": header("everything", "portable")}
    assert self_tested(tmp_path, headers, ["gcc", "-fsingle-precision-constant"]) == [0]


FOUND: list[tuple[str, str, Precision]] = [
    ("-ffinite-math-only", "everything", "exact"),
    ("-ffinite-math-only", "everything", "portable"),
    ("-fsingle-precision-constant", "everything", "exact"),
    ("-fassociative-math -fno-signed-zeros -fno-trapping-math", "ten columns", "portable"),
    ("-ffast-math", "everything", "exact"),
]


@needs("gcc")
@pytest.mark.parametrize(("flags", "name", "precision"), FOUND)
def test_what_leaves_none_is_found_on_the_device(flags: str, name: str, precision: Precision, tmp_path: Path) -> None:
    text = header(name, precision).decode()
    unmarked = re.sub(r"(?m)^#error .*\n|^typedef char .*\n", "", text).encode()
    assert self_tested(tmp_path, {"linedge": unmarked}, ["gcc"]) == [0]
    assert self_tested(tmp_path, {"linedge": unmarked}, ["gcc", *flags.split(), "-O3"]) != [0]


CLANG = ["-fassociative-math -fno-signed-zeros -fno-trapping-math", "-funsafe-math-optimizations"]
try:
    HAS_FMA = "fma" in Path("/proc/cpuinfo").read_text().split()
except OSError:
    HAS_FMA = False
CLANG += ["-mfma -ffp-contract=fast"] if HAS_FMA else []


@needs("clang")
@pytest.mark.parametrize("flags", CLANG)
def test_flags_of_clang_without_a_mark_are_found_on_the_device(flags: str, tmp_path: Path) -> None:
    headers = {"linedge": header("ten columns", "portable")}
    assert self_tested(tmp_path, headers, ["clang"]) == [0]
    assert self_tested(tmp_path, headers, ["clang", *flags.split(), "-O3"]) != [0]


@needs("gcc")
@pytest.mark.parametrize("place", range(3))
def test_another_number_is_found(place: int, tmp_path: Path) -> None:
    """The largest weight, the bias and the largest factor by a four-thousandth: less is rounded away in some sums."""
    content = header("everything", "portable")
    name = ("weight", "bias", "factor")[place]
    numbers = read_c(content)[0][name].ravel()
    number = numbers[np.argmax(np.abs(numbers))]
    words = [f"{value:.9g}f" for value in (number, number * np.float32(1 + 2.0**-12))]
    line = next(line for line in content.decode().splitlines() if f" linedge_{name}[" in line)
    start = content.decode().index(line)
    text = content.decode()
    changed = text[:start] + text[start:].replace(words[0], words[1], 1)
    assert changed != text
    assert self_tested(tmp_path, {"linedge": changed.encode()}, ["gcc"]) != [0]


@pytest.mark.parametrize("precision", ["exact", "portable"])
@pytest.mark.parametrize("name", ["everything", "conformal", "the same with two outputs"])
def test_the_known_rows_are_the_golden_rows_and_more(name: str, precision: Precision) -> None:
    blueprint = blueprint_of(name, precision)
    known, golden = KnownRows.of(blueprint.program, blueprint.contract), blueprint.contract.golden_rows
    expected = evaluated(blueprint.program.in_order, known.x)
    for place, row in enumerate(golden):
        assert known.results["y"][place].tolist() == list(row.y)
        assert [None if np.isnan(value) else value for value in known.x[place].tolist()] == list(row.x)
    for result, values in known.results.items():
        assert np.array_equal(values, expected[result], equal_nan=values.dtype != np.bool_)
    assert known.refused.any()
    assert np.isnan(known.results["y"]).all(axis=1).tolist() == known.refused.tolist()
    if name != "the same with two outputs":
        assert False in known.results["in_range"][~known.refused]
    if name == "everything":
        assert np.isnan(known.x[~known.refused]).any()  # a missing value that is filled in


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_spelled_number_is_that_number(dtype: str) -> None:
    random, info = np.random.default_rng(5), np.finfo(dtype)
    bits = random.integers(0, 2**63, 200, dtype=np.uint64)
    drawn = np.frombuffer(bits.tobytes(), dtype)
    ends = [info.max, info.tiny, info.smallest_subnormal, 0.1, 0.5, 1e15, 123456789.0, 0.0, -0.0, 2.0**70, 1 / 3]
    values = np.concatenate([drawn[np.isfinite(drawn)], np.array(ends, dtype), random.normal(size=200).astype(dtype)])
    build = Builder(len(values), dtype)  # type: ignore[arg-type]
    build.result("y", build.add(build.x, Constant("weight", values)))
    column = CONTRACT.columns[0]
    contract = CONTRACT._replace(columns=tuple(column._replace(name=f"x{place}") for place in range(len(values))))
    content = c_bytes(build.program(), contract)
    assert read_c(content)[0]["weight"].tobytes() == values.tobytes()
    start = content.index(b"= {") + 3
    words = content[start : content.index(b"}", start)].decode().replace(",", " ").split()
    # As a compiler reads them: decimal, with a point or an exponent, rounded once.
    assert not [word for word in words if not re.fullmatch(r"-?\d+(\.\d+)?(e[+-]\d+)?f?", word)]
    assert not [word for word in words if not {".", "e"} & set(word)]
    assert [np.dtype(dtype).type(word.rstrip("f")) for word in words] == values.tolist()


# --- the gate ---


@needs("gcc")
def test_a_header_that_fails_its_self_test_is_not_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    honest = KnownRows.of

    def of(program: Program, contract: Contract) -> KnownRows:
        known = honest(program, contract)
        wrong = np.nextafter(known.results["y"], np.float32(np.inf))
        return KnownRows(known.x, {**known.results, "y": wrong}, known.refused)

    monkeypatch.setattr(KnownRows, "of", of)
    for format_name in ("c", *(["js"] if runs("js") else [])):
        with pytest.raises(CheckFailedError, match="row 1 of the self-test in the file as written is wrong"):
            export(fitted(2), tmp_path / "m", format=format_name)  # type: ignore[arg-type]
    assert list(tmp_path.iterdir()) == []


# --- JavaScript ---


def module(name: str, precision: Precision) -> str:
    blueprint = blueprint_of(name, precision)
    return js_bytes(blueprint.program, blueprint.contract).decode()


def self_test_in_node(folder: Path, text: str) -> int:
    tool = EXPORT_FORMATS["js"].tool
    assert tool is not None
    (folder / "model.mjs").write_text(text)
    (folder / "page.mjs").write_text('import { selfTest } from "./model.mjs"; console.log(selfTest());')
    return int(output_of([tool.path() or "", "page.mjs"], folder=folder))


JS_FAULTS: dict[str, Any] = {
    "nothing": lambda text: text,
    "no rounding": lambda text: text.replace("Math.fround(", "("),
    "a missing value taken as 0": lambda text: text.replace(
        "const x = Float32Array.from(row)", "const x = Float32Array.from(row, (v) => v || 0)"
    ),
    "always in range": lambda text: re.sub(r"in_range: v\d+\[0\] === 1", "in_range: true", text),
}


@needs_node
@pytest.mark.parametrize("fault", JS_FAULTS)
def test_a_module_tests_itself(fault: str, tmp_path: Path) -> None:
    text = JS_FAULTS[fault](module("everything", "portable"))
    assert (self_test_in_node(tmp_path, text) == 0) == (fault == "nothing")
    assert (text == module("everything", "portable")) == (fault == "nothing")
