"""The device's own books: pages that somebody has locked stay, and what was released while it was isolated is nobody's."""

from __future__ import annotations

import pytest

from movable import VM, ListHead, isolate_movable_page, list_add_tail, lock_page, putback_movable_pages, unlock_page
from movable_vmballoon import VmBalloon
from movable_vmballoon.books import OwnBooks
from tests.drivers.movable_vmballoon.test_driver import in_use, machine


def balloon_of(vm: VM, count: int) -> tuple[VmBalloon, OwnBooks]:
    balloon = VmBalloon(vm)
    balloon.inflate(count)
    assert isinstance(balloon.books, OwnBooks)
    return balloon, balloon.books


@pytest.mark.parametrize("era", ["4.19", "6.1", "6.17"])
def test_locked_and_isolated_pages_stay(era: str) -> None:
    vm = machine(era)
    balloon, books = balloon_of(vm, 3)
    first, second, _ = in_use(vm)
    lock_page(first)
    assert isolate_movable_page(second, 8) == 0 and books.isolated == 1
    assert balloon.deflate(3) == 1 and balloon.num_pages == books.held() == 2
    unlock_page(first)
    taken = ListHead("taken")
    list_add_tail(second._lru, taken)
    putback_movable_pages(taken)
    assert books.isolated == 0
    balloon.remove()
    assert not in_use(vm)


def test_a_page_that_left_and_keeps_its_mark_is_refused() -> None:
    vm = machine("6.17")
    _, books = balloon_of(vm, 1)
    (page,) = books.dequeue(1)
    assert isolate_movable_page(page, 8) != 0
    books.putback(page)  # as after a move that half failed
    assert books.held() == 0
    books.enqueue([page])  # the hypervisor did not give it back
    assert isolate_movable_page(page, 8) == 0 and books.isolated == 1
