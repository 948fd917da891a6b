"""Zones, nodes, pageblocks, watermarks and the order in which zones are tried."""

from __future__ import annotations

import pytest

from movable.errors import UsageError
from movable.mm.buddy import move_freepages_block
from movable.mm.gfp import (
    GFP_DMA,
    GFP_HIGHUSER_MOVABLE,
    GFP_KERNEL,
    GFP_NOWAIT,
    GFP_THISNODE,
    MIGRATE_CMA,
    MIGRATE_HIGHATOMIC,
    MIGRATE_ISOLATE,
    MIGRATE_MOVABLE,
    MIGRATE_UNMOVABLE,
    ZONE_MOVABLE,
    ZONE_NORMAL,
)
from movable.mm.mmzone import (
    ALLOC_CMA,
    ALLOC_HARDER,
    ALLOC_HIGH,
    ALLOC_OOM,
    Zone,
    min_free_pages,
    setup_per_zone_wmarks,
    zone_watermark_ok,
)
from movable.mm.vm import VM


def machine(*layout: tuple[int, str, int], pageblock_order: int = 3) -> VM:
    return VM(layout=layout, pageblock_order=pageblock_order)


def names(zones: tuple[Zone, ...]) -> list[str]:
    return [f"{zone.node.nid}{zone.name}" for zone in zones]


# --- frames at boot ---


def test_boot_puts_the_largest_aligned_blocks_on_the_lists() -> None:
    vm = machine((0, "DMA", 24), (0, "Normal", 3040))
    dma, normal = vm.zones
    assert sorted(dma.free_blocks()) == [(0, 4), (16, 3)]
    blocks = sorted(normal.free_blocks())
    assert blocks[0] == (24, 3) and blocks[-1] == (3056, 3)
    assert (1024, 10) in blocks and (2048, 9) in blocks
    frames = [pfn + i for pfn, order in blocks for i in range(1 << order)]
    assert frames == list(range(24, 24 + 3040))
    assert all(pfn % (1 << order) == 0 for pfn, order in blocks)
    assert normal.nr_free == 3040


def test_boot_hands_out_the_highest_block_first() -> None:
    vm = machine((0, "Normal", 4096))
    assert list(vm.zones[0].free_area[10].blocks(MIGRATE_MOVABLE)) == [3072, 2048, 1024, 0]
    page = vm.alloc_page(GFP_HIGHUSER_MOVABLE)
    assert page is not None and page.pfn == 3072


def test_boot_makes_no_pages() -> None:
    vm = VM(1 << 30)
    assert not vm.pages
    assert vm.zones[0].nr_free == 1 << 18


def test_unknown_zone_is_refused() -> None:
    vm = machine((0, "Normal", 64))
    with pytest.raises(UsageError, match="HighMem"):
        Zone(vm, vm.nodes[0], "HighMem", 64, 64)


# --- pageblocks ---


def test_pageblock_types_and_their_counters() -> None:
    vm = machine((0, "DMA", 16), (0, "Normal", 64))
    zone = vm.zones[1]
    zone.set_pageblock_migratetype(25, MIGRATE_ISOLATE)
    zone.set_pageblock_migratetype(33, MIGRATE_CMA)
    assert [zone.pageblock_type(pfn) for pfn in (16, 23, 24, 31, 32)] == [1, 1, MIGRATE_ISOLATE, MIGRATE_ISOLATE, MIGRATE_CMA]
    assert zone.is_isolate(24) and not zone.is_isolate(32)
    assert (zone.nr_isolate_pageblock, zone.nr_cma_blocks) == (1, 1)
    zone.set_pageblock_migratetype(24, MIGRATE_CMA)
    assert (zone.nr_isolate_pageblock, zone.nr_cma_blocks) == (0, 2)


def test_skip_hints_are_per_pageblock() -> None:
    zone = machine((0, "Normal", 64)).zones[0]
    zone.set_pageblock_skip(9)
    assert [zone.get_pageblock_skip(pfn) for pfn in (7, 8, 15, 16)] == [False, True, True, False]
    zone.clear_pageblock_skip(15)
    assert not any(zone.skip)


def test_offline_ranges() -> None:
    zone = machine((0, "DMA", 16), (0, "Normal", 64)).zones[1]
    zone.offline |= {3, 0}
    assert list(zone.offline_ranges()) == [(16, 24), (40, 48)]


# --- watermarks ---


@pytest.mark.parametrize(
    ("megabytes", "kilobytes"),
    [(16, 512), (32, 724), (64, 1024), (512, 2896), (1024, 4096), (4096, 8192), (16384, 16384)],
)
def test_min_free_as_the_kernel_computes_it(megabytes: int, kilobytes: int) -> None:
    assert min_free_pages(megabytes << 8) == kilobytes >> 2


def test_min_free_is_bounded() -> None:
    assert min_free_pages(1 << 40) == 65536 >> 2


def test_small_machines_keep_one_frame_in_sixteen() -> None:
    assert [min_free_pages(frames) for frames in (8, 64, 1023, 1024)] == [0, 4, 63, 64]


def test_watermarks_are_shared_by_size() -> None:
    vm = VM(layout=[(0, "DMA32", 1 << 17), (0, "Normal", 3 << 17)])
    total = min_free_pages(1 << 19)
    low, high = vm.zones
    assert low.watermark[0] == total // 4 and high.watermark[0] == total * 3 // 4
    # the step is a quarter of min here, and a thousandth of the zone where that is more
    assert low.watermark == (362, 362 + 131, 362 + 262)
    assert high.watermark[1] - high.watermark[0] == (3 << 17) * 10 // 10000


def test_lower_zones_keep_frames_back_from_requests_that_could_go_higher() -> None:
    vm = machine((0, "DMA", 64), (0, "Normal", 2560), (0, "Movable", 3200))
    dma, normal, movable = vm.zones
    assert dma.lowmem_reserve == [0, 0, 2560 // 256, 5760 // 256]
    assert normal.lowmem_reserve == [0, 0, 0, 3200 // 32]
    assert movable.lowmem_reserve == [0, 0, 0, 0]


def test_watermark_test() -> None:
    zone = machine((0, "Normal", 64)).zones[0]
    assert zone_watermark_ok(zone, 0, 63, ZONE_NORMAL)
    assert not zone_watermark_ok(zone, 0, 64, ZONE_NORMAL)
    assert zone_watermark_ok(zone, 4, 64 - 16, ZONE_NORMAL)
    assert not zone_watermark_ok(zone, 4, 64 - 15, ZONE_NORMAL)
    assert zone_watermark_ok(zone, 0, 64, ZONE_NORMAL, ALLOC_HIGH)
    assert zone_watermark_ok(zone, 0, 84, ZONE_NORMAL, ALLOC_HARDER)
    assert not zone_watermark_ok(zone, 0, 85, ZONE_NORMAL, ALLOC_HARDER)
    assert zone_watermark_ok(zone, 0, 126, ZONE_NORMAL, ALLOC_OOM)
    assert not zone_watermark_ok(zone, 0, 127, ZONE_NORMAL, ALLOC_OOM)
    assert zone_watermark_ok(zone, 6, 0, ZONE_NORMAL)
    assert not zone_watermark_ok(zone, 7, -1000, ZONE_NORMAL)


def test_reserves_do_not_count_for_those_who_may_not_use_them() -> None:
    zone = machine((0, "Normal", 64)).zones[0]
    zone.reserve_highatomic(8)
    assert not zone_watermark_ok(zone, 0, 56, ZONE_NORMAL)
    assert zone_watermark_ok(zone, 0, 55, ZONE_NORMAL)
    assert zone_watermark_ok(zone, 0, 56, ZONE_NORMAL, ALLOC_HARDER)
    zone.reserve_highatomic(-8)
    zone.set_pageblock_migratetype(0, MIGRATE_CMA)
    move_freepages_block(zone, 0, MIGRATE_CMA)
    assert zone.nr_free_cma() == 64
    assert not zone_watermark_ok(zone, 0, 0, ZONE_NORMAL)
    assert not zone_watermark_ok(zone, 1, -1, ZONE_NORMAL)
    assert zone_watermark_ok(zone, 1, 0, ZONE_NORMAL, ALLOC_CMA)


def test_a_block_of_the_atomic_reserve_serves_only_atomic_requests() -> None:
    zone = machine((0, "Normal", 64)).zones[0]
    move_freepages_block(zone, 0, MIGRATE_HIGHATOMIC)
    assert not zone_watermark_ok(zone, 1, 0, ZONE_NORMAL)
    assert zone_watermark_ok(zone, 1, 0, ZONE_NORMAL, ALLOC_HARDER)


def test_new_watermarks_reach_the_fast_path() -> None:
    vm = machine((0, "Normal", 64))
    assert vm.alloc_page(GFP_KERNEL) is not None
    vm.zones[0].watermark = (63, 63, 63)
    assert vm.alloc_page(GFP_KERNEL) is None
    setup_per_zone_wmarks(vm)
    assert vm.alloc_page(GFP_KERNEL) is not None


def test_a_new_reserve_reaches_the_fast_path() -> None:
    vm = machine((0, "Normal", 64))
    zone = vm.zones[0]
    assert vm.alloc_page(GFP_NOWAIT) is not None
    zone.reserve_highatomic(60)
    assert vm.alloc_page(GFP_NOWAIT) is None
    zone.reserve_highatomic(-60)
    assert vm.alloc_page(GFP_NOWAIT) is not None


# --- zonelists ---


def test_zonelists() -> None:
    vm = machine((0, "DMA", 16), (0, "Normal", 16), (1, "Normal", 16), (1, "Movable", 16), (2, "Normal", 16))
    middle = vm.nodes[1]
    assert names(middle.zonelist(GFP_KERNEL)) == ["1Normal", "2Normal", "0Normal", "0DMA"]
    assert names(middle.zonelist(GFP_HIGHUSER_MOVABLE)) == ["1Movable", "1Normal", "2Normal", "0Normal", "0DMA"]
    assert names(middle.zonelist(GFP_HIGHUSER_MOVABLE | GFP_THISNODE)) == ["1Movable", "1Normal"]
    assert names(middle.zonelist(GFP_KERNEL | GFP_DMA)) == ["0DMA"]
    assert names(middle.zonelist(GFP_KERNEL | GFP_DMA | GFP_THISNODE)) == []


def test_contexts() -> None:
    vm = machine((0, "Normal", 64), (0, "Movable", 64))
    context = vm.nodes[0].context(GFP_HIGHUSER_MOVABLE)
    assert (context.migratetype, context.classzone) == (MIGRATE_MOVABLE, ZONE_MOVABLE)
    normal, movable = vm.zones
    assert context.fast[0] == ((movable, movable.watermark[1]), (normal, normal.watermark[1] + 64 // 32))
    assert vm.nodes[0].context(GFP_KERNEL).migratetype == MIGRATE_UNMOVABLE
    assert vm.nodes[0].context(GFP_HIGHUSER_MOVABLE) is context


def test_nodes_count_their_zones() -> None:
    vm = machine((0, "DMA", 16), (0, "Normal", 64), (1, "Normal", 32))
    assert [node.present_pages for node in vm.nodes] == [80, 32]
