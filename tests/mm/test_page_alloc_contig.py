"""alloc_contig_range: what moves away, what is in the way, how often a driver is asked, and what is left behind."""

from __future__ import annotations

from errno import EAGAIN, EBUSY, EINVAL, ENOMEM

import pytest

from movable import (
    MIGRATE_CMA,
    MIGRATE_MOVABLE,
    MIGRATE_SYNC,
    MIGRATE_UNMOVABLE,
    VM,
    ClearPageMovable,
    Event,
    Page,
    UsageError,
    put_page,
)
from movable.mm.page_alloc_contig import alloc_contig_range, free_contig_range
from movable.mm.page_isolation import change_pageblock_type
from tests.drivers_for_tests.keeper import free_frames, machine, settle

FRAMES = 256


def test_the_range_is_handed_out_frame_by_frame() -> None:
    vm = machine(FRAMES)
    keeper = settle(vm, range(1, FRAMES, 2))
    assert alloc_contig_range(vm, 64, 100) == 0
    assert all(vm.page(pfn)._refcount == 1 and not vm.page(pfn)._mapping for pfn in range(64, 100))
    assert not {page.pfn for page in keeper.pages} & set(range(64, 100))
    keeper.check()
    free_contig_range(vm, 64, 36)
    assert free_frames(vm) >= set(range(64, 100))
    keeper.check()
    assert not vm.warnings
    assert vm.vmstat["compact_isolated"] == 18 + 36  # pages, and then the frames


def test_the_rest_of_the_edge_blocks_is_given_back() -> None:
    vm = machine(FRAMES)
    zone = vm.zones[0]
    assert alloc_contig_range(vm, 37, 59) == 0
    assert free_frames(vm) == set(range(FRAMES)) - set(range(37, 59))
    assert zone.nr_free == FRAMES - 22
    assert not any(zone.skip)
    assert zone.nr_isolate_pageblock == 0
    free_contig_range(vm, 37, 22)
    assert list(zone.free_blocks()) == [(0, 8)]


def test_every_page_moves_synchronously_and_is_asked_once() -> None:
    vm = machine(FRAMES)
    keeper = settle(vm, range(32, 64))
    events: list[Event] = []
    vm.observe(lambda event: events.append(event) if event.kind in ("migrate_pages", "isolate_movable_page") else None)
    assert alloc_contig_range(vm, 32, 64) == 0
    assert [(event.args["nr"], event.args["mode"], event.args["reason"]) for event in events[-1:]] == [(32, MIGRATE_SYNC, 6)]
    assert {event.args["mode"] for event in events if event.kind == "isolate_movable_page"} == {8}
    assert keeper.count("migrate") == 32


def test_batches_of_32() -> None:
    vm = VM(layout=[(0, "Normal", 2048)], pageblock_order=9)
    keeper = settle(vm, range(0, 1024, 8))
    sizes: list[int] = []
    vm.observe(lambda event: sizes.append(event.args["nr"]) if event.kind == "migrate_pages" else None)
    assert alloc_contig_range(vm, 0, 512) == 0
    assert sizes == [32, 32]
    keeper.check()


def test_what_lies_beyond_the_range_is_left_alone() -> None:
    vm = machine(FRAMES)
    keeper = settle(vm, range(32, 64))
    assert alloc_contig_range(vm, 36, 40) == 0
    assert {pfn for _, pfn in keeper.calls} == set(range(36, 40))


def test_every_batch_has_its_own_five_tries() -> None:
    vm = machine(FRAMES)
    keeper = settle(vm, range(32, 96))
    keeper.answer = lambda page: -EAGAIN if page.pfn in (40, 80) and keeper.count("migrate", page.pfn) < 40 else 0
    assert alloc_contig_range(vm, 32, 96) == 0
    keeper.check()


def test_a_busy_page_is_asked_fifty_times() -> None:
    vm = machine(FRAMES)
    keeper = settle(vm, range(32, 64))
    keeper.answer = lambda page: -EAGAIN if page.pfn == 40 else 0
    assert alloc_contig_range(vm, 32, 64) == -EBUSY
    assert keeper.count("migrate", 40) == 50
    assert keeper.count("isolate", 40) == keeper.count("putback", 40) == 1
    keeper.check()
    assert vm.zones[0].nr_isolate_pageblock == 0


def test_a_page_that_gives_in_at_the_last_moment() -> None:
    vm = machine(FRAMES)
    keeper = settle(vm, range(32, 64))
    keeper.answer = lambda page: -EAGAIN if page.pfn == 40 and keeper.count("migrate", 40) < 50 else 0
    assert alloc_contig_range(vm, 32, 64) == 0
    keeper.check()


def test_a_refused_page_keeps_the_range_from_being_taken() -> None:
    vm = machine(FRAMES)
    keeper = settle(vm, range(32, 64))
    keeper.answer = lambda page: -EBUSY if page.pfn == 40 else 0
    before = vm.zones[0].nr_free
    assert alloc_contig_range(vm, 32, 64) == -EBUSY
    assert keeper.count("migrate", 40) == 1
    assert vm.page(40) in keeper.pages
    assert vm.zones[0].nr_free == before
    keeper.check()


def test_a_page_that_its_owner_gives_up_in_the_end_does_not_matter() -> None:
    """-EBUSY from the loop is not the last word: the range is looked at once more."""
    vm = machine(FRAMES)
    keeper = settle(vm, range(32, 64))
    keeper.answer = lambda page: -EAGAIN if page.pfn == 40 else 0

    def give_up(page: Page) -> None:
        del keeper.isolated[page]
        ClearPageMovable(page)
        put_page(page)

    keeper.mapping.a_ops = keeper.mapping.a_ops._replace(putback_page=give_up)
    assert alloc_contig_range(vm, 32, 64) == 0
    assert keeper.count("migrate", 40) == 50
    keeper.check()


def test_out_of_memory_in_the_driver() -> None:
    """The page is put back at once, the rest of its batch is tried again; only then the page is in the way."""
    vm = machine(FRAMES)
    keeper = settle(vm, range(32, 64))
    keeper.answer = lambda page: -ENOMEM if page.pfn == 40 else 0
    assert alloc_contig_range(vm, 32, 64) == -EBUSY
    assert {page.pfn for page in keeper.pages} & set(range(32, 64)) == {40}
    keeper.answer = lambda page: -ENOMEM
    assert alloc_contig_range(vm, 40, 41) == -ENOMEM
    keeper.check()


def test_no_room_elsewhere() -> None:
    vm = machine(FRAMES)
    keeper = settle(vm, [pfn for pfn in range(FRAMES) if pfn not in range(34, 36)])
    assert alloc_contig_range(vm, 32, 40) == -ENOMEM
    assert not keeper.count("migrate")
    keeper.check()


def test_something_unmovable_is_in_the_way() -> None:
    vm = machine(FRAMES)
    keeper = settle(vm, range(32, 64, 2), [33])
    assert alloc_contig_range(vm, 32, 64) == -EBUSY
    assert not keeper.calls
    keeper.check()


def test_the_closed_range_is_rounded_out() -> None:
    """Something unmovable beside the range, in a pageblock that is closed with it, is in the way too."""
    vm = machine(FRAMES)
    settle(vm, [], [32 + 17])
    assert alloc_contig_range(vm, 32, 40) == -EBUSY
    assert alloc_contig_range(vm, 64, 72) == 0
    big = VM(layout=[(0, "Normal", 4096)], pageblock_order=9)
    settle(big, [], [1024 + 600])
    assert alloc_contig_range(big, 1024, 1025) == -EBUSY
    assert alloc_contig_range(big, 2048, 2049) == 0


def test_types_of_pageblocks_are_kept() -> None:
    vm = machine(FRAMES)
    keeper = settle(vm, range(1, FRAMES, 2))
    zone = vm.zones[0]
    for pfn, migratetype in ((32, MIGRATE_CMA), (48, MIGRATE_UNMOVABLE)):
        change_pageblock_type(zone, pfn, migratetype)
    assert alloc_contig_range(vm, 32, 64) == 0
    types = [zone.pageblock_type(pfn) for pfn in (16, 32, 48, 64)]
    assert types == [MIGRATE_MOVABLE, MIGRATE_CMA, MIGRATE_UNMOVABLE, MIGRATE_MOVABLE]
    keeper.check()


def test_a_cma_request_moves_what_only_looked_unmovable() -> None:
    vm = machine(FRAMES)
    keeper = settle(vm, range(32, 63, 2), [33])
    for pfn in (32, 48):
        change_pageblock_type(vm.zones[0], pfn, MIGRATE_CMA)
    assert alloc_contig_range(vm, 32, 64, MIGRATE_CMA) == -EBUSY  # tried, and 33 stayed
    assert keeper.count("migrate") == 16
    put_page(vm.page(33))
    assert alloc_contig_range(vm, 32, 64, MIGRATE_CMA) == 0
    keeper.check()


def test_a_range_that_is_none() -> None:
    vm = VM(layout=[(0, "Normal", 64), (1, "Normal", 64)])
    assert alloc_contig_range(vm, 10, 10) == -EINVAL
    assert alloc_contig_range(vm, 60, 70) == -EINVAL
    with pytest.raises(UsageError, match="frame 128"):
        alloc_contig_range(vm, 128, 130)


def test_freeing_a_frame_that_somebody_else_uses_is_noticed() -> None:
    vm = machine(FRAMES)
    assert alloc_contig_range(vm, 0, 4) == 0
    vm.page(2)._refcount += 1
    free_contig_range(vm, 0, 4)
    assert len(vm.warnings) == 1
    assert "page 2 " in vm.warnings[0]
