"""validate_pool finds what disagrees: each damage is planted, and each must be named."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from movable import VM, ClearPageMovable, InvalidState, PG_owner_priv_1, PG_private, lock_page, set_page_flag, unlock_page
from movable_zsmalloc import Zsmalloc
from movable_zsmalloc.validate import validate_pool
from movable_zsmalloc.zspage import get_zspage
from tests.drivers.movable_zsmalloc.movers import pages_of, pattern, store


def unmark(zs: Zsmalloc) -> None:
    page = pages_of(zs)[0]
    lock_page(page)
    ClearPageMovable(page)
    unlock_page(page)
    page._mapping = 0


def wrong_list(zs: Zsmalloc) -> None:
    size_class = zs.size_class(190)
    zspage = size_class.take((1, 2))
    assert zspage is not None
    size_class.lists[3][zspage] = None
    zspage.linked = True


def overwrite(zs: Zsmalloc, offset: int, word: int) -> None:
    page = pages_of(zs)[offset // 4096]
    page.data[offset % 4096 : offset % 4096 + 8] = word.to_bytes(8, "little")


def shorten(zs: Zsmalloc) -> None:
    pages_of(zs)[0].index.index = None


def misplace(zs: Zsmalloc) -> None:
    cell = next(iter(zs.handles))
    cell.word += 2


def drop_from_list(zs: Zsmalloc) -> None:
    zs.size_class(190).take((1, 2))


def count_object(zs: Zsmalloc) -> None:
    zs.size_class(190).objs_used += 1


def count_slots(zs: Zsmalloc) -> None:
    zs.size_class(190).objs_allocated += 1


def count_inuse(zs: Zsmalloc) -> None:
    get_zspage(pages_of(zs)[0]).inuse += 1


def count_isolated(zs: Zsmalloc) -> None:
    get_zspage(pages_of(zs)[0]).isolated += 1


def zone_statistic(zs: Zsmalloc) -> None:
    zs.vm.zones[0].vmstat["nr_zspages"] -= 1


def lose_handle(zs: Zsmalloc) -> None:
    zs.handles.free(next(iter(zs.handles)))


def foreign_private(zs: Zsmalloc) -> None:
    pages_of(zs)[1].private = 0


DAMAGES: dict[str, tuple[Callable[[Zsmalloc], object], str]] = {
    "mark": (unmark, "is not marked movable"),
    "list": (wrong_list, "is on the list FULL with 2 objects"),
    "free list": (lambda zs: overwrite(zs, 2 * 3072, 2 << 1), "free slots"),
    "header": (lambda zs: overwrite(zs, 0, 0), "counts 2 objects and holds 1"),
    "foreign handle": (lambda zs: overwrite(zs, 0, 9), "names handle 0x8, which is not live"),
    "chain": (shorten, "has 2 pages, its class wants 3"),
    "handle": (misplace, "its handle leads to"),
    "lost handle": (lose_handle, "which is not live"),
    "off list": (drop_from_list, "linked False, on a list False, 0 pages isolated"),
    "objects": (count_object, "its zspages hold others"),
    "slots": (count_slots, "5 slots counted, 1 zspages"),
    "inuse": (count_inuse, "counts 3 objects and holds 2"),
    "isolated": (count_isolated, "counts 1 isolated pages, 0 of its pages are isolated"),
    "pool isolated": (lambda zs: zs.isolated.add(1), "counts 1 isolated zspages and has 0"),
    "pool pages": (lambda zs: zs.pages_allocated.add(1), "counts 4 pages and has 3"),
    "zone": (zone_statistic, "nr_zspages is 2, it holds 3"),
    "private": (foreign_private, "and names 0"),
    "first page": (lambda zs: set_page_flag(pages_of(zs)[1], PG_private), "only the first has PG_private"),
    "huge": (lambda zs: set_page_flag(pages_of(zs)[1], PG_owner_priv_1), "wrong mark of a huge object"),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_damage_is_named(damage: str) -> None:
    zs = Zsmalloc(VM(64 << 12))
    for i in range(2):
        store(zs, pattern(i, 3000))
    validate_pool(zs)
    plant, message = DAMAGES[damage]
    plant(zs)
    with pytest.raises(InvalidState) as caught:
        validate_pool(zs)
    assert any(message in finding for finding in caught.value.findings), caught.value.findings
