"""What is told of a value beside a step."""

from __future__ import annotations

from collections import deque

import pytest

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
