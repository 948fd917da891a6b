"""A real machine's layout as a machine of the model, and its compaction beside the real one."""

from __future__ import annotations

from array import array
from pathlib import Path

import pytest

from movable.frames.machine import machine_of
from movable.frames.snapshot import FREE_CODE, MOVABLE_CODE, Snapshot, Span, free_blocks, read_zoneinfo, take
from movable.mm.compaction import compact_memory
from movable.mm.proc_page import KPF_ANON, KPF_BUDDY, KPF_LRU, KPF_NOPAGE, KPF_SLAB

PRESSURE = Path(__file__).parents[1] / "data" / "frames" / "pressure"


def words(codes: str) -> memoryview:
    """Flags of frames: a letter for each, f free, a anonymous, s slab, h hole."""
    bits = {"f": 1 << KPF_BUDDY, "a": 1 << KPF_ANON | 1 << KPF_LRU, "s": 1 << KPF_SLAB, "h": 1 << KPF_NOPAGE, "k": 0}
    return memoryview(array("Q", [bits[letter] for letter in codes]))


def test_free_blocks_of_a_real_machine_are_on_the_lists_of_the_imported_one() -> None:
    snapshot = take(PRESSURE)
    vm = machine_of(snapshot)
    on_lists = [[area.nr_free for area in zone.free_area] for zone in vm.zones]
    assert on_lists == [snapshot.free_blocks(span) for span in snapshot.zones]
    told = read_zoneinfo((PRESSURE / "zoneinfo").read_text())
    assert [zone.watermark[0] for zone in vm.zones] == [one["min"] for one in told.values()]


@pytest.mark.parametrize("era", ["4.19", "6.1", "6.17", "7.3"])
def test_pages_move_and_none_is_lost(era: str) -> None:
    # free frames have even numbers: where they found none, later kernels look at every 2nd to 32nd frame of a pageblock only
    snapshot = Snapshot("made", words("fa" * 4096 + "s" * 512 + "h" * 512 + "fa" * 1024), [Span(0, "Normal", 0, 8192 + 3072)])
    vm = machine_of(snapshot, era)
    assert vm.zones[0].nr_free == 5120 and vm.zones[0].present_pages == 8192 + 3072 - 512
    compact_memory(vm)
    assert vm.vmstat["pgmigrate_success"] > 2000 and vm.zones[0].nr_free == 5120
    in_use = sum(1 for pfn in range(vm.nr_frames) if (page := vm.pages.get(pfn)) is not None and page._refcount)
    assert in_use == 5120
    assert sum(area.nr_free << area.order for area in vm.zones[0].free_area[9:]) >= 4096


def test_holes_gaps_and_odd_bounds() -> None:
    flags = words("h" + "f" * 4095 + "f" * 1000 + "h" * 3000 + "a" * 96 + "f" * 1000)
    spans = [Span(1, "Normal", 8192 + 96, 9192), Span(0, "DMA", 1, 4096), Span(0, "DMA32", 4096, 5096)]
    vm = machine_of(Snapshot("odd", flags, spans))
    assert [(zone.node.nid, zone.name) for zone in vm.zones] == [(0, "DMA"), (0, "DMA32"), (1, "Normal")]
    assert [zone.nr_free for zone in vm.zones] == [4095, 1000, 1000]
    assert vm.zones[1].offline and vm.zones[1].present_pages == 1096 and vm.zones[0].present_pages == 4095
    assert vm.pages.get(0) is None and vm.pages.get(9999) is None
    assert vm.pages.get(8100)._refcount == 1


def test_free_blocks_align() -> None:
    codes = bytes([MOVABLE_CODE] + [FREE_CODE] * 7 + [MOVABLE_CODE] + [FREE_CODE] * 4000)
    assert list(free_blocks(codes, 0, 16)) == [(1, 0), (2, 1), (4, 2), (9, 0), (10, 1), (12, 2)]
    assert sum(1 << order for _, order in free_blocks(codes, 0, len(codes))) == 4007
