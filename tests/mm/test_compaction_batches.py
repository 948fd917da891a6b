"""Batches of compaction in later kernels: 32 pages of a pageblock, and then all the rest of it."""

from __future__ import annotations

import pytest

from movable import MIGRATE_SYNC_LIGHT, VM
from movable.mm import compaction
from movable.mm.compaction import COMPACT_NO_SUITABLE_PAGE, CompactControl, _scan, compact_memory
from tests.drivers_for_tests.keeper import settle
from tests.mm.test_compaction import watch


@pytest.mark.parametrize("era", ["6.1", "6.17"])
def test_a_second_batch_takes_the_rest_of_a_pageblock(era: str) -> None:
    """As in recordings of 6.1 and 7.3: 32, then all that is left of the pageblock, and 32 again from the next."""
    vm = VM(layout=[(0, "Normal", 4096)], pageblock_order=9, era=era)
    keeper = settle(vm, [*range(300), *range(512, 712, 2)], [3072])
    batches = watch(vm, "migrate_pages")
    compact_memory(vm)
    assert [event.args["nr"] for event in batches] == [32, 268, 32, 68]
    keeper.check()
    assert [number for number, skip in enumerate(vm.zones[0].skip) if skip][:2] == [0, 1]


@pytest.mark.parametrize(("order", "sizes"), [(2, [32] * 6 + [8]), (9, [32, 168])])
def test_a_run_that_leaves_its_block_behind_takes_32_pages_again(
    order: int, sizes: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compaction, "_suitable_page_free", lambda cc: COMPACT_NO_SUITABLE_PAGE)
    vm = VM(layout=[(0, "Normal", 4096)], pageblock_order=9, era="6.1")
    settle(vm, range(200), [3072])
    batches = watch(vm, "migrate_pages")
    cc = CompactControl(vm.zones[0], order, mode=MIGRATE_SYNC_LIGHT, whole_zone=True)
    cc.free_pfn = 4096 - 512
    cc.fast_targets = False  # what the lists give may lie below the other scanner, and would move again
    _scan(cc)
    assert [event.args["nr"] for event in batches] == sizes
