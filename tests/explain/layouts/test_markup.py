"""Markup of pages that reports are copied from."""

from __future__ import annotations

import pytest

from movable.explain.layouts.markup import says_nothing, without_cells, without_tags


def test_entities_and_tags_are_taken_away() -> None:
    assert without_tags("order:4&comma; mode:&lt;x&gt;") == "order:4, mode:<x>"
    assert without_tags("<b>pgmigrate_success</b> 5") == "pgmigrate_success 5"
    assert without_tags("1 < 2") == "1 < 2"


def test_a_row_of_a_table_is_words() -> None:
    assert without_cells("| `compact_stall` | 12 |").split() == ["compact_stall", "12"]
    assert without_cells("a | b") == "a | b"


@pytest.mark.parametrize(("line", "nothing"), [("```", True), ("-----", True), ("", True), ("Node 0, zone DMA", False)])
def test_fences_and_rulers_say_nothing(line: str, nothing: bool) -> None:
    assert says_nothing(line) is nothing
