"""The balloon as a driver plug-in: sizes, batches, and what a move is to the hypervisor.

``conf`` is held by whoever talks with the hypervisor or changes the size; a migration, which may come out of an allocation of
our own, only tries it. Pages are allocated before it is taken. The hypervisor is asked before a page is used for anything else.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from errno import EAGAIN, EBUSY, EINVAL, ENOENT

from movable import (
    GFP_HIGHUSER_MOVABLE,
    GFP_NOMEMALLOC,
    GFP_NORETRY,
    MIGRATE_SYNC_NO_COPY,
    VM,
    AddressSpace,
    DeadlockError,
    Page,
    Work,
    hookimpl,
    put_page,
)
from movable_vmballoon.books import CoreBooks, OwnBooks
from movable_vmballoon.hypervisor import BATCH_MAX_PAGES, SUCCESS, Hypervisor

MAX_REFUSED = 16
"""Refused pages that are kept aside before an inflation gives up; they are freed at its end, or it would get them again."""
REMOVE_ROUNDS = 1000
"""How many rounds of a removal may bring no page before it gives up."""

Command = Callable[[Sequence[Page]], list[int]]


class VmBalloon:
    """A balloon of one machine, for a hypervisor that answers each frame of a batch by itself.

    ``target`` is the size to begin with, in pages, reached when queued work runs. Every ``pinned_every``-th frame is one that the
    hypervisor never takes (0: it takes all). Raises UsageError for negative numbers.
    """

    workload = "movable_vmballoon.workload:VmBalloonWorkload"
    counters = ("balloon_inflate", "balloon_deflate", "balloon_migrate")

    def __init__(self, vm: VM, *, target: int = 0, pinned_every: int = 0) -> None:
        self.vm = vm
        self.host = Hypervisor(vm, pinned_every)
        self.conf = vm.mutex("vmballoon conf")
        self.size = 0
        self.refused = 0
        self.changed = vm.wait_queue("vmballoon isolation")
        self.books: OwnBooks | CoreBooks
        if vm.era.balloon_core:
            self.books = CoreBooks(vm, self, self.changed, self.hook)
        else:
            self.books = OwnBooks(vm, self, self.changed)
        self.workqueue = vm.workqueue("vmballoon")
        self.work = Work(self.towards_target, "vmballoon_work")
        self.removed = False
        self.host.on_target = self._wake
        self.host.set_target(target)

    # sizes

    @property
    def num_pages(self) -> int:
        """How many pages the balloon holds."""
        with self.conf:
            return self.size

    def set_target(self, pages: int) -> None:
        """Let the hypervisor ask for ``pages`` pages; it gets them when queued work runs. Raises UsageError below 0."""
        self.host.set_target(pages)

    def _wake(self) -> None:
        self.workqueue.queue_work(self.work)

    def towards_target(self) -> None:
        """The worker: one round towards the target, and another while rounds bring something."""
        missing = self.host.target - self.num_pages
        done = self.inflate(missing) if missing > 0 else self.deflate(-missing)
        if done and self.host.target != self.num_pages:
            self._wake()

    def inflate(self, count: int) -> int:
        """Give up to ``count`` pages to the hypervisor; returns how many it took."""
        done = 0
        refused: list[Page] = []
        while done < count and len(refused) < MAX_REFUSED:
            fresh = self._allocate(min(BATCH_MAX_PAGES, count - done))
            if not fresh:
                break
            with self.conf:
                taken, others = self._tell(self.host.lock, fresh)
                self.books.enqueue(taken)
                self.size += len(taken)
                self.refused += len(others)
            done += len(taken)
            refused += others
        for page in refused:
            put_page(page)
        return done

    def deflate(self, count: int) -> int:
        """Take up to ``count`` pages back; returns how many came. Fewer do where they are isolated, locked, or not given back."""
        with self.conf:
            pages = self.books.dequeue(min(count, BATCH_MAX_PAGES))
            back, kept = self._tell(self.host.unlock, pages)
            self.books.enqueue(kept)
            self.size -= len(back)
        for page in back:
            put_page(page)
        return len(back)

    def _allocate(self, count: int) -> list[Page]:
        pages = []
        for _ in range(count):
            page = self.vm.alloc_page(GFP_HIGHUSER_MOVABLE | GFP_NOMEMALLOC | GFP_NORETRY)
            if page is None:
                break
            pages.append(page)
        return pages

    @staticmethod
    def _tell(command: Command, pages: Sequence[Page]) -> tuple[list[Page], list[Page]]:
        """One batch: the pages that the hypervisor agreed about, and the others."""
        answers = command(pages) if pages else []
        good = [page for page, answer in zip(pages, answers, strict=True) if answer == SUCCESS]
        return good, [page for page, answer in zip(pages, answers, strict=True) if answer != SUCCESS]

    # moving

    def hook(self, dev_info: object, newpage: Page, page: Page, mode: int) -> int:
        """What a move is to the hypervisor: it gives ``page`` back, then takes ``newpage``.

        0 when both went well. -EAGAIN while somebody else talks with it; -EBUSY when it does not give ``page`` back; -ENOENT when
        only the second half failed: then the balloon is a page smaller, and neither page is in it.
        """
        if not self.conf.trylock():
            return -EAGAIN
        try:
            if self._tell(self.host.unlock, (page,))[1]:
                return -EBUSY
            if self._tell(self.host.lock, (newpage,))[1]:
                self.size -= 1
                self.refused += 1
                return -ENOENT
        finally:
            self.conf.unlock()
        return 0

    @hookimpl
    def isolate_page(self, page: Page, mode: int) -> bool:
        """Let the core have the page."""
        return isinstance(self.books, OwnBooks) and self.books.isolate(page)

    @hookimpl
    def migratepage(self, mapping: AddressSpace, newpage: Page, page: Page, mode: int) -> int:
        """Put ``newpage`` in the place of ``page`` (up to 5.19)."""
        return -EINVAL if mode == MIGRATE_SYNC_NO_COPY else self._migrate(newpage, page, mode)

    @hookimpl
    def migrate_page(self, newpage: Page, page: Page, mode: int) -> int:
        """The same from 6.0 on; from 6.18 on the balloon core's takes its place, and only asks the hook."""
        return -EINVAL if mode == MIGRATE_SYNC_NO_COPY else self._migrate(newpage, page, mode)

    def _migrate(self, newpage: Page, page: Page, mode: int) -> int:
        """A half that failed leaves ``page`` nobody's, with an error: whoever isolated it finds that out and drops it."""
        books = self.books
        if not isinstance(books, OwnBooks):
            return -EAGAIN
        if page.private is not books:
            return 0
        rc = self.hook(books, newpage, page, mode)
        if rc == 0:
            books.replace(newpage, page)
        elif rc == -ENOENT:
            books.drop(page)
            return -EBUSY
        return rc

    @hookimpl
    def putback_page(self, page: Page) -> None:
        """Take the page back."""
        if isinstance(self.books, OwnBooks):
            self.books.putback(page)

    @contextmanager
    def host_is_busy(self) -> Iterator[None]:
        """Inside the block the hypervisor owes an answer to an earlier request: a migration that meets it is told to try again."""
        taken = self.conf.trylock()
        try:
            yield
        finally:
            if taken:
                self.conf.unlock()

    # going

    def remove(self) -> None:
        """Take every page back and go; waits for pages that are isolated or locked. A second call does nothing.

        Raises DeadlockError when nobody runs who could end an isolation, or the hypervisor never gives the pages back.
        """
        if self.removed:
            return
        self.host.on_target = None
        self.workqueue.cancel_work_sync(self.work)
        fruitless = 0
        while left := self.num_pages:
            if self.deflate(left):
                continue
            fruitless += 1
            if fruitless > REMOVE_ROUNDS:
                raise DeadlockError(f"{left} pages of the balloon did not come back in {fruitless} rounds")
            self.books.wait()
        self.workqueue.destroy()
        self.books.close()
        self.removed = True
