"""Rules of kernels whose marks stay: for each a driver that breaks it, and a twin that does not."""

from __future__ import annotations

from collections.abc import Callable
from errno import EAGAIN, EBUSY, ENOENT
from typing import Any

import pytest

from movable import (
    VM,
    AddressSpace,
    ClearPageBalloon,
    ClearPageIsolated,
    ListHead,
    Page,
    PG_owner_priv_1,
    SetPageIsolated,
    SetPageMovable,
    VMBug,
    clear_page_flag,
    copy_highpage,
    get_page,
    lock_page,
    put_page,
    set_page_flag,
    unlock_page,
)
from movable.contract import Workload, check, operation
from movable.events import Event
from movable.mm.balloon import BalloonDevInfo, balloon_page_alloc, balloon_page_dequeue, balloon_page_enqueue
from movable.mm.list import list_add_tail, list_del
from movable.mm.migrate import (
    MIGRATE_ASYNC,
    MIGRATE_SYNC,
    MR_COMPACTION,
    isolate_movable_page,
    migrate_pages,
    putback_movable_pages,
)
from movable.mm.page_flags import PG_slab, PG_swapbacked, PG_uptodate
from movable.rules.stream.monitor import Monitor
from tests.mm.test_migrate_batch import Scripted


class One:
    """One page, an owner that may release it at any time, and answers by list."""

    def __init__(self, vm: VM, answers: list[int] | None = None) -> None:
        self.vm = vm
        self.answers = answers or []
        self.mapping = vm.address_space(self, "one")
        page = vm.alloc_page()
        assert page is not None
        self.page: Page = page
        lock_page(page)
        page.private = self
        SetPageMovable(page, self.mapping)
        unlock_page(page)

    def release(self) -> None:
        """Page lock, back pointer, unlock, put."""
        lock_page(self.page)
        self.page.private = 0
        unlock_page(self.page)
        put_page(self.page)

    def isolate_page(self, page: Page, mode: int) -> bool:
        return bool(page.private)

    def migrate_page(self, newpage: Page, page: Page, mode: int) -> int:
        if not page.private:
            return 0
        if self.answers:
            return self.answers.pop(0)
        return self.move(newpage, page)

    def move(self, newpage: Page, page: Page) -> int:
        get_page(newpage)
        newpage.private = self
        SetPageMovable(newpage, self.mapping)
        page.private = 0
        self.page = newpage
        put_page(page)
        return 0

    def putback_page(self, page: Page) -> None:
        pass


class AsksForAnother(One):
    """D56: a released page is not yet known to it."""

    def migrate_page(self, newpage: Page, page: Page, mode: int) -> int:
        return -EAGAIN if not page.private else super().migrate_page(newpage, page, mode)


class CopiesAnyway(One):
    """D56: fills a target for a page that is nobody's."""

    def migrate_page(self, newpage: Page, page: Page, mode: int) -> int:
        if page.private:
            return super().migrate_page(newpage, page, mode)
        copy_highpage(newpage, page)
        return 0


class AdoptsForNobody(One):
    """D56: takes a reference on it."""

    def migrate_page(self, newpage: Page, page: Page, mode: int) -> int:
        if page.private:
            return super().migrate_page(newpage, page, mode)
        get_page(newpage)
        return 0


class DropsAgain(One):
    """D56: put-back of a released page drops a reference that the owner gave up already."""

    def putback_page(self, page: Page) -> None:
        if not page.private:
            get_page(page)


class LetsItGo(One):
    """D56: answers True to isolation of a page that it has released."""

    def isolate_page(self, page: Page, mode: int) -> bool:
        return True


class MarksFirst(One):
    """D58: types the target, then finds that it cannot."""

    def migrate_page(self, newpage: Page, page: Page, mode: int) -> int:
        SetPageMovable(newpage, self.mapping)
        return -EAGAIN


class ReleasesUnlocked(One):
    """D59: beside its own callbacks."""

    def release(self) -> None:
        self.page.private = 0
        put_page(self.page)


class LeavesThePointer(One):
    """D59: drops its reference with the back pointer set."""

    def release(self) -> None:
        put_page(self.page)


def watched(era: str = "7.3") -> tuple[VM, Monitor]:
    vm = VM(era=era)
    monitor = Monitor(era=era)
    vm.observe(monitor.feed)
    return vm, monitor


def isolated(page: Page) -> ListHead:
    pages = ListHead("taken")
    assert isolate_movable_page(page, 8) == 0
    list_add_tail(page._lru, pages)
    return pages


def run(driver: type[One], *, release: bool, targets: bool = True, answers: list[int] | None = None) -> Monitor:
    """Isolate, release if asked to, migrate, put back what is left."""
    vm, monitor = watched()
    one = driver(vm, answers)
    pages = isolated(one.page)
    if release:
        one.release()
    migrate_pages(pages, lambda page, vm: vm.alloc_page() if targets else None, None, vm, MIGRATE_SYNC, MR_COMPACTION)
    putback_movable_pages(pages)
    monitor.finish()
    return monitor


@pytest.mark.parametrize(
    ("rule", "driver", "release", "targets"),
    [
        ("D56", AsksForAnother, True, True),
        ("D56", CopiesAnyway, True, True),
        ("D56", AdoptsForNobody, True, True),
        ("D56", DropsAgain, True, False),
        ("D58", MarksFirst, False, True),
        ("D59", ReleasesUnlocked, True, True),
    ],
)
def test_a_driver_that_breaks_it_and_one_that_does_not(rule: str, driver: type[One], release: bool, targets: bool) -> None:
    broken = run(driver, release=release, targets=targets).broken
    assert rule in broken and "D17" not in broken
    if rule != "D58":
        twin = run(One, release=release, targets=targets)
        assert twin.broken == {} and twin.exercised[rule]
    else:
        twin = run(One, release=False, answers=[-EBUSY])
        assert twin.broken == {} and twin.exercised[rule]


def test_a_page_freed_with_its_back_pointer() -> None:
    vm, monitor = watched()
    LeavesThePointer(vm).release()
    assert "D59" in monitor.broken
    vm, monitor = watched()
    One(vm).release()
    assert monitor.broken == {} and monitor.exercised["D59"]


@pytest.mark.parametrize(("driver", "taken"), [(LetsItGo, 0), (One, -EBUSY)])
def test_a_released_page_is_not_isolated(driver: type[One], taken: int) -> None:
    """Somebody else still holds the page, whose type and mark stay."""
    vm, monitor = watched()
    one = driver(vm)
    get_page(one.page)
    one.release()
    assert isolate_movable_page(one.page, 8) == taken
    assert ("D56" in monitor.broken) is (taken == 0) and monitor.exercised["D56"]


def test_a_page_that_never_had_an_owner_may_be_dropped_while_the_core_asks_for_it() -> None:
    """It was marked in advance, and was not wanted after all: no back pointer was ever set."""
    vm, monitor = watched()
    one = One(vm)
    page = vm.alloc_page()
    assert page is not None
    lock_page(page)
    SetPageMovable(page, one.mapping)
    unlock_page(page)

    def drop(event: Event) -> None:
        if event.kind == "trylock_page" and event.pfn == page.pfn:
            put_page(page)

    vm.observe(drop)
    assert isolate_movable_page(page, 8) == -EBUSY
    assert "V1" not in monitor.broken and monitor.exercised["V1"]


# --- the bit that is the mark, and the type ---


class Both(One):
    def migratepage(self, mapping: AddressSpace, newpage: Page, page: Page, mode: int) -> int:
        return self.move(newpage, page)


def flagged(era: str, *bits: int, after: int | None = None) -> tuple[VM, Monitor, Page]:
    """A page with these flags is marked; the bit ``after`` is changed by hand behind that."""
    vm, monitor = watched(era)
    page = vm.alloc_page()
    assert page is not None
    get_page(page)
    lock_page(page)
    for bit in bits:
        set_page_flag(page, bit)
    SetPageMovable(page, vm.address_space(Both.__new__(Both), "one"))
    if after is not None:
        clear_page_flag(page, after)
    return vm, monitor, page


@pytest.mark.parametrize(
    ("bits", "after", "old", "new"),
    [
        ((PG_swapbacked, PG_owner_priv_1), None, {"D7"}, set()),
        ((PG_slab,), None, {"D7"}, {"D7"}),
        ((PG_uptodate,), None, set(), {"D6", "D7"}),
        ((), PG_uptodate, set(), {"D19b"}),
        ((PG_owner_priv_1,), PG_owner_priv_1, set(), set()),
    ],
)
def test_flags_that_mislead(bits: tuple[int, ...], after: int | None, old: set[str], new: set[str]) -> None:
    """The pair of the swap cache misleads nobody any more; PG_uptodate is half of the mark, and stays with it."""
    for era in ("4.19", "6.1"):
        assert set(flagged(era, *bits, after=after)[1].broken) == old
    for era in ("6.17", "7.3"):
        assert set(flagged(era, *bits, after=after)[1].broken) == new


def test_a_type_stays_with_the_mark() -> None:
    vm, _, page = flagged("7.3")
    page._mapcount = vm.era.page_types["offline"]
    with pytest.raises(VMBug, match=r"D19b: .* both to stay until it is free"):
        ClearPageBalloon(page)


# --- hooks of balloons ---

Hook = Callable[[BalloonDevInfo, Page, Page, int], int]


def hooked(hook: Hook) -> Monitor:
    vm, monitor = watched()
    device = BalloonDevInfo(vm, hook)
    page = balloon_page_alloc(vm)
    assert page is not None
    balloon_page_enqueue(device, page)
    pages = isolated(page)
    migrate_pages(pages, lambda page, vm: vm.alloc_page(), None, vm, MIGRATE_SYNC, MR_COMPACTION)
    putback_movable_pages(pages)
    monitor.finish()
    return monitor


def took_a_reference(device: BalloonDevInfo, newpage: Page, page: Page, mode: int) -> int:
    get_page(newpage)
    return 0


def dropped_a_reference(device: BalloonDevInfo, newpage: Page, page: Page, mode: int) -> int:
    get_page(page)
    put_page(page)
    return 0


def five(device: BalloonDevInfo, newpage: Page, page: Page, mode: int) -> int:
    return 5


def cleared(device: BalloonDevInfo, newpage: Page, page: Page, mode: int) -> int:
    page.private = 0
    return -EAGAIN


def listed(device: BalloonDevInfo, newpage: Page, page: Page, mode: int) -> int:
    pages = ListHead("mine")
    list_add_tail(newpage.lru, pages)
    list_del(newpage.lru)
    return 0


def bit_set(device: BalloonDevInfo, newpage: Page, page: Page, mode: int) -> int:
    SetPageIsolated(newpage)
    return 0


def bit_cleared(device: BalloonDevInfo, newpage: Page, page: Page, mode: int) -> int:
    ClearPageIsolated(page)
    return 0


@pytest.mark.parametrize("hook", [took_a_reference, dropped_a_reference, five, cleared, listed, bit_set, bit_cleared])
def test_a_hook_that_does_the_cores_work(hook: Hook) -> None:
    assert "D57" in hooked(hook).broken


def test_a_hook_that_counts() -> None:
    def counts(device: BalloonDevInfo, newpage: Page, page: Page, mode: int) -> int:
        device.isolated_pages -= 1
        return 0

    with pytest.raises(VMBug, match=r"D57: .* fewer than no isolated pages"):
        hooked(counts)


class CountsUp:
    """A device without a host, whose hook counts a page that is on its way."""

    balloon_device = True

    def __init__(self, vm: VM) -> None:
        self.vm = vm
        self.info = BalloonDevInfo(vm, self.hook, owner=self)

    def hook(self, info: BalloonDevInfo, newpage: Page, page: Page, mode: int) -> int:
        info.isolated_pages += 1
        return 0

    def grow(self) -> None:
        page = balloon_page_alloc(self.vm)
        if page is not None:
            balloon_page_enqueue(self.info, page)

    def remove(self) -> None:
        while self.info.has_pages():
            page = balloon_page_dequeue(self.info)
            if page is not None:
                put_page(page)


class Grows(Workload):
    preserves_content = False

    @operation()
    def grow(self) -> None:
        self.driver.grow()


def test_a_hook_that_counts_up() -> None:
    """What is left when all is quiet tells it."""
    assert "D57" in check(CountsUp, Grows, era="7.3", examples=8, interleavings=0, isolate=False).broken


@pytest.mark.parametrize("answer", [0, -EAGAIN, -EBUSY, -ENOENT])
def test_a_hook_that_only_answers(answer: int) -> None:
    monitor = hooked(lambda device, newpage, page, mode: answer)
    assert monitor.broken == {} and monitor.exercised["D57"] and monitor.exercised["V40"]


# --- the core ---


def stream(answers: list[int]) -> list[Event]:
    events: list[Event] = []
    vm = VM(era="7.3")
    vm.observe(events.append)
    one = One(vm, answers)
    pages = isolated(one.page)
    migrate_pages(pages, lambda page, vm: vm.alloc_page(), None, vm, MIGRATE_SYNC, MR_COMPACTION)
    putback_movable_pages(pages)
    one.release()
    return events


def judged(events: list[Event], era: str = "7.3") -> Monitor:
    monitor = Monitor(era=era)
    for event in events:
        monitor.feed(event)
    monitor.finish()
    return monitor


def test_a_final_error_is_asked_once_more() -> None:
    events = stream([-EBUSY, -EBUSY])
    fine = judged(events)
    assert fine.broken == {} and fine.exercised["V36"]
    asked = [number for number, event in enumerate(events) if event.kind == "migratepage"]
    assert len(asked) == 2
    second = max(number for number in range(asked[1]) if events[number].kind == "get_new_page")
    end = next(number for number in range(asked[1], len(events)) if events[number].kind == "put_new_page")
    assert "V36" in judged([event for number, event in enumerate(events) if not second <= number <= end]).broken


def edited(events: list[Event], kind: str, change: Callable[[Event], Event]) -> list[Event]:
    return [change(event) if event.kind == kind else event for event in events]


def test_what_the_core_never_does() -> None:
    events = stream([])
    assert judged(events).broken == {} and judged(events).exercised["V38"] and judged(events).exercised["V39"]
    isolated_bit = next(event.flags for event in events if event.kind == "migratepage")
    assert "V39" in judged(edited(events, "free_page", lambda event: event._replace(flags=isolated_bit & ~1))).broken
    given = next(event for event in events if event.kind == "get_new_page")
    at = next(number for number, event in enumerate(events) if event.kind == "move_to_new_page_ret") + 1
    back = given._replace(kind="put_new_page", seq=events[at].seq)
    assert "V38" in judged([*events[:at], back, *events[at:]]).broken
    held: list[Event] = []
    for event in hooks():
        if event.kind == "balloon_hook":
            taken = {"lock": "balloon_pages_lock", "type": "spinlock", "tried": False}
            held.append(event._replace(kind="lock", pfn=-1, args=taken))
        held.append(event)
    assert "V40" in judged(held).broken


def hooks() -> list[Event]:
    events: list[Event] = []
    vm = VM(era="7.3")
    vm.observe(events.append)
    device = BalloonDevInfo(vm, lambda *arguments: 0)
    page = balloon_page_alloc(vm)
    assert page is not None
    balloon_page_enqueue(device, page)
    pages = isolated(page)
    migrate_pages(pages, lambda page, vm: vm.alloc_page(), None, vm, MIGRATE_ASYNC, MR_COMPACTION)
    return events


def test_eras_without_them() -> None:
    rules: dict[str, Any] = {era: Monitor(era=era).judged for era in ("4.19", "6.1", "6.17", "7.3")}
    assert not {"D56", "D59", "V36"} & (rules["4.19"] | rules["6.1"])
    assert {"D56", "D58", "D59", "D60", "V36", "V37", "V38"} <= rules["6.17"] and "D57" not in rules["6.17"]
    assert {"D57", "V39", "V40", "D22"} <= rules["7.3"] and not {"D19", "D21", "D25", "D28"} & rules["7.3"]


@pytest.mark.parametrize("waits", [True, False])
def test_operations_are_not_taken_away_from_pages(waits: bool) -> None:
    """Emptying a slot waits for nobody: the page that is left would be moved by nobody's callbacks."""
    vm = VM(era="7.3")
    monitor = Monitor(era="7.3")
    vm.observe(monitor.feed)
    driver = One(vm)
    if waits:
        driver.release()
    vm.set_movable_ops(None, "zsmalloc")
    assert monitor.exercised["D60"] and ("D60" in monitor.broken) is not waits


@pytest.mark.parametrize("releases", [True, False])
def test_a_page_that_others_have_yet_to_drop_keeps_no_operations(releases: bool) -> None:
    """The old page of a move and its successor, both of which the core still holds, and which carry their marks until then."""
    vm, monitor = watched()
    driver = One(vm)

    def leave(event: Event) -> None:
        if event.kind == "migratepage_ret":
            if releases:
                driver.page.private = 0
                put_page(driver.page)
            vm.set_movable_ops(None, "zsmalloc")

    vm.observe(leave)
    migrate_pages(isolated(driver.page), lambda page, vm: vm.alloc_page(), None, vm, MIGRATE_SYNC, MR_COMPACTION)
    assert monitor.exercised["D60"] and ("D60" in monitor.broken) is not releases


@pytest.mark.parametrize("era", ["6.17", "7.3"])
def test_a_batch_is_locked_together(era: str) -> None:
    """Two pages in a hurried part; then the second gets its target late, or is unlocked early."""
    events: list[Event] = []
    vm = VM(era=era)
    vm.observe(events.append)
    driver = Scripted(vm)
    pages = ListHead("taken")
    for page in list(driver.add(2)):
        assert isolate_movable_page(page, 8) == 0
        list_add_tail(page._lru, pages)
    migrate_pages(pages, lambda page, vm: vm.alloc_page(), None, vm, MIGRATE_SYNC, MR_COMPACTION)
    found = judged(events, era)
    assert found.broken == {} and found.exercised["V37"] == 1
    kinds = [event.kind for event in events]
    second, asked = len(kinds) - 1 - kinds[::-1].index("get_new_page"), kinds.index("move_to_new_page")
    late = [*events[:second], *events[second + 1 : asked + 1], events[second], *events[asked + 1 :]]
    assert "V37" in judged(renumbered(late), era).broken
    early = events[second]._replace(kind="unlock_page", args={})
    assert "V37" in judged(renumbered([*events[: asked + 1], early, *events[asked + 1 :]]), era).broken
    ordinary = [event._replace(pfn=99, mapping=0) for event in (events[second], early)]  # a page of the LRU lists among them moves
    among = [*events[:asked], ordinary[0], events[asked], ordinary[1], *events[asked + 1 :]]
    assert "V37" not in judged(renumbered(among), era).broken


def renumbered(events: list[Event]) -> list[Event]:
    return [event._replace(seq=number) for number, event in enumerate(events)]


def test_a_hook_that_drops_the_old_page() -> None:
    """As the hooks of 6.17 had to; the balloon core does that now, and so the page is freed while it is isolated."""
    events = hooks()
    after = next(number for number, event in enumerate(events) if event.kind == "balloon_hook_ret") + 1
    old = events[after - 1].pfn
    freed = next(event for event in events if event.kind == "free_page" and event.pfn == old)
    early = freed._replace(flags=freed.flags | 1 << 17 | 1, task=events[after - 1].task)
    moved = [*events[:after], early, *(event for event in events[after:] if event != freed)]
    assert "D57" in judged(renumbered(moved)).broken and "D57" not in judged(events).broken
