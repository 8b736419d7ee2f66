"""The wire format by itself: numbers and texts at the ends of what they may be."""

from __future__ import annotations

import pytest

from lr_runtime.errors import ModelFileError
from lr_runtime.onnx_file.protobuf import Source, integer, text
from tests.optional import needs, optional

onnx = optional("onnx")


@needs(onnx)
@pytest.mark.parametrize("number", [0, 1, -1, 127, 128, -128, 2**31, -(2**31) - 1, 2**63 - 1, -(2**63)])
def test_a_signed_number_is_read_as_the_library_writes_it(number: int) -> None:
    written = onnx.AttributeProto(i=number).SerializeToString()[1:]
    assert integer(Source(written, 1), 0, len(written)) == number


@pytest.mark.parametrize("length", [0, 1, 5, 6, 7])
def test_a_text_may_have_the_most_bytes_and_no_more(length: int) -> None:
    written = b"x" * length
    if length <= 6:
        assert text(6)(Source(written, 1), 0, length) == "x" * length
    else:
        with pytest.raises(ModelFileError, match=r"a text of 7 bytes, where 6 is the most"):
            text(6)(Source(written, 1), 0, length)
