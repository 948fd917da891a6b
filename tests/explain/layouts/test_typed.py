"""What was typed from a picture, or read from one by a machine."""

from __future__ import annotations

import pytest

from movable.explain.reading import read

ROW = "Node 0 Normal: 9100*4kB (UME) 610*8kB 0*16kB 0*32kB 10*64kB = 41920kB"
TYPED = (
    ROW.replace("*", "x"), ROW.replace("*", " * "), ROW.replace("*", " \u00d7 "), ROW.replace("kB", " kB"), ROW.replace("0*", "O*"),
    ROW.replace("61", "6l").replace("Node 0", "Node O"), ROW.replace(" ", "\u00a0"),
)  # fmt: skip


@pytest.mark.parametrize("row", TYPED)
def test_a_row_that_was_typed(row: str) -> None:
    [found] = read([("x", f"{row}\n")]).free
    assert (found.node, found.counts, found.whole) == (0, [9100, 610, 0, 0, 10], True)
