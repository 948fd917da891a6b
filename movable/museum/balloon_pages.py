"""B03, B12, B14 and B15: balloons, their lists, their counters and their builds."""

from __future__ import annotations

from movable import (
    VM,
    ListHead,
    Page,
    PageIsolated,
    list_del,
    trylock_page,
    unlock_page,
)
from movable.contract.museum import Exhibit
from movable.museum.bases.balloon import Balloon, BalloonInEveryBuild, BalloonWorkload


class TakesUnmarkedForIsolated(Balloon):
    def dequeue(self) -> Page | None:
        with self.lock:
            for page in self.pages:
                if page.private == 0 or not trylock_page(page):  # no private: isolated
                    continue
                if not PageIsolated(page):
                    self.delete(page)
                    list_del(page.lru)
                    unlock_page(page)
                    self.size -= 1
                    return page
                unlock_page(page)
        return None


class UnlinksTwice(Balloon):
    def enqueue(self, page: Page) -> None:
        list_del(page.lru)  # off the caller's list
        super().enqueue(page)


class CountsNoMigration(Balloon):
    def count_migration(self) -> None:
        pass


class SetsUpOnlyWithCompaction(Balloon):
    def __init__(self, vm: VM, compaction: bool = True) -> None:
        self.vm = vm
        self.compaction = compaction
        self.mutex = vm.mutex("balloon")
        self.returned = vm.wait_queue("balloon returned")
        self.size = self.isolated = 0
        self.closing = False
        self.mapping = vm.address_space(self, "balloon")
        if compaction:
            self.pages = ListHead("balloon pages")
            self.lock = vm.spinlock("balloon pages")
        vm.oom_notifiers.append(self.oom)


EXHIBITS = (
    Exhibit(
        id="B03",
        slug="bal-nocompact-deflate",
        year=2014,
        layer="driver balloon",
        title="without compaction the balloon never gives a page back",
        story="""
            To deflate, the driver passes by pages that have no mark in their private field, since those are isolated. In a
            kernel without compaction that field is never set. Every page looks isolated, and a balloon that must go waits for ever.
        """,
        fix="Make the test only where isolation can exist.",
        rules=("D49",),
        broken=TakesUnmarkedForIsolated,
        twin=Balloon,
        workload=BalloonInEveryBuild,
    ),
    Exhibit(
        id="B12",
        slug="bal-double-listdel",
        year=2019,
        layer="balloon core",
        title="a page is unlinked by the caller and by the function that it calls",
        story="""
            The function that puts a page into the balloon was changed to take it off the list that it came on. One of its
            callers had always done that itself. The second removal follows links that the first one poisoned.
        """,
        fix="Leave the removal to the one caller that needs it.",
        rules=("D54",),
        broken=UnlinksTwice,
        twin=Balloon,
        workload=BalloonWorkload,
    ),
    Exhibit(
        id="B14",
        slug="cmm-migrate-event",
        year=2025,
        commit="0da2ba35c0d5",
        layer="driver pseries cmm",
        title="one of three drivers does not count its migrations",
        story="""
            Three balloon drivers end a successful move with the same few lines: insert the page, count the event, lower the
            number of isolated pages. In one of them the middle line is missing. Nothing fails; the statistics are just wrong.
        """,
        fix="Count the event. A year later the lines moved to one place that all drivers share.",
        rules=("D44",),
        broken=CountsNoMigration,
        twin=Balloon,
        workload=BalloonWorkload,
    ),
    Exhibit(
        id="B15",
        slug="cmm-uninit",
        year=2025,
        commit="fc6bcf9ac4de",
        layer="driver pseries cmm",
        title="a list and a lock are set up only in kernels with compaction",
        story="""
            The list of pages and its lock are set up by a helper that a kernel without compaction leaves out. Inflating and
            deflating use both in every kernel.
        """,
        fix="Set them up when the device is found, whatever the kernel can do.",
        rules=("D52",),
        broken=SetsUpOnlyWithCompaction,
        twin=Balloon,
        workload=BalloonInEveryBuild,
    ),
)
