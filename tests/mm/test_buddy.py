"""The buddy allocator: split, merge, list order, and stealing between migratetypes."""

from __future__ import annotations

import pytest

from movable.errors import VMBug
from movable.mm.buddy import (
    FALLBACKS,
    can_steal_fallback,
    del_from_free_list,
    find_suitable_fallback,
    free_one_page,
    move_freepages_block,
    rmqueue,
    take_free_block,
)
from movable.mm.filemap import lock_page, unlock_page
from movable.mm.gfp import (
    GFP_HIGHUSER_MOVABLE,
    MIGRATE_CMA,
    MIGRATE_HIGHATOMIC,
    MIGRATE_ISOLATE,
    MIGRATE_MOVABLE,
    MIGRATE_RECLAIMABLE,
    MIGRATE_UNMOVABLE,
    MIGRATETYPE_NAMES,
)
from movable.mm.mmzone import ALLOC_HARDER, Zone
from movable.mm.page_flags import SetPageMovable
from movable.mm.vm import VM
from tests.drivers_for_tests.ring import Ring


def zone_of(frames: int = 64, pageblock_order: int = 3) -> Zone:
    return VM(layout=[(0, "Normal", frames)], pageblock_order=pageblock_order).zones[0]


def free_list(zone: Zone, order: int, migratetype: int = MIGRATE_MOVABLE) -> list[int]:
    """A list from head to tail."""
    return list(zone.free_area[order].blocks(migratetype))


def grab(zone: Zone, order: int, migratetype: int = MIGRATE_MOVABLE) -> int:
    pfn = rmqueue(zone, order, migratetype)
    assert pfn >= 0
    return pfn


# --- split and merge ---


def test_split_keeps_the_lower_half_and_lists_the_upper() -> None:
    zone = zone_of()
    assert grab(zone, 0) == 0
    assert sorted(zone.free_blocks()) == [(1, 0), (2, 1), (4, 2), (8, 3), (16, 4), (32, 5)]
    assert zone.nr_free == 63
    assert zone.buddy_order(0) == -1 and zone.buddy_order(16) == 4 and zone.buddy_order(17) == -1


def test_the_smallest_block_that_will_do_is_taken() -> None:
    zone = zone_of()
    grab(zone, 0)
    assert grab(zone, 1) == 2
    assert grab(zone, 1) == 4
    assert sorted(zone.free_blocks()) == [(1, 0), (6, 1), (8, 3), (16, 4), (32, 5)]


def test_merge_all_the_way() -> None:
    zone = zone_of()
    pfns = [grab(zone, 0) for _ in range(64)]
    assert zone.nr_free == 0 and not zone.buddy
    for pfn in pfns[::3] + pfns[1::3] + pfns[2::3]:
        free_one_page(zone, pfn, 0)
    assert list(zone.free_blocks()) == [(0, 6)] and zone.nr_free == 64


def test_the_largest_order_does_not_merge() -> None:
    zone = zone_of(4096, 9)
    grab(zone, 10)
    free_one_page(zone, 3072, 10)
    assert sorted(zone.free_blocks()) == [(0, 10), (1024, 10), (2048, 10), (3072, 10)]


def test_no_merge_across_zones() -> None:
    vm = VM(layout=[(0, "DMA", 8), (0, "Normal", 8)], pageblock_order=3)
    low, high = vm.zones
    assert grab(low, 3) == 0
    free_one_page(low, 0, 3)
    assert (list(low.free_blocks()), list(high.free_blocks())) == ([(0, 3)], [(8, 3)])


def test_freed_blocks_go_to_the_head() -> None:
    zone = zone_of()
    for _ in range(64):
        grab(zone, 0)
    for pfn in (0, 8, 16):
        free_one_page(zone, pfn, 0)
    assert free_list(zone, 0) == [16, 8, 0]
    assert grab(zone, 0) == 16


def test_a_block_that_will_soon_merge_goes_to_the_tail() -> None:
    zone = zone_of()
    for _ in range(64):
        grab(zone, 0)
    free_one_page(zone, 8, 0)
    free_one_page(zone, 2, 1)  # so that the buddy of (0, 1) is free
    free_one_page(zone, 0, 0)
    assert free_list(zone, 0) == [8, 0]
    assert grab(zone, 0) == 8


def test_freed_twice_is_caught() -> None:
    zone = zone_of()
    pfn = grab(zone, 2)
    free_one_page(zone, pfn + 1, 0)
    with pytest.raises(VMBug, match="V32"):
        free_one_page(zone, pfn + 1, 0)


# --- isolated pageblocks ---


def test_isolated_frames_do_not_count_and_do_not_merge_outwards() -> None:
    zone = zone_of(32)
    for _ in range(4):
        grab(zone, 3)
    zone.set_pageblock_migratetype(8, MIGRATE_ISOLATE)
    for pfn in (0, 8):
        free_one_page(zone, pfn, 3)
    assert sorted(zone.free_blocks()) == [(0, 3), (8, 3)]
    assert free_list(zone, 3, MIGRATE_ISOLATE) == [8]
    assert zone.nr_free == 8
    assert grab(zone, 3) == 0
    assert rmqueue(zone, 0, MIGRATE_MOVABLE) == -1


def test_isolated_neighbours_merge_with_each_other() -> None:
    zone = zone_of(32)
    grab(zone, 4)
    zone.set_pageblock_migratetype(0, MIGRATE_ISOLATE)
    zone.set_pageblock_migratetype(8, MIGRATE_ISOLATE)
    for pfn in range(16):
        free_one_page(zone, pfn, 0)
    assert sorted(zone.free_blocks()) == [(0, 4), (16, 4)]


def test_a_block_that_lies_partly_in_an_isolated_pageblock_comes_apart() -> None:
    zone = zone_of(32)
    grab(zone, 5)
    zone.set_pageblock_migratetype(8, MIGRATE_ISOLATE)
    free_one_page(zone, 0, 5)
    assert sorted(zone.free_blocks()) == [(0, 3), (8, 3), (16, 4)]
    assert free_list(zone, 3, MIGRATE_ISOLATE) == [8]
    assert zone.nr_free == 24


# --- migratetypes ---


def test_fallback_order() -> None:
    named = {
        MIGRATETYPE_NAMES[start]: [MIGRATETYPE_NAMES[other] for other in others] for start, others in enumerate(FALLBACKS)
    }
    assert named == {
        "Unmovable": ["Reclaimable", "Movable"],
        "Reclaimable": ["Unmovable", "Movable"],
        "Movable": ["Reclaimable", "Unmovable"],
    }


def test_a_large_block_is_claimed_whole() -> None:
    zone = zone_of()
    assert rmqueue(zone, 0, MIGRATE_UNMOVABLE) == 0
    assert set(zone.pageblocks) == {MIGRATE_UNMOVABLE}
    assert free_list(zone, 5, MIGRATE_UNMOVABLE) == [32]


def test_an_unmovable_request_claims_a_pageblock_that_is_mostly_free() -> None:
    zone = zone_of(8)
    assert grab(zone, 0) == 0
    # the largest block decides, the smallest is handed out
    assert rmqueue(zone, 0, MIGRATE_UNMOVABLE) == 1
    assert zone.pageblock_type(0) == MIGRATE_UNMOVABLE
    assert not any(area.free_list[MIGRATE_MOVABLE] for area in zone.free_area)


def test_a_pageblock_in_use_keeps_its_type_but_lends_its_free_frames() -> None:
    zone = zone_of(8)
    ring = Ring(zone.vm)
    for _ in range(6):
        ring.add()
    assert [pfn for pfn, _ in zone.free_blocks()] == [6]
    assert rmqueue(zone, 0, MIGRATE_UNMOVABLE) == 6
    # 2 free frames, 6 that move, none that looks unmovable: less than half suits the request
    assert zone.pageblock_type(0) == MIGRATE_MOVABLE
    assert free_list(zone, 0, MIGRATE_UNMOVABLE) == [7]


def test_half_a_pageblock_is_enough_to_claim_it() -> None:
    zone = zone_of(8)
    ring = Ring(zone.vm)
    for _ in range(4):
        ring.add()
    assert rmqueue(zone, 0, MIGRATE_UNMOVABLE) == 4
    assert zone.pageblock_type(0) == MIGRATE_UNMOVABLE


def test_frames_that_do_not_move_count_for_an_unmovable_request() -> None:
    zone = zone_of(8)
    for _ in range(6):
        assert zone.vm.alloc_page(GFP_HIGHUSER_MOVABLE) is not None
    assert rmqueue(zone, 0, MIGRATE_UNMOVABLE) == 6
    assert zone.pageblock_type(0) == MIGRATE_UNMOVABLE


def test_frames_that_move_count_for_a_movable_request() -> None:
    zone = zone_of(8)
    ring = Ring(zone.vm)
    for _ in range(6):
        ring.add()
    zone.set_pageblock_migratetype(0, MIGRATE_UNMOVABLE)
    move_freepages_block(zone, 0, MIGRATE_UNMOVABLE)
    assert rmqueue(zone, 0, MIGRATE_MOVABLE) == 6
    assert zone.pageblock_type(0) == MIGRATE_MOVABLE


def test_a_movable_request_that_may_not_claim_takes_the_smallest() -> None:
    zone = zone_of(64, 6)
    for _ in range(64):
        grab(zone, 0, MIGRATE_UNMOVABLE)
    for pfn, order in ((0, 2), (8, 1)):
        free_one_page(zone, pfn, order)
    assert rmqueue(zone, 0, MIGRATE_MOVABLE) == 8
    assert free_list(zone, 0) == [9]
    assert free_list(zone, 2, MIGRATE_UNMOVABLE) == [0]
    assert zone.pageblock_type(0) == MIGRATE_UNMOVABLE


def test_an_unmovable_request_takes_from_the_largest() -> None:
    zone = zone_of(128, 6)
    for _ in range(128):
        grab(zone, 0)
    for pfn, order in ((64, 2), (8, 1)):
        free_one_page(zone, pfn, order)
    assert rmqueue(zone, 0, MIGRATE_UNMOVABLE) == 64
    assert free_list(zone, 1, MIGRATE_UNMOVABLE) == [66]
    assert free_list(zone, 1) == [8]


@pytest.mark.parametrize("kept", [MIGRATE_HIGHATOMIC, MIGRATE_CMA, MIGRATE_ISOLATE])
def test_nobody_steals_from_the_special_types(kept: int) -> None:
    zone = zone_of(8)
    zone.set_pageblock_migratetype(0, kept)
    assert move_freepages_block(zone, 0, kept) == 8
    assert rmqueue(zone, 0, MIGRATE_UNMOVABLE) == -1
    assert rmqueue(zone, 0, MIGRATE_RECLAIMABLE) == -1
    assert (rmqueue(zone, 0, MIGRATE_MOVABLE) >= 0) == (kept == MIGRATE_CMA)


def test_movable_requests_try_cma_before_they_steal() -> None:
    zone = zone_of(16)
    zone.set_pageblock_migratetype(0, MIGRATE_CMA)
    zone.set_pageblock_migratetype(8, MIGRATE_UNMOVABLE)
    pfn = grab(zone, 4)
    free_one_page(zone, pfn, 3)
    free_one_page(zone, pfn + 8, 3)
    del_from_free_list(zone, 0)
    free_one_page(zone, 0, 3)
    free_one_page(zone, 8, 3)
    assert rmqueue(zone, 0, MIGRATE_MOVABLE) < 8


def test_the_atomic_reserve_serves_higher_orders_only_with_harder() -> None:
    zone = zone_of(16)
    zone.set_pageblock_migratetype(8, MIGRATE_HIGHATOMIC)
    grab(zone, 4)
    free_one_page(zone, 8, 3)
    assert rmqueue(zone, 1, MIGRATE_UNMOVABLE) == -1
    assert rmqueue(zone, 0, MIGRATE_UNMOVABLE, ALLOC_HARDER) == -1
    assert rmqueue(zone, 1, MIGRATE_UNMOVABLE, ALLOC_HARDER) == 8


def test_who_may_claim() -> None:
    zone = zone_of(1024, 9)
    assert [can_steal_fallback(zone, order, MIGRATE_MOVABLE) for order in (0, 3, 4, 9)] == [False, False, True, True]
    assert can_steal_fallback(zone, 0, MIGRATE_UNMOVABLE) and can_steal_fallback(zone, 0, MIGRATE_RECLAIMABLE)


def test_find_suitable_fallback() -> None:
    zone = zone_of(1024, 9)
    for _ in range(1024):
        grab(zone, 0, MIGRATE_UNMOVABLE)
    free_one_page(zone, 0, 0)
    area = zone.free_area[0]
    assert find_suitable_fallback(zone, area, MIGRATE_MOVABLE, False) == (MIGRATE_UNMOVABLE, False)
    assert find_suitable_fallback(zone, area, MIGRATE_MOVABLE, True) == (-1, False)
    assert find_suitable_fallback(zone, area, MIGRATE_RECLAIMABLE, True) == (MIGRATE_UNMOVABLE, True)
    assert find_suitable_fallback(zone, zone.free_area[1], MIGRATE_RECLAIMABLE, False) == (-1, False)


def test_move_freepages_block_moves_only_its_pageblock() -> None:
    zone = zone_of(32)
    for _ in range(32):
        grab(zone, 0)
    for pfn in (3, 8, 9, 12, 17):
        free_one_page(zone, pfn, 0)
    assert move_freepages_block(zone, 14, MIGRATE_UNMOVABLE) == 3
    assert free_list(zone, 0) == [17, 3]
    assert (free_list(zone, 0, MIGRATE_UNMOVABLE), free_list(zone, 1, MIGRATE_UNMOVABLE)) == ([12], [8])
    assert zone.nr_free == 5


# --- for compaction ---


def test_take_free_block() -> None:
    zone = zone_of()
    grab(zone, 3)
    assert take_free_block(zone, 32) == 5
    assert zone.nr_free == 24 and sorted(zone.free_blocks()) == [(8, 3), (16, 4)]
    with pytest.raises(KeyError):
        take_free_block(zone, 32)


def test_take_free_block_keeps_the_watermark() -> None:
    zone = zone_of()
    grab(zone, 4)
    zone.watermark = (16, 16, 16)
    assert take_free_block(zone, 32) == -1
    assert zone.nr_free == 48 and zone.buddy_order(32) == 5
    zone.watermark = (15, 15, 15)
    assert take_free_block(zone, 32) == 5
    assert zone.nr_free == 16


def test_an_isolated_block_is_taken_whatever_the_watermark() -> None:
    zone = zone_of()
    for pfn in range(0, 64, 8):
        zone.set_pageblock_migratetype(pfn, MIGRATE_ISOLATE)
    zone.nr_free -= move_freepages_block(zone, 0, MIGRATE_ISOLATE)
    assert take_free_block(zone, 0) == 6
    assert zone.nr_free == 0
    assert set(zone.pageblocks) == {MIGRATE_ISOLATE}


def test_a_block_that_is_taken_makes_its_pageblocks_movable() -> None:
    zone = zone_of(128)
    kinds = (MIGRATE_UNMOVABLE, MIGRATE_RECLAIMABLE, MIGRATE_CMA, MIGRATE_HIGHATOMIC)
    for number, kind in enumerate(kinds):
        zone.set_pageblock_migratetype(number * 8, kind)
    assert zone.buddy_order(0) == 7
    zone.watermark = (-1, 0, 0)
    assert take_free_block(zone, 0) == 7
    assert list(zone.pageblocks[:4]) == [MIGRATE_MOVABLE, MIGRATE_MOVABLE, MIGRATE_CMA, MIGRATE_HIGHATOMIC]


def test_half_a_pageblock_becomes_movable_and_less_does_not() -> None:
    zone = zone_of(16)
    zone.watermark = (-1, 0, 0)
    for _ in range(16):
        grab(zone, 0, MIGRATE_UNMOVABLE)
    for pfn, order in ((0, 1), (8, 2)):
        free_one_page(zone, pfn, order)
    assert (take_free_block(zone, 0), take_free_block(zone, 8)) == (1, 2)
    assert list(zone.pageblocks) == [MIGRATE_UNMOVABLE, MIGRATE_MOVABLE]


def test_a_marked_page_counts_as_movable_without_its_lock() -> None:
    """What the allocator counts is a peek; the lock is not needed for it."""
    zone = zone_of(8)
    ring = Ring(zone.vm)
    page = zone.vm.alloc_page(GFP_HIGHUSER_MOVABLE)
    assert page is not None
    lock_page(page)
    SetPageMovable(page, ring.mapping)
    unlock_page(page)
    for _ in range(5):
        ring.add()
    assert rmqueue(zone, 0, MIGRATE_UNMOVABLE) == 6
    assert zone.pageblock_type(0) == MIGRATE_MOVABLE
