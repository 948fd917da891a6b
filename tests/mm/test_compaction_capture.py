"""Capture: the block that direct compaction has emptied goes to who asked for it (movable.mm.compaction.capture)."""

from __future__ import annotations

import pytest

from movable import GFP_HIGHUSER_MOVABLE, GFP_KERNEL, MIGRATE_CMA, MIGRATE_MOVABLE, VM, put_page
from movable.eras import ERAS
from movable.mm.buddy import take_part
from movable.mm.compaction import COMPACT_SUCCESS, capture, try_to_compact_pages
from movable.mm.compaction_control import COMPACT_PRIO_SYNC_FULL, CompactControl
from movable.mm.migrate import MIGRATE_SYNC
from movable.mm.page_isolation import covering_free_block
from movable.mm.validate import validate_vm
from tests.mm.test_migrate_batch import half_empty


@pytest.mark.parametrize(
    ("era", "migratetype", "first"),
    [("4.19", MIGRATE_MOVABLE, -1), ("6.1", MIGRATE_MOVABLE, 0), ("7.3", MIGRATE_MOVABLE, 0), ("6.1", MIGRATE_CMA, -1)],
)
def test_a_block_is_captured(era: str, migratetype: int, first: int) -> None:
    """The first block that is emptied goes to who asked for it, off the free lists; but one of a CMA area does not."""
    vm = half_empty(ERAS[era])
    zone = vm.zones[0]
    zone.set_pageblock_migratetype(0, migratetype)
    captured: list[int] = []
    before = zone.nr_free
    assert try_to_compact_pages(vm, GFP_HIGHUSER_MOVABLE, 5, COMPACT_PRIO_SYNC_FULL, captured=captured) == COMPACT_SUCCESS
    assert captured == ([first] if first >= 0 else [])
    assert zone.nr_free == before - 32 * len(captured) and not {*captured} & {*zone.buddy}


@pytest.mark.parametrize(("order", "gfp", "taken"), [
    (2, GFP_HIGHUSER_MOVABLE, [4]), (2, GFP_KERNEL, []), (5, GFP_KERNEL, [32]),
])  # fmt: skip
def test_less_than_a_movable_pageblock_is_for_movable_requests(order: int, gfp: int, taken: list[int]) -> None:
    zone = VM(64 << 12, era="6.1", pageblock_order=5).zones[0]
    cc = CompactControl(zone, order, gfp, MIGRATE_SYNC)
    cc.captured = []
    assert capture(cc, {1}) is bool(taken) and cc.captured == taken


def test_who_captured_a_block_gives_it_back_as_any() -> None:
    vm = half_empty(ERAS["6.1"])
    before = vm.zones[0].nr_free
    page = vm.alloc_pages(GFP_HIGHUSER_MOVABLE, 5)
    assert page is not None and page.pfn == 0 and vm.vmstat["compact_success"] == 1
    assert vm.zones[0].nr_free == before - 32
    put_page(page)
    validate_vm(vm)
    assert vm.zones[0].nr_free == before


@pytest.mark.parametrize("pfn", [8, 12, 20])
def test_a_part_of_a_free_block_is_taken(pfn: int) -> None:
    vm = VM(64 << 12, pageblock_order=5)
    zone = vm.zones[0]
    head = covering_free_block(zone, pfn)
    before = zone.nr_free
    take_part(zone, head, pfn, 2)
    taken = set(range(pfn, pfn + 4))
    assert zone.nr_free == before - 4
    assert {start + n for start, code in zone.buddy.items() for n in range(1 << (code >> 3))} == set(range(64)) - taken
