"""What the lanes of a failure say."""

from __future__ import annotations

from collections import deque

import pytest

from movable.concurrent.failures import timeline as lanes
from movable.concurrent.failures.annotate import _item, show


@pytest.mark.parametrize(
    ("value", "item", "words"),
    [
        ([], "len()", "0"), ({"a": 1}, "len()", "1"), ({"a": 1}, "a", "1"),
        ({"a": "nothing"}, "a", "'nothing'"), ({}, "a", "nothing"),
        ([5], 3, "nothing"), (set(), "len()", "0"), (deque([1]), 0, ""),
    ],
)  # fmt: skip
def test_a_value_in_few_words(value: object, item: object, words: str) -> None:
    assert show(_item(value, item)) == words


def test_one_step_is_one_step() -> None:
    step = {"task": 0, "op": "r", "where": "x", "place": "", "switch": "", "held": [], "notes": []}
    steps = [step for _ in range(2 * lanes.KEPT + 1)]
    page = lanes.html({"tasks": ["a"], "steps": steps, "failure": "x"})
    assert "... 1 step<" in page
    page = lanes.html({"tasks": ["a"], "steps": [*steps, steps[0]], "failure": "x"})
    assert "... 2 steps<" in page
