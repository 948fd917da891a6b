"""What compaction remembers between runs: deferral, skip bits, cached positions; and how a hurried run picks its pages."""

from __future__ import annotations

from errno import EBUSY

import pytest

from movable import (
    GFP_COMP,
    GFP_HIGHUSER_MOVABLE,
    GFP_KERNEL,
    MIGRATE_ASYNC,
    MIGRATE_CMA,
    MIGRATE_MOVABLE,
    MIGRATE_RECLAIMABLE,
    MIGRATE_SYNC,
    MIGRATE_SYNC_LIGHT,
    MIGRATE_UNMOVABLE,
    VM,
    ListHead,
    Page,
    isolate_movable_page,
    list_add,
    put_page,
    putback_movable_pages,
)
from movable.mm.compaction import (
    COMPACT_COMPLETE,
    COMPACT_MAX_DEFER_SHIFT,
    COMPACT_PARTIAL_SKIPPED,
    COMPACT_PRIO_SYNC_LIGHT,
    CompactControl,
    compact_memory,
    compact_zone,
    compaction_defer_reset,
    compaction_deferred,
    compaction_restarting,
    defer_compaction,
    reset_isolation_suitable,
    reset_zone_hints,
    try_to_compact_pages,
)
from movable.mm.compaction_scan import suitable_migration_source, suitable_migration_target
from movable.mm.mmzone import Zone
from movable.mm.page_flags import LRU
from tests.drivers_for_tests.keeper import Keeper, machine, settle

FRAMES = 256


def run(zone: Zone, mode: int = MIGRATE_SYNC_LIGHT, **more: bool) -> int:
    return compact_zone(zone, CompactControl(zone, -1, GFP_HIGHUSER_MOVABLE, mode, **more))


# --- deferral ---


@pytest.mark.parametrize("failures", range(1, 9))
def test_after_k_failures_the_next_attempts_wait(failures: int) -> None:
    zone = machine(64).zones[0]
    zone.compact_order_failed = 3
    for _ in range(failures):
        defer_compaction(zone, 3)
    waits = 0
    while compaction_deferred(zone, 3):
        waits += 1
    assert waits == min(2**failures, 64) - 1
    assert zone.compact_defer_shift == min(failures, COMPACT_MAX_DEFER_SHIFT)


def test_smaller_orders_do_not_wait() -> None:
    zone = machine(64).zones[0]
    zone.compact_order_failed = 5
    defer_compaction(zone, 4)
    assert zone.compact_order_failed == 4
    assert not compaction_deferred(zone, 3)
    assert zone.compact_considered == 0
    assert compaction_deferred(zone, 4)
    assert not compaction_deferred(zone, 9)


def test_success_of_the_allocation_ends_the_wait_success_of_compaction_does_not() -> None:
    zone = machine(64).zones[0]
    defer_compaction(zone, 3)
    defer_compaction(zone, 3)
    compaction_defer_reset(zone, 4, False)
    assert (zone.compact_order_failed, zone.compact_defer_shift) == (5, 2)
    compaction_defer_reset(zone, 2, True)
    assert (zone.compact_order_failed, zone.compact_defer_shift, zone.compact_considered) == (5, 0, 0)
    defer_compaction(zone, 7)
    assert zone.compact_order_failed == 5


def test_orders_below_the_one_that_failed_are_no_fresh_start() -> None:
    zone = machine(64).zones[0]
    zone.compact_order_failed = 4
    zone.compact_defer_shift = COMPACT_MAX_DEFER_SHIFT
    zone.compact_considered = 64
    assert compaction_restarting(zone, 4)
    assert not compaction_restarting(zone, 3)


def test_the_longest_wait_ends_with_a_fresh_start() -> None:
    vm = machine(FRAMES)
    keeper = settle(vm, range(1, FRAMES, 2))
    keeper.answer = lambda page: -EBUSY
    zone = vm.zones[0]
    zone.skip[:] = b"\1" * len(zone.skip)
    zone.compact_defer_shift = COMPACT_MAX_DEFER_SHIFT
    zone.compact_considered = 62
    assert not compaction_restarting(zone, 4)
    for _ in range(2):
        try_to_compact_pages(vm, GFP_HIGHUSER_MOVABLE, 4, COMPACT_PRIO_SYNC_LIGHT)
    assert keeper.count("isolate") > 0
    assert not any(zone.skip)


# --- skip bits ---


def test_a_pageblock_without_movable_pages_is_skipped_next_time() -> None:
    vm = machine(FRAMES)
    settle(vm, range(64, 128, 2), [*range(0, 16, 2), *range(240, 256, 2)])
    zone = vm.zones[0]
    run(zone, MIGRATE_ASYNC)
    assert zone.get_pageblock_skip(0)
    zone.clear_pageblock_skip(0)
    assert not zone.get_pageblock_skip(0)


def test_skip_bits_are_honoured_unless_ignored() -> None:
    vm = machine(FRAMES)
    keeper = settle(vm, range(1, FRAMES, 2))
    keeper.answer = lambda page: -EBUSY
    zone = vm.zones[0]
    for pfn in range(0, 48, 16):
        zone.set_pageblock_skip(pfn)
    run(zone)
    assert min(pfn for _, pfn in keeper.calls) == 49
    keeper.calls.clear()
    run(zone, ignore_skip_hint=True)
    assert min(pfn for _, pfn in keeper.calls) == 1


def test_the_migrate_scanner_never_passes_the_free_scanner() -> None:
    """All pageblocks between the first and the last are to be skipped: the jump over them ends the run."""
    vm = machine(FRAMES)
    keeper = settle(vm, range(1, FRAMES, 2))
    zone = vm.zones[0]
    for pfn in range(16, 240, 16):
        zone.set_pageblock_skip(pfn)
    run(zone)
    assert {pfn for name, pfn in keeper.calls if name == "isolate"} == set(range(1, 16, 2))
    keeper.check()


def test_both_scanners_set_skip_bits_and_cached_positions() -> None:
    """Blocks 0 and 1 hold nothing movable, 14 and 15 have no free frame: these need not be looked at again."""
    vm = machine(FRAMES)
    keeper = settle(vm, range(33, 224, 2), [*range(1, 32, 2), *range(224, 256)])
    zone = vm.zones[0]
    for mode, expected in ((MIGRATE_ASYNC, [16, 0]), (MIGRATE_SYNC_LIGHT, [16, 16])):
        zone.skip[:] = bytes(len(zone.skip))
        zone.compact_cached_free_pfn = 240
        cc = CompactControl(zone, -1, GFP_HIGHUSER_MOVABLE, mode)

        def answer(page: Page, cc: CompactControl = cc) -> int:
            cc.contended = True
            return -EBUSY

        keeper.answer = answer
        compact_zone(zone, cc)
        assert zone.compact_cached_migrate_pfn == expected
        assert zone.compact_cached_free_pfn == 224
        assert [pfn for pfn in range(0, FRAMES, 16) if zone.get_pageblock_skip(pfn)] == [0, 16, 224, 240]


def test_a_control_can_forbid_the_hints() -> None:
    vm = machine(FRAMES)
    settle(vm, range(33, 240, 2), [*range(1, 32, 2), *range(240, 256)])
    zone = vm.zones[0]
    run(zone, no_set_skip_hint=True)
    assert not any(zone.skip)


def test_unused_targets_raise_the_cached_free_position() -> None:
    vm = machine(FRAMES)
    keeper = settle(vm, range(1, FRAMES, 2))
    zone = vm.zones[0]
    zone.compact_cached_free_pfn = 96
    cc = CompactControl(zone, -1, GFP_HIGHUSER_MOVABLE, MIGRATE_SYNC_LIGHT, whole_zone=True)

    def answer(page: Page) -> int:
        cc.contended = True
        return -EBUSY

    keeper.answer = answer
    compact_zone(zone, cc)
    assert zone.compact_cached_free_pfn == 240
    keeper.check()


def test_hints_are_cleared_before_the_reclaimer_sleeps() -> None:
    vm = machine(FRAMES)
    keeper = settle(vm, range(1, FRAMES, 2), [0])
    keeper.answer = lambda page: -EBUSY
    zone = vm.zones[0]
    zone.skip[:] = b"\1" * len(zone.skip)
    reset_isolation_suitable(vm.nodes[0])
    assert all(zone.skip)
    cc = CompactControl(zone, 3, GFP_HIGHUSER_MOVABLE, MIGRATE_SYNC_LIGHT, direct_compaction=True)
    assert compact_zone(zone, cc) == COMPACT_COMPLETE
    assert zone.compact_blockskip_flush
    zone.compact_cached_migrate_pfn = [64, 64]
    reset_isolation_suitable(vm.nodes[0])
    assert not any(zone.skip)
    assert zone.compact_cached_migrate_pfn == [0, 0]
    assert not zone.compact_blockskip_flush
    assert run(zone) == COMPACT_COMPLETE
    assert not zone.compact_blockskip_flush  # nobody waited for that run


def test_a_pageblock_inside_one_block_in_use_keeps_its_skip_bit() -> None:
    vm = machine(64)
    zone = vm.zones[0]
    page = vm.alloc_pages(GFP_KERNEL, 4)
    assert page is not None
    zone.skip[:] = b"\1" * len(zone.skip)
    reset_zone_hints(zone)
    assert [pfn for pfn in range(0, 64, 16) if zone.get_pageblock_skip(pfn)] == [page.pfn]


def test_later_kernels_forget_only_what_a_sample_promises() -> None:
    """In pageblocks of 16 frames two are looked at. Pages of drivers are seen by nobody there."""
    vm = VM(FRAMES << 12, pageblock_order=4, era="6.1")
    zone = vm.zones[0]
    free = {FRAMES - 8, FRAMES - 16 - 7, 40}  # seen, not seen, and in the lower half
    keeper = settle(vm, [pfn for pfn in range(FRAMES) if pfn not in free and pfn != 72], {72})
    vm.page(72)._flags |= LRU
    zone.skip[:] = b"\1" * len(zone.skip)
    reset_zone_hints(zone)
    assert [pfn for pfn in range(0, FRAMES, 16) if not zone.get_pageblock_skip(pfn)] == [64, FRAMES - 16]
    run(zone)
    assert {pfn & ~15 for _, pfn in keeper.calls} == {64}


# --- which pageblocks ---


def test_a_hurried_allocation_wants_pageblocks_of_its_own_type() -> None:
    zone = machine(64).zones[0]

    def suits(request: int, block: int, mode: int = MIGRATE_ASYNC, direct: bool = True) -> bool:
        cc = CompactControl(zone, 3, request, mode, direct_compaction=direct)
        zone.set_pageblock_migratetype(0, block)
        return suitable_migration_source(cc, 0)

    assert suits(GFP_KERNEL, MIGRATE_UNMOVABLE)
    assert not suits(GFP_KERNEL, MIGRATE_MOVABLE)
    assert not suits(GFP_KERNEL, MIGRATE_CMA)
    assert suits(GFP_HIGHUSER_MOVABLE, MIGRATE_MOVABLE)
    assert suits(GFP_HIGHUSER_MOVABLE, MIGRATE_CMA)
    assert not suits(GFP_HIGHUSER_MOVABLE, MIGRATE_RECLAIMABLE)
    assert suits(GFP_KERNEL, MIGRATE_MOVABLE, mode=MIGRATE_SYNC_LIGHT)
    assert suits(GFP_KERNEL, MIGRATE_MOVABLE, direct=False)


def test_targets_lie_in_movable_pageblocks_that_are_not_free_as_a_whole() -> None:
    vm = machine(64)
    settle(vm, [], [0, 16, 32])
    zone = vm.zones[0]
    zone.set_pageblock_migratetype(16, MIGRATE_UNMOVABLE)
    zone.set_pageblock_migratetype(32, MIGRATE_CMA)
    cc = CompactControl(zone)
    assert [suitable_migration_target(cc, pfn) for pfn in (0, 16, 32, 48)] == [True, False, True, False]
    cc.ignore_block_suitable = True
    assert [suitable_migration_target(cc, pfn) for pfn in (0, 16, 32, 48)] == [True, True, True, False]


def test_an_offline_pageblock_is_neither_source_nor_target() -> None:
    vm = machine(FRAMES)
    keeper = settle(vm, range(1, FRAMES, 2))
    zone = vm.zones[0]
    zone.offline |= {1, 15}
    compact_memory(vm)
    assert not any(16 <= pfn < 32 for _, pfn in keeper.calls)
    assert not [page for page in keeper.pages if page.pfn >= 240 and not page.pfn % 2]


def test_only_pages_that_look_movable_are_asked() -> None:
    vm = machine(FRAMES)
    keeper = settle(vm, range(1, FRAMES, 2), [0, 34])
    page = vm.page(33)
    assert isolate_movable_page(page, 0) == 0
    asked: set[int] = set()
    vm.observe(lambda event: asked.add(event.pfn) if event.kind == "isolate_movable_page" else None)
    compact_memory(vm)
    assert asked
    assert not asked & {0, 33, 34}
    pages = ListHead("isolated by somebody else")
    list_add(page.lru, pages)
    putback_movable_pages(pages)
    keeper.check()


# --- direct and asynchronous: a unit is the block that is wanted ---


def hurried(zone: Zone, order: int) -> CompactControl:
    return CompactControl(zone, order, GFP_HIGHUSER_MOVABLE, MIGRATE_ASYNC, direct_compaction=True)


def test_a_block_that_is_ready_to_go_is_migrated_before_the_next_is_looked_at() -> None:
    vm = machine(FRAMES)
    settle(vm, range(1, FRAMES, 2), [32])
    sizes: list[int] = []
    vm.observe(lambda event: sizes.append(event.args["nr"]) if event.kind == "migrate_pages" else None)
    cc = hurried(vm.zones[0], 2)
    compact_zone(vm.zones[0], cc)
    assert sizes == [2]
    assert cc.migrate_pfn == 4


def test_one_page_that_stays_makes_its_block_useless() -> None:
    """Frames 0 to 7 are wanted as a block, and 6 is pinned: pages already isolated are put back without being migrated."""
    vm = machine(FRAMES)
    keeper = settle(vm, [0, 2, 4, *range(9, FRAMES, 2)], [6])
    compact_zone(vm.zones[0], hurried(vm.zones[0], 3))
    keeper.check()
    assert [keeper.count(name, 2) for name in ("isolate", "putback", "migrate")] == [1, 1, 0]
    first = [pfn for name, pfn in keeper.calls if name == "migrate"]
    assert sorted(first) == [9, 11, 13, 15]


def test_the_rest_of_a_useless_block_is_not_looked_at() -> None:
    vm = machine(FRAMES)
    keeper = settle(vm, [2, 4, 6, *range(9, FRAMES, 2)], [0])
    compact_zone(vm.zones[0], hurried(vm.zones[0], 3))
    assert not {2, 4, 6} & {pfn for _, pfn in keeper.calls}


def test_a_page_that_will_not_move_spoils_the_rest_of_its_block() -> None:
    """After a failed migration the scanner goes on behind the wanted block, not behind the last page."""
    vm = VM(layout=[(0, "Normal", 2048)], pageblock_order=9)
    keeper = settle(vm, range(1, 2048, 2))
    keeper.answer = lambda page: -EBUSY if page.pfn < 64 else 0
    cc = hurried(vm.zones[0], 7)
    compact_zone(vm.zones[0], cc)
    keeper.check()
    moved = {pfn for name, pfn in keeper.calls if name == "isolate"}
    assert {pfn for pfn in moved if pfn < 128} == set(range(1, 64, 2))
    assert min(pfn for pfn in moved if pfn > 64) == 129


def test_a_compound_block_is_passed_as_a_whole() -> None:
    vm = machine(64)
    block = vm.alloc_pages(GFP_KERNEL | GFP_COMP, 3)
    assert block is not None
    assert block.pfn == 0
    compact_memory(vm)
    # The block, the free block behind it, and two pageblocks that are free as a whole.
    assert vm.vmstat["compact_migrate_scanned"] == 4
    assert block._refcount == 1
    put_page(block)
    assert list(vm.zones[0].free_blocks()) == [(0, 6)]


def test_partial_means_from_a_cached_position() -> None:
    vm = machine(FRAMES)
    keeper = settle(vm, range(1, FRAMES, 2))
    zone = vm.zones[0]
    zone.compact_cached_migrate_pfn = [32, 32]
    assert run(zone, MIGRATE_SYNC) == COMPACT_PARTIAL_SKIPPED
    assert run(zone, MIGRATE_SYNC) == COMPACT_COMPLETE
    keeper.check()


def test_keeper_is_what_the_name_says() -> None:
    """The driver of these tests notices a page whose content changed."""
    keeper: Keeper = settle(machine(64), [1, 2, 3])
    keeper.check()
    next(iter(keeper.pages)).data[7] ^= 1
    with pytest.raises(AssertionError):
        keeper.check()


def test_the_upper_half_of_a_free_block_is_counted_frame_by_frame_without_a_look() -> None:
    """A machine that is watched looks at each frame; one that is not comes to the same numbers."""
    counts = []
    for watched in (False, True):
        vm = VM(32 << 20, pageblock_order=9)
        bare = [vm.alloc_page(GFP_HIGHUSER_MOVABLE) for _ in range(3 << 10)]
        for page in bare[::3]:
            assert page is not None
            put_page(page)
        if watched:
            vm.observe(lambda event: None)
        compact_memory(vm)
        counts.append((vm.vmstat["compact_migrate_scanned"], vm.vmstat["compact_free_scanned"], vm.zones[0].nr_free))
    assert counts[0] == counts[1] and counts[0][0] > 1024
