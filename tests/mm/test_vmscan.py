"""What an allocation does when no zone has enough: shrinkers, notifiers, compaction, and when it gives up."""

from __future__ import annotations

import pytest

from movable.errors import DeadlockError
from movable.mm.gfp import (
    GFP_ATOMIC,
    GFP_HIGHUSER_MOVABLE,
    GFP_KERNEL,
    GFP_NOFAIL,
    GFP_NORETRY,
    GFP_NOWAIT,
    GFP_RETRY_MAYFAIL,
    GFP_THISNODE,
)
from movable.mm.page import Page, put_page
from movable.mm.page_alloc_slowpath import SlowPath
from movable.mm.validate import validate_vm
from movable.mm.vm import VM
from movable.mm.vmscan import SHRINK_STOP, try_to_free_pages
from tests.drivers_for_tests.ring import Ring
from tests.drivers_for_tests.taking import alloc, take_all

# --- shrinkers and notifiers ---


class Hoard:
    """A shrinker, and a notifier, that gives back pages it was given."""

    def __init__(self, vm: VM, gfp: int = GFP_HIGHUSER_MOVABLE) -> None:
        self.pages = take_all(vm, gfp)
        self.scanned: list[int] = []
        self.stop = False

    def release(self, nr: int) -> int:
        nr = min(nr, len(self.pages))
        for _ in range(nr):
            put_page(self.pages.pop(0))
        return nr

    def count_objects(self) -> int:
        return len(self.pages)

    def scan_objects(self, nr: int) -> int:
        self.scanned.append(nr)
        return SHRINK_STOP if self.stop else self.release(nr)


def test_shrinkers_are_pressed_ever_harder() -> None:
    vm = VM(1024 << 12)
    hoard = Hoard(vm)
    assert len(hoard.pages) == 960
    vm.shrinkers.append(hoard)
    assert vm.alloc_page(GFP_KERNEL) is not None
    # 960 >> 3 is the first share that, doubled, makes a batch; a batch is more than is needed
    assert hoard.scanned == [128]
    assert vm.vmstat["allocstall_normal"] == 1
    assert vm.vmstat["slabs_scanned"] == 128


class Stubborn:
    """A shrinker with objects that it does not free."""

    def __init__(self, vm: VM, count: int, answer: int) -> None:
        self.vm = vm
        self.count = count
        self.answer = answer
        self.scanned: list[int] = []
        self.memalloc: set[bool] = set()

    def count_objects(self) -> int:
        return self.count

    def scan_objects(self, nr: int) -> int:
        self.scanned.append(nr)
        self.memalloc.add(self.vm.current.memalloc)
        return self.answer


@pytest.mark.parametrize(
    ("count", "answer", "scanned"),
    [(1000, 0, [128] * (1 + 3 + 7 + 15)), (1000, SHRINK_STOP, [128] * 4), (10, 0, [10, 20]), (1, 0, [2])],
)
def test_how_much_a_shrinker_is_asked_for(count: int, answer: int, scanned: list[int]) -> None:
    """Twice the share of each pressure, in batches of 128, and no batch smaller than that unless it is all there is."""
    vm = VM()
    vm.shrinkers.append(Stubborn(vm, count, answer))
    assert try_to_free_pages(vm) == 0
    assert vm.shrinkers[0].scanned == scanned  # type: ignore[attr-defined]


def test_who_is_asked_to_free_memory_may_use_the_reserve() -> None:
    vm = VM()
    take_all(vm)
    stubborn = Stubborn(vm, 1, 0)
    vm.shrinkers.append(stubborn)
    assert vm.alloc_page(GFP_KERNEL) is None
    assert stubborn.memalloc == {True}
    assert not vm.current.memalloc


def test_a_shrinker_may_ask_to_be_left_alone() -> None:
    vm = VM()
    hoard = Hoard(vm)
    hoard.stop = True
    vm.shrinkers.append(hoard)
    assert try_to_free_pages(vm) == 0
    assert vm.alloc_page(GFP_KERNEL) is None


def test_an_empty_shrinker_is_not_asked() -> None:
    vm = VM()
    hoard = Hoard(vm)
    hoard.release(len(hoard.pages))
    vm.shrinkers.append(hoard)
    assert try_to_free_pages(vm) == 0
    assert not hoard.scanned


def test_notifiers_are_asked_last() -> None:
    vm = VM()
    hoard = Hoard(vm)
    vm.oom_notifiers.append(lambda: hoard.release(8))
    assert vm.alloc_page(GFP_KERNEL) is not None
    assert len(hoard.pages) == 60 - 8


@pytest.mark.parametrize("gfp", [GFP_NOWAIT, GFP_ATOMIC, GFP_KERNEL | GFP_NORETRY, GFP_KERNEL | GFP_RETRY_MAYFAIL])
def test_who_does_not_ask_notifiers(gfp: int) -> None:
    vm = VM()
    hoard = Hoard(vm, GFP_ATOMIC)
    vm.oom_notifiers.append(lambda: hoard.release(8))
    assert vm.alloc_page(gfp) is None
    assert vm.alloc_pages(GFP_KERNEL, 4) is None
    assert vm.alloc_page(GFP_KERNEL | GFP_THISNODE) is None
    assert len(hoard.pages) == vm.zones[0].pgalloc


def test_a_request_that_must_not_fail_uses_the_reserve_and_then_says_so() -> None:
    vm = VM()
    take_all(vm)
    for _ in range(4):
        assert vm.alloc_page(GFP_KERNEL | GFP_NOFAIL) is not None
    with pytest.raises(DeadlockError, match="NOFAIL"):
        vm.alloc_page(GFP_KERNEL | GFP_NOFAIL)


def test_a_notifier_that_lies_does_not_keep_the_machine_busy_for_ever() -> None:
    vm = VM()
    take_all(vm)
    asked = []
    vm.oom_notifiers.append(lambda: asked.append(1) or 1)  # type: ignore[func-returns-value]
    assert vm.alloc_page(GFP_KERNEL) is None
    assert 1 < len(asked) < 100


def test_compaction_makes_room_for_a_larger_order() -> None:
    vm = VM(pageblock_order=3, layout=[(0, "Normal", 64)])
    ring = Ring(vm)
    pages = [ring.add(fill) for fill in range(32)]
    for page in pages[1::2]:
        ring.release(page)
    for page in take_all(vm)[::2]:
        put_page(page)
    assert max(order for _, order in vm.zones[0].free_blocks()) <= 1
    block = vm.alloc_pages(GFP_KERNEL, 2)
    assert block is not None and block.order == 2
    assert vm.vmstat["compact_success"] == 1
    assert vm.vmstat["compact_stall"] == 1 + vm.vmstat["compact_fail"]
    assert vm.vmstat["pgmigrate_success"] > 0
    assert not vm.current.memalloc
    validate_vm(vm)


def test_compaction_that_cannot_help_is_counted_and_bounded() -> None:
    vm = VM(pageblock_order=3, layout=[(0, "Normal", 64)])
    vm.zones[0].watermark = (0, 0, 0)
    for page in take_all(vm)[::2]:
        put_page(page)
    assert vm.alloc_pages(GFP_KERNEL, 1) is None
    assert vm.vmstat["compact_success"] == 0
    assert vm.vmstat["compact_stall"] == vm.vmstat["compact_fail"] <= 8
    validate_vm(vm)


# --- compaction ---


class Compactor:
    """Stands in for compaction: remembers what it was asked for and answers as told."""

    def __init__(self, vm: VM, monkeypatch: pytest.MonkeyPatch, result: int) -> None:
        self.vm = vm
        self.result = result
        self.priorities: list[int] = []
        self.memalloc: set[bool] = set()
        self.gives: list[Page] = []
        monkeypatch.setattr(vm, "direct_compact", self.direct_compact)

    def direct_compact(self, order: int, gfp: int, priority: int, nid: int, captured: list[int]) -> int:
        self.priorities.append(priority)
        self.memalloc.add(self.vm.current.memalloc)
        for page in self.gives:
            put_page(page)
        self.gives = []
        return self.result


SKIPPED, DEFERRED, COMPLETE, PARTIAL, SUCCESS = 1, 2, 5, 6, 8


@pytest.mark.parametrize(
    ("gfp", "order", "result", "priorities"),
    [
        (GFP_KERNEL, 0, COMPLETE, []),
        (GFP_NOWAIT, 1, COMPLETE, []),
        (GFP_KERNEL, 1, COMPLETE, [2, 1, 0]),
        (GFP_HIGHUSER_MOVABLE, 1, COMPLETE, [1, 0]),
        (GFP_KERNEL | GFP_NORETRY, 1, COMPLETE, [2, 1]),
        (GFP_KERNEL, 4, COMPLETE, [2, 1]),
        (GFP_KERNEL | GFP_RETRY_MAYFAIL, 4, COMPLETE, [2, 1]),
        (GFP_KERNEL | GFP_NORETRY, 4, COMPLETE, [2, 2]),
        (GFP_KERNEL | GFP_NORETRY, 4, DEFERRED, [2]),
    ],
)
def test_how_hard_compaction_is_asked_to_work(
    gfp: int, order: int, result: int, priorities: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    vm = VM()
    take_all(vm, GFP_ATOMIC)
    compactor = Compactor(vm, monkeypatch, result)
    assert vm.alloc_pages(gfp, order) is None
    assert compactor.priorities == priorities
    assert compactor.memalloc <= {True}
    counted = len(priorities) if result > DEFERRED else 0
    assert (vm.vmstat["compact_stall"], vm.vmstat["compact_fail"]) == (counted, counted)


def test_compaction_that_made_room_ends_the_back_off(monkeypatch: pytest.MonkeyPatch) -> None:
    vm = VM()
    zone = vm.zones[0]
    pages = [alloc(vm, order=3) for _ in range(7)]
    take_all(vm)
    compactor = Compactor(vm, monkeypatch, SUCCESS)
    compactor.gives = pages[:2]
    zone.compact_blockskip_flush = True
    zone.compact_defer_shift = zone.compact_considered = 3
    assert alloc(vm, order=3).order == 3
    assert not zone.compact_blockskip_flush
    assert (zone.compact_considered, zone.compact_defer_shift, zone.compact_order_failed) == (0, 0, 4)
    assert (vm.vmstat["compact_stall"], vm.vmstat["compact_success"]) == (1, 1)


def test_compaction_that_was_skipped_is_not_followed_by_a_try(monkeypatch: pytest.MonkeyPatch) -> None:
    vm = VM()
    pages = [alloc(vm, order=3) for _ in range(7)]
    take_all(vm)
    compactor = Compactor(vm, monkeypatch, SKIPPED)
    compactor.gives = pages[:2]
    assert alloc(vm, order=3) in pages
    assert (vm.vmstat["compact_stall"], vm.vmstat["compact_success"]) == (0, 0)


@pytest.mark.parametrize(
    ("order", "result", "rounds"), [(1, SUCCESS, 16), (4, SUCCESS, 4), (1, COMPLETE, 0), (0, SUCCESS, None)]
)
def test_how_often_compaction_is_tried_again_while_reclaim_gets_on(order: int, result: int, rounds: int | None) -> None:
    vm = VM()
    path = SlowPath(vm, vm.nodes[0], GFP_KERNEL, order)
    path.compact_result = result
    before = path.priority
    again = 0
    while path.should_compact_retry(1) and path.priority == before:
        again += 1
        assert again < 100
    assert again == (rounds or 0)
    assert (path.priority < before) == (rounds is not None and order < 4)


def test_compaction_that_gave_up_is_tried_again_where_it_has_room() -> None:
    vm = VM()
    path = SlowPath(vm, vm.nodes[0], GFP_KERNEL, 2)
    path.compact_result = PARTIAL
    assert path.should_compact_retry(1) and path.priority == 1
    take_all(vm)
    assert not path.should_compact_retry(1)
