"""The migration loop of kernels from 6.0 on (mm/migrate.c): batches, and from 6.3 on two parts with both pages locked between.

A list is worked off in batches. A page that does not move stays on the caller's list, and the caller puts it back: first the pages
that failed for good in the order of their failing, then those that ran out of passes. 6.1 tries a page as older kernels do, with a
fresh target for every pass (``BatchLoop``). Later kernels (``TwoPartLoop``) first collect a batch: target, lock of the old page,
lock of the new one; then they ask the drivers, pass after pass, with all those locks held. Callers that may wait get one part of
three passes in MIGRATE_ASYNC, and then every page that is left, whatever its driver answered, alone and in their own mode.

Invariants: a page is on the caller's list until it has moved; a target is given back exactly once, or dropped by one plain put;
every lock that a batch takes is released before the batch ends.

Where nobody watches, a list of one page is first tried without a loop, which goes on from there where the page does not move.
"""

from __future__ import annotations

from collections.abc import Callable
from errno import EAGAIN, EBUSY, ENOMEM
from typing import TYPE_CHECKING, Any

from movable.mm.filemap import trylock_page, unlock_page, wait_on_page_writeback
from movable.mm.list import ListHead, list_del, list_move
from movable.mm.migrate import (
    MIGRATE_ASYNC,
    MIGRATE_SYNC,
    MR_MEMORY_FAILURE,
    GetNewPage,
    PutNewPage,
    finish_run,
    lock_and_move,
    migrate_by_passes,
    move_to_new_page,
    return_target,
    wait_for_lock,
)
from movable.mm.page import put_page
from movable.mm.page_flags import LOCKED, WRITEBACK, PageMovableHint, PG_writeback
from movable.mm.vmscan_isolate import is_lru_page, move_lru_page, release_isolated_lru_page

if TYPE_CHECKING:
    from movable.eras import Era
    from movable.mm.page import Page
    from movable.mm.vm import VM

Loop = Callable[["VM", ListHead, GetNewPage, "PutNewPage | None", Any, int, int], int]
Pair = tuple["Page", "Page"]

BUSY = LOCKED | WRITEBACK
"""What keeps a page from being moved at once."""


class BatchLoop:
    """One call of migrate_pages that works in batches; a page is tried from target to move in every pass."""

    __slots__ = (
        "era", "get_new_page", "keep", "left", "mode", "nr_failed_pages", "pages", "private", "put_new_page", "seam", "succeeded",
        "vm",
    )  # fmt: skip

    def __init__(
        self,
        vm: VM,
        pages: ListHead,
        get_new_page: GetNewPage,
        put_new_page: PutNewPage | None,
        private: Any,
        mode: int,
        reason: int,
    ) -> None:
        self.vm = vm
        self.seam = vm.seam
        self.era = vm.era
        self.pages = pages
        self.get_new_page = get_new_page
        self.put_new_page = put_new_page
        self.private = private
        self.mode = mode
        self.keep = reason == MR_MEMORY_FAILURE and self.era.keeps_poisoned_source
        self.succeeded = self.nr_failed_pages = 0
        self.left: list[Page] = []  # what did not move, in the order in which the caller finds it

    def run(self) -> int:
        """Batch after batch; returns how many pages were not moved, or -ENOMEM, which ends it."""
        todo = list(iter(self.pages))  # a list that is asked for its length is walked twice
        size = self.era.batch_pages
        if len(todo) <= size:
            failed = self.batch(todo)
        else:
            failed = self._batches(todo, size)
        return self.finish(failed)

    def finish(self, failed: int) -> int:
        """Hand back to the caller what did not move, and count."""
        if self.left:
            for page in reversed(self.left):
                list_move(page._lru, self.pages)
        if failed > 0 and not self.pages:
            failed = 0
        return finish_run(self.vm, self.seam, self.succeeded, self.nr_failed_pages, failed, self.pages)

    def _batches(self, todo: list[Page], size: int) -> int:
        failed = 0
        for start in range(0, len(todo), size):
            rc = self.batch(todo[start : start + size])
            if rc < 0:
                return rc
            failed += rc
        return failed

    def begin_pass(self, nr_pass: int, mode: int) -> None:
        """Tell who watches, if anybody does."""
        if self.seam is not None:
            self.seam.event("migrate_pass", nr_pass=nr_pass, mode=mode)

    def batch(self, todo: list[Page]) -> int:
        """Ten passes over one batch; returns how many pages of it did not move, or -ENOMEM (6.1: migrate_pages_batch)."""
        return self.passes(todo, 0)

    def passes(self, todo: list[Page], first_pass: int) -> int:
        """The same from ``first_pass`` on."""
        failed = 0
        for nr_pass in range(first_pass, self.era.passes):
            if not todo:
                break
            if self.seam is not None:
                self.begin_pass(nr_pass, self.mode)
            force = nr_pass > self.era.force_after
            again: list[Page] = []
            for number, page in enumerate(todo):
                rc = self.unmap_and_move(page, force)
                if rc == 0:
                    continue
                if rc == -EAGAIN:
                    again.append(page)
                elif rc == -ENOMEM:
                    self.nr_failed_pages += failed + 1
                    rest = {*again, *todo[number:]} - set(self.left)
                    self.left += [each for each in todo if each in rest]
                    return rc
                else:
                    failed += 1
            todo = again
            if again:
                self.vm.vmstat["migrate_retries"] += len(again)
        self.left += todo
        self.nr_failed_pages += failed + len(todo)
        return failed + len(todo)

    def resume(self, page: Page, rc: int) -> int:
        """The whole list is ``page``, whose first pass ended with the error ``rc``; its target is given back."""
        if rc == -EAGAIN:
            self.vm.vmstat["migrate_retries"] += 1
            return self.finish(self.passes([page], 1))
        self.left.append(page)
        self.nr_failed_pages = 1
        return self.finish(rc if rc == -ENOMEM else 1)

    def unmap_and_move(self, page: Page, force: bool) -> int:
        """One attempt for one page. A failure for good puts it among those that are left; mirrors mm/migrate.c, unmap_and_move."""
        seam = self.seam
        if (seam is not None or page._refcount == 1) and self.released(page):
            return 0
        newpage = self.get_new_page(page, self.private) if seam is None else self.target(page)
        if newpage is None:
            return -ENOMEM
        rc = lock_and_move(page, newpage, PageMovableHint(page), force, self.mode)
        if rc == 0:
            self.succeeded += 1
            list_del(page._lru)
            if not self.keep:
                put_page(page)
            return 0
        if rc != -EAGAIN:
            self.left.append(page)
        return_target(page, newpage, self.put_new_page, self.private)
        return rc

    def released(self, page: Page) -> bool:
        """Whether only the isolation's reference is left, so that the owner released the page; then it is done with."""
        if self.seam is not None:
            self.seam.peek(page, "refs")
        if page._refcount != 1 or not (self.era.released_by_refs or is_lru_page(page)):
            return False
        if is_lru_page(page):
            release_isolated_lru_page(page)
        elif PageMovableHint(page):  # the flag stays: the allocator wipes it
            self.vm.vmstat["movable_released_isolated"] += 1
            if self.seam is not None:
                self.seam.event("released_isolated", page)
        self.done(page)
        return True

    def target(self, page: Page) -> Page | None:
        """A target from the caller."""
        newpage = self.get_new_page(page, self.private)
        if self.seam is not None:
            self.seam.event("get_new_page", page, newpage=newpage.pfn if newpage is not None else -1)
        return newpage

    def done(self, page: Page) -> None:
        """The page's owner let go of it: off the list, and the isolation's reference goes."""
        self.succeeded += 1
        list_del(page._lru)
        if not self.keep:
            put_page(page)


class TwoPartLoop(BatchLoop):
    """One call of migrate_pages whose batches are collected first and moved then, with all locks held between."""

    __slots__ = ()

    def batch(self, todo: list[Page]) -> int:
        """One part for who must not wait; else a part of three hurried passes, and what is left one by one."""
        return self.after_first(*self.part(todo, MIGRATE_ASYNC, self.first_passes()))

    def first_passes(self) -> int:
        """How many passes the first part has."""
        return self.era.passes if self.mode == MIGRATE_ASYNC else self.era.async_first

    def after_first(self, rc: int, hard: list[Page], waiting: list[Page], failed: int) -> int:
        """What comes after the first part: for who may wait, a part for each page that is left."""
        if rc == 0:
            return 0
        if rc < 0 or self.mode == MIGRATE_ASYNC:  # only then do the failures of this part count: nobody looks at them again
            self.left += hard + waiting
            self.nr_failed_pages += failed
            return rc
        total = 0
        left = waiting + hard
        for number, page in enumerate(left):
            rc, hard, waiting, failed = self.part([page], self.mode, self.era.sync_passes)
            self.left += hard + waiting
            self.nr_failed_pages += failed
            if rc < 0:
                self.left += left[number + 1 :]
                return rc
            total += rc
        return total

    def part(self, todo: list[Page], mode: int, passes: int) -> tuple[int, list[Page], list[Page], int]:
        """Collect pairs and move them; mirrors mm/migrate.c, migrate_pages_batch.

        Returns the result; the pages that failed, or ran out of passes; those that were never locked; and how many count as
        failed: without a target nothing more is collected, and the pages that were not tried do not count.
        """
        pairs: list[Pair] = []
        hard: list[Page] = []
        waiting, short, failed = self.collect(todo, mode, passes, pairs, hard)
        left = self.move(pairs, mode, passes, hard) if pairs else pairs
        return self.settle(left, hard, waiting, short, failed)

    def settle(
        self, left: list[Pair], hard: list[Page], waiting: list[Page], short: bool, failed: int
    ) -> tuple[int, list[Page], list[Page], int]:
        """The end of a part: undo the pairs that did not move; returns what ``part`` does."""
        for page, newpage in left:
            unlock_page(page)
            hard.append(page)
            self.undo_target(page, newpage)
        if not (hard or waiting or short):
            return 0, hard, waiting, 0
        if short:
            return -ENOMEM, hard, waiting, failed + len(hard)
        return len(hard) + len(waiting), hard, waiting, len(hard) + len(waiting)

    def collect(
        self, todo: list[Page], mode: int, passes: int, pairs: list[Pair], hard: list[Page]
    ) -> tuple[list[Page], bool, int]:
        """Give every page a target and lock both; what cannot be locked now is tried again in the next pass.

        Fills ``pairs``, and ``hard`` with failures for good. Returns the pages that are still without locks, whether targets ran
        out, and how many pages count as failed for that.
        """
        for nr_pass in range(passes):
            if self.seam is not None:
                self.begin_pass(nr_pass, mode)
            again: list[Page] = []
            for number, page in enumerate(todo):
                rc = self.unmap(page, mode, pairs)
                if rc == 0:
                    continue
                if rc == -EAGAIN:
                    again.append(page)
                elif rc == -ENOMEM:
                    rest = {*again, *todo[number:]}
                    return [each for each in todo if each in rest], True, 1 + len(again)
                else:
                    hard.append(page)
            if not again:
                return again, False, 0
            todo = again
        return todo, False, 0

    def unmap(self, page: Page, mode: int, pairs: list[Pair]) -> int:
        """Target and locks of one page; 0 also where its owner has let go of it. Mirrors mm/migrate.c, migrate_folio_unmap."""
        seam = self.seam
        if (seam is not None or page._refcount == 1) and self.released(page):
            return 0
        newpage = self.get_new_page(page, self.private) if seam is None else self.target(page)
        if newpage is None:
            return -ENOMEM
        if seam is not None:
            seam.migration_step(1, page, newpage)
        rc = -EAGAIN
        if trylock_page(page) or wait_for_lock(page, True, mode):
            if seam is not None and self.vm.userspace is not None:
                seam.migration_step(2, page, newpage, "writeback")
            rc = self.await_writeback(page, mode) if page._flags >> PG_writeback & 1 else 0
        if rc == 0:
            if seam is not None:
                seam.migration_step(3, page, newpage)
            if trylock_page(newpage):
                pairs.append((page, newpage))
                return 0
            rc = -EAGAIN
            unlock_page(page)
        return_target(page, newpage, self.put_new_page, self.private)
        return rc

    def await_writeback(self, page: Page, mode: int) -> int:
        """The old page, which is locked, is being written; 0 when that is over."""
        if mode == MIGRATE_SYNC:
            wait_on_page_writeback(page)
            return 0
        unlock_page(page)
        return -EBUSY

    def move(self, pairs: list[Pair], mode: int, passes: int, hard: list[Page]) -> list[Pair]:
        """Ask the drivers, pass after pass; returns the pairs that are still locked, their drivers having said -EAGAIN.

        Mirrors mm/migrate.c, migrate_folio_move.
        """
        for nr_pass in range(passes):
            if nr_pass:
                self.begin_pass(nr_pass, mode)
            again: list[Pair] = []
            for pair in pairs:
                page, newpage = pair
                rc = (move_to_new_page if PageMovableHint(page) else move_lru_page)(newpage, page, mode)
                if rc == 0:  # a target that was not adopted is freed by the same plain put, and not given back
                    if self.seam is not None:
                        self.seam.migration_step(19, page, newpage)
                    unlock_page(newpage)
                    put_page(newpage)
                    self.succeeded += 1
                    list_del(page._lru)
                    unlock_page(page)
                    if not self.keep:
                        put_page(page)
                elif rc == -EAGAIN:
                    again.append(pair)
                else:
                    unlock_page(page)
                    hard.append(page)
                    self.undo_target(page, newpage)
            if not again:
                return again
            pairs = again
            self.vm.vmstat["migrate_retries"] += len(again)
        return pairs

    def resume_pair(self, pair: Pair, rc: int) -> int:
        """The whole list is one page, locked with its target, and the first call of its driver ended with the error ``rc``."""
        left = [pair]
        hard: list[Page] = []
        if rc == -EAGAIN:
            self.vm.vmstat["migrate_retries"] += 1
            left = self.move(left, MIGRATE_ASYNC, self.first_passes() - 1, hard)
        return self.finish(self.after_first(*self.settle(left, hard, [], False, 0)))

    def undo_target(self, page: Page, newpage: Page) -> None:
        """Unlock a target and give it back (mm/migrate.c, migrate_folio_undo_dst)."""
        unlock_page(newpage)
        return_target(page, newpage, self.put_new_page, self.private)


def _batches(vm: VM, pages: ListHead, get: GetNewPage, put: PutNewPage | None, private: Any, mode: int, reason: int) -> int:
    page = _only_page(pages)
    if page is None:
        return BatchLoop(vm, pages, get, put, private, mode, reason).run()
    newpage = get(page, private)
    rc = -ENOMEM if newpage is None else lock_and_move(page, newpage, PageMovableHint(page), vm.era.force_after < 0, mode)
    if rc == 0:
        return _moved(vm, page, pages, reason)
    if newpage is not None:
        return_target(page, newpage, put, private)
    return BatchLoop(vm, pages, get, put, private, mode, reason).resume(page, rc)


def two_parts(vm: VM, pages: ListHead, get: GetNewPage, put: PutNewPage | None, private: Any, mode: int, reason: int) -> int:
    """One call of migrate_pages in a kernel whose loop has two parts."""
    page = _only_page(pages)
    if page is None:
        return TwoPartLoop(vm, pages, get, put, private, mode, reason).run()
    newpage = get(page, private)
    if newpage is None or (page._flags | newpage._flags) & BUSY or not PageMovableHint(page):
        return TwoPartLoop(vm, pages, _first(newpage, get), put, private, mode, reason).run()
    page._flags |= LOCKED
    newpage._flags |= LOCKED
    rc = move_to_new_page(newpage, page, MIGRATE_ASYNC)
    if rc:
        return TwoPartLoop(vm, pages, get, put, private, mode, reason).resume_pair((page, newpage), rc)
    unlock_page(newpage)
    put_page(newpage)
    unlock_page(page)
    return _moved(vm, page, pages, reason)


def _only_page(pages: ListHead) -> Page | None:
    """The page of a list with one page that its owner has not released, where nobody watches."""
    node = pages._next
    page = node.owner
    alone = node._next is pages and pages._prev is node and page is not None and page.seam is None and page._refcount != 1
    return page if alone else None


def _first(newpage: Page | None, get: GetNewPage) -> GetNewPage:
    """Targets of which the first was got already."""
    got = [newpage]
    return lambda page, private: got.pop() if got else get(page, private)


def _moved(vm: VM, page: Page, pages: ListHead, reason: int) -> int:
    """The only page of a list has moved: off the list, and the isolation's reference goes."""
    list_del(page._lru)
    if reason != MR_MEMORY_FAILURE or not vm.era.keeps_poisoned_source:
        put_page(page)
    return finish_run(vm, None, 1, 0, 0, pages)


def loop_of(era: Era) -> Loop:
    """The loop that a machine of ``era`` runs."""
    if not era.batch_pages:
        return migrate_by_passes
    return two_parts if era.async_first else _batches


__all__ = ["BatchLoop", "TwoPartLoop", "loop_of"]
