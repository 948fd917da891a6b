"""B08 and B09: a balloon that allocates under its own mutex."""

from __future__ import annotations

from errno import EINVAL

from movable import MIGRATE_SYNC_NO_COPY, AddressSpace, ListHead, Page, list_add, list_del, put_page
from movable.contract.museum import Exhibit
from movable.museum.bases.balloon import Balloon, BalloonWorkload


class WaitsForItself(Balloon):
    def inflate(self, count: int) -> None:
        with self.mutex:
            for _ in range(count):
                page = self.alloc()
                if page is None:
                    break
                self.enqueue(page)

    def oom(self) -> int:
        return self.deflate(4) if self.mutex.owner is None else 0

    def migratepage(self, mapping: AddressSpace, newpage: Page, page: Page, mode: int) -> int:
        if mode == MIGRATE_SYNC_NO_COPY:
            return -EINVAL
        with self.mutex:
            self.replace(newpage, page)
        put_page(page)
        return 0


class InflatesLocked(Balloon):
    def inflate(self, count: int) -> None:
        fresh = ListHead("inflating")
        with self.mutex:
            for _ in range(count):
                page = self.alloc()
                if page is None:
                    break
                list_add(page.lru, fresh)
            for page in fresh:
                list_del(page.lru)
                self.enqueue(page)


EXHIBITS = (
    Exhibit(
        id="B08",
        slug="bal-self-compaction",
        year=2012,
        layer="driver virtio_balloon",
        title="inflating compacts memory, which calls the balloon that inflates",
        story="""
            The driver holds its mutex and allocates a page. The allocator is short of memory and compacts, in the same thread.
            Compaction isolates a page of this very balloon and calls its migratepage, which waits for the mutex that its own
            thread holds. One thread is enough for this deadlock.
        """,
        fix="In migratepage only try the mutex. Better still, allocate before it is taken.",
        rules=("D49", "D36"),
        broken=WaitsForItself,
        twin=Balloon,
        workload=BalloonWorkload,
    ),
    Exhibit(
        id="B09",
        slug="bal-oom-deadlock",
        year=2017,
        commit="c7cdff0e8647",
        layer="driver virtio_balloon",
        title="the way out of a memory shortage needs the lock that the allocation holds",
        story="""
            Inflating holds the mutex and allocates. There is no memory left, so the allocator asks everybody to give some back.
            The balloon's answer is to deflate, and deflating needs the mutex.
        """,
        fix="Allocate first, on a list of one's own; then lock, and take the pages in.",
        rules=("D49",),
        broken=InflatesLocked,
        twin=Balloon,
        workload=BalloonWorkload,
    ),
)
