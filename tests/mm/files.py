"""Files on a file system, for tests of what moves their pages."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from movable import VM, AddressSpace, Page, clear_highpage
from movable.eras import Era
from movable.filesystem import Inode, SetPageUptodate, buffer_migrate_page_norefs, mount, set_page_writeback
from movable.mm.filemap import unlock_page
from movable.mm.filemap_cache import file_write
from movable.mm.list import ListHead, list_add_tail
from movable.mm.migrate import MIGRATE_SYNC, MR_SYSCALL, migrate_pages, putback_movable_pages
from movable.mm.process import Process
from movable.mm.swap import lru_add_drain_all
from movable.mm.truncate import invalidate_inode_pages2
from movable.mm.userspace import userspace
from movable.mm.validate import validate_vm
from movable.mm.vmscan_isolate import count_isolated, isolate_lru_page
from movable_filesystems import Blockfs, Ramfs

DATA = bytes(range(256)) * 48
PAGES = 3
START = 0x100000


class Lazy(Ramfs):
    """Names no callback, and writes nothing."""

    migratepage = None  # type: ignore[assignment]

    def readpage(self, inode: Inode, page: Page) -> int:
        clear_highpage(page)
        SetPageUptodate(page)
        unlock_page(page)
        return 0


class Plain(Blockfs):
    """Leaves moving to the core."""

    migratepage = None  # type: ignore[assignment]


class Forgets(Plain):
    """Its pages have no private data, so that nothing holds a page that is being written."""

    def writepage(self, page: Page) -> int:
        self.written = page
        set_page_writeback(page)
        unlock_page(page)
        return 0

    def write_begin(self, inode: Inode, page: Page) -> int:
        return 0

    def readpage(self, inode: Inode, page: Page) -> int:
        clear_highpage(page)
        SetPageUptodate(page)
        unlock_page(page)
        return 0


class Checked(Blockfs):
    def migratepage(self, mapping: AddressSpace, newpage: Page, page: Page, mode: int) -> int:
        return buffer_migrate_page_norefs(mapping, newpage, page, mode)


def file_on(fs: Callable[[VM], Any], era: str | Era = "6.1") -> tuple[Process, Inode]:
    """A file of three pages, written to and not synced, on node 0."""
    vm = VM(256 << 12, nodes=2, era=era)
    task = userspace(vm).spawn("demo")
    inode = mount(vm, fs).create("/file")
    assert file_write(task, inode, 0, DATA) == len(DATA)
    lru_add_drain_all(task.user)
    return task, inode


def move(inode: Inode, mode: int = MIGRATE_SYNC, nid: int = 1) -> int:
    vm = inode.user.vm
    lru_add_drain_all(inode.user)
    pages = ListHead("test")
    for page in inode.mapping.i_pages.values():
        assert isolate_lru_page(page) == 0
        count_isolated(page, 1)
        list_add_tail(page._lru, pages)
    ret = migrate_pages(pages, lambda page, nid: vm.alloc_page(nid=nid), None, nid, mode, MR_SYSCALL)
    putback_movable_pages(pages)
    lru_add_drain_all(inode.user)
    validate_vm(vm)
    return ret


def nodes(inode: Inode) -> list[int]:
    return [page.node for page in inode.mapping.i_pages.values()]


def forget(inode: Inode) -> None:
    """Drop what is in memory, so that the disk is asked again."""
    assert invalidate_inode_pages2(inode) == inode.size
    assert not inode.mapping.i_pages
