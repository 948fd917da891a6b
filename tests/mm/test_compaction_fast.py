"""What compaction for a request asks the free lists, by era (movable.mm.compaction_fast)."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from movable import GFP_HIGHUSER_MOVABLE, GFP_KERNEL, MIGRATE_ASYNC, MIGRATE_MOVABLE, MIGRATE_SYNC_LIGHT, VM
from movable.eras import ERAS, Era
from movable.mm.compaction import try_to_compact_pages
from movable.mm.compaction_control import CompactControl as Control
from movable.mm.compaction_fast import fast_isolate_freepages, freelist_scan_limit
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


def looked_at(era: Era, mode: int = MIGRATE_ASYNC) -> int:
    """Frames that a scan looks at where nothing is free, by default one in a hurry."""
    vm = with_a_gap(era, (range(1, 2),))
    cc = control(vm, order=0, mode=mode)
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


@pytest.mark.parametrize(("free", "rescan", "in_vain"), [
    (range(5 * BLOCK + 16, 6 * BLOCK), False, 1), (range(3 * BLOCK - 4, 3 * BLOCK), False, 1), (NEARLY_FREE, True, 0),
])  # fmt: skip
def test_what_lies_high_or_has_little_is_no_source(free: range, rescan: bool, in_vain: int) -> None:
    """Only the lower half of what is between the scanners, and blocks above order 2; none while a pageblock is not done."""
    cc = control(with_a_gap(ERAS["6.1"], (free,)))
    cc.rescan = rescan
    isolate_migratepages(cc, 8)
    assert {page.pfn // BLOCK for page in cc.migratepages} == {0} and cc.fast_search_fail == in_vain


@pytest.mark.parametrize(("era", "free", "first"), [
    ("4.19", (range(208, 216), range(225, 226)), 225), ("6.1", (range(208, 216), range(225, 226)), 208),
    ("6.1", (range(144, 160), range(192, 194)), 144), ("6.1", (range(144, 146), range(192, 194), range(16)), 192),
])  # fmt: skip
def test_targets_come_from_the_lists(era: str, free: tuple[range, ...], first: int) -> None:
    """From the longest blocks that are shorter than what is wanted: one in the top quarter, or else in the top half."""
    assert first_target(ERAS[era], free) == first


@pytest.mark.parametrize(("mode", "left"), [(MIGRATE_SYNC_LIGHT, 2), (MIGRATE_ASYNC, 1)])
def test_a_pageblock_that_gave_a_target_gives_the_others_too(mode: int, left: int) -> None:
    """But for an allocation in a hurry. What lies as high as that is found by the lists from now on."""
    cc = control(with_a_gap(ERAS["6.1"], (range(232, 234), range(244, 245), range(252, 253))), mode=mode)
    cc.nr_migratepages, cc.fast_search_fail = 3, 2
    compaction_alloc(cc.zone.vm.page(0), cc)
    assert cc.nr_freepages == left and cc.zone.get_pageblock_skip(232) is False
    assert (cc.search_order, cc.fast_search_fail, cc.zone.compact_cached_free_pfn) == (1, 0, FRAMES - 2 * BLOCK)


def test_each_better_candidate_halves_the_search() -> None:
    """The third is taken, though the fourth lies where targets are wanted."""
    vm = with_a_gap(ERAS["6.1"], tuple(range(pfn, pfn + 1) for pfn in (98, 100, 102, 162)))
    for pfn in (98, 100, 102, 162):
        vm.zones[0].free_area[0].free_list[MIGRATE_MOVABLE].move_to_end(pfn)
    found: list[tuple[int, int]] = []
    assert fast_isolate_freepages(control(vm), found) == 102 and found == [(102, 0)]


@pytest.mark.parametrize(("free", "begin"), [(range(1), 3), (range(200, 201), 6)])
def test_where_nothing_can_be_taken_the_scan_begins_lower(free: range, begin: int) -> None:
    """At the highest pageblock with a free block that the zone keeps, or in the middle."""
    vm = with_a_gap(ERAS["6.1"], (free,))
    vm.zones[0].watermark = (FRAMES,) * 3
    cc = control(vm)
    assert fast_isolate_freepages(cc, []) == cc.free_pfn == begin * BLOCK


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


@pytest.mark.parametrize(("era", "mode", "seen"), [
    ("4.19", MIGRATE_ASYNC, 7 * BLOCK), ("6.1", MIGRATE_ASYNC, 7), ("6.1", MIGRATE_SYNC_LIGHT, 32 + 16 + 8 + 4 + 2 + 1 + 1),
])  # fmt: skip
def test_a_scan_looks_at_fewer_frames_where_it_finds_none(era: str, mode: int, seen: int) -> None:
    """One in a hurry at one in 32 from the beginning."""
    assert looked_at(ERAS[era], mode) == seen


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
