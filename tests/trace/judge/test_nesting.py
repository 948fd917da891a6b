"""Calls within calls tell of the same page twice; lines that cannot both be right are found."""

from __future__ import annotations

from typing import Any

import pytest

from movable.events import Event
from movable.mm.page_flags import LOCKED
from movable.trace.judge.nesting import CALLS, WITHIN, Nesting


def event(seq: int, kind: str, pfn: int = 5, flags: int = LOCKED, **args: Any) -> Event:
    return Event(seq, "t", kind, pfn, flags, 0, 1, args)


def disagreements(*events: Event) -> list[tuple[int, int]]:
    found: list[tuple[int, int]] = []
    nesting = Nesting(lambda event, other, words: found.append((event.seq, other)))
    for one in events:
        if one.kind in CALLS:
            nesting.feed(one)
        elif one.kind in WITHIN:
            nesting.change(one)
    return found


MOVE = event(1, "move_to_new_page", mode=2, newpage=9)
CALL = event(2, "migratepage", mode=2, newpage=9)


@pytest.mark.parametrize(
    ("events", "found"),
    [
        ([MOVE, CALL, event(3, "migratepage_ret", ret=0), event(4, "move_to_new_page_ret", ret=0)], []),
        ([MOVE, event(2, "migratepage", mode=1, newpage=9)], [(2, 1)]),
        ([MOVE, event(2, "migratepage", mode=2, newpage=8)], [(2, 1)]),
        ([MOVE, event(2, "migratepage", pfn=6, mode=2, newpage=9)], [(2, 1)]),
        ([MOVE, CALL, event(3, "migratepage_ret", ret=5), event(4, "move_to_new_page_ret", ret=0)], [(4, 3)]),
        ([CALL, event(3, "clear_page_movable", flags=0)], [(3, 2)]),
        ([CALL, event(3, "clear_page_movable", pfn=7, flags=0)], []),
        ([CALL, event(3, "unlock_page"), event(4, "clear_page_movable", flags=0)], []),
        ([CALL, event(3, "migratepage_ret", ret=0), event(4, "clear_page_movable", flags=0)], []),
        ([event(1, "isolate_movable_page", mode=8), event(2, "isolate_page", mode=8)], []),
        ([event(1, "isolate_movable_page", mode=8), event(2, "isolate_page", mode=4)], [(2, 1)]),
    ],
)
def test_lines_that_cannot_both_be_right(events: list[Event], found: list[tuple[int, int]]) -> None:
    assert disagreements(*events) == found
