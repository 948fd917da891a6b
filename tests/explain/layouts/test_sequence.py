"""Logs that show the newest line first, and lines that a terminal broke."""

from __future__ import annotations

import pytest

from tests.explain.material import EVERYTHING
from tests.explain.test_reading import read_one, values


def test_newest_first_is_read_backwards() -> None:
    lines = [f"[   49.64{1309 + at}] {line}" for at, line in enumerate(EVERYTHING["mem-info"].splitlines())]
    assert values("\n".join(reversed(lines))) == values("\n".join(lines))
    [row] = read_one("\n".join(reversed(lines))).free
    assert lines[-row.line.number] == row.line.raw


@pytest.mark.parametrize("width", [70, 80])
@pytest.mark.parametrize("stamp", ["", "[   49.641309] "])
def test_lines_that_a_terminal_broke_are_whole_again(width: int, stamp: str) -> None:
    lines = [f"{stamp}{line}" for line in EVERYTHING["mem-info"].splitlines()]
    broken = [line[at : at + width] for line in lines for at in range(0, len(line), width)]
    assert len(broken) > len(lines) and not read_one("\n".join(broken)).unread
    assert values("\n".join(broken)) == values("\n".join(lines))
