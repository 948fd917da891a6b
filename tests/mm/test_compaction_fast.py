"""What compaction for a request asks the free lists, by era (movable.mm.compaction_fast)."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from movable import GFP_HIGHUSER_MOVABLE, GFP_KERNEL, MIGRATE_ASYNC, MIGRATE_MOVABLE, MIGRATE_SYNC_LIGHT, VM
from movable.eras import ERAS, Era
from movable.mm.compaction import try_to_compact_pages
from movable.mm.compaction_control import CompactControl as Control
from movable.mm.compaction_fast import freelist_scan_limit
from movable.mm.compaction_scan import compaction_alloc, isolate_migratepages, release_freepages
from movable.mm.validate import validate_vm
from tests.drivers_for_tests.keeper import free_frames, settle

BLOCK = 32
FRAMES = 8 * BLOCK
NEARLY_FREE = range(2 * BLOCK + 16, 3 * BLOCK)
"""The free half of the third pageblock."""


def with_a_gap(era: Era, free: tuple[range, ...] = (NEARLY_FREE,)) -> VM:
    """A machine of 8 pageblocks, all full of pages of a driver but for what is ``free``."""
    vm = VM(FRAMES << 12, era=era, pageblock_order=5)
    holes = {pfn for part in free for pfn in part}
    settle(vm, [pfn for pfn in range(FRAMES) if pfn not in holes])
    vm.zones[0].watermark = (0, 0, 0)
    return vm


def control(vm: VM, order: int = 5, gfp: int = GFP_HIGHUSER_MOVABLE, mode: int = MIGRATE_SYNC_LIGHT, **more: bool) -> Control:
    cc = Control(vm.zones[0], order, gfp, mode, direct_compaction=True, **more)
    cc.free_pfn = FRAMES - BLOCK
    return cc


def first_source(era: Era, order: int = 5, gfp: int = GFP_HIGHUSER_MOVABLE, hard: bool = False) -> int:
    """The pageblock that is emptied first; the third is nearly free."""
    cc = control(with_a_gap(era), order, gfp, ignore_skip_hint=hard)
    isolate_migratepages(cc, 8)
    (block,) = {page.pfn // BLOCK for page in cc.migratepages}
    assert cc.zone.get_pageblock_skip(2 * BLOCK) is (block == 2)
    return block


def first_target(era: Era, free: tuple[range, ...] = (range(208, 216), range(225, 226))) -> int:
    """The first frame of the block that targets are taken from."""
    vm = with_a_gap(era, free)
    cc = control(vm)
    cc.nr_migratepages = 1
    before = len(free_frames(vm))
    page = compaction_alloc(vm.page(0), cc)
    assert page is not None
    first = min([page.pfn, *(other.pfn for other in cc.freepages)])
    release_freepages(cc)
    assert len(free_frames(vm)) == before - 1
    return first


def looked_at(era: Era) -> int:
    """Frames that a scan in a hurry looks at where nothing is free."""
    vm = with_a_gap(era, (range(1, 2),))
    cc = control(vm, order=0, mode=MIGRATE_ASYNC)
    cc.nr_migratepages = 1
    assert compaction_alloc(vm.page(0), cc) is None
    return cc.total_free_scanned


@pytest.mark.parametrize(("era", "order", "gfp", "hard", "block"), [
    ("4.19", 5, GFP_HIGHUSER_MOVABLE, False, 0),
    ("6.1", 5, GFP_HIGHUSER_MOVABLE, False, 2), ("6.1", 3, GFP_HIGHUSER_MOVABLE, False, 0), ("6.1", 5, GFP_KERNEL, False, 0),
    ("6.17", 5, GFP_KERNEL, False, 2), ("6.1", 5, GFP_HIGHUSER_MOVABLE, True, 0),
])  # fmt: skip
def test_the_pageblock_with_a_large_free_block_is_emptied_first(era: str, order: int, gfp: int, hard: bool, block: int) -> None:
    """For a large request that can use it; the hardest try scans everything."""
    assert first_source(ERAS[era], order, gfp, hard) == block


def test_what_was_found_once_is_not_found_again() -> None:
    """The scan goes on from the lowest pageblock that was found."""
    cc = control(with_a_gap(ERAS["6.1"]))
    isolate_migratepages(cc, 8)
    assert cc.migrate_pfn == 3 * BLOCK and cc.fast_search_fail == 0
    isolate_migratepages(cc, 8)
    assert cc.fast_search_fail == 1 and cc.fast_start_pfn == -1
    assert {page.pfn // BLOCK for page in cc.migratepages} == {2, 3}


def test_what_lies_high_is_no_source() -> None:
    """Only the lower half of what is between the scanners, and later the lowest eighth."""
    cc = control(with_a_gap(ERAS["6.1"], (range(5 * BLOCK + 16, 6 * BLOCK),)))
    isolate_migratepages(cc, 8)
    assert {page.pfn // BLOCK for page in cc.migratepages} == {0} and cc.fast_search_fail == 1


@pytest.mark.parametrize(("era", "free", "first"), [
    ("4.19", (range(208, 216), range(225, 226)), 225), ("6.1", (range(208, 216), range(225, 226)), 208),
    ("6.1", (range(144, 160), range(192, 194)), 144), ("6.1", (range(144, 146), range(192, 194), range(16)), 192),
])  # fmt: skip
def test_targets_come_from_the_lists(era: str, free: tuple[range, ...], first: int) -> None:
    """From the longest blocks that are shorter than what is wanted: one in the top quarter, or else in the top half."""
    assert first_target(ERAS[era], free) == first


def test_a_pageblock_that_gave_a_target_gives_the_others_too() -> None:
    cc = control(with_a_gap(ERAS["6.1"], (range(200, 202), range(212, 213), range(220, 221))))
    cc.nr_migratepages = 3
    compaction_alloc(cc.zone.vm.page(0), cc)
    assert cc.nr_freepages == 2 and cc.zone.get_pageblock_skip(200) is False


def test_a_search_in_vain_is_followed_by_a_shorter_one() -> None:
    """And by one of what it has not seen."""
    vm = with_a_gap(ERAS["6.1"], tuple(range(pfn, pfn + 1) for pfn in range(0, 64, 2)))
    cc = control(vm)
    cc.nr_migratepages, cc.free_pfn = 1, FRAMES - 2 * BLOCK
    blocks = vm.zones[0].free_area[0].free_list[MIGRATE_MOVABLE]
    order = list(blocks)
    assert compaction_alloc(vm.page(0), cc) is not None
    assert cc.fast_search_fail == 1 and freelist_scan_limit(cc) == 17
    assert [pfn for pfn in blocks if pfn in order[:16]] == list(blocks)[-16:]


@pytest.mark.parametrize(("era", "seen"), [("4.19", 7 * BLOCK), ("6.1", 7)])
def test_a_scan_in_a_hurry_looks_at_one_frame_in_32(era: str, seen: int) -> None:
    assert looked_at(ERAS[era]) == seen


@settings(deadline=None, max_examples=25)
@given(st.sampled_from(["6.1", "6.17"]), st.lists(st.sampled_from("mmmm....p"), min_size=128, max_size=128), st.data())
def test_any_pattern_and_any_request(era: str, plan: list[str], data: st.DataObject) -> None:
    """Frames and content are conserved, lists stay whole, and every run ends."""
    vm = VM(128 << 12, era=era, pageblock_order=4)
    keeper = settle(vm, [n for n, what in enumerate(plan) if what == "m"], [n for n, what in enumerate(plan) if what == "p"])
    before = len(free_frames(vm))
    for _ in range(data.draw(st.integers(1, 4))):
        order, gfp = data.draw(st.integers(1, 5)), data.draw(st.sampled_from([GFP_HIGHUSER_MOVABLE, GFP_KERNEL]))
        try_to_compact_pages(vm, gfp, order, data.draw(st.integers(0, 2)))
        validate_vm(vm)
        assert len(free_frames(vm)) == before
        keeper.check(content=True)


def test_only_the_era_decides() -> None:
    """A run of 4.19 asks no list, nor does one that compacts a whole zone."""
    for era in ERAS.values():
        vm = VM(FRAMES << 12, era=era, pageblock_order=5)
        runs = [Control(vm.zones[0], order, GFP_HIGHUSER_MOVABLE) for order in (-1, 5)]
        assert [(cc.fast_sources, cc.fast_targets) for cc in runs] == [(False, False), (era.name != "4.19",) * 2]
