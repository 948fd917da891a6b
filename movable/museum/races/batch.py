"""C10: a batch of pages, and a wait with all of them locked."""

from __future__ import annotations

from typing import Any

from movable import (
    MIGRATE_ASYNC,
    Page,
    PG_writeback,
    get_page_unless_zero,
    lock_page,
    migrate_pages,
    put_page,
    set_page_flag,
    unlock_page,
)
from movable.contract.museum import Exhibit
from movable.mm.filemap import wait_on_page_writeback
from movable.mm.list import ListHead
from movable.museum.bases.ring import Ring, RingWorkload
from movable.workload.scenario import finish, op, scenario


def locks_the_whole_batch(pages: ListHead, get: Any, put: Any, private: Any, mode: int, reason: int) -> int:
    """migrate_pages that first locks every page of its list."""
    batch = list(pages) if mode != MIGRATE_ASYNC else []
    for page in batch:
        lock_page(page)
    for page in batch:
        wait_on_page_writeback(page)
    for page in batch:
        unlock_page(page)
    return migrate_pages(pages, get, put, private, mode, reason)


def end_page_writeback(page: Page) -> None:
    """The write is done: whoever waits for that goes on (mm/filemap.c)."""
    if page.seam is not None:
        page.seam.point("wake", ("page", page.pfn, "writeback"))
    page._flags &= ~(1 << PG_writeback)


class WritebackWorkload(RingWorkload):
    """The ring's, with a page under writeback; the end of it needs the lock of another page."""

    scenarios = (
        scenario(
            "two pages of one batch",
            finish(),
            op("end_io"),
            prefix=[op("write", slot=0, data=b"a"), op("write", slot=1, data=b"b"), op("begin_io"), ("isolate_all",)],
        ),
    )

    def begin_io(self) -> None:
        """Slot 1 goes to the disk; slot 0 is where the end of that is noted."""
        self.noted, self.written = (page for page in self.driver.slots[:2] if page is not None)
        set_page_flag(self.written, PG_writeback)

    def end_io(self) -> None:
        """The disk is done."""
        if get_page_unless_zero(self.noted):
            lock_page(self.noted)
            unlock_page(self.noted)
            put_page(self.noted)
        end_page_writeback(self.written)


EXHIBITS = (
    Exhibit(
        id="C10",
        slug="core-batch-deadlock",
        year=2023,
        commit="fb3592c41a44",
        layer="core migrate",
        title="a batch of pages is locked, and the migration waits for one of them",
        story="""
            Migration works on batches and locks all pages of one first. Then it waits until one of them has been written to the
            disk. Whoever ends that write wants the lock of another page of the batch. Each waits for the other.
        """,
        fix="With a page lock held, do not wait: batches only in asynchronous mode, one page at a time otherwise.",
        rules=("D49",),
        broken=Ring,
        twin=Ring,
        workload=WritebackWorkload,
        depth=(2, 1),
        core_patch={migrate_pages: locks_the_whole_batch},
    ),
)
