"""zs_malloc and zs_free: what lies in the pages, which zspage is taken, what comes back."""

from __future__ import annotations

import struct

import pytest

import movable
from movable import (
    PAGE_SIZE,
    VM,
    PG_owner_priv_1,
    PG_private,
    UsageError,
)
from movable_zsmalloc import Zsmalloc, size_class_table
from movable_zsmalloc.obj import LAST_LINK
from tests.drivers.movable_zsmalloc.movers import check, load, pages_of, pattern, store


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
