"""F01, F02, F09 and F16: z3fold and its locks."""

from __future__ import annotations

from errno import EAGAIN

from movable import AddressSpace, Page, trylock_page, unlock_page
from movable.contract.museum import Exhibit
from movable.museum.bases.pool import Header, Pool, PoolWorkload


class MarksUnlocked(Pool):
    def take_in(self, page: Page) -> bool:
        with self.lock:
            self.add(page)
        return True


class TriesItsOwnLock(Pool):
    def migratepage(self, mapping: AddressSpace, newpage: Page, page: Page, mode: int) -> int:
        if not trylock_page(page):
            return -EAGAIN
        rc = super().migratepage(mapping, newpage, page, mode)
        unlock_page(page)
        return rc


class ForgetsToUnlock(Pool):
    def isolate_page(self, page: Page, mode: int) -> bool:
        self.lock.lock()
        header: Header = page.private
        if header.claimed or self.closing:
            return False
        header.unlink()
        header.away = True
        self.isolated += 1
        self.lock.unlock()
        return True


class AllocatesLocked(Pool):
    def grow(self) -> bool:
        with self.lock:
            page = self.vm.alloc_page(self.gfp)
        return page is not None and self.take_in(page)


EXHIBITS = (
    Exhibit(
        id="F01",
        slug="z3-mark-unlocked",
        year=2019,
        layer="driver z3fold",
        title="a page is marked movable without its lock",
        story="""
            A fresh page gets its mark, and nobody has locked it. Compaction looks at marks under the page lock; that is what
            keeps them still. Here it may take the page while the pool is still filling in its fields.
        """,
        fix="Lock the page around __SetPageMovable. The first try of a fix used trylock_page and forgot that it may fail.",
        rules=("D2",),
        broken=MarksUnlocked,
        twin=Pool,
        workload=PoolWorkload,
    ),
    Exhibit(
        id="F02",
        slug="z3-trylock-self",
        year=2019,
        commit="be03074c9af2",
        layer="driver z3fold",
        title="migratepage tries to lock a page that is locked for it already",
        story="""
            The core calls migratepage with both pages locked. The callback begins by trying the lock of the old page, which
            therefore fails, and says that it will do later. It says so for ever. Nothing crashes, nothing leaks: the pages
            just never move.
        """,
        fix="Take the attempt out.",
        rules=("D50", "D29"),
        broken=TriesItsOwnLock,
        twin=Pool,
        workload=PoolWorkload,
    ),
    Exhibit(
        id="F09",
        slug="z3-missing-unlock",
        year=2019,
        commit="14108b9131a4",
        layer="driver z3fold",
        title="a refusal leaves the driver's lock held",
        story="""
            A page that is about to be freed must not be isolated, so a test was added to isolate_page. It returns False in the
            middle of a section that takes the lock by hand, and the lock stays taken. The next user of the pool waits for ever.
        """,
        fix="Release the lock on that path too; or take it with a statement that cannot forget.",
        rules=("D47",),
        broken=ForgetsToUnlock,
        twin=Pool,
        workload=PoolWorkload,
    ),
    Exhibit(
        id="F16",
        slug="z3-sleep-under-spinlock",
        year=2022,
        commit="4c6bdb36408f",
        layer="driver z3fold",
        title="an allocation that may sleep, under a spin lock",
        story="""
            The pool holds its spin lock when it finds that it needs more memory, and allocates in a way that may wait. While it
            sleeps every other processor spins on that lock.
        """,
        fix="Allocate before the lock is taken, or with flags that do not sleep.",
        rules=("D48",),
        broken=AllocatesLocked,
        twin=Pool,
        workload=PoolWorkload,
    ),
)
