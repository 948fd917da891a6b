"""The end of a pool: it waits for isolated pages, then for its worker, and leaves nothing behind."""

from __future__ import annotations

import pytest

from movable import VM, DeadlockError, UsageError, VMBug, lock_page, putback_movable_pages, unlock_page
from movable_zsmalloc import Zsmalloc
from tests.drivers.movable_zsmalloc.movers import check, isolate, move, pages_of, pattern, store


@pytest.fixture
def zs() -> Zsmalloc:
    return Zsmalloc(VM(512 << 12))


def nothing_left(zs: Zsmalloc) -> None:
    vm = zs.vm
    assert not pages_of(zs) and not zs.handles and not vm.bad_pages
    assert vm.zones[0].nr_free == vm.nr_frames
    assert vm.zones[0].vmstat["nr_zspages"] == 0
    assert not vm.address_spaces and not vm.shrinkers
    assert not any(queue.items for queue in vm.workqueues)
    check(zs)


@pytest.mark.parametrize("objects", [0, 1, 50])
def test_idle_pool_goes_at_once(zs: Zsmalloc, objects: int) -> None:
    for i in range(objects):
        store(zs, pattern(i, 50 * i + 1))
    zs.remove()
    nothing_left(zs)
    zs.remove()
    nothing_left(zs)


def test_pool_with_objects_is_not_destroyed(zs: Zsmalloc) -> None:
    handle = store(zs, b"x")
    with pytest.raises(UsageError, match="1 objects are live"):
        zs.zs_destroy_pool()
    zs.zs_free(handle)
    zs.zs_destroy_pool()
    nothing_left(zs)


def test_destroyer_waits_for_isolated_pages(zs: Zsmalloc) -> None:
    for i in range(8):
        store(zs, pattern(i, 3000))
    isolated = isolate(pages_of(zs)[1:5])
    with pytest.raises(DeadlockError, match="wake-up on wait queue 'zram0 migration'"):
        zs.remove()
    assert zs.vm.address_spaces
    check(zs, quiescent=False)
    with pytest.raises(UsageError, match="being destroyed"):
        zs.zs_malloc(10)
    putback_movable_pages(isolated)
    zs.remove()
    nothing_left(zs)


def test_destroyer_waits_for_pages_on_their_way(zs: Zsmalloc) -> None:
    for i in range(8):
        store(zs, pattern(i, 3000))
    isolated = isolate(pages_of(zs)[1:5])
    with pytest.raises(DeadlockError):
        zs.remove()
    assert move(zs, isolated) == 0
    zs.remove()
    nothing_left(zs)


def test_no_page_is_isolated_once_the_destroyer_waits(zs: Zsmalloc) -> None:
    for i in range(8):
        store(zs, pattern(i, 3000))
    pages = pages_of(zs)
    isolated = isolate(pages[:1])
    with pytest.raises(DeadlockError):
        zs.remove()
    assert not isolate(page for page in pages[1:] if page._refcount)
    putback_movable_pages(isolated)
    zs.remove()


def test_last_isolation_wakes_the_destroyer(zs: Zsmalloc) -> None:
    store(zs, pattern(0, 3000))
    isolated = isolate(pages_of(zs))
    with pytest.raises(DeadlockError):
        zs.remove()
    wakes = zs.migration_wait.wakes
    putback_movable_pages(isolated)
    assert zs.migration_wait.wakes == wakes + 1
    zs.remove()


def test_work_left_in_the_queue_is_done_first(zs: Zsmalloc) -> None:
    handle = store(zs, pattern(0, 3000))
    page = pages_of(zs)[1]
    lock_page(page)
    zs.zs_free(handle)
    unlock_page(page)
    assert zs.zs_get_total_pages() == 3
    zs.remove()
    nothing_left(zs)


def test_pages_that_nobody_frees_are_reported(zs: Zsmalloc) -> None:
    store(zs, b"x")
    zs.pages_allocated.add(1)
    with pytest.raises(VMBug, match="is empty and 1 pages are left"):
        zs.remove()
