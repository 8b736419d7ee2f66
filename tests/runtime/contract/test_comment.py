"""The contract as comment lines: back whole, harmless to a compiler, and never found where it is not."""

from __future__ import annotations

import json
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lr_runtime.contract.comment import as_comment, from_comment

json_values = st.dictionaries(st.text(), st.text() | st.floats(allow_nan=False) | st.lists(st.text()), max_size=5)


@settings(max_examples=200, deadline=None)
@given(value=json_values)
def test_every_contract_comes_back_whole(value: object) -> None:
    text = json.dumps(value, ensure_ascii=False)
    found = from_comment(f"/* before */\n{as_comment(text, 'c')}int after;\n".encode())
    assert found is not None
    assert found[0] == "c"
    assert json.loads(found[1]) == value
    # ASCII JSON is the same text.
    assert found[1] == (text if text.isascii() and "\x7f" not in text else found[1])


NAMES = {
    "a comment's end": "*/ int main(void) { return 1; } /*",
    "a backslash at the end of the line": "x" * 110 + "\\" * 40,
    "a trigraph for one": "??/" * 80,
    "a new line": "a\nb\r\nc\u2028d\u0085e",
    "beyond the basic plane": "😀" * 60,
    "text that runs from right to left": "\u202e\u2066",
    "a bar": "|\n// |",
}


@pytest.mark.parametrize("name", NAMES.values(), ids=NAMES)
def test_no_name_leaves_the_comment(name: str) -> None:
    comment = as_comment(json.dumps({"name": name}, ensure_ascii=False), "js")
    lines = comment.split("\n")
    assert lines.pop() == ""
    assert all(re.fullmatch(r"// [\x20-\x7e]*[|t]", line) for line in lines)
    assert max(map(len, lines)) <= 120
    found = from_comment(comment.encode())
    assert found is not None
    assert json.loads(found[1]) == {"name": name}


def test_line_ends_of_another_system() -> None:
    comment = as_comment('{"a":"' + "b" * 300 + '"}', "c")
    assert from_comment(comment.replace("\n", "\r\n").encode()) == from_comment(comment.encode())


@pytest.mark.parametrize(
    "content", [b"", b"// linedge c contract\n", b"int x; // linedge c contract\n// |{}|\n", b"\xff"]
)
def test_no_contract(content: bytes) -> None:
    assert from_comment(content) is None
