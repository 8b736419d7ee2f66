"""The way of a request in and out, as a client sees it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.serving.conftest import Serving


def test_a_row_is_predicted(server: Serving) -> None:
    answer = server.ask("/predict?model=line", [[4.0]])
    assert (answer.status, answer.json["predictions"]) == (200, [{"y": 9.0}])


def test_the_one_fault_of_each_status(server: Serving) -> None:
    assert server.ask("/nothing").status == 404
    assert server.ask("/predict", method="GET").headers["allow"] == "POST"
