"""B05, B09B and B17: balloons, and what two of their tasks share."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from movable import (
    GFP_KERNEL,
    VM,
    ClearPageMovable,
    Page,
    adjust_managed_page_count,
    list_del,
    list_first,
    lock_page,
    put_page,
    unlock_page,
)
from movable.contract import operation
from movable.contract.museum import Exhibit
from movable.mm.page_alloc_slowpath import SlowPath, alloc_pages_slowpath
from movable.museum.balloon_locks import InflatesLocked
from movable.museum.bases.balloon import Balloon, BalloonWorkload
from movable.workload.scenario import op, scenario


class SharesItsScratch(Balloon):
    def __init__(self, vm: VM) -> None:
        super().__init__(vm)
        self.batch: list[Page] = []

    def deflate(self, count: int) -> int:
        with self.mutex:
            self.batch = [page for _ in range(count) if (page := self.dequeue()) is not None]
        for page in self.batch:
            adjust_managed_page_count(page, 1)
            put_page(page)
        return len(self.batch)


class NoPageLock(Balloon):
    """Takes pages out under the lock of the list alone."""

    def dequeue(self) -> Page | None:
        with self.lock:
            page = list_first(self.pages)
            if page is None:
                return None
            page.private = 0
            list_del(page.lru)
            self.size -= 1
        lock_page(page)
        ClearPageMovable(page)
        unlock_page(page)
        return page

    def isolate_page(self, page: Page, mode: int) -> bool:
        """Off the list, unless deflating was faster; the lock is there whatever becomes of the page."""
        with self.lock:
            if self.closing or page.private == 0:
                return False
            list_del(page.lru)
            self.isolated += 1
        return True


class LockBehindPrivate(NoPageLock):
    def isolate_page(self, page: Page, mode: int) -> bool:
        with page.private.lock:
            if self.closing:
                return False
            list_del(page.lru)
            self.isolated += 1
        return True


class OneAtATime(SlowPath):
    """Who is out of memory waits for whoever was so before."""

    def out_of_memory(self) -> tuple[Page | None, int]:
        with vars(self.vm).setdefault("oom_lock", self.vm.mutex("oom_lock")):
            return super().out_of_memory()


def one_at_a_time(vm: VM, node: Any, gfp: int, order: int) -> Page | None:
    return OneAtATime(vm, node, gfp, order).run()


class InflatesLockedAndKnowsIt(InflatesLocked):
    def oom(self) -> int:
        return 0 if self.mutex.owner is self.vm.current else super().oom()


class OutOfMemoryWorkload(BalloonWorkload):
    """A balloon, and somebody else who wants memory."""

    scenarios = (
        scenario("two are out of memory", op("inflate", count=4), op("demand", count=4), prefix=[op("inflate", count=26)]),
    )

    def __init__(self, vm: VM, *more: Any) -> None:
        super().__init__(vm, *more)
        self.taken: list[Page] = []

    @operation(count=st.integers(1, 12))
    def demand(self, count: int) -> None:
        self.taken += [page for _ in range(count) if (page := self.vm.alloc_page(GFP_KERNEL)) is not None]

    def teardown(self) -> None:
        super().teardown()
        while self.taken:
            put_page(self.taken.pop())


EXHIBITS = (
    Exhibit(
        id="B05",
        slug="bal-pfns-clobber",
        year=2015,
        commit="f68b992bbb47",
        layer="driver virtio_balloon",
        title="two tasks note their pages in the same array",
        story="""
            Deflating notes the pages that it takes out in an array of the device, drops the mutex, and gives back what the
            array says. Meanwhile somebody else deflates, and notes his own pages there. His are given back twice, the others
            never.
        """,
        fix="Give the pages back under the mutex; later, a list of one's own.",
        rules=("D53", "D18"),
        broken=SharesItsScratch,
        twin=Balloon,
        workload=BalloonWorkload,
        depth=(2, 1),
    ),
    Exhibit(
        id="B09B",
        slug="bal-oom-two-tasks",
        year=2017,
        commit="c7cdff0e8647",
        layer="driver virtio_balloon",
        title="two tasks are out of memory, and each waits for the other",
        story="""
            B09 with a second task. Inflating holds the mutex and finds no memory; it has to wait, since another task has run
            out of memory before it. That one asks the balloon to give some back, and the balloon waits for the mutex. That the
            notifier knows its own allocations does not help.
        """,
        fix="Allocate first, on a list of one's own; then lock, and take the pages in.",
        rules=("D49",),
        broken=InflatesLockedAndKnowsIt,
        twin=Balloon,
        workload=OutOfMemoryWorkload,
        depth=(2, 1),
        core_patch={alloc_pages_slowpath: one_at_a_time},
        twin_patch={alloc_pages_slowpath: one_at_a_time},
    ),
    Exhibit(
        id="B17",
        slug="bal-lock-behind-private",
        year=2026,
        commit="8202313e3dfa",
        layer="balloon core",
        title="the way to the lock leads through a field that the lock protects",
        story="""
            A page leads to its balloon, and the balloon has the lock of the list. Deflating takes the page off the list under
            that lock and clears the field, without the page lock. isolate_page follows the field to find the lock, and there is
            nothing any more.
        """,
        fix="A lock that exists whatever becomes of page and device; the field is read under it.",
        rules=("D8", "D53"),
        broken=LockBehindPrivate,
        twin=NoPageLock,
        workload=BalloonWorkload,
        depth=(2, 1),
    ),
)
