"""Logs that show the newest line first."""

from __future__ import annotations

from tests.explain.material import EVERYTHING
from tests.explain.test_reading import read_one, values


def test_newest_first_is_read_backwards() -> None:
    lines = [f"[   49.64{1309 + at}] {line}" for at, line in enumerate(EVERYTHING["mem-info"].splitlines())]
    assert values("\n".join(reversed(lines))) == values("\n".join(lines))
    [row] = read_one("\n".join(reversed(lines))).free
    assert lines[-row.line.number] == row.line.raw
