"""Processes beside migration: every interleaving of small scenes, random ones of larger, and cores that are wrong."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from contextlib import suppress
from dataclasses import replace
from errno import EFAULT

import pytest

from movable import VM
from movable.eras import ERAS, Era
from movable.explore import Scene, explore
from movable.explore.engine import Scheduler
from movable.explore.search import Report
from movable.filesystem import Disk
from movable.mm import migrate_lru, page_flags, rmap
from movable.mm.filemap import trylock_page, unlock_page
from movable.mm.gup import get_user_pages
from movable.mm.madvise import madvise_dontneed
from movable.mm.memory_failure import soft_offline_page
from movable.mm.mempolicy_calls import UserMask, sys_migrate_pages
from movable.mm.migrate import MIGRATE_SYNC
from movable.mm.mm_types import VM_READ, VM_SHARED, VM_WRITE, VMA
from movable.mm.mmap import do_mmap, do_munmap
from movable.mm.move_pages import UserArray, sys_move_pages
from movable.mm.page import Page, put_page
from movable.mm.pgtable import PTE_RW, PTE_SHIFT
from movable.mm.process import Signal
from movable.mm.rmap import page_referenced
from movable.mm.seam import Seam
from movable.mm.swap import lru_add_drain_all, lruvec
from movable.mm.swapfile import swapon
from movable.mm.userspace import Userspace, userspace
from movable.mm.validate import validate_vm
from movable.mm.vmscan_isolate import count_isolated, isolate_lru_page
from movable.mm.vmscan_lru import shrink_node
from movable.rules.stream.monitor import Monitor

START = 0x100000
RW = VM_READ | VM_WRITE


class Stage:
    """A process with one or two pages on node 0, and what its tasks saw."""

    def __init__(self, scheduler: Scheduler, era: str | Era, pages: int = 1, shared: bool = False, swap: bool = False) -> None:
        self.vm = VM(64 << 12, nodes=2, era=era, pageblock_order=2)
        self.task = userspace(self.vm).spawn("demo")
        self.root = self.task.user.spawn("root")
        do_mmap(self.task, START, pages << 12, RW | (VM_SHARED if shared else 0))
        for n in range(pages):
            self.task.write(START + (n << 12), b"old")
        lru_add_drain_all(self.task.user)
        if swap:
            swapon(self.task.user, Disk(self.vm, 32), 8)
            for pte in self.task.mm.pgtable.values() if self.task.mm is not None else ():
                page = self.vm.pages[pte >> PTE_SHIFT]
                page_referenced(self.task.user, page)
        self.pages = pages
        self.seen: dict[str, Hashable] = {}
        self.monitor = Monitor(era=era)
        self.vm.install(Seam(scheduler))
        self.vm.observe(self.monitor.feed)

    # what tasks do

    def move(self) -> None:
        status = UserArray([99] * self.pages)
        addresses = UserArray([START + (n << 12) for n in range(self.pages)])
        nodes = UserArray([1] * self.pages)
        ret = sys_move_pages(self.root, self.task.pid, self.pages, addresses, nodes, status, 4)
        self.seen["move"] = (ret, *status)

    def migrate(self) -> None:
        self.seen["migrate"] = sys_migrate_pages(self.root, self.task.pid, 64, UserMask(1), UserMask(2))

    def retire(self) -> None:
        assert self.task.mm is not None
        pte = self.task.mm.pgtable.get(START >> 12, 0)
        self.seen["retire"] = soft_offline_page(self.vm, pte >> PTE_SHIFT) if pte else 0

    def write(self) -> None:
        try:
            self.task.write(START, b"new")
        except Signal:  # it is unmapped already
            return
        self.seen["write"] = b"new"

    def read(self) -> None:
        with suppress(Signal):
            self.seen["read"] = self.task.read(START, 3)

    def pin(self) -> None:
        """Somebody takes a reference through the mapping, and reads what it leads to, twice."""
        pages = get_user_pages(self.task, START, 1) if self.task.mm is not None else -EFAULT
        if isinstance(pages, int):
            return
        self.seen["read"] = bytes(self.vm.map_page(pages[0])[:3])
        self.vm.wait(("pin", START), lambda: True, "its turn to go on")
        assert pages[0]._refcount > 0
        put_page(pages[0])

    def fork(self) -> None:
        child = self.task.fork("child")
        self.seen["fork"] = child.read(START, 3)

    def unmap(self) -> None:
        self.seen["unmap"] = do_munmap(self.task, START, 4096)

    def forget(self) -> None:
        self.seen["forget"] = madvise_dontneed(self.task, START, 4096)

    def reclaim(self) -> None:
        for node in self.vm.nodes:
            shrink_node(self.task.user, node, 0)

    def leave(self) -> None:
        self.task.exit()

    # what must hold

    def check(self) -> None:
        self.monitor.finish(quiescent=True)
        self.vm.install(None)
        broken = {id: found[0].text for id, found in self.monitor.broken.items() if id[0] == "V"}
        assert not broken, broken
        validate_vm(self.vm)
        assert self.seen.get("write", b"new") == b"new"
        assert self.seen.get("read", b"old") in (b"old", b"new", b"\0\0\0")
        if "write" in self.seen and not {"unmap", "forget"} & self.seen.keys() and self.task.mm is not None:
            assert self.task.read(START, 3) == b"new", "a write was lost"

    def state(self) -> Hashable:
        nodes = () if self.task.mm is None else tuple(
            (vpn, self.vm.pages[pte >> PTE_SHIFT].node) for vpn, pte in sorted(self.task.mm.pgtable.items())
        )
        return tuple(sorted(self.seen.items(), key=repr)), nodes


def scene(names: str, era: str | Era, pages: int = 1, shared: bool = False) -> Callable[[Scheduler], Scene]:
    """The tasks by name, run at the same time."""

    def program(scheduler: Scheduler) -> Scene:
        stage = Stage(scheduler, era, pages, shared, "reclaim" in names)
        tasks = [(f"{name} {n}", getattr(stage, name)) for n, name in enumerate(names.split())]
        return Scene(tasks, stage.check, stage.state)

    return program


SWAPPING = ["reclaim write", "reclaim read", "reclaim fork", "reclaim unmap", "reclaim leave", "reclaim move", "reclaim reclaim"]
PAIRS = ["move write", "move read", "move fork", "move unmap", "move forget", "move leave", "migrate write", "retire write"]
MOVERS = ["move move", "migrate move", "retire move", "retire retire", "migrate fork"]


def states(names: str, era: str | Era, strategy: str, executions: int) -> tuple[Report, set[Hashable]]:
    """A search, and the end states that it met."""
    program = scene(names, era)
    seen: set[Hashable] = set()

    def told(scheduler: Scheduler) -> Scene:
        made = program(scheduler)
        assert made.check is not None
        assert made.state is not None
        check, state = made.check, made.state

        def both() -> None:
            seen.add(state())
            check()

        return replace(made, check=both)

    return explore(told, strategy=strategy, executions=executions, shrink=False), seen


TWO_PASSES = replace(ERAS["4.19"], passes=2)
"""A task that meets a page on its way spoils the pass there, so each pass has ten times as many interleavings."""


@pytest.mark.parametrize("era", [TWO_PASSES, ERAS["6.1"], ERAS["7.3"]], ids=lambda era: era.name)
@pytest.mark.parametrize("names", PAIRS)
def test_all_interleavings_of_two(names: str, era: Era) -> None:
    """The systematic search ends, finds nothing, and misses no end state that random schedules meet."""
    report, found = states(names, era, "dpor", 3000)
    assert report.failure is None, str(report)
    assert report.complete
    random, met = states(names, era, "urw", 40)
    assert random.failure is None, str(random)
    assert met <= found


def test_who_waits_for_a_page_on_its_way_spoils_the_pass() -> None:
    """Up to 5.19 the reference of a fault that waits is one too many; later the move succeeds in every interleaving."""
    moved = {(("move", (0, 1)), ("write", b"new")), (("move", (1, 99)), ("write", b"new"))}
    found = {era.name: states("move write", era, "dpor", 3000)[1] for era in (TWO_PASSES, ERAS["6.1"])}
    ends = {name: {state[0] for state in met if isinstance(state, tuple)} for name, met in found.items()}
    assert len(ends["4.19"]) == 2 and len(ends["6.1"]) == 1, ends
    assert ends["6.1"] < ends["4.19"] == moved, ends


class Middle(Stage):
    """The middle of a move alone, small enough for every schedule there is: the page is isolated, and both are locked."""

    def __init__(self, scheduler: Scheduler, era: str) -> None:
        super().__init__(scheduler, era)
        seam = self.vm.seam
        self.vm.install(None)
        assert self.task.mm is not None
        self.old = self.vm.pages[self.task.mm.pgtable[START >> 12] >> PTE_SHIFT]
        assert isolate_lru_page(self.old) == 0
        count_isolated(self.old, 1)
        new = self.vm.alloc_page(nid=1)
        assert new is not None
        self.new = new
        assert trylock_page(self.old)
        assert trylock_page(self.new)
        self.vm.install(seam)

    def middle(self) -> None:
        self.seen["middle"] = migrate_lru.unmap_and_move_lru(self.new, self.old, MIGRATE_SYNC)
        unlock_page(self.new)
        unlock_page(self.old)


@pytest.mark.parametrize("name", ["read", "write", "forget"])
def test_brute_force_meets_no_other_end(name: str) -> None:
    """Every schedule there is (dfs) comes to the same ends as the few that the systematic search runs."""
    ends: dict[str, set[Hashable]] = {}
    for strategy in ("dfs", "dpor"):
        met = ends[strategy] = set()

        def program(scheduler: Scheduler, met: set[Hashable] = met) -> Scene:
            stage = Middle(scheduler, "6.1")
            return Scene([("middle", stage.middle), (name, getattr(stage, name))], lambda: met.add(stage.state()))

        report = explore(program, strategy=strategy, executions=3000, shrink=False)
        assert report.complete, str(report)
        assert report.failure is None, str(report)
    assert ends["dfs"] == ends["dpor"]


@pytest.mark.parametrize("names", ["move pin", "unmap pin", "forget pin", "reclaim pin", "pin write"])
def test_a_pin_without_a_lock_beside_others(names: str) -> None:
    """The page that it took stays where it is, and is not freed, until it is let go."""
    report, _ = states(names, "6.1", "dpor", 60)
    assert report.failure is None, str(report)


@pytest.mark.parametrize("names", SWAPPING)
def test_reclaim_beside_others(names: str) -> None:
    report, _ = states(names, "6.1", "dpor", 100)
    assert report.failure is None, str(report)


@pytest.mark.parametrize("names", ["reclaim write", "reclaim unmap", "reclaim move", "reclaim reclaim"])
def test_reclaim_of_shared_memory_beside_others(names: str) -> None:
    report = explore(scene(names, "6.1", 1, True), strategy="dpor", executions=60, shrink=False)
    assert report.failure is None, str(report)


@pytest.mark.parametrize("era", ["6.1", "7.3"])
@pytest.mark.parametrize("names", MOVERS)
def test_two_movers(names: str, era: str) -> None:
    report, _ = states(names, era, "pos", 50)
    assert report.failure is None, str(report)


@pytest.mark.parametrize("names", ["move write fork", "move write unmap", "move move write", "migrate write retire"])
def test_three_at_once_on_a_shared_page(names: str) -> None:
    report = explore(scene(names, "6.1", 2, True), strategy="pos", executions=40, shrink=False)
    assert report.failure is None, str(report)


# --- cores that are wrong ---


def forgets_entries(user: Userspace, old: Page, new: Page) -> None:
    """The entries stay."""


def restores_writable(vma: VMA, entry: int, new: Page) -> int:
    """Every mapping comes back writable."""
    return _restored(vma, entry, new) | PTE_RW


def does_not_count(mapping: object, newpage: Page, page: Page) -> int:
    """The reference count is not looked at."""
    newpage._index, newpage._mapping = page._index, page._mapping
    newpage._flags |= page._flags & page_flags.SWAPBACKED
    seam = page.seam
    assert seam is not None
    seam.event("move_mapping", page, newpage=newpage.pfn, expected=1, ret=0)
    return 0


_restored = rmap._restored


def broken_by(names: str, executions: int = 300) -> str:
    report = explore(scene(names, "6.1"), strategy="pos", executions=executions, shrink=False)
    return "" if report.failure is None else str(report.failures[0])


def test_an_entry_that_stays_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(migrate_lru, "remove_migration_ptes", forgets_entries)
    assert "V41" in broken_by("move")


def test_a_right_too_many_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rmap, "_restored", restores_writable)
    assert "V30" in broken_by("fork move")


def test_a_reference_that_is_not_counted_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(migrate_lru, "migrate_page_move_mapping", does_not_count)
    assert "V28" in broken_by("move retire write")


@pytest.mark.parametrize("target", [False, True])
def test_a_counter_that_does_not_follow_is_found(target: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """A page that moved counts as isolated for ever, or is taken off the count of the node that it moved to."""

    def counts(page: Page, change: int) -> None:
        if target:
            lruvec(page.vm.nodes[1 - page.node]).nr_isolated[0] += change
            assert page.seam is not None
            page.seam.event("mod_nr_isolated", page, node=1 - page.node, change=change)

    monkeypatch.setattr(migrate_lru, "count_isolated", counts)
    assert "V31" in broken_by("move")


def test_a_copy_before_the_last_mapping_is_gone_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = migrate_lru.unmap_and_move_lru

    def copies_first(newpage: Page, page: Page, mode: int) -> int:
        user = page.vm.userspace
        assert user is not None
        assert page.seam is not None
        page.seam.event("copy_lru_page", newpage, source=page.pfn, mapcount=page._mapcount + 1)
        migrate_lru.copy_user_page(newpage, page)
        before = migrate_lru.copy_user_page
        migrate_lru.copy_user_page = lambda to, source: None
        try:
            return whole(newpage, page, mode)
        finally:
            migrate_lru.copy_user_page = before

    def program(scheduler: Scheduler) -> Scene:
        stage = Stage(scheduler, "6.1")
        stage.task.user.move_lru_page = copies_first
        return Scene([("move", stage.move), ("write", stage.write)], stage.check, stage.state)

    report = explore(program, strategy="pos", executions=300, shrink=False, keep_going=True)
    found = " ".join(str(failure) for failure in report.failures)
    assert "V43" in found

