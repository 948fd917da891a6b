"""The balloon layer without a device: enqueue, dequeue, isolation, and what must never happen."""

from __future__ import annotations

from errno import EAGAIN, EINVAL

import pytest

from movable import (
    GFP_MOVABLE,
    GFP_NOMEMALLOC,
    GFP_NORETRY,
    MIGRATE_ASYNC,
    MIGRATE_SYNC_NO_COPY,
    VM,
    AddressSpace,
    ClearPageIsolated,
    ListHead,
    Page,
    PageBalloon,
    PageMovable,
    PageMovableHint,
    SetPageIsolated,
    VMBug,
    hookimpl,
    isolate_movable_page,
    list_add,
    list_del,
    list_empty,
    lock_page,
    page_count,
    put_page,
    putback_movable_pages,
    unlock_page,
)
from movable_balloon.balloon_compaction import (
    BALLOON_GFP,
    BalloonDevInfo,
    balloon_page_alloc,
    balloon_page_delete,
    balloon_page_dequeue,
    balloon_page_enqueue,
    balloon_page_insert,
    balloon_page_isolate,
    balloon_page_list_dequeue,
    balloon_page_list_enqueue,
    balloon_page_migrate,
    balloon_page_pop,
    balloon_page_push,
    balloon_page_putback,
)


class Layer:
    """Just enough of a driver to own the pages of a device."""

    def __init__(self, vm: VM, movable: bool = True) -> None:
        self.vm = vm
        self.dev_info = BalloonDevInfo(vm, vm.address_space(self) if movable else None)

    @hookimpl
    def isolate_page(self, page: Page, mode: int) -> bool:
        return balloon_page_isolate(page, mode)

    @hookimpl
    def migratepage(self, mapping: AddressSpace, newpage: Page, page: Page, mode: int) -> int:
        return balloon_page_migrate(mapping, newpage, page, mode)

    @hookimpl
    def putback_page(self, page: Page) -> None:
        balloon_page_putback(page)


@pytest.fixture
def vm() -> VM:
    return VM(256 << 12)


@pytest.fixture
def device(vm: VM) -> BalloonDevInfo:
    return Layer(vm).dev_info


def fresh(vm: VM) -> Page:
    page = balloon_page_alloc(vm)
    assert page is not None
    return page


def filled(device: BalloonDevInfo, count: int) -> list[Page]:
    pages = [fresh(device.vm) for _ in range(count)]
    for page in pages:
        balloon_page_enqueue(device, page)
    return pages


def marked(page: Page) -> bool:
    lock_page(page)
    answer = PageMovable(page)
    unlock_page(page)
    return answer


def test_pages_are_asked_for_movable_and_without_force() -> None:
    for bit in (GFP_MOVABLE, GFP_NOMEMALLOC, GFP_NORETRY):
        assert BALLOON_GFP & bit


def test_enqueue_makes_a_complete_movable_page(vm: VM, device: BalloonDevInfo) -> None:
    page = fresh(vm)
    balloon_page_enqueue(device, page)
    assert list(device.pages) == [page]
    assert PageBalloon(page) and marked(page)
    assert page.private is device
    assert page_count(page) == 1
    assert vm.vmstat["balloon_inflate"] == 1
    assert not device.pages_lock.held


def test_enqueue_of_a_locked_page_is_a_bug(vm: VM, device: BalloonDevInfo) -> None:
    page = fresh(vm)
    lock_page(page)
    with pytest.raises(VMBug, match="D2"):
        balloon_page_enqueue(device, page)


def test_dequeue_gives_the_youngest_page_back_as_it_came(vm: VM, device: BalloonDevInfo) -> None:
    first, second = filled(device, 2)
    assert balloon_page_dequeue(device) is second
    assert balloon_page_dequeue(device) is first
    assert not PageBalloon(first) and not marked(first)
    assert first.private == 0
    assert list_empty(first.lru)
    assert vm.vmstat["balloon_deflate"] == 2
    put_page(first)
    put_page(second)
    assert not vm.bad_pages


def test_the_mark_keeps_its_tag_until_the_page_is_freed(vm: VM, device: BalloonDevInfo) -> None:
    filled(device, 1)
    page = balloon_page_dequeue(device)
    assert page is not None and PageMovableHint(page)
    put_page(page)
    assert not PageMovableHint(page)


def test_dequeue_passes_over_a_locked_page(device: BalloonDevInfo) -> None:
    first, second = filled(device, 2)
    lock_page(second)
    assert balloon_page_dequeue(device) is first
    assert balloon_page_dequeue(device) is None
    unlock_page(second)
    assert balloon_page_dequeue(device) is second


def test_dequeue_knows_lost_pages(device: BalloonDevInfo) -> None:
    with pytest.raises(VMBug, match="D44"):
        balloon_page_dequeue(device)


def test_dequeue_never_gives_an_isolated_page(device: BalloonDevInfo) -> None:
    (page,) = filled(device, 1)
    assert isolate_movable_page(page, 0) == 0
    assert device.isolated_pages == 1 and device.ballooned() == 1
    assert balloon_page_dequeue(device) is None
    isolated = ListHead("isolated")
    list_add(page.lru, isolated)
    putback_movable_pages(isolated)
    assert device.isolated_pages == 0 and device.ballooned() == 1
    assert balloon_page_dequeue(device) is page


def test_dequeue_passes_over_a_page_whose_isolation_is_just_ending(device: BalloonDevInfo) -> None:
    """putback_page has linked it again, and the core has yet to clear the flag."""
    first, second = filled(device, 2)
    SetPageIsolated(second)
    assert balloon_page_dequeue(device) is first
    assert balloon_page_dequeue(device) is None
    ClearPageIsolated(second)
    assert balloon_page_dequeue(device) is second


def test_list_enqueue_moves_everything(vm: VM, device: BalloonDevInfo) -> None:
    pages = ListHead("private")
    expected = [fresh(vm) for _ in range(5)]
    for page in expected:
        balloon_page_push(pages, page)
    assert balloon_page_list_enqueue(device, pages) == 5
    assert not pages
    assert list(device.pages) == expected
    assert vm.vmstat["balloon_inflate"] == 5
    assert balloon_page_list_enqueue(device, pages) == 0


def test_list_dequeue_stops_at_what_was_asked_for(vm: VM, device: BalloonDevInfo) -> None:
    held = filled(device, 5)
    lock_page(held[3])
    pages = ListHead("private")
    assert balloon_page_list_dequeue(device, pages, 2) == 2
    assert set(pages) == {held[4], held[2]}
    assert balloon_page_list_dequeue(device, pages, 10) == 2
    assert set(pages) == {held[4], held[2], held[1], held[0]}
    assert list(device.pages) == [held[3]]
    assert vm.vmstat["balloon_deflate"] == 4
    assert balloon_page_list_dequeue(device, pages, 0) == 0


def test_push_and_pop_are_a_stack(vm: VM) -> None:
    pages = ListHead("private")
    first, second = fresh(vm), fresh(vm)
    balloon_page_push(pages, first)
    balloon_page_push(pages, second)
    assert [balloon_page_pop(pages), balloon_page_pop(pages), balloon_page_pop(pages)] == [second, first, None]


def test_without_compaction_pages_are_not_marked_and_still_come_back(vm: VM) -> None:
    device = Layer(vm, movable=False).dev_info
    (page,) = filled(device, 1)
    assert not PageMovableHint(page) and PageBalloon(page)
    assert balloon_page_dequeue(device) is page
    put_page(page)
    assert not vm.bad_pages


def test_delete_leaves_the_node_of_an_isolated_page_alone(device: BalloonDevInfo) -> None:
    (page,) = filled(device, 1)
    assert isolate_movable_page(page, 0) == 0
    isolated = ListHead("isolated")
    list_add(page.lru, isolated)
    lock_page(page)
    balloon_page_delete(page)
    unlock_page(page)
    assert list(isolated) == [page]
    list_del(page.lru)


def test_a_page_goes_into_a_balloon_once(vm: VM, device: BalloonDevInfo) -> None:
    (page,) = filled(device, 1)
    lock_page(page)
    with pytest.raises(VMBug, match="D3"):
        balloon_page_insert(device, page)


def test_a_page_of_nobody_is_told_apart(vm: VM) -> None:
    page = fresh(vm)
    lock_page(page)
    with pytest.raises(VMBug, match="D3"):
        balloon_page_isolate(page, 0)


def test_a_typed_page_is_refused_by_the_allocator(vm: VM, device: BalloonDevInfo) -> None:
    (page,) = filled(device, 1)
    list_del(page.lru)
    put_page(page)
    assert [pfn for pfn, _ in vm.bad_pages] == [page.pfn]


def test_migrate_refuses_a_caller_that_copies_by_itself(vm: VM, device: BalloonDevInfo) -> None:
    (page,), newpage = filled(device, 1), fresh(vm)
    assert device.mapping is not None
    lock_page(page)
    lock_page(newpage)
    assert balloon_page_migrate(device.mapping, newpage, page, MIGRATE_SYNC_NO_COPY) == -EINVAL
    # This device has no hook: its pages may be isolated, and never move.
    assert balloon_page_migrate(device.mapping, newpage, page, MIGRATE_ASYNC) == -EAGAIN
    unlock_page(newpage)
    with pytest.raises(VMBug, match="V7"):
        balloon_page_migrate(device.mapping, newpage, page, MIGRATE_ASYNC)
