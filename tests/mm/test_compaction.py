"""Compaction of a zone: who moves where, in what batches, with what result, and what is left behind."""

from __future__ import annotations

from collections import Counter
from errno import EAGAIN, EBUSY, ENOMEM

import pytest

from movable import (
    GFP_HIGHUSER_MOVABLE,
    GFP_KERNEL,
    GFP_NOIO,
    GFP_TRANSHUGE,
    MIGRATE_ASYNC,
    MIGRATE_CMA,
    MIGRATE_SYNC,
    MIGRATE_SYNC_LIGHT,
    MIGRATE_UNMOVABLE,
    VM,
    Event,
    Page,
    UsageError,
    VMBug,
    get_page,
    put_page,
)
from movable.mm import compaction
from movable.mm.compaction import (
    COMPACT_CLUSTER_MAX,
    COMPACT_COMPLETE,
    COMPACT_CONTENDED,
    COMPACT_CONTINUE,
    COMPACT_DEFERRED,
    COMPACT_NO_SUITABLE_PAGE,
    COMPACT_NOT_SUITABLE_ZONE,
    COMPACT_PARTIAL_SKIPPED,
    COMPACT_PRIO_ASYNC,
    COMPACT_PRIO_SYNC_FULL,
    COMPACT_PRIO_SYNC_LIGHT,
    COMPACT_RESULT_NAMES,
    COMPACT_SKIPPED,
    COMPACT_SUCCESS,
    CompactControl,
    compact_finished,
    compact_gap,
    compact_memory,
    compact_node,
    compact_zone,
    compaction_suitable,
    try_to_compact_pages,
)
from movable.mm.compaction_scan import compaction_alloc
from movable.mm.memory_hotplug import offline_pages
from movable.mm.mmzone import Zone
from movable.mm.validate import validate_vm
from movable.mm.vmstat import fragmentation_index
from tests.drivers_for_tests.keeper import Keeper, free_frames, machine, settle

FRAMES = 256
ODD = range(1, FRAMES, 2)
EMPTIED = range(7 * 16)
"""Of 16 pageblocks with every second frame in use seven are emptied: when the eighth is read, the ninth may not be filled."""


def whole(zone: Zone) -> CompactControl:
    return CompactControl(zone, mode=MIGRATE_SYNC, ignore_skip_hint=True, whole_zone=True)


def checkerboard() -> tuple[VM, Keeper]:
    vm = machine(FRAMES)
    return vm, settle(vm, ODD)


def watch(vm: VM, *kinds: str) -> list[Event]:
    seen: list[Event] = []
    vm.observe(lambda event: seen.append(event) if event.kind in kinds else None)
    return seen


# --- where pages go ---


def test_pages_move_up_and_keep_their_content() -> None:
    vm, keeper = checkerboard()
    assert compact_zone(vm.zones[0], whole(vm.zones[0])) == COMPACT_COMPLETE
    keeper.check()
    assert free_frames(vm) == {*EMPTIED, *range(112, 144, 2)}
    assert sorted(page.pfn for page in keeper.pages) == [*range(113, 144, 2), *range(144, FRAMES)]
    assert vm.alloc_pages(GFP_HIGHUSER_MOVABLE, 6) is not None


def test_the_scanners_meet_in_the_middle() -> None:
    vm, _ = checkerboard()
    cc = whole(vm.zones[0])
    compact_zone(vm.zones[0], cc)
    assert cc.free_pfn >> vm.pageblock_order <= cc.migrate_pfn >> vm.pageblock_order
    assert cc.migrate_pfn == FRAMES // 2
    zone = vm.zones[0]
    assert zone.compact_cached_migrate_pfn == [0, 0]
    assert zone.compact_cached_free_pfn == FRAMES - 16


def test_what_is_pinned_stays() -> None:
    vm = machine(FRAMES)
    pinned = {3, 77, 200}
    keeper = settle(vm, [pfn for pfn in ODD if pfn not in pinned], pinned)
    compact_memory(vm)
    keeper.check()
    assert all(vm.page(pfn)._refcount == 1 for pfn in pinned)
    assert free_frames(vm).isdisjoint(pinned)


def test_a_batch_is_32_pages_and_goes_in_descending_order() -> None:
    vm = VM(layout=[(0, "Normal", 2048)], pageblock_order=9)
    keeper = settle(vm, range(100), [1536])
    batches = watch(vm, "migrate_pages")
    compact_memory(vm)
    assert [event.args["nr"] for event in batches] == [32, 32, 32, 4]
    migrated = [pfn for name, pfn in keeper.calls if name == "migrate"]
    expected = [pfn for start in (0, 32, 64, 96) for pfn in reversed(range(start, min(start + 32, 100)))]
    assert migrated == expected
    assert COMPACT_CLUSTER_MAX == 32


def test_at_most_32_pages_are_isolated_at_any_moment() -> None:
    vm, keeper = checkerboard()
    most = 0

    def on_isolate(page: Page) -> None:
        nonlocal most
        most = max(most, len(keeper.isolated) + 1)

    keeper.on_isolate = on_isolate
    compact_memory(vm)
    assert 8 <= most <= 32


def test_targets_come_from_the_highest_frames_of_the_highest_block() -> None:
    vm = machine(FRAMES)
    keeper = settle(vm, [0, 1], [pfn for pfn in range(FRAMES - 16, FRAMES) if pfn not in (244, 250)])
    compact_memory(vm)
    assert {page.pfn: number for page, number in keeper.pages.items()} == {250: 2, 244: 1}


# --- batches that fail ---


def test_again_is_tried_ten_times_and_put_back() -> None:
    vm, keeper = checkerboard()
    keeper.answer = lambda page: -EAGAIN
    assert compact_zone(vm.zones[0], whole(vm.zones[0])) == COMPACT_COMPLETE
    keeper.check()
    assert set(Counter(pfn for name, pfn in keeper.calls if name == "migrate").values()) == {10}
    assert keeper.count("isolate") == keeper.count("putback") > 0
    assert vm.vmstat["pgmigrate_success"] == 0
    assert vm.vmstat["pgmigrate_fail"] == keeper.count("isolate")


def test_a_page_that_is_refused_stays_and_the_others_go() -> None:
    vm, keeper = checkerboard()
    keeper.answer = lambda page: -EBUSY if page.pfn == 5 else 0
    compact_memory(vm)
    keeper.check()
    assert 5 in {page.pfn for page in keeper.pages}
    assert keeper.count("migrate", 5) == keeper.count("putback", 5) == 1


def test_out_of_memory_in_the_driver_ends_the_run() -> None:
    vm, keeper = checkerboard()
    keeper.answer = lambda page: -ENOMEM
    assert compact_zone(vm.zones[0], whole(vm.zones[0])) == COMPACT_CONTENDED
    keeper.check()
    assert keeper.count("migrate") == 1
    assert keeper.count("putback") == keeper.count("isolate") == 8


def test_unused_targets_are_free_again() -> None:
    vm, keeper = checkerboard()
    before = free_frames(vm)
    keeper.answer = lambda page: -EBUSY
    compact_memory(vm)
    keeper.check()
    assert free_frames(vm) == before
    assert vm.zones[0].nr_free == len(before)


def test_a_page_released_while_isolated_is_not_moved() -> None:
    vm, keeper = checkerboard()

    def on_isolate(page: Page) -> None:
        if page.pfn == 5:
            keeper.release(next(page for page in keeper.isolated if page.pfn == 3))

    keeper.on_isolate = on_isolate
    compact_memory(vm)
    keeper.check()
    assert keeper.count("isolate", 3) == 1
    assert keeper.count("migrate", 3) == keeper.count("putback", 3) == 0
    assert len(keeper.pages) == len(ODD) - 1
    assert vm.vmstat["movable_released_isolated"] == 1


def test_no_targets_left_because_the_scanners_met_is_no_contention() -> None:
    """Nearly full: the last batch finds fewer targets than pages, and is put back."""
    vm = machine(FRAMES)
    keeper = settle(vm, range(200))
    assert compact_zone(vm.zones[0], whole(vm.zones[0])) == COMPACT_COMPLETE
    keeper.check()


def test_the_zone_keeps_its_reserve() -> None:
    """Free frames below the watermark are no targets, so the run ends for lack of memory."""
    vm, keeper = checkerboard()
    zone = vm.zones[0]
    zone.watermark = (zone.nr_free, zone.nr_free, zone.nr_free)
    assert compact_zone(zone, whole(zone)) == COMPACT_CONTENDED
    keeper.check()
    assert not keeper.count("migrate")


def test_a_run_that_would_leave_pages_behind_is_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    vm, keeper = checkerboard()
    keeper.answer = lambda page: -EBUSY if page.pfn % 4 == 1 else -EAGAIN
    monkeypatch.setattr(compaction, "putback_movable_pages", lambda pages: None)
    with pytest.raises(VMBug, match="V33"):
        compact_zone(vm.zones[0], whole(vm.zones[0]))


# --- results ---


def test_names_of_the_results() -> None:
    assert [COMPACT_RESULT_NAMES[value] for value in (COMPACT_SKIPPED, COMPACT_PARTIAL_SKIPPED, COMPACT_SUCCESS)] == [
        "skipped",
        "partial_skipped",
        "success",
    ]
    assert len(COMPACT_RESULT_NAMES) == COMPACT_SUCCESS + 1 == 9


def test_success_before_anything_is_done() -> None:
    vm = machine(FRAMES)
    keeper = settle(vm, range(64))
    events = watch(vm, "compact_zone")
    assert CompactControl(vm.zones[0], gfp_mask=GFP_HIGHUSER_MOVABLE).classzone_idx == 3
    assert compact_zone(vm.zones[0], CompactControl(vm.zones[0], 3, mode=MIGRATE_SYNC_LIGHT)) == COMPACT_SUCCESS
    assert not events
    assert not keeper.calls


def test_success_as_soon_as_a_block_is_free() -> None:
    vm, keeper = checkerboard()
    zone = vm.zones[0]
    cc = CompactControl(zone, 3, GFP_HIGHUSER_MOVABLE, MIGRATE_SYNC_LIGHT)
    assert compact_zone(zone, cc) == COMPACT_SUCCESS
    keeper.check()
    assert keeper.count("migrate") < len(ODD) // 2
    assert vm.alloc_pages(GFP_HIGHUSER_MOVABLE, 3) is not None


def test_skipped_for_lack_of_memory() -> None:
    vm = machine(FRAMES)
    settle(vm, [pfn for pfn in range(FRAMES) if pfn % 16])
    zone = vm.zones[0]
    assert zone.nr_free == 16 <= zone.watermark[0] + compact_gap(1)
    assert compact_zone(zone, CompactControl(zone, 1, mode=MIGRATE_SYNC_LIGHT)) == COMPACT_SKIPPED


@pytest.mark.parametrize(("order", "mark"), [(1, 10), (3, 10), (4, 20), (6, 20)])
def test_room_for_copies_must_be_free_above_the_watermark(order: int, mark: int) -> None:
    """Single free frames; the watermark is the low one for orders above 3."""
    room = mark + (2 << order)
    for free, expected in ((room, COMPACT_SKIPPED), (room + 1, COMPACT_CONTINUE)):
        vm = VM(layout=[(0, "Normal", 1024)], pageblock_order=9)
        settle(vm, [pfn for pfn in range(1024) if pfn % 2 or pfn >= 2 * free])
        zone = vm.zones[0]
        zone.watermark = (10, 20, 30)
        assert zone.nr_free == free
        assert compaction_suitable(zone, order, zone.index) == expected


def test_skipped_because_memory_is_short_rather_than_broken_up() -> None:
    vm = VM(layout=[(0, "Normal", 1024)], pageblock_order=9)
    settle(vm, [pfn for pfn in range(1024) if pfn & 16])
    zone = vm.zones[0]
    assert compaction._suitable_fragmentation(zone, 5) == COMPACT_NOT_SUITABLE_ZONE
    assert compaction_suitable(zone, 5, zone.index) == COMPACT_SKIPPED
    vm = VM(layout=[(0, "Normal", 1024)], pageblock_order=9)
    settle(vm, range(1, 1024, 2))
    zone = vm.zones[0]
    assert compaction._suitable_fragmentation(zone, 5) == COMPACT_CONTINUE
    assert compaction_suitable(zone, 5, zone.index) == COMPACT_CONTINUE


def test_the_index_below_zero_and_orders_that_are_not_costly() -> None:
    vm = VM(layout=[(0, "Normal", 1024)], pageblock_order=9)
    settle(vm, range(8, 1024))
    assert fragmentation_index(vm.zones[0], 4) == -500
    assert compaction._suitable_fragmentation(vm.zones[0], 4) == COMPACT_CONTINUE
    vm = VM(layout=[(0, "Normal", 1024)], pageblock_order=9)
    settle(vm, [pfn for pfn in range(1024) if pfn & 4])
    zone = vm.zones[0]
    assert 0 <= fragmentation_index(zone, 3) <= 500
    assert compaction_suitable(zone, 3, zone.index) == COMPACT_CONTINUE


def test_skipped_without_io() -> None:
    vm, keeper = checkerboard()
    assert try_to_compact_pages(vm, GFP_NOIO, 3, COMPACT_PRIO_SYNC_LIGHT) == COMPACT_SKIPPED
    assert not keeper.calls


def test_complete_from_the_ends_partial_from_a_cached_position() -> None:
    vm, keeper = checkerboard()
    keeper.answer = lambda page: -EBUSY
    zone = vm.zones[0]
    zone.compact_cached_migrate_pfn = [32, 48]
    cc = CompactControl(zone, 3, GFP_HIGHUSER_MOVABLE, MIGRATE_SYNC_LIGHT)
    assert compact_zone(zone, cc) == COMPACT_PARTIAL_SKIPPED
    assert min(pfn for _, pfn in keeper.calls) == 49
    assert compact_zone(zone, CompactControl(zone, 3, GFP_HIGHUSER_MOVABLE, MIGRATE_SYNC_LIGHT)) == COMPACT_COMPLETE
    assert min(pfn for _, pfn in keeper.calls) == 1


def test_contended_is_a_request_to_stop() -> None:
    vm, keeper = checkerboard()
    cc = whole(vm.zones[0])

    def on_isolate(page: Page) -> None:
        if page.pfn == 37:
            cc.contended = True

    keeper.on_isolate = on_isolate
    migrations = watch(vm, "migrate_pages")
    assert compact_zone(vm.zones[0], cc) == COMPACT_CONTENDED
    keeper.check()
    assert keeper.count("putback") == 8
    assert len(migrations) == 2  # of frames 0 to 31; the third pageblock is put back at once
    cc = whole(vm.zones[0])
    cc.contended = True
    cc.nr_migratepages, cc.free_pfn = 1, 240
    assert compact_finished(cc) == COMPACT_CONTENDED
    assert compaction_alloc(vm.page(1), cc) is None
    cc.contended = False
    assert compaction_alloc(vm.page(1), cc) is not None


def test_no_suitable_page_means_go_on() -> None:
    vm, _ = checkerboard()
    cc = CompactControl(vm.zones[0], 3, GFP_HIGHUSER_MOVABLE, MIGRATE_SYNC_LIGHT)
    assert compaction._compact_finished(cc) == COMPACT_NO_SUITABLE_PAGE
    assert compact_finished(cc) == COMPACT_CONTINUE


def test_positions_out_of_range_are_repaired() -> None:
    vm, keeper = checkerboard()
    zone = vm.zones[0]
    zone.compact_cached_migrate_pfn = [FRAMES, FRAMES]
    zone.compact_cached_free_pfn = FRAMES + 5
    cc = CompactControl(zone, -1, mode=MIGRATE_SYNC)
    assert compact_zone(zone, cc) == COMPACT_COMPLETE
    keeper.check()
    assert free_frames(vm) > set(EMPTIED)


def test_a_cma_block_will_do_for_a_movable_request() -> None:
    vm, _ = checkerboard()
    zone = vm.zones[0]
    cc = CompactControl(zone, 0, GFP_HIGHUSER_MOVABLE, MIGRATE_SYNC_LIGHT)
    for area in zone.free_area:
        area.free_list[MIGRATE_CMA].update(area.free_list[1])
        area.free_list[1].clear()
    assert compact_finished(cc) == COMPACT_SUCCESS
    cc.migratetype = MIGRATE_UNMOVABLE
    assert compact_finished(cc) == COMPACT_CONTINUE


def test_an_unmovable_request_finishes_the_pageblock_it_will_take_over() -> None:
    """A block of another type would do; a synchronous run first empties the pageblock that it is in."""
    vm = VM(layout=[(0, "Normal", 2048)], pageblock_order=9)
    keeper = settle(vm, range(1, 2048, 2))
    zone = vm.zones[0]
    zone.watermark = (0, 0, 0)
    cc = CompactControl(zone, 4, GFP_KERNEL, MIGRATE_SYNC_LIGHT)
    assert compact_zone(zone, cc) == COMPACT_SUCCESS
    assert cc.migrate_pfn == 512
    assert keeper.count("migrate") == 256
    vm = VM(layout=[(0, "Normal", 2048)], pageblock_order=9)
    keeper = settle(vm, range(1, 2048, 2))
    cc = CompactControl(vm.zones[0], 4, GFP_KERNEL, MIGRATE_ASYNC)
    assert compact_zone(vm.zones[0], cc) == COMPACT_SUCCESS
    assert keeper.count("migrate") == 32
    # Even a block of its own type does not end the run before the pageblock does.
    cc.finishing_block = True
    assert cc.migrate_pfn % 512
    vm.zones[0].free_area[4].free_list[MIGRATE_UNMOVABLE][2000] = None
    assert compact_finished(cc) == COMPACT_CONTINUE
    cc.migrate_pfn = 512
    assert compact_finished(cc) == COMPACT_SUCCESS


# --- who asks ---


def test_compact_memory_compacts_every_node_and_compact_node_one() -> None:
    vm = machine(128, zones=3)
    keeper = settle(vm, range(1, 3 * 128, 2))
    events = watch(vm, "compact_zone", "compact_zone_ret")
    compact_node(vm.nodes[1])
    assert [(event.kind, event.args["node"]) for event in events] == [("compact_zone", 1), ("compact_zone_ret", 1)]
    assert events[0].args == {"node": 1, "zone": "Normal", "order": -1, "mode": MIGRATE_SYNC}
    assert events[1].args["ret"] == COMPACT_COMPLETE
    del events[:]
    compact_memory(vm)
    assert [event.args["node"] for event in events if event.kind == "compact_zone"] == [0, 1, 2]
    keeper.check()
    assert Counter(page.node for page in keeper.pages) == {0: 64, 1: 64, 2: 64}


def test_a_zone_that_is_offline_is_left_out() -> None:
    vm = machine(64, zones=2)
    assert offline_pages(vm, 64, 64) == 0
    events = watch(vm, "compact_zone")
    compact_memory(vm)
    assert [event.args["node"] for event in events] == [0]


@pytest.mark.parametrize(
    ("priority", "statuses", "result", "shifts", "failed"),
    [
        (COMPACT_PRIO_SYNC_LIGHT, "complete success success", COMPACT_SUCCESS, [1, 0, 0], [0, 4, 0]),
        (COMPACT_PRIO_SYNC_LIGHT, "partial_skipped skipped contended", COMPACT_CONTENDED, [1, 0, 0], [0, 0, 0]),
        (COMPACT_PRIO_ASYNC, "complete partial_skipped skipped", COMPACT_PARTIAL_SKIPPED, [0, 0, 0], [0, 0, 0]),
        (COMPACT_PRIO_SYNC_FULL, "skipped complete skipped", COMPACT_COMPLETE, [0, 1, 0], [0, 0, 0]),
    ],
)
def test_what_each_zone_s_result_leads_to(
    monkeypatch: pytest.MonkeyPatch, priority: int, statuses: str, result: int, shifts: list[int], failed: list[int]
) -> None:
    vm = machine(64, zones=3)
    asked: list[Zone] = []
    values = [COMPACT_RESULT_NAMES.index(name) for name in statuses.split()]

    def compact_zone_order(zone: Zone, order: int, gfp: int, priority: int, captured: None) -> int:
        asked.append(zone)
        return values[len(asked) - 1]

    monkeypatch.setattr(compaction, "compact_zone_order", compact_zone_order)
    assert try_to_compact_pages(vm, GFP_HIGHUSER_MOVABLE, 3, priority) == result
    assert len(asked) == (2 if COMPACT_SUCCESS in values else 3)
    assert [zone.compact_defer_shift for zone in vm.zones] == shifts
    assert [zone.compact_order_failed for zone in vm.zones] == failed


@pytest.mark.parametrize("priority", [COMPACT_PRIO_ASYNC, COMPACT_PRIO_SYNC_LIGHT, COMPACT_PRIO_SYNC_FULL])
def test_presets_of_a_direct_run(monkeypatch: pytest.MonkeyPatch, priority: int) -> None:
    vm = machine(64)
    seen: list[CompactControl] = []

    def compact_zone(zone: Zone, cc: CompactControl) -> int:
        seen.append(cc)
        return COMPACT_SUCCESS

    monkeypatch.setattr(compaction, "compact_zone", compact_zone)
    try_to_compact_pages(vm, GFP_HIGHUSER_MOVABLE, 3, priority)
    cc = seen[0]
    hard = priority == COMPACT_PRIO_SYNC_FULL
    assert (cc.order, cc.gfp_mask, cc.direct_compaction, cc.no_set_skip_hint) == (3, GFP_HIGHUSER_MOVABLE, True, False)
    assert (cc.whole_zone, cc.ignore_skip_hint, cc.ignore_block_suitable) == (hard, hard, hard)


def test_an_allocation_of_higher_order_compacts() -> None:
    vm, keeper = checkerboard()
    page = vm.alloc_pages(GFP_HIGHUSER_MOVABLE, 5)
    assert page is not None
    put_page(page)
    keeper.check()
    assert (vm.vmstat["compact_stall"], vm.vmstat["compact_success"], vm.vmstat["compact_fail"]) == (1, 1, 0)
    assert keeper.count("migrate") > 0


def test_an_allocation_that_cannot_be_helped_fails_and_is_counted() -> None:
    vm, keeper = checkerboard()
    keeper.answer = lambda page: -EBUSY
    assert vm.alloc_pages(GFP_HIGHUSER_MOVABLE, 5) is None
    keeper.check()
    assert vm.vmstat["compact_stall"] == vm.vmstat["compact_fail"] > 0
    assert vm.vmstat["compact_success"] == 0
    assert vm.zones[0].compact_defer_shift > 0


def test_direct_compaction_runs_as_memory_reclaim() -> None:
    vm, keeper = checkerboard()
    flags: set[bool] = set()
    keeper.on_isolate = lambda page: flags.add(vm.current.memalloc)
    assert vm.alloc_pages(GFP_HIGHUSER_MOVABLE, 4) is not None
    assert flags == {True}
    assert not vm.current.memalloc


def test_zones_are_tried_until_one_succeeds() -> None:
    vm = machine(128, zones=2)
    keeper = settle(vm, range(1, 256, 2))
    keeper.answer = lambda page: -EBUSY if page.node == 0 else 0
    assert try_to_compact_pages(vm, GFP_HIGHUSER_MOVABLE, 3, COMPACT_PRIO_SYNC_LIGHT) == COMPACT_SUCCESS
    assert [zone.compact_defer_shift for zone in vm.zones] == [1, 0]
    assert {pfn >= 128 for _, pfn in keeper.calls} == {True, False}
    assert try_to_compact_pages(vm, GFP_HIGHUSER_MOVABLE, 3, COMPACT_PRIO_SYNC_LIGHT, nid=1) == COMPACT_SUCCESS


def test_priorities_choose_the_mode() -> None:
    for priority, mode in (
        (COMPACT_PRIO_ASYNC, MIGRATE_ASYNC),
        (COMPACT_PRIO_SYNC_LIGHT, MIGRATE_SYNC_LIGHT),
        (COMPACT_PRIO_SYNC_FULL, MIGRATE_SYNC_LIGHT),
    ):
        vm, _ = checkerboard()
        events = watch(vm, "compact_zone", "migrate_pages", "isolate_movable_page")
        try_to_compact_pages(vm, GFP_HIGHUSER_MOVABLE, 3, priority)
        assert {event.args["mode"] for event in events if event.kind != "isolate_movable_page"} == {mode}
        assert {event.args["mode"] for event in events if event.kind == "isolate_movable_page"} == {0xC}


def test_only_the_largest_priority_is_not_deferred() -> None:
    vm, keeper = checkerboard()
    keeper.answer = lambda page: -EBUSY
    zone = vm.zones[0]
    zone.compact_defer_shift = 6
    assert try_to_compact_pages(vm, GFP_HIGHUSER_MOVABLE, 3, COMPACT_PRIO_SYNC_LIGHT) == COMPACT_DEFERRED
    assert try_to_compact_pages(vm, GFP_HIGHUSER_MOVABLE, 3, COMPACT_PRIO_ASYNC) == COMPACT_DEFERRED
    assert not keeper.calls
    assert try_to_compact_pages(vm, GFP_HIGHUSER_MOVABLE, 3, COMPACT_PRIO_SYNC_FULL) == COMPACT_COMPLETE


def counters(vm: VM) -> tuple[int, int, int]:
    return tuple(vm.vmstat[f"compact_{name}"] for name in ("migrate_scanned", "free_scanned", "isolated"))  # type: ignore[return-value]


def test_what_is_scanned_is_counted() -> None:
    """Every frame in use counts, a free block counts once."""
    vm = machine(64)
    settle(vm, range(4), [5])
    compact_memory(vm)
    # Frames 0 to 5, then the free blocks at 6 and 8. The pageblocks at 16 and 32 head free blocks and are passed by; that at 48 is
    # the upper half of such a block, which the scanner cannot see, so that it looks at all its 16 frames.
    assert counters(vm) == (8, 16, 4)


def test_targets_are_counted_too() -> None:
    vm = machine(64)
    settle(vm, range(4), [5, 48])
    compact_memory(vm)
    # As above, then two whole pageblocks. Of the last one: frame 48, and the free blocks at 49, 50 and 52, 7 frames together.
    assert counters(vm) == (8 + 2, 4, 4 + 7)


def test_a_pageblock_that_is_free_as_a_whole_is_left_alone() -> None:
    vm = machine(64)
    keeper = settle(vm, range(4))
    compact_memory(vm)
    assert {page.pfn for page in keeper.pages} == set(range(4))


def test_an_extra_reference_does_not_confuse_it() -> None:
    vm, keeper = checkerboard()
    page = next(iter(keeper.pages))
    get_page(page)
    compact_memory(vm)
    put_page(page)
    keeper.check()
    validate_vm(vm)


@pytest.mark.parametrize("seed", range(4))
def test_a_hurried_allocation_goes_on_behind_what_its_last_batch_left(seed: int) -> None:
    """All that is in the way can move, so huge pages come. A batch leaves free blocks, and the next begins inside one of them."""
    vm = VM(16 << 20, seed=seed)
    keeper = settle(vm, vm.random.sample(range(vm.nr_frames), vm.nr_frames // 2))
    got = 0
    while vm.alloc_pages(GFP_TRANSHUGE, 9) is not None:
        got += 1
    assert got >= 2
    keeper.check()
    validate_vm(vm, quiescent=False)


def test_a_node_that_does_not_exist_is_said() -> None:
    vm = machine(FRAMES)
    with pytest.raises(UsageError, match="node 9 does not exist"):
        try_to_compact_pages(vm, GFP_KERNEL, 1, COMPACT_PRIO_ASYNC, 9)
    assert try_to_compact_pages(vm, GFP_KERNEL, 1, COMPACT_PRIO_ASYNC, -1) == COMPACT_SUCCESS
