"""One machine with a mounted file system, a process that uses its files, and a memory of what was written."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

from movable.eras import Era
from movable.filesystems.observer import Broken, Observer
from movable.mm.buffer import page_buffers, page_has_buffers, trylock_buffer, unlock_buffer
from movable.mm.filemap_cache import file_read, file_write, find_get_page, fsync
from movable.mm.fs import Inode, mount
from movable.mm.list import ListHead, list_add_tail
from movable.mm.migrate import MIGRATE_ASYNC, MIGRATE_SYNC, MR_SYSCALL, migrate_pages, putback_movable_pages
from movable.mm.mm_types import VM_READ, VM_SHARED, VM_WRITE
from movable.mm.mmap import do_mmap, do_munmap
from movable.mm.page import PAGE_SIZE, Page
from movable.mm.page_flags import DIRTY, LOCKED, PRIVATE, WRITEBACK
from movable.mm.process import Signal
from movable.mm.swap import lru_add_drain_all
from movable.mm.truncate import invalidate_inode_pages2, truncate
from movable.mm.userspace import userspace
from movable.mm.validate_mm import findings
from movable.mm.vm import VM
from movable.mm.vmscan_isolate import count_isolated, isolate_lru_page
from movable.shown import shown

FILES, PAGES = 2, 3
FRAMES = 128
FIRST_ADDRESS = 0x100000
APART_PAGES = 0x100
"""Pages between the areas of two files."""
MAX_CALLS = 4

Factory = Callable[[VM], Any]


def pattern(number: int) -> bytes:
    """What a write puts into a page: each number another content, different in every part of the page."""
    return b"".join((number * 65_536 + at).to_bytes(4, "little") for at in range(PAGE_SIZE // 4))


ZEROS = bytes(PAGE_SIZE)


class Machine:
    """Runs steps on one fresh machine. Every method called like a step takes plain numbers; it raises Broken where a rule is.

    ``known`` are the pages of each file as they were written last; None for one that a failed write may have changed.
    """

    def __init__(self, factory: Factory, era: str | Era) -> None:
        self.vm = VM(2 * FRAMES * PAGE_SIZE, nodes=2, era=era, pageblock_order=3)
        self.sb = mount(self.vm, factory)
        self.observer = Observer(self.sb)
        self.exercised: Counter[str] = self.observer.exercised
        self.task = userspace(self.vm).spawn("user")
        self.files: list[Inode] = []
        self.known: list[list[bytes | None]] = []
        self.used_at_first = self.space()
        self.seen: set[Page] = set()
        for number in range(FILES):
            self._create(number)

    @property
    def can_write(self) -> bool:
        """Whether there is something that pages are written to."""
        return self.observer.raw.writepage is not None

    def space(self) -> int | None:
        """How much of the file system is in use, as it says itself (statfs); None where it does not say."""
        statfs = getattr(self.sb.fs, "statfs", None)
        if statfs is None:
            return None
        used = statfs()
        if type(used) is not int:
            raise Broken("F1", f"statfs returned {shown(repr(used), 100)}; it must return how many pages are in use")
        return used

    def _create(self, number: int) -> None:
        inode = self.sb.create(f"/file{number}", PAGES)
        self.files.insert(number, inode)
        self.known.insert(number, [ZEROS] * PAGES)
        start = FIRST_ADDRESS + number * APART_PAGES * PAGE_SIZE
        do_mmap(self.task, start, PAGES * PAGE_SIZE, VM_READ | VM_WRITE | VM_SHARED, inode)

    # steps

    def write(self, file: int, page: int, number: int) -> None:
        """write(2) of a whole page."""
        inode = self.files[file]
        if page >= inode.size:
            return
        content = pattern(number)
        done = file_write(self.task, inode, page * PAGE_SIZE, content)
        self._note(inode)
        if done == PAGE_SIZE:
            self.known[file][page] = content
        elif done > 0:
            self.known[file][page] = None

    def store(self, file: int, page: int, number: int) -> None:
        """The same through a mapping."""
        if page >= self.files[file].size:
            return
        try:
            self.task.write(self._address(file, page), pattern(number))
        except Signal:
            return
        finally:
            self._note(self.files[file])
        self.known[file][page] = pattern(number)

    def read(self, file: int, page: int) -> None:
        """read(2) of a page, compared."""
        self.reads(file, page, file_read(self.task, self.files[file], page * PAGE_SIZE, PAGE_SIZE))

    def load(self, file: int, page: int) -> None:
        """The same through a mapping."""
        try:
            content: bytes | int = self.task.read(self._address(file, page), PAGE_SIZE)
        except Signal:
            content = -5
        self.reads(file, page, content)

    def reads(self, file: int, page: int, content: bytes | int, rule: str = "F2") -> None:
        """Compare what a read gave with what was written ("F2"); an error is one where the disk is whole."""
        inode = self.files[file]
        self._note(inode)
        if page >= inode.size:
            return
        if isinstance(content, int):
            if not self._ill:
                raise Broken("F2", f"page {page} of {inode.path} cannot be read ({content}), and the disk is whole")
            return
        wanted = self.known[file][page]
        self.exercised[rule] += 1
        if wanted is not None and content != wanted:
            raise Broken(rule, f"page {page} of {inode.path} reads as {_words(content)}; {_words(wanted)} was written last")

    def sync(self, file: int) -> None:
        """fsync(2)."""
        self.syncs(file)

    def syncs(self, file: int) -> int:
        """fsync(2): it tells of failed writes ("F16")."""
        inode = self.files[file]
        before = sum(disk.failed_writes for disk in self.vm.disks)
        rc = fsync(inode)
        failed = sum(disk.failed_writes for disk in self.vm.disks) - before
        self._note(inode)
        if failed:
            self.exercised["F16"] += 1
            self.known[file] = [None if page is not None and self._ill else page for page in self.known[file]]
            if rc >= 0:
                raise Broken("F16", f"{failed} writes to the disk failed, and fsync of {inode.path} returned {rc}")
        return rc

    def reread(self, file: int) -> None:
        """fsync, forget what is in memory, and ask the disk."""
        self.remembers(file)

    def remembers(self, file: int) -> None:
        """What is on the disk is what was written ("F11")."""
        inode = self.files[file]
        if not self.can_write or self._ill or self.syncs(file):
            return
        invalidate_inode_pages2(inode)
        for page in range(inode.size):
            self.reads(file, page, file_read(self.task, inode, page * PAGE_SIZE, PAGE_SIZE), "F11")

    def move(self, file: int, page: int, mode: int) -> None:
        """Isolate a page, or all of a file (page -1), and migrate to the other node."""
        inode = self.files[file]
        mine = inode.mapping.i_pages
        self.migrate([mine[at] for at in sorted(mine) if page in (at, -1)], mode)

    def busy(self, file: int, page: int) -> None:
        """Somebody uses the last buffer under its lock, as a disk does, and a migration that must not wait comes by ("F10")."""
        found = self.files[file].mapping.i_pages.get(page)
        if found is None or not page_has_buffers(found) or not trylock_buffer(page_buffers(found)[-1]):
            return
        held = page_buffers(found)[-1]
        self.migrate([found], MIGRATE_ASYNC)
        self.exercised["F10"] += 1
        if self.files[file].mapping.i_pages.get(page) is not found:
            raise Broken("F10", f"page {page} of {self.files[file].path} moved while somebody held the lock of its last buffer")
        unlock_buffer(held)

    def migrate(self, chosen: list[Page], mode: int) -> int:
        """Migrate pages that are on the LRU lists; returns how many did not move."""
        lru_add_drain_all(self.task.user)
        pages = ListHead("of the kit")
        for page in chosen:
            if isolate_lru_page(page) == 0:
                count_isolated(page, 1)
                list_add_tail(page._lru, pages)
        ret = migrate_pages(pages, self._target, None, None, mode, MR_SYSCALL) if pages else 0
        putback_movable_pages(pages)
        lru_add_drain_all(self.task.user)
        return ret

    def _target(self, page: Page, private: object) -> Page | None:
        return self.vm.alloc_page(nid=1 - page.node)

    def pin(self, file: int, page: int) -> None:
        """Somebody takes a reference on a page, as a pipe does."""
        found = find_get_page(self.files[file].mapping, page)
        if found is not None:
            self.task.pins.append(found)

    def unpin(self) -> None:
        """They go."""
        self.task.unpin()

    def cut(self, file: int, pages: int) -> None:
        """ftruncate(2); pages that come back when the file becomes longer are zeros."""
        inode = self.files[file]
        self._note(inode)
        truncate(inode, pages)
        del self.known[file][pages:]
        self.known[file] += [ZEROS] * (pages - len(self.known[file]))

    def delete(self, file: int) -> None:
        """unlink(2) of a file that nobody uses, and a new one in its place."""
        self._note(self.files[file])
        self._remove(file)
        self._create(file)

    def _remove(self, file: int) -> None:
        inode = self.files.pop(file)
        self.known.pop(file)
        do_munmap(self.task, FIRST_ADDRESS + file * APART_PAGES * PAGE_SIZE, PAGES * PAGE_SIZE)
        inode.evict()

    def drop(self, file: int) -> None:
        """Forget clean pages, those that processes map too."""
        self._note(self.files[file])
        invalidate_inode_pages2(self.files[file])

    def fail(self, on: int) -> None:
        """The disks fail from now on, or are whole again."""
        for disk in self.vm.disks:
            disk.fails = bool(on)

    def slow(self, on: int) -> None:
        """The disks take their time, or do everything at once."""
        for disk in self.vm.disks:
            disk.slow = bool(on)

    @property
    def _ill(self) -> bool:
        return any(disk.fails or disk.failing for disk in self.vm.disks)

    def _address(self, file: int, page: int) -> int:
        return FIRST_ADDRESS + (file * APART_PAGES + page) * PAGE_SIZE

    def _note(self, inode: Inode) -> None:
        self.seen.update(inode.mapping.i_pages.values())

    # what must hold between steps, and in the end

    def settles(self) -> None:
        """When the machine has done its work, nothing is locked or being written ("F13")."""
        self.vm.run_work()
        self.exercised["F13"] += 1
        for inode in self.files:
            self._note(inode)
            for index, page in sorted(inode.mapping.i_pages.items()):
                state = "locked" if page._flags & LOCKED else "under writeback" if page._flags & WRITEBACK else ""
                if state:
                    raise Broken("F13", f"page {index} of {inode.path} is {state}, and no work of the machine is left")

    def counted(self) -> None:
        """References, lists and flags agree: of pages with private data "F5", of others "F7"."""
        lru_add_drain_all(self.task.user)
        self.exercised.update(("F5", "F7"))
        for what in findings(self.task.user, True):
            page = next((page for page in self.seen if repr(page) in what), None)
            private = page is not None and (page._flags & PRIVATE or self._was_private(page))
            raise Broken("F5" if private and "references" in what else "F7", what)

    def _was_private(self, page: Page) -> bool:
        return page._private != 0 and page._mapping != 0

    def quiet(self) -> None:
        """What must hold whenever nobody is at work."""
        self.settles()
        self.counted()

    def progresses(self) -> None:
        """Every clean page that nobody holds moves ("F12"). Without a way to write, dirty ones count as clean."""
        if self._ill or self.task.pins:
            return
        for number, inode in enumerate(self.files):
            if self.can_write and self.syncs(number):
                continue
            for index in sorted(inode.mapping.i_pages):
                page = inode.mapping.i_pages[index]
                if page._flags & DIRTY and self.can_write:
                    continue
                self.exercised["F12"] += 1
                if all(self.migrate([inode.mapping.i_pages[index]], MIGRATE_SYNC) for _ in range(MAX_CALLS)):
                    raise Broken("F12", f"page {index} of {inode.path} is idle, and did not move in {MAX_CALLS} calls: {page!r}")

    def finish(self) -> None:
        """The end of every run: what is pinned is let go, the disks are whole, everything is read, moved and removed."""
        self.unpin()
        self.fail(0)
        self.quiet()
        self.progresses()
        for file in range(FILES):
            self.remembers(file)
            for page in range(self.files[file].size):
                self.load(file, page)
        self.quiet()
        self.leaves()

    def leaves(self) -> None:
        """When all files are gone, so are their pages and the space that they had ("F14")."""
        for inode in self.files:
            self._note(inode)
        while self.files:
            self._remove(0)
        self.vm.run_work()
        lru_add_drain_all(self.task.user)
        self.exercised["F14"] += 1
        for page in sorted(self.seen, key=lambda page: page.pfn):
            if page._refcount > 0 and (page._mapping or page._flags & PRIVATE or page._private):
                raise Broken("F14", f"every file is gone, and somebody still holds {page!r}")
        if self.space() != self.used_at_first:
            raise Broken("F14", f"every file is gone, and {self.space()} is in use where {self.used_at_first} was at first")
        for bad in self.vm.bad_pages:
            raise Broken("F14", f"a page was freed that cannot be: {bad[1]}")


def _words(content: bytes) -> str:
    """What a page holds, in words."""
    number, rest = divmod(int.from_bytes(content[:4], "little"), 65_536)
    if content == ZEROS:
        return "zeros"
    if rest == 0 and content == pattern(number):
        return f"write {number}"
    poison = content.count(0xAA) > PAGE_SIZE // 2
    return "a freed page" if poison else f"a mixture that begins with {content[:8].hex()}"


__all__ = ["FILES", "PAGES", "Machine", "pattern"]
