"""Stories: what comes again and again is told once."""

from __future__ import annotations

import pytest

from movable.contract.story import folded


@pytest.mark.parametrize(
    ("lines", "told"),
    [
        ([], []),
        (["a"], ["a"]),
        (["a", "a", "b"], ["a", "a", "b"]),
        (["a", "a", "a", "b"], ["a", "    (the same 2 more times)", "b"]),
        (["x", *["a", "b"] * 10, "y"], ["x", "a", "b", "    (the same 9 more times)", "y"]),
        (["a", "b", "c", "a", "b", "c", "a", "b", "c"], ["a", "b", "c", "    (the same 2 more times)"]),
        (["a", "b", "a", "c"], ["a", "b", "a", "c"]),
    ],
)
def test_folding(lines: list[str], told: list[str]) -> None:
    assert folded(lines) == told
