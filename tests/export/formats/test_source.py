"""C and JavaScript: every operation against numpy, whatever the compiler's options, and names that mean harm."""

from __future__ import annotations

import json
import subprocess
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

import numpy as np
import pytest

from lr_export.formats.registry import BACKENDS
from lr_export.formats.toolchain import output_of
from lr_export.formats.torch_module import eager
from lr_export.program.program import Builder, Constant
from lr_runtime import Column, Contract, Output
from lr_runtime.contract.formats import EXPORT_FORMATS
from lr_runtime.errors import OptionError
from tests.export.source_code import C_FLAGS, c_bytes, c_driver, js_bytes, js_driver, read_c, read_js
from tests.export.straight_line import awkward_rows, evaluated, every_operation, same_bits

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from lr_export.formats.backend import Engine
    from lr_export.formats.toolchain import Driver
    from lr_export.program.program import Program
    from lr_runtime.contract.contract import Dtype


def _path(language: str) -> str:
    tool = EXPORT_FORMATS[language].tool  # type: ignore[index]
    assert tool is not None
    return tool.path() or ""


CC, NODE = _path("c"), _path("js")
needs_cc = pytest.mark.skipif(not CC, reason="no C compiler on PATH")
needs_node = pytest.mark.skipif(not NODE, reason="no node on PATH")
STRICT = ("-Wall", "-Wextra", "-Werror", "-pedantic", "-Wshadow", "-Wconversion", "-Wdouble-promotion", "-Wcomment")
CONTRACT = Contract(
    columns=(Column("a", -1.0, 1.0), Column("b", -2.0, 2.0), Column("c", 0.0, 3.0)),
    outputs=(Output("u", 0.5, 1.0), Output("v", 0.5, 1.0)),
    rows=10,
    linedge="0.1.0",
)
DTYPES: list[Dtype] = ["float32", "float64"]


def in_c(program: Program, contract: Contract = CONTRACT, flags: Sequence[str] = C_FLAGS) -> Driver:
    return c_driver(c_bytes(program, contract), program, flags)


def in_js(program: Program, contract: Contract = CONTRACT) -> Driver:
    return js_driver(js_bytes(program, contract), program)


LANGUAGES = [pytest.param(in_c, marks=needs_cc, id="c"), pytest.param(in_js, marks=needs_node, id="js")]


def in_torch(program: Program) -> Engine:
    return eager(program)


def in_onnx(program: Program, engine: int = 0) -> Engine:
    with patch("lr_export.formats.onnx.read_onnx"):  # a file of ours has fewer results
        opened = BACKENDS["onnx"].reopen(BACKENDS["onnx"].build(program, CONTRACT), program)
    return list(opened.engines.values())[engine]


def in_the_reference_evaluator(program: Program) -> Engine:
    return in_onnx(program, 1)


ENGINES = [*LANGUAGES, in_torch, in_onnx, in_the_reference_evaluator]


@pytest.mark.parametrize("language", ENGINES)
@pytest.mark.parametrize("dtype", DTYPES)
def test_every_operation_is_that_of_numpy(language: Callable[[Program], Engine], dtype: Dtype) -> None:
    program, x = every_operation(dtype), awkward_rows(3, dtype)
    expected = evaluated(program, x)
    with np.errstate(all="ignore"):
        got = language(program)(x)
    different = [name for name in expected if not same_bits(got[name], expected[name])]
    # The Where of ONNX Runtime makes a zero of either sign +0; a bias takes the sign away from every output.
    assert different == (["y_where_one"] if language is in_onnx else [])
    assert all(np.array_equal(got[name], expected[name], equal_nan=True) for name in different)


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("rows", [0, 1, 2, 7])
def test_every_number_of_rows(language: Callable[[Program], Driver], rows: int) -> None:
    program, x = every_operation("float32"), awkward_rows(3, "float32")[:rows]
    got = language(program)(x)
    for name, value in program.results.items():
        assert got[name].shape == (rows, value.width)
        assert same_bits(got[name], evaluated(program, x)[name])


OPTIONS = {
    "every warning an error": (*C_FLAGS, *STRICT, "-O0"),
    "a newer standard": ("-std=c17", *STRICT, "-O2"),
    "fused operations allowed": ("-std=gnu99", "-O3", "-march=native", "-ffp-contract=fast"),
    "C++": ("-x", "c++", "-std=c++17", "-Wall", "-Wextra", "-Werror", "-O2"),
}


@needs_cc
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS)
def test_the_options_of_a_compiler_change_nothing(options: tuple[str, ...], dtype: Dtype) -> None:
    program, x = every_operation(dtype), awkward_rows(3, dtype)
    expected = evaluated(program, x)
    got = in_c(program, flags=options)(x)
    assert [name for name in expected if not same_bits(got[name], expected[name])] == []


REFUSED = {"-ffast-math": "compile without -ffast-math", "-mfpmath=387": "excess precision"}


@needs_cc
@pytest.mark.parametrize("option", REFUSED)
def test_options_that_would_change_results_are_refused(option: str, tmp_path: Path) -> None:
    (tmp_path / "model.h").write_bytes(c_bytes(linear(), CONTRACT))
    command = [CC, "-std=gnu99", option, "-fsyntax-only", "model.h"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    if "unrecognized" in done.stderr:
        pytest.skip(f"this compiler has no {option}")
    assert done.returncode != 0
    assert REFUSED[option] in done.stderr


def linear(dtype: Dtype = "float32") -> Program:
    build = Builder(3, dtype, ordered=True)
    weight, bias = np.array([[0.1, -2.0, 3.0], [1.0, 0.0, 1e-30]], dtype), np.array([0.25, -0.5], dtype)
    build.result("y", build.affine(build.x, Constant("weight", weight), Constant("bias", bias)))
    return build.program()


def test_nothing_is_included_unless_a_square_root_is_taken() -> None:
    assert b"#include" not in c_bytes(linear(), CONTRACT)
    assert c_bytes(every_operation("float32"), CONTRACT).count(b"#include") == 1
    assert b"#include <math.h>" in c_bytes(every_operation("float32"), CONTRACT)
    assert b"import" not in js_bytes(every_operation("float32"), CONTRACT).split(b"\n", 1)[1]


HOSTILE = ["*/ #error", "a\\", "??/", "line\nbreak", "\u202etnirp", "größe", "`${process.exit(9)}`", "😀", '"', "//"]


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_name_leaves_its_comment(language: Callable[..., Driver]) -> None:
    build = Builder(len(HOSTILE), "float32", ordered=True)
    build.result("y", build.sum(build.x))
    program = build.program()
    contract = CONTRACT._replace(
        columns=tuple(
            Column(name, 0.0, 1.0, unit=name, kind="category", categories=(name, "b"), missing="indicator")
            for name in HOSTILE
        ),
        outputs=(Output("*/ y", 0.5, 1.0, unit="??/"),),
    )
    strict = {"flags": (*C_FLAGS, *STRICT, "-trigraphs", "-Wno-trigraphs")} if language is in_c else {}
    x = np.ones((2, len(HOSTILE)), dtype=np.float32)
    assert language(program, contract, **strict)(x)["y"].tolist() == [[10.0], [10.0]]


@pytest.mark.parametrize("dtype", DTYPES)
def test_the_numbers_and_the_contract_come_back(dtype: Dtype) -> None:
    build = Builder(4, dtype)
    info = np.finfo(dtype)
    awkward = [-0.0, float(info.smallest_subnormal), float(info.max), 0.1]
    flags = build.both(build.is_nan(build.x), Constant("flags", np.array([True, False, True, True])))
    moved = build.where(flags, Constant("awkward", np.array(awkward, dtype)), build.x)
    weight = np.random.default_rng(3).normal(size=(3, 4)).astype(dtype)
    build.result("y", build.affine(moved, Constant("weight", weight), Constant("bias", np.zeros(3, dtype))))
    program = build.program()
    contract = CONTRACT._replace(columns=(*CONTRACT.columns, Column("größe 😀", 0.0, 1.0)))
    for numbers, text in (read_c(c_bytes(program, contract)), read_js(js_bytes(program, contract))):
        assert Contract.from_json(text) == contract
        assert list(numbers) == list(program.constants)
        for name, array in program.constants.items():
            assert (numbers[name].dtype, numbers[name].shape) == (array.dtype, array.shape)
            assert numbers[name].tobytes() == array.tobytes()


@pytest.mark.parametrize(("write", "read"), [(c_bytes, read_c), (js_bytes, read_js)])
def test_a_number_that_its_dtype_does_not_hold_is_refused(write: Any, read: Any) -> None:
    content = write(linear(), CONTRACT)
    spelled = b"0.100000001f" if write is c_bytes else b"0.10000000149011612"
    assert content.count(spelled) == 1
    longer = b"0.1000000012f" if write is c_bytes else b"0.1"
    with pytest.raises(ValueError, match="not float32"):
        read(content.replace(spelled, longer))
    with pytest.raises(ValueError, match="reshape"):
        read(content.replace(spelled + b", ", b""))
    with pytest.raises(ValueError, match="no contract"):
        read(content.replace(b"contract\n// |", b"contract\n// "))


@needs_node
def test_the_module_as_a_page_uses_it(tmp_path: Path) -> None:
    program = every_operation("float32")
    (tmp_path / "model.mjs").write_bytes(js_bytes(program, CONTRACT))
    (tmp_path / "page.mjs").write_text(
        """
        import { predict } from "./model.mjs";
        const given = [1, 2.5, -3];
        const caught = [[1], [1, 2, "3"], [1, 2, null], [1, 2, undefined], "abc", [1, 2, 3, 4]].map((x) => {
          try { predict(x); return "nothing"; } catch (error) { return error.name; }
        });
        console.log(JSON.stringify({ ...predict(given), given, caught }));
        """
    )
    found = json.loads(output_of([NODE, "page.mjs"], folder=tmp_path))
    expected = evaluated(program, np.array([[1, 2.5, -3]], dtype=np.float32))
    assert found["y"] == expected["y"][0].tolist()
    assert found["in_range"] is False
    assert found["leverage"] == expected["leverage"][0, 0]
    assert found["given"] == [1, 2.5, -3]
    assert found["caught"] == ["RangeError", "TypeError", "TypeError", "TypeError", "TypeError", "RangeError"]


@needs_cc
def test_the_header_as_firmware_uses_it(tmp_path: Path) -> None:
    program = every_operation("float32")
    (tmp_path / "model.h").write_bytes(c_bytes(program, CONTRACT))
    (tmp_path / "main.c").write_text(
        """
        #include "model.h"
        #include <stdio.h>
        int main(void) {
          const float x[3] = {1, 2.5f, -3};
          linedge_results r = linedge_predict(x);
          printf("%a %a %d %a", (double)r.y[0], (double)r.y[1], r.in_range, (double)r.leverage);
          return 0;
        }
        """
    )
    output_of([CC, *C_FLAGS, *STRICT, "-o", "main", "main.c", "-lm"], folder=tmp_path)
    said = output_of(["./main"], folder=tmp_path).decode().split()
    expected = evaluated(program, np.array([[1, 2.5, -3]], dtype=np.float32))
    assert [float.fromhex(word) for word in said[:2]] == expected["y"][0].tolist()
    assert (said[2], float.fromhex(said[3])) == ("0", expected["leverage"][0, 0])


@needs_cc
def test_two_models_in_one_program(tmp_path: Path) -> None:
    program, other = linear(), every_operation("float64")
    for name, each in (("near", program), ("Far_2", other)):
        content = c_bytes(each, CONTRACT, name=name)
        assert list(read_c(content)[0]) == list(each.constants)
        assert b"linedge_" not in content.replace(b"linedge c contract", b"")
        (tmp_path / f"{name}.h").write_bytes(content)
    (tmp_path / "main.c").write_text(
        """
        #include "near.h"
        #include "Far_2.h"
        int main(void) {
          const float x[3] = {0};
          const double y[3] = {0};
          return (int)near_predict(x).y[0] + (int)Far_2_predict(y).leverage;
        }
        """
    )
    output_of([CC, *C_FLAGS, *STRICT, "-o", "main", "main.c", "-lm"], folder=tmp_path)
    output_of(["./main"], folder=tmp_path)
    x = awkward_rows(3, "float64")
    driver = c_driver(c_bytes(other, CONTRACT, name="Far_2"), other)
    assert same_bits(driver(x)["y"], evaluated(other, x)["y"])


@pytest.mark.parametrize("name", ["", "2x", "a b", "x" * 32, "größe", "a;b", "_x", "int main(void) {} //"])
def test_a_name_that_c_has_not_is_wrong_usage(name: str) -> None:
    with pytest.raises(OptionError, match="name takes up to 31 letters"):
        c_bytes(linear(), CONTRACT, name=name)


@needs_node
def test_a_number_that_is_not_rounded_to_its_dtype_is_no_result() -> None:
    program = linear()
    wrong_at_1 = b"Array.from(v0, (value) => value + (row[0] === 1 ? 1e-12 : 0))"
    content = js_bytes(program, CONTRACT).replace(b"Array.from(v0)", wrong_at_1)
    with pytest.raises(ValueError, match="a result is not float32"):
        js_driver(content, program)(np.ones((1, 3), dtype=np.float32))


@needs_cc
def test_what_a_compiler_says_is_said() -> None:
    program = linear()
    with pytest.raises(ChildProcessError, match=r"cc ends with 1: .*error"):
        c_driver(c_bytes(program, CONTRACT).replace(b"float v0", b"flaot v0"), program)(np.ones((1, 3), np.float32))


def test_a_tool_that_is_not_there() -> None:
    with pytest.raises(ChildProcessError, match="nosuch"):
        output_of(["nosuch-compiler"])


@needs_node
def test_the_files_of_a_driver_go_with_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    driver = js_driver(js_bytes(linear(), CONTRACT), linear())
    assert len(list(tmp_path.iterdir())) == 1
    del driver
    assert list(tmp_path.iterdir()) == []
