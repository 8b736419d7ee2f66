"""The suite itself: a server that is right passes every check, and each check sees what is wrong."""

from __future__ import annotations

import ast
import json
import shutil
import struct
import subprocess
import sys
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING

import numpy as np
import pytest

from . import reference
from .__main__ import main
from .check import Outcome, result
from .checks import ALL
from .client import NoAnswerError, Server
from .faults import FAULTS
from .reference import MODEL, Reply, Request
from .target import Declared, learned
from .tensors import DATATYPES, Tensor, array_from

if TYPE_CHECKING:
    from collections.abc import Iterator

NONSENSE = [
    b"",
    b"null",
    b"[]",
    b"{}",
    b"1e999",
    b'"text"',
    b"<html>",
    b"\xff",
    b"[" * 5000,
    b'{"outputs":[{"name":1}]}',
]
TESTS_OF_IT = {"test_suite.py"}
NOWHERE = "http://127.0.0.1:1"


class Handler(BaseHTTPRequestHandler):
    """Answers as the reference does, or as the header X-Fault names a fault or a kind of nonsense."""

    def do(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        reply = self.reply(Request(self.command, self.path, {k.lower(): v for k, v in self.headers.items()}, body))
        self.send_response(reply.status)
        self.send_header("Content-Type", reply.media_type)
        self.send_header("Content-Length", str(len(reply.body)))
        if reply.length is not None:
            self.send_header("Inference-Header-Content-Length", str(reply.length))
        self.end_headers()
        self.wfile.write(reply.body)

    do_GET = do_POST = do  # noqa: N815

    def reply(self, request: Request) -> Reply:
        fault = self.headers.get("X-Fault")
        if fault is None:
            return reference.answer(request)
        return Reply(200, NONSENSE[int(fault)]) if fault.isdigit() else FAULTS[fault](request)

    def log_message(self, *_: object) -> None:
        """Write nothing."""


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def seen_by(fault: str) -> set[str]:
    """Return the ids of the checks that have to see a fault."""
    return {
        each.id
        for each in ALL
        for name in FAULTS[fault].sees
        if each.id == name or (name.endswith(".") and each.id.startswith(name))
    }


def test_a_right_server_passes_every_check_that_applies(url: str) -> None:
    target = learned(Server(url), MODEL)
    results = [result(each, target) for each in ALL]
    assert [each for each in results if each.outcome is Outcome.FAILED] == []
    left = {each.check.id: each.seen for each in results if each.outcome is Outcome.NOT_APPLICABLE}
    assert left == {"versions.unlisted": "the model has versions", "infer.parameters": left["infer.parameters"]}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_seen_by_its_checks(url: str, fault: str) -> None:
    target = learned(Server(url, {"X-Fault": fault}), MODEL)
    wanted = seen_by(fault)
    assert wanted
    passed = {
        each.id: result(each, target).seen
        for each in ALL
        if each.id in wanted and result(each, target).outcome is not Outcome.FAILED
    }
    assert passed == {}


def test_every_check_sees_a_fault() -> None:
    assert {each.id for each in ALL} - {id_ for fault in FAULTS for id_ in seen_by(fault)} == set()


@pytest.mark.parametrize("nonsense", range(len(NONSENSE)))
def test_no_answer_stops_the_suite(url: str, nonsense: int) -> None:
    target = learned(Server(url, {"X-Fault": str(nonsense)}), MODEL)
    outcomes = [result(each, target).outcome for each in ALL]
    assert Outcome.FAILED in outcomes


def test_datatypes_have_the_sizes_of_the_table() -> None:
    sizes = {
        "BOOL": 1,
        "UINT8": 1,
        "UINT16": 2,
        "UINT32": 4,
        "UINT64": 8,
        "INT8": 1,
        "INT16": 2,
        "INT32": 4,
        "INT64": 8,
    }
    sizes |= {"FP16": 2, "FP32": 4, "FP64": 8}
    assert {name: dtype.itemsize for name, dtype in DATATYPES.items() if name != "BYTES"} == sizes


@pytest.mark.parametrize(
    ("datatype", "form", "elements"),
    [
        ("BOOL", "<??", [True, False]),
        ("INT16", "<hh", [-2, 300]),
        ("UINT64", "<QQ", [1, 2**64 - 1]),
        ("FP16", "<ee", [0.5, -2.0]),
        ("FP32", "<ff", [0.1, 1e30]),
        ("FP64", "<dd", [0.1, 1e300]),
        ("BYTES", "<I2sI3s", [b"\xc3\xbc", b"a b"]),
    ],
)
def test_bytes_are_those_of_struct(datatype: str, form: str, elements: list[object]) -> None:
    tensor = Tensor("x", datatype, np.array(elements, DATATYPES[datatype]).reshape(2, 1))
    lengths = [word for each in elements if isinstance(each, bytes) for word in (len(each), each)]
    raw = struct.pack(form, *(lengths or elements))
    assert tensor.raw() == raw
    assert tensor.as_binary() == {
        "name": "x", "shape": [2, 1], "datatype": datatype, "parameters": {"binary_data_size": len(raw)}
    }  # fmt: skip
    assert np.array_equal(array_from(raw, datatype, "x"), tensor.values.ravel())


@pytest.mark.parametrize("shape", [(), (2,), (-1,), (-1, -1), (1, 4), (-1, 2, 3), (0,), (1 << 19, 1 << 19)])
def test_inputs_of_any_shape_stop_no_check(url: str, shape: tuple[int, ...]) -> None:
    declared = [Declared("x", "FP32", shape)]
    target = replace(learned(Server(url, {"X-Fault": "takes_anything"}), MODEL, inputs=declared), refusal="")
    assert {result(each, target).outcome for each in ALL if each.id.startswith(("refused.", "binary.", "infer."))}


def test_ids_are_unique_and_sentences_are_whole() -> None:
    assert len(ALL) >= 60
    assert len({each.id for each in ALL}) == len(ALL)
    assert len({each.sentence for each in ALL}) == len(ALL)
    for each in ALL:
        assert each.sentence[0] == '"' or each.sentence[0].isupper(), each.sentence
        assert each.sentence.endswith("."), each.sentence
        assert all(each.source), each.id


def test_it_imports_the_standard_library_and_numpy_alone() -> None:
    for path in Path(__file__).parent.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            names = [each.name for each in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom) and not node.level:
                names = [node.module or ""]
            roots = {name.partition(".")[0] for name in names} - sys.stdlib_module_names
            assert roots <= {"numpy", *(["pytest"] if path.name in TESTS_OF_IT else [])}, path


def test_the_folder_runs_elsewhere_under_another_name(url: str, tmp_path: Path) -> None:
    shutil.copytree(Path(__file__).parent, tmp_path / "other", ignore=shutil.ignore_patterns("__pycache__"))
    command = [sys.executable, "-m", "other", url, "--model", MODEL, "--only", "health."]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert "passed  MUST       health.live " in done.stdout
    assert "9 checks: 9 passed, 0 failed, 0 not applicable; 0 of the failed are a MUST" in done.stdout


def test_the_exit_code_is_1_where_a_must_fails(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    broken = [url, "--model", MODEL, "--only", "infer.id"]
    assert main([*broken, "--header", "X-Fault: one_id_for_all"]) == 1
    said = capsys.readouterr().out
    assert "FAILED  MUST       infer.id " in said
    assert "if specified this identifier must be returned in the response" in said


def test_a_should_that_fails_is_no_exit_code(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([url, "--model", MODEL, "--only", "server.", "--header", "X-Fault: no_slash"]) == 0
    assert "FAILED  SHOULD     server.slash" in capsys.readouterr().out


def test_an_extension_that_is_listed_has_to_hold(url: str) -> None:
    assert main([url, "--model", MODEL, "--only", "binary.", "--header", "X-Fault: no_binary_inputs"]) == 1


def test_records_say_all_of_a_check(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([url, "--model", MODEL, "--only", "infer.id-exact", "--json"]) == 0
    (record,) = json.loads(capsys.readouterr().out)
    assert record["id"], record["level"] == ("infer.id-exact", "MUST")
    assert record["outcome"] == "passed"
    assert record.keys() == {"id", "sentence", "level", "document", "section", "quote", "outcome", "seen"}


def test_what_cannot_be_made_up_does_not_apply(url: str) -> None:
    target = learned(Server(url, {"X-Fault": "no_tensors"}), MODEL)
    results = [result(each, target) for each in ALL if each.id.startswith(("infer.", "refused.", "binary."))]
    assert {each.outcome for each in results if each.check.id != "infer.verb"} == {Outcome.NOT_APPLICABLE}
    assert "--input NAME:DATATYPE:DIM,DIM" in results[0].seen


def test_inputs_and_values_may_be_given(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    given = ["level:FP32:-1,2", "count:INT32:-1,1", "open:BOOL:-1", "site:BYTES:-1"]
    inputs = [word for each in given for word in ("--input", each)]
    values = [
        word
        for each in ("site=a, b", "site=ü", "count=7", "open=true", "open=false", "level=-2.5")
        for word in ("--value", each)
    ]
    command = [url, "--model", MODEL, "--header", "X-Fault: no_tensors", "--only", "infer.", *inputs]
    assert main([*command, *values]) == 0
    assert '"label": ["a, b 7", "\\u00fc 7", "a, b 7"]' in capsys.readouterr().out
    assert main(command) == 0
    assert "the input site is BYTES: give examples by --value 'site=TEXT'" in capsys.readouterr().out
    assert main([*command, *values, "--value", "count=much"]) == 0
    assert "the input count is INT32, which 'much' is not" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["127.0.0.1:8080"], "'127.0.0.1:8080' is no address such as http://127.0.0.1:8080"),
        ([NOWHERE, "--value", "site"], "'site' is not NAME=VALUE"),
        ([NOWHERE, "--input", "site:-1"], "'site:-1' is not NAME:DATATYPE:DIM,DIM"),
        ([NOWHERE, "--header", "token"], "'token' is not NAME:VALUE"),
        ([NOWHERE, "--only", "nothing"], "no check has an id that begins with nothing"),
        ([NOWHERE], "no answer: ConnectionRefusedError"),
    ],
)
def test_a_wrong_argument_is_said(arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        main([*arguments, "--model", "m"])
    assert said in capsys.readouterr().err


def test_a_server_that_is_not_there_is_no_answer() -> None:
    with pytest.raises(NoAnswerError, match="no answer: ConnectionRefusedError"):
        Server(NOWHERE).send("GET", "/v2")
