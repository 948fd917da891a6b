"""Tables of free blocks, their indices, and the rows of Mem-Info."""

from __future__ import annotations

from movable.mm.vmstat import count_blocks, index_of
from tests.explain.material import (
    BUDDY,
    INDICES,
    MEM_INFO,
    TYPES,
    UNUSABLE,
)  # fmt: skip
from tests.explain.test_reading import read_one


def test_free_blocks() -> None:
    rows = read_one(BUDDY).free
    assert [(row.node, row.zone, row.free) for row in rows] == [(0, "DMA", 1 + 2 + 4 + 32 + 32 + 64 + 256 + 512 + 3072),
        (0, "DMA32", 759 + 572 * 2 + 791 * 4 + 475 * 8 + 194 * 16 + 45 * 32 + 12 * 64), (0, "Normal", 1983)]  # fmt: skip


def test_types_mixed_blocks_and_long_lists() -> None:
    material = read_one(TYPES)
    assert [row.migratetype for row in material.types] == ["Unmovable", "Movable", "Reclaimable"]
    assert material.types[1].counts[0] == 100000 and material.pageblock_order == 9
    assert [(one.mixed, one.counts["Unmovable"]) for one in material.pageblocks] == [(False, 33), (True, 7)]


def test_a_row_whose_sum_does_not_fit_is_no_whole_row() -> None:
    assert not read_one(MEM_INFO.replace("10*512kB", "9*512kB")).free[0].whole


def test_mem_info_of_larger_pages() -> None:
    row = read_one("Node 1 Normal: 3*64kB (UM) 1*128kB (M) 0*256kB = 320kB\n").free[0]
    assert (row.page_kb, row.counts, row.whole) == (64, [3, 1, 0], True)


def test_indices_are_those_that_the_formulas_give() -> None:
    dma, normal = read_one(INDICES).indices
    assert dma.which == normal.which == "fragmentation_index"
    assert dma.values == [index_of(count_blocks([1983] + [0] * 10, order), order) for order in range(11)]
    assert normal.values == [index_of(count_blocks([1] + [0] * 10, order), order) for order in range(11)]
    assert read_one(UNUSABLE).indices[0].which == "unusable_index"
    assert read_one("cat /sys/kernel/debug/extfrag/unusable_index\n" + UNUSABLE).indices[0].which == "unusable_index"


def test_a_row_that_was_cut_says_so() -> None:
    assert not read_one("Node 0, zone   Normal   1056   1027 ...\n").free[0].whole
