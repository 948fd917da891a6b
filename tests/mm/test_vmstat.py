"""The indices of free memory against their formulas, and the text of the debugfs files."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from movable import VM
from movable.mm.buddy import add_to_free_list, del_from_free_list
from movable.mm.gfp import MIGRATE_MOVABLE, MIGRATE_UNMOVABLE
from movable.mm.mmzone import Zone
from movable.mm.vmstat import (
    extfrag_for_order,
    extfrag_index_text,
    fill_contig_page_info,
    fragmentation_index,
    unusable_index,
    unusable_index_text,
)

FRAMES = 8192


def zone_with(blocks: dict[int, int]) -> Zone:
    """A zone whose free lists hold so many blocks of each order; the buddies of all of them count as taken."""
    vm = VM(layout=[(0, "Normal", FRAMES)], pageblock_order=9)
    zone = vm.zones[0]
    for pfn, _ in list(zone.free_blocks()):
        del_from_free_list(zone, pfn)
    pfn = 0
    for order in sorted(blocks, reverse=True):
        for number in range(blocks[order]):
            add_to_free_list(zone, pfn, order, MIGRATE_UNMOVABLE if number % 2 else MIGRATE_MOVABLE)
            pfn += 1 << order
    zone.nr_free = pfn
    return zone


@pytest.mark.parametrize(
    ("blocks", "order", "expected"),
    [
        ({0: 1024}, 4, 937),
        ({0: 8}, 4, 813),
        ({3: 1}, 4, -500),
        ({}, 4, 0),
        ({0: 100, 4: 1}, 4, -1000),
        ({10: 1}, 4, -1000),
    ],
)
def test_fragmentation_index(blocks: dict[int, int], order: int, expected: int) -> None:
    assert fragmentation_index(zone_with(blocks), order) == expected


def test_unusable_index_and_extfrag() -> None:
    zone = zone_with({0: 1024, 9: 1})
    assert unusable_index(zone, 9) == 666
    assert extfrag_for_order(zone, 9) == 66
    assert unusable_index(zone, 0) == 0
    nothing = zone_with({})
    assert unusable_index(nothing, 0) == 1000
    assert extfrag_for_order(nothing, 0) == 0


@given(st.dictionaries(st.integers(0, 10), st.integers(1, 4)), st.integers(0, 10))
def test_the_indices_agree_with_a_count_by_hand(blocks: dict[int, int], order: int) -> None:
    zone = zone_with(blocks)
    frames = sum(count << size for size, count in blocks.items())
    number = sum(blocks.values())
    suitable = sum(count * 2 ** (size - order) for size, count in blocks.items() if size >= order)
    assert fill_contig_page_info(zone, order) == (frames, number, suitable)
    if frames:
        wasted = frames - suitable * 2**order
        assert unusable_index(zone, order) == wasted * 1000 // frames
        assert extfrag_for_order(zone, order) == wasted * 100 // frames
        index = fragmentation_index(zone, order)
        assert index == -1000 if suitable else index < 1000


def test_text_of_the_debugfs_files() -> None:
    zone = zone_with({3: 1})
    negative = "0.-500 0.-250 0.-125 0.-62 0.-31 0.-15 0.-07 "
    assert extfrag_index_text(zone.vm) == "Node 0, zone   Normal " + "-1.000 " * 4 + negative + "\n"
    assert unusable_index_text(zone.vm) == "Node 0, zone   Normal " + "0.000 " * 4 + "1.000 " * 7 + "\n"


def test_text_has_a_line_for_every_populated_zone() -> None:
    vm = VM(layout=[(0, "DMA", 1024), (0, "Normal", 1024), (1, "Normal", 1024)])
    assert [line[:22] for line in extfrag_index_text(vm).splitlines()] == [
        "Node 0, zone      DMA ",
        "Node 0, zone   Normal ",
        "Node 1, zone   Normal ",
    ]
