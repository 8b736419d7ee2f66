"""How much a text table asks of its stream at once: a block at most, and of a small file hardly more than it has."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import pytest

from lr_runtime.tables import TableOptions
from lr_runtime.tables.notices import Notices
from lr_runtime.tables.text import table
from lr_runtime.tables.text.csv_syntax import CsvSyntax
from lr_runtime.tables.text.table import BLOCK_BYTES, TextTable

if TYPE_CHECKING:
    from typing_extensions import Buffer


class Asked(io.BytesIO):
    """A stream that keeps how many bytes it was asked for, each time."""

    def __init__(self, content: bytes, asked: list[int]) -> None:
        super().__init__(content)
        self._asked = asked

    def read(self, size: int | None = -1, /) -> bytes:
        assert size is not None
        assert size >= 0, "the whole stream was asked for"
        self._asked.append(size)
        return super().read(size)

    def readinto(self, buffer: Buffer, /) -> int:
        self._asked.append(memoryview(buffer).nbytes)
        return super().readinto(buffer)


@pytest.mark.parametrize("blank", [0, 100, 1 << 14, 1 << 15])
def test_no_read_is_larger_than_a_block(blank: int) -> None:
    asked: list[int] = []
    content = b"\n" * blank + b"a,b\n" + b"1,2\n" * 1_500_000
    options = TableOptions()
    opened = TextTable(
        lambda: Asked(content, asked), "t.csv", CsvSyntax(options), len(content), options=options, notices=Notices(None)
    )
    assert sum(len(batch.values) for batch in opened.batches(["a"])) == 1_500_000
    assert max(asked) <= BLOCK_BYTES
    assert max(asked) > BLOCK_BYTES // 2, "the test is to fail where the bound is another"


def test_of_a_small_file_no_block_is_asked_for() -> None:
    asked: list[int] = []
    options = TableOptions()
    opened = TextTable(
        lambda: Asked(b"a\n1\n", asked), "t.csv", CsvSyntax(options), 4, options=options, notices=Notices(None)
    )
    assert sum(len(batch.values) for batch in opened.batches(["a"])) == 1
    assert max(asked) <= table._HEAD_BYTES
