"""Zones, nodes, pageblocks, watermarks and the order in which zones are tried."""

from __future__ import annotations

import pytest

from movable.errors import UsageError
from movable.mm.gfp import (
    GFP_DMA,
    GFP_HIGHUSER_MOVABLE,
    GFP_KERNEL,
    GFP_THISNODE,
    MIGRATE_CMA,
    MIGRATE_ISOLATE,
    MIGRATE_MOVABLE,
    MIGRATE_UNMOVABLE,
    ZONE_MOVABLE,
)
from movable.mm.mmzone import Zone
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
