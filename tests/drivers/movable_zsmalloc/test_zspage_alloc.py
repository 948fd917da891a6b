"""Whole zspages: their pages come, are marked, and go."""

from __future__ import annotations

import pytest

import movable
from movable import (
    VM,
    DeadlockError,
    PG_private,
    lock_page,
    page_mapping,
    unlock_page,
)
from movable_zsmalloc import Zsmalloc
from movable_zsmalloc.zspage import (
    get_zspage,
)
from tests.drivers.movable_zsmalloc.movers import check, load, pages_of, pattern, store


def test_pages_of_a_zspage_are_chained_and_marked(zs: Zsmalloc) -> None:
    handle = zs.zs_malloc(3000)  # 3008 bytes: class 3072, 3 pages, 4 objects
    first = zs.vm.page(zs.handles[handle].location[0])
    chain = [first, first.index, first.index.index]
    assert chain[2].index is None
    assert chain == list(get_zspage(first).pages())
    assert [movable.test_page_flag(page, PG_private) for page in chain] == [True, False, False]
    assert all(page_mapping(page) is zs.mapping for page in chain)
    assert sum(zone.vmstat["nr_zspages"] for zone in zs.vm.zones) == 3


def test_last_object_takes_the_pages_along(zs: Zsmalloc) -> None:
    free = zs.vm.zones[0].nr_free
    handle = zs.zs_malloc(3000)
    assert zs.vm.zones[0].nr_free == free - 3
    zs.zs_free(handle)
    assert zs.vm.zones[0].nr_free == free
    assert not pages_of(zs)
    check(zs)


def test_allocation_that_fails_half_way_gives_pages_back(monkeypatch: pytest.MonkeyPatch) -> None:
    zs = Zsmalloc(VM(64 << 12))
    alloc, answers = zs.vm.alloc_page, [True, True, False]
    monkeypatch.setattr(zs.vm, "alloc_page", lambda gfp: alloc(gfp) if answers.pop(0) else None)
    free = zs.vm.zones[0].nr_free
    assert zs.zs_malloc(3000) == 0
    assert answers == []
    assert zs.vm.zones[0].nr_free == free
    assert zs.vm.zones[0].vmstat["nr_zspages"] == 0
    check(zs)


def test_empty_zspage_with_a_locked_page_is_left_to_the_worker(zs: Zsmalloc) -> None:
    handle = zs.zs_malloc(3000)
    pages = pages_of(zs)
    lock_page(pages[1])
    zs.zs_free(handle)
    assert zs.zs_get_total_pages() == 3
    assert not any(page._flags & 1 for page in (pages[0], pages[2]))
    unlock_page(pages[1])
    check(zs)
    assert zs.vm.run_work() == 1
    assert zs.zs_get_total_pages() == 0
    check(zs)


def test_empty_zspage_can_be_used_again_before_the_worker_comes(zs: Zsmalloc) -> None:
    handle = zs.zs_malloc(3000)
    pages = pages_of(zs)
    lock_page(pages[0])
    zs.zs_free(handle)
    unlock_page(pages[0])
    again = store(zs, pattern(1, 3000))
    assert pages_of(zs) == pages
    zs.vm.run_work()
    assert load(zs, again, 3000) == pattern(1, 3000)
    check(zs)


def test_worker_waits_for_a_page_that_stays_locked(zs: Zsmalloc) -> None:
    handle = zs.zs_malloc(3000)
    page = pages_of(zs)[2]
    lock_page(page)
    zs.zs_free(handle)
    with pytest.raises(DeadlockError, match="waits for page 2 to be unlocked"):
        zs.vm.run_work()


def test_page_locked_by_somebody_at_birth_stays_unmovable(zs: Zsmalloc, monkeypatch: pytest.MonkeyPatch) -> None:
    alloc = zs.vm.alloc_page

    def locked(gfp: int) -> object:
        page = alloc(gfp)
        assert page is not None
        lock_page(page)
        return page

    monkeypatch.setattr(zs.vm, "alloc_page", locked)
    handle = zs.zs_malloc(4096)
    (page,) = pages_of(zs)
    unlock_page(page)
    assert page_mapping(page) is None
    zs.zs_free(handle)
    assert not pages_of(zs) and not zs.vm.bad_pages
