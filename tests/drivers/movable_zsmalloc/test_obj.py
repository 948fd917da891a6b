"""Objects in the memory of pages."""

from __future__ import annotations

import struct

from movable_zsmalloc import Zsmalloc
from movable_zsmalloc.obj import LAST_LINK
from tests.drivers.movable_zsmalloc.movers import check


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
