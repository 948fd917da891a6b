"""Intrusive lists: order, removal while walking, and every corruption that the checks must see."""

from __future__ import annotations

import pytest

from movable import VM, ListCorruption, ListHead, Page, list_add, list_add_tail, list_del, list_empty, list_first
from movable.mm.list import list_add_after, list_move, list_splice_init


@pytest.fixture
def pages() -> list[Page]:
    vm = VM()
    pages = [vm.alloc_page() for _ in range(4)]
    return [page for page in pages if page is not None]


def pfns(head: ListHead) -> list[int]:
    return [page.pfn for page in head]


def test_order(pages: list[Page]) -> None:
    head = ListHead("test")
    a, b, c, d = pages
    list_add(a.lru, head)
    list_add(b.lru, head)
    list_add_tail(c.lru, head)
    list_add_after(d.lru, b.lru)
    assert pfns(head) == [b.pfn, d.pfn, a.pfn, c.pfn]
    assert list_first(head) is b
    assert len(head) == 4
    assert a.lru.list is head


def test_empty(pages: list[Page]) -> None:
    head = ListHead("test")
    assert list_empty(head)
    assert not head
    assert list_first(head) is None
    list_add(pages[0].lru, head)
    assert head
    assert not list_empty(head)
    list_del(pages[0].lru)
    assert list_empty(head)
    assert list_empty(pages[0].lru)


def test_walking_survives_removal(pages: list[Page]) -> None:
    head = ListHead("test")
    for page in pages:
        list_add_tail(page.lru, head)
    for page in head:
        list_del(page.lru)
    assert list_empty(head)


def test_moving_and_splicing_keep_order(pages: list[Page]) -> None:
    first, second = ListHead("first"), ListHead("second")
    a, b, c, d = pages
    list_add_tail(a.lru, first)
    list_add_tail(b.lru, first)
    list_add_tail(c.lru, second)
    list_move(d.lru, second) if d.lru.list else list_add(d.lru, second)
    list_splice_init(first, second)
    assert not first
    assert pfns(second) == [a.pfn, b.pfn, d.pfn, c.pfn]


def test_adding_twice_is_corruption(pages: list[Page]) -> None:
    head = ListHead("here")
    list_add(pages[0].lru, head)
    for add in (list_add, list_add_tail):
        with pytest.raises(ListCorruption, match="on 'here'"):
            add(pages[0].lru, ListHead("there"))
    with pytest.raises(ListCorruption):
        list_add_after(pages[0].lru, pages[0].lru)
    with pytest.raises(ListCorruption, match="on no list"):
        list_add_after(pages[1].lru, pages[2].lru)


def test_removing_twice_is_corruption(pages: list[Page]) -> None:
    head = ListHead("here")
    list_add(pages[0].lru, head)
    list_del(pages[0].lru)
    with pytest.raises(ListCorruption, match="on no list"):
        list_del(pages[0].lru)


def test_disagreeing_links_are_corruption(pages: list[Page]) -> None:
    head = ListHead("here")
    a, b, c, _ = pages
    list_add_tail(a.lru, head)
    list_add_tail(b.lru, head)
    a.lru.next = c.lru
    with pytest.raises(ListCorruption, match="disagree"):
        list_del(a.lru)
    head.next = c.lru
    with pytest.raises(ListCorruption, match="disagree"):
        list_add(c.lru, head)
    head.prev = c.lru
    with pytest.raises(ListCorruption, match="disagree"):
        list_add_tail(c.lru, head)


def test_walking_into_a_deleted_node_is_corruption(pages: list[Page]) -> None:
    head = ListHead("here")
    a, b, _, _ = pages
    list_add_tail(a.lru, head)
    list_add_tail(b.lru, head)
    walk = iter(head)
    next(walk)
    list_del(b.lru)
    next(walk)
    with pytest.raises(ListCorruption, match="poison"):
        next(walk)
