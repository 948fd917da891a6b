"""Lines that were joined on the way."""

from __future__ import annotations

import pytest

from movable.explain.layouts.joined import lines_in


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("one\\ntwo", ["one", "two"]),
        ("one#012two", ["one", "two"]),
        ("Node 0, zone DMA 1 0 1 Node 0, zone Normal 5 6 7", ["Node 0, zone DMA 1 0 1", "Node 0, zone Normal 5 6 7"]),
        ("alone", ["alone"]),
    ],
)
def test_newlines_that_were_written_out_or_lost(text: str, lines: list[str]) -> None:
    assert [line.strip() for line in lines_in(text)] == lines
