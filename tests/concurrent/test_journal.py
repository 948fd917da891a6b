"""Each stream of events is judged, an equal one only once; findings come in the order in which they happened."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from movable import VM, SetPageMovable, lock_page, unlock_page
from movable.concurrent.journal import Entry, Rulings, entry
from movable.errors import VMBug


class Driver:
    def isolate_page(self, page: Any, mode: int) -> bool:
        return True

    def migratepage(self, *arguments: Any) -> int:
        return 0

    def putback_page(self, page: Any) -> None:
        pass


def journal(locked: bool) -> list[Entry]:
    """A page is marked, under its lock or without."""
    vm = VM()
    found: list[Entry] = []
    vm.observe(lambda event: found.append(entry(event)))
    page = vm.alloc_page()
    assert page is not None
    mapping = vm.address_space(Driver(), "d")
    if locked:
        lock_page(page)
    with suppress(VMBug):
        SetPageMovable(page, mapping)
    if locked:
        unlock_page(page)
    return found


def test_an_equal_stream_is_judged_once_and_counted_each_time() -> None:
    rulings = Rulings("4.19")
    first = journal(True)
    asked = 0
    judge = rulings._findings

    def count(*arguments: Any) -> Any:
        nonlocal asked
        asked += 1
        return judge(*arguments)

    rulings._findings = count  # type: ignore[assignment]
    assert [rulings.judge(journal(True), 1) for _ in range(3)] == [(), (), ()]
    assert asked == 1
    assert rulings.exercised()["D2"] == 3 and not rulings.exercised()
    assert [rule for rule, _ in rulings.judge(journal(False), 1)] == ["D2"]
    assert asked == 2
    assert rulings.judge(first, 1) == ()


def test_the_monitor_goes_on_from_where_the_tasks_begin() -> None:
    rulings = Rulings("4.19")
    good = journal(True)
    for start in (2, 2, 2):
        assert rulings.judge(good, start) == ()
        assert rulings.judge([*good, ("main", "note", -1, 0, 0, 0, {"text": "x"})], start) == ()
    assert [rule for rule, _ in rulings.judge(journal(False), 2)] == ["D2"]


def test_an_argument_that_is_no_plain_value_is_judged_each_time() -> None:
    rulings = Rulings("4.19")
    odd = [*journal(False), ("main", "note", -1, 0, 0, 0, {"text": object()})]
    assert [rule for rule, _ in rulings.judge(odd, 1)] == ["D2"]
    assert [rule for rule, _ in rulings.judge(odd, 1)] == ["D2"]
