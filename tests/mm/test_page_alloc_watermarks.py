"""Watermarks: what zones keep back, and for whom."""

from __future__ import annotations

import pytest

from movable.mm.buddy import move_freepages_block
from movable.mm.gfp import GFP_KERNEL, GFP_NOWAIT, MIGRATE_CMA, MIGRATE_HIGHATOMIC, ZONE_NORMAL
from movable.mm.mmzone import ALLOC_CMA, ALLOC_HARDER, ALLOC_HIGH, ALLOC_OOM
from movable.mm.page_alloc_watermarks import min_free_pages, setup_per_zone_wmarks, zone_watermark_ok
from movable.mm.vm import VM


def machine(*layout: tuple[int, str, int]) -> VM:
    return VM(layout=layout, pageblock_order=3)


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
