"""zs_malloc and zs_free: what lies in the pages, which zspage is taken, what comes back."""

from __future__ import annotations

import struct

import pytest

import movable
from movable import (
    PAGE_SIZE,
    VM,
    DeadlockError,
    PG_owner_priv_1,
    PG_private,
    UsageError,
    lock_page,
    page_mapping,
    unlock_page,
)
from movable_zsmalloc import Zsmalloc, size_class_table
from movable_zsmalloc.obj import LAST_LINK
from movable_zsmalloc.zspage import (
    ZS_ALMOST_EMPTY,
    ZS_ALMOST_FULL,
    ZS_EMPTY,
    ZS_FULL,
    fullness_group,
    get_zspage,
)
from tests.drivers.movable_zsmalloc.movers import check, load, pages_of, pattern, store


@pytest.fixture
def zs() -> Zsmalloc:
    return Zsmalloc(VM(256 << 12))


def words(zs: Zsmalloc, pfn: int) -> tuple[int, ...]:
    return struct.unpack("=512Q", zs.vm.page(pfn).data.tobytes())


def test_free_slots_link_to_each_other_in_the_page(zs: Zsmalloc) -> None:
    handle = zs.zs_malloc(1000)  # 1008 bytes with the header: class 1024, 4 objects in one page
    pfn, obj = zs.handles[handle].location
    page = words(zs, pfn)
    assert obj == 0
    assert [page[0], page[128], page[256], page[384]] == [handle | 1, 2 << 1, 3 << 1, LAST_LINK]
    assert LAST_LINK == 0xFFFF_FFFF_FFFF_FFFE


def test_free_list_is_last_in_first_out(zs: Zsmalloc) -> None:
    handles = [zs.zs_malloc(1000) for _ in range(4)]
    pfn = zs.handles[handles[0]].location[0]
    for at in (2, 0):
        zs.zs_free(handles[at])
    page = words(zs, pfn)
    assert (page[0], page[256]) == (2 << 1, LAST_LINK)
    assert [zs.handles[zs.zs_malloc(1000)].location for _ in range(2)] == [(pfn, 0), (pfn, 2)]
    check(zs)


def test_huge_object_keeps_its_handle_outside(zs: Zsmalloc) -> None:
    content = pattern(3, PAGE_SIZE)
    handle = store(zs, content)
    (page,) = pages_of(zs)
    assert page.data.tobytes() == content
    assert page.index == handle | 1
    assert movable.test_page_flag(page, PG_owner_priv_1) and movable.test_page_flag(page, PG_private)


def test_pages_of_a_zspage_are_chained_and_marked(zs: Zsmalloc) -> None:
    handle = zs.zs_malloc(3000)  # 3008 bytes: class 3072, 3 pages, 4 objects
    first = zs.vm.page(zs.handles[handle].location[0])
    chain = [first, first.index, first.index.index]
    assert chain[2].index is None
    assert chain == list(get_zspage(first).pages())
    assert [movable.test_page_flag(page, PG_private) for page in chain] == [True, False, False]
    assert all(page_mapping(page) is zs.mapping for page in chain)
    assert sum(zone.vmstat["nr_zspages"] for zone in zs.vm.zones) == 3


def test_every_class_can_be_filled_emptied_and_read(zs: Zsmalloc) -> None:
    for row in {row.index: row for row in zs.rows}.values():
        size = row.size if row.huge else row.size - 8
        contents = {store(zs, pattern(i, size)): pattern(i, size) for i in range(row.objs + 1)}
        assert zs.zs_get_total_pages() == 2 * row.pages
        check(zs)
        for handle, content in contents.items():
            assert load(zs, handle, size) == content
        for handle in contents:
            zs.zs_free(handle)
        assert zs.zs_get_total_pages() == 0
    check(zs)


@pytest.mark.parametrize(("chain", "rule"), [(8, "least-waste"), (16, "least-waste"), (16, "percent")])
def test_long_chains_work_as_well(chain: int, rule: str) -> None:
    zs = Zsmalloc(VM(256 << 12), chain=chain, rule=rule)
    row = max((row for row in zs.rows if not row.huge), key=lambda row: row.pages)
    assert row.pages == chain
    contents = {store(zs, pattern(i, row.size - 8)): pattern(i, row.size - 8) for i in range(row.objs)}
    assert zs.zs_get_total_pages() == chain
    assert all(load(zs, handle, row.size - 8) == content for handle, content in contents.items())
    check(zs)


def test_sizes_out_of_range_are_refused(zs: Zsmalloc) -> None:
    assert [zs.zs_malloc(size) for size in (0, -1, 4097)] == [0, 0, 0]
    assert not zs.handles
    assert zs.zs_malloc(4096)


def test_fullness_groups_end_at_three_quarters() -> None:
    groups = [fullness_group(inuse, 9) for inuse in range(10)]
    assert groups == [ZS_EMPTY] + [ZS_ALMOST_EMPTY] * 6 + [ZS_ALMOST_FULL] * 2 + [ZS_FULL]
    assert fullness_group(1, 1) == ZS_FULL
    assert fullness_group(1, 2) == ZS_ALMOST_EMPTY


def groups_of(zs: Zsmalloc, size: int) -> list[list[int]]:
    return [[zspage.inuse for zspage in zspages] for zspages in zs.size_class(size // 16 - 2).lists]


def test_zspage_moves_between_groups_and_a_fuller_head_stays_in_front(zs: Zsmalloc) -> None:
    handles = [zs.zs_malloc(504) for _ in range(24)]  # class 512: 8 objects in a page, 3 zspages
    assert groups_of(zs, 512) == [[], [], [], [8, 8, 8]]
    for index in (0, 1):
        zs.zs_free(handles[index])
    assert groups_of(zs, 512) == [[], [6], [], [8, 8]]
    zs.zs_free(handles[8])
    assert groups_of(zs, 512) == [[], [6], [7], [8]]
    for index in (9, 10):
        zs.zs_free(handles[index])
    # A zspage with as many objects as the head goes in front; counts change in place afterwards.
    assert groups_of(zs, 512) == [[], [5, 6], [], [8]]
    for index in (16, 17, 18, 19):
        zs.zs_free(handles[index])
    assert groups_of(zs, 512) == [[], [4, 5, 6], [], []]
    check(zs)


def test_sparser_zspage_goes_behind_the_head(zs: Zsmalloc) -> None:
    size_class = zs.size_class(30)
    for index in range(3):
        first = zs.zs_malloc(504)
        rest = [zs.zs_malloc(504) for _ in range(7)]
        if index == 2:
            for handle in rest[:3]:
                zs.zs_free(handle)
        assert first
    taken = size_class.take((ZS_FULL,))
    assert taken is not None
    taken.inuse = 1
    size_class.insert_zspage(taken)
    taken.inuse = 8
    assert [zspage is taken for zspage in size_class.lists[ZS_ALMOST_EMPTY]] == [False, True]


def test_allocation_prefers_the_fuller_zspage(zs: Zsmalloc) -> None:
    handles = [zs.zs_malloc(504) for _ in range(16)]
    first, second = (zs.handles[handles[index]].location[0] for index in (0, 8))
    for index in (0, 1, 2):
        zs.zs_free(handles[index])
    zs.zs_free(handles[8])
    assert zs.handles[zs.zs_malloc(504)].location[0] == second
    assert zs.handles[zs.zs_malloc(504)].location[0] == first


def test_last_object_takes_the_pages_along(zs: Zsmalloc) -> None:
    free = zs.vm.zones[0].nr_free
    handle = zs.zs_malloc(3000)
    assert zs.vm.zones[0].nr_free == free - 3
    zs.zs_free(handle)
    assert zs.vm.zones[0].nr_free == free
    assert not pages_of(zs)
    check(zs)


def test_freeing_nothing_is_nothing(zs: Zsmalloc) -> None:
    zs.zs_free(0)


def test_dead_and_foreign_handles_are_refused(zs: Zsmalloc) -> None:
    handle = zs.zs_malloc(100)
    zs.zs_free(handle)
    for call in (zs.zs_free, zs.zs_map_object):
        with pytest.raises(UsageError, match=f"handle {handle:#x} is not live"):
            call(handle)
    assert zs.zs_malloc(100) != handle


def test_no_memory_gives_no_handle_and_leaves_no_trace() -> None:
    zs = Zsmalloc(VM(16 << 12))
    taken = []
    while zs.vm.zones[0].nr_free > 2:
        page = zs.vm.alloc_page()
        if page is None:
            break
        taken.append(page)
    left = zs.vm.zones[0].nr_free
    assert zs.zs_malloc(3000) == 0
    assert zs.vm.zones[0].nr_free == left
    assert zs.vm.zones[0].vmstat["nr_zspages"] == 0
    assert not zs.handles and zs.zs_get_total_pages() == 0
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


def test_options_are_checked() -> None:
    with pytest.raises(UsageError, match="chain length 2"):
        Zsmalloc(VM(), chain=2)
    with pytest.raises(UsageError, match="unknown size class rule 'x'"):
        Zsmalloc(VM(), rule="x")


def test_two_pools_share_a_machine() -> None:
    vm = VM(256 << 12)
    one, two = Zsmalloc(vm, name="zram0"), Zsmalloc(vm, name="zram1", chain=8, rule="least-waste")
    handles = [(zs, store(zs, pattern(i, 700)), i) for i in range(20) for zs in (one, two)]
    assert all(load(zs, handle, 700) == pattern(i, 700) for zs, handle, i in handles)
    check(one)
    check(two)
    one.remove()
    check(two)
    two.remove()
    assert vm.zones[0].vmstat["nr_zspages"] == 0


def test_merged_slots_share_a_class(zs: Zsmalloc) -> None:
    assert zs.size_class(39) is zs.size_class(40)
    assert zs.size_class(40).size == 672
    assert len({row.index for row in size_class_table()}) == 69
