"""Closing pageblocks to the allocator: counters, lists, free blocks that lie across the edge, and what forbids it."""

from __future__ import annotations

import pytest

from movable import (
    GFP_HIGHUSER_MOVABLE,
    GFP_MEMALLOC,
    MIGRATE_CMA,
    MIGRATE_ISOLATE,
    MIGRATE_MOVABLE,
    MIGRATE_RECLAIMABLE,
    VM,
    ClearPageMovable,
    lock_page,
    unlock_page,
)
from movable.mm.memory_hotplug import offline_pages
from movable.mm.page_flags import PG_lru, PG_reserved
from movable.mm.page_isolation import (
    change_pageblock_type,
    covering_free_block,
    has_unmovable_pages,
    new_node_page,
    start_isolate_page_range,
    undo_isolate_page_range,
)
from movable.mm.validate import validate_vm
from tests.drivers_for_tests.keeper import free_frames, machine, settle

FRAMES = 256


def test_free_frames_of_a_closed_pageblock_do_not_count_and_are_not_handed_out() -> None:
    vm = machine(FRAMES)
    keeper = settle(vm, range(32, 48, 2))
    zone = vm.zones[0]
    free = zone.nr_free
    saved = start_isolate_page_range(zone, 32, 48, MIGRATE_MOVABLE)
    assert saved == {32: MIGRATE_MOVABLE}
    assert zone.nr_free == free - 8
    keeper.check()
    for _ in range(free - 8):
        page = vm.alloc_pages(GFP_HIGHUSER_MOVABLE | GFP_MEMALLOC, 0)
        assert page is not None
        assert not 32 <= page.pfn < 48
    assert vm.alloc_pages(GFP_HIGHUSER_MOVABLE | GFP_MEMALLOC, 0) is None
    undo_isolate_page_range(zone, saved)
    assert zone.nr_isolate_pageblock == 0
    keeper.check()


def test_what_is_freed_there_stays_there() -> None:
    vm = machine(FRAMES)
    keeper = settle(vm, range(32, 48, 2))
    zone = vm.zones[0]
    saved = start_isolate_page_range(zone, 32, 48, MIGRATE_MOVABLE)
    assert saved is not None
    free = zone.nr_free
    for page in list(keeper.pages):
        keeper.release(page)
    assert zone.nr_free == free
    assert covering_free_block(zone, 40) == 32
    assert zone.buddy[32] & 7 == MIGRATE_ISOLATE
    undo_isolate_page_range(zone, saved)
    assert zone.nr_free == free + 16 == FRAMES
    keeper.check()


def test_a_free_block_across_the_edge_is_cut_and_grows_together_again() -> None:
    vm = machine(FRAMES)
    zone = vm.zones[0]
    assert list(zone.free_blocks()) == [(0, 8)]
    saved = start_isolate_page_range(zone, 48, 80, MIGRATE_MOVABLE)
    assert saved is not None
    assert zone.nr_free == FRAMES - 32
    assert sorted(pfn for pfn, _ in zone.free_blocks() if zone.is_isolate(pfn)) == [48, 64]
    validate_vm(vm)
    undo_isolate_page_range(zone, saved)
    assert list(zone.free_blocks()) == [(0, 8)]
    validate_vm(vm)


def test_types_come_back_and_a_second_isolation_is_refused() -> None:
    vm = machine(FRAMES)
    zone = vm.zones[0]
    change_pageblock_type(zone, 16, MIGRATE_RECLAIMABLE)
    saved = start_isolate_page_range(zone, 0, 32, MIGRATE_MOVABLE)
    assert saved == {0: MIGRATE_MOVABLE, 16: MIGRATE_RECLAIMABLE}
    assert start_isolate_page_range(zone, 16, 64, MIGRATE_MOVABLE) is None
    assert start_isolate_page_range(zone, 0, 64, MIGRATE_MOVABLE) is None
    undo_isolate_page_range(zone, saved)
    assert [zone.pageblock_type(pfn) for pfn in (0, 16, 32)] == [MIGRATE_MOVABLE, MIGRATE_RECLAIMABLE, MIGRATE_MOVABLE]
    validate_vm(vm)


def test_a_refused_range_is_left_as_it_was() -> None:
    vm = machine(FRAMES)
    settle(vm, range(0, 32, 2), [70])
    zone = vm.zones[0]
    before = (zone.nr_free, bytes(zone.pageblocks), free_frames(vm))
    assert start_isolate_page_range(zone, 0, 128, MIGRATE_MOVABLE) is None
    assert (zone.nr_free, bytes(zone.pageblocks), free_frames(vm)) == before
    validate_vm(vm)


def test_what_counts_as_unmovable() -> None:
    vm = machine(64)
    keeper = settle(vm, [0, 1], [16])
    zone = vm.zones[0]
    assert not has_unmovable_pages(zone, 0, MIGRATE_MOVABLE)
    page = vm.page(0)
    page._flags |= 1 << PG_reserved
    assert has_unmovable_pages(zone, 0, MIGRATE_MOVABLE)
    page._flags = 0
    lock_page(page)
    ClearPageMovable(page)
    unlock_page(page)
    assert not has_unmovable_pages(zone, 0, MIGRATE_MOVABLE), "a tag left behind passes for movable"
    assert has_unmovable_pages(zone, 16, MIGRATE_MOVABLE)
    vm.page(16)._flags |= 1 << PG_lru
    assert not has_unmovable_pages(zone, 16, MIGRATE_MOVABLE)
    assert not has_unmovable_pages(zone, 48, MIGRATE_MOVABLE)
    assert len(keeper.pages) == 2


def test_a_cma_request_believes_a_cma_pageblock() -> None:
    vm = machine(64)
    settle(vm, [], [16])
    zone = vm.zones[0]
    zone.set_pageblock_migratetype(16, MIGRATE_CMA)
    assert has_unmovable_pages(zone, 16, MIGRATE_MOVABLE)
    assert not has_unmovable_pages(zone, 16, MIGRATE_CMA)
    zone.set_pageblock_migratetype(16, MIGRATE_MOVABLE)
    assert has_unmovable_pages(zone, 16, MIGRATE_CMA)


@pytest.mark.parametrize(("full", "expected"), [((), 1), ((1,), 2), ((1, 2), None)])
def test_the_next_node_with_room_takes_the_page(full: tuple[int, ...], expected: int | None) -> None:
    vm = VM(layout=[(nid, "Normal", 64) for nid in range(3)])
    page = vm.alloc_page(GFP_HIGHUSER_MOVABLE, nid=0)
    assert page is not None
    for nid in full:
        zone = vm.zones[nid]
        zone.watermark = (64, 64, 64)
    target = new_node_page(page, None)
    assert (None if target is None else target.node) == expected


def test_offline_pageblocks_are_left_out() -> None:
    vm = machine(64)
    zone = vm.zones[0]
    assert offline_pages(vm, 16, 16) == 0
    assert start_isolate_page_range(zone, 0, 48, MIGRATE_MOVABLE) == {0: MIGRATE_MOVABLE, 32: MIGRATE_MOVABLE}


def test_a_node_without_memory_is_no_other_node() -> None:
    vm = machine(64, zones=2)
    assert offline_pages(vm, 64, 64) == 0
    target = new_node_page(vm.page(3), None)
    assert target is not None
    assert target.node == 0


def test_a_single_node_takes_its_own_page() -> None:
    vm = machine(64)
    page = vm.alloc_page(GFP_HIGHUSER_MOVABLE)
    assert page is not None
    target = new_node_page(page, None)
    assert target is not None
    assert target.node == 0


def test_only_a_page_of_the_movable_zone_moves_to_a_movable_zone() -> None:
    vm = VM(layout=[(0, "Normal", 64), (0, "Movable", 64)])
    normal = vm.page(0)
    target = new_node_page(normal, None)
    assert target is not None
    assert target.zone.name == "Normal"
    target = new_node_page(vm.page(64), None)
    assert target is not None
    assert target.zone.name == "Movable"
