"""Files on a file system: what moves their pages, what cannot, and where what was written ends up."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from errno import EIO, ENOSPC
from typing import Any

import pytest

from movable import VM, AddressSpace, Page, UsageError, clear_highpage, get_page, put_page, registry
from movable.eras import ERAS, Era
from movable.errors import VMBug
from movable.filesystem import (
    Inode,
    SetPageUptodate,
    SuperBlock,
    attach_page_private,
    brelse,
    buffer_migrate_page_norefs,
    find_get_block,
    lock_buffer,
    mount,
    page_buffers,
    set_page_writeback,
    unlock_buffer,
)
from movable.mm.filemap import unlock_page
from movable.mm.filemap_cache import _add_to_page_cache, file_read, file_write, fsync
from movable.mm.list import ListHead, list_add_tail
from movable.mm.memory_failure import soft_offline_page
from movable.mm.migrate import MIGRATE_ASYNC, MIGRATE_SYNC, MR_SYSCALL, migrate_pages, putback_movable_pages
from movable.mm.mm_types import VM_READ, VM_SHARED, VM_WRITE
from movable.mm.mmap import do_mmap
from movable.mm.page_flags import PG_hwpoison
from movable.mm.pgtable import PTE_DIRTY, PTE_RW
from movable.mm.process import Process, Signal
from movable.mm.swap import lru_add_drain_all
from movable.mm.truncate import invalidate_mapping_pages, truncate
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


@pytest.mark.parametrize("era", ERAS)
@pytest.mark.parametrize("fs", [Ramfs, Blockfs, Checked])
def test_pages_move_with_all_they_have(fs: type, era: str) -> None:
    task, inode = file_on(fs, era)
    do_mmap(task, START, PAGES << 12, VM_READ | VM_WRITE | VM_SHARED, inode)
    task.write(START + 4096, b"through a mapping")
    data = DATA[:4096] + b"through a mapping" + DATA[4096 + 17 :]
    assert move(inode) == 0
    assert nodes(inode) == [1, 1, 1]
    assert task.read(START, len(DATA)) == data == file_read(task, inode, 0, 1 << 20)
    assert fsync(inode) == 0
    if inode.user.vm.disks:
        forget(inode)
        assert file_read(task, inode, 0, 1 << 20) == data
    truncate(inode, 1)
    assert task.read(START, 4096) == data[:4096]
    with pytest.raises(Signal, match="SIGBUS"):
        task.read(START + 4096, 1)
    validate_vm(inode.user.vm)
    task.exit()
    inode.evict()
    lru_add_drain_all(inode.user)
    validate_vm(inode.user.vm)
    assert sum(page._refcount for page in inode.user.vm.pages.values()) == 1, "more than the zero page is left"


def forget(inode: Inode) -> None:
    """Drop what is in memory, so that the disk is asked again."""
    assert invalidate_mapping_pages(inode) == inode.size
    assert not inode.mapping.i_pages


@pytest.mark.parametrize("era", ERAS)
@pytest.mark.parametrize("fs", [Ramfs, Blockfs, Checked])
def test_what_was_cut_off_never_comes_back(fs: type, era: str) -> None:
    """Not when the file becomes longer, by a call or by a write beyond a hole, nor in a file that gets its blocks next."""
    task, inode = file_on(fs, era)
    assert fsync(inode) == 0
    truncate(inode, 1)
    assert file_write(task, inode, 2 * 4096, b"new") == 3
    assert file_read(task, inode, 0, 1 << 20) == DATA[:4096] + bytes(4096) + b"new" + bytes(4093)
    truncate(inode, 0)
    truncate(inode, PAGES)
    do_mmap(task, START, PAGES << 12, VM_READ | VM_SHARED, inode)
    assert task.read(START, PAGES << 12) == bytes(PAGES << 12)
    validate_vm(inode.user.vm)


def test_a_block_that_was_never_written_shows_nothing() -> None:
    """Its place was given out for a write that failed, and belonged to another file before."""
    task, inode = file_on(lambda vm: Blockfs(vm, 4 * PAGES))
    assert inode.sb is not None
    assert fsync(inode) == 0
    inode.evict()
    other = inode.sb.create("/other")
    assert file_write(task, other, 0, b"x") == 1
    inode.sb.fs.disk.fails = True
    assert fsync(other) == -EIO
    lru_add_drain_all(task.user)
    assert invalidate_mapping_pages(other) == 1
    inode.sb.fs.disk.fails = False
    assert file_read(task, other, 0, 4096) == bytes(4096)


def test_nobody_adds_a_page_beyond_the_end() -> None:
    """Who looked at the size before the file was cut off, and comes to the tree afterwards."""
    task, inode = file_on(Blockfs)
    truncate(inode, 1)
    assert _add_to_page_cache(task, inode, 1) is None
    assert list(inode.mapping.i_pages) == [0]
    validate_vm(inode.user.vm)


def test_a_write_after_writeback_faults_again() -> None:
    task, inode = file_on(Blockfs)
    do_mmap(task, START, PAGES << 12, VM_READ | VM_WRITE | VM_SHARED, inode)
    task.write(START, b"one")
    mm = task.mm
    assert mm is not None
    assert mm.pgtable[START >> 12] & (PTE_RW | PTE_DIRTY) == PTE_RW | PTE_DIRTY
    assert fsync(inode) == 0
    assert not mm.pgtable[START >> 12] & (PTE_RW | PTE_DIRTY)
    assert not inode.mapping.i_pages[0]._flags >> 4 & 1
    task.write(START, b"two")
    assert inode.mapping.i_pages[0]._flags >> 4 & 1
    assert fsync(inode) == 0
    forget(inode)
    assert file_read(task, inode, 0, 3) == b"two"


def test_a_reference_keeps_a_page_of_a_file() -> None:
    task, inode = file_on(Blockfs)
    page = inode.mapping.i_pages[1]
    get_page(page)
    task.pins.append(page)
    assert move(inode) == 1
    assert nodes(inode) == [1, 0, 1]
    task.unpin()
    assert move(inode) == 0


def test_a_buffer_in_use_keeps_its_page_where_it_is_checked() -> None:
    for fs, left in ((Blockfs, 0), (Checked, 1)):
        _, inode = file_on(fs)
        bh = find_get_block(inode, 1, 2)
        assert bh is not None
        assert bh.count == 2, "the caller's and the CPU's"
        assert move(inode) == left
        brelse(bh)
        assert move(inode, nid=0) == 0, "what a CPU keeps is let go of"


def test_who_must_not_wait_leaves_a_locked_buffer_alone() -> None:
    _, inode = file_on(Blockfs)
    bh = page_buffers(inode.mapping.i_pages[0])[3]
    lock_buffer(bh)
    assert move(inode, MIGRATE_ASYNC) == 1
    unlock_buffer(bh)
    assert move(inode, MIGRATE_ASYNC) == 0


@pytest.mark.parametrize(("era", "mode", "ret"), [
    ("4.19", MIGRATE_SYNC, 0), ("6.1", MIGRATE_SYNC, 0), ("6.1", MIGRATE_ASYNC, 3), ("6.17", MIGRATE_SYNC, 3),
])  # fmt: skip
def test_the_fallback_writes_dirty_pages_out_where_it_may(era: str, mode: int, ret: int) -> None:
    task, inode = file_on(Plain, era)
    assert move(inode, mode) == ret
    assert fsync(inode) == 0
    assert move(inode, mode, 0 if nodes(inode)[0] else 1) == 0, "clean pages move, without their buffers"
    assert file_read(task, inode, 0, 1 << 20) == DATA


def test_the_fallback_moves_clean_pages_and_cannot_write_without_writepage() -> None:
    task, inode = file_on(Lazy)
    assert move(inode) == 3
    for page in inode.mapping.i_pages.values():
        page._flags &= ~(1 << 4)
    assert move(inode) == 0
    assert file_read(task, inode, 0, 1 << 20) == DATA


def test_private_data_that_nobody_releases_keeps_a_page() -> None:
    _, inode = file_on(Lazy)
    page = inode.mapping.i_pages[0]
    attach_page_private(page, "mine")
    for each in inode.mapping.i_pages.values():
        each._flags &= ~(1 << 4)
    assert move(inode) == 1


def test_writeback_that_begins_on_the_way_is_a_bug_where_only_half_is_tried_again() -> None:
    """C12: kernels from 6.3 on whose fallback still wrote."""
    _, inode = file_on(Forgets, replace(ERAS["6.17"], fallback_writes=True))
    with pytest.raises(VMBug, match="under writeback"):
        move(inode)


@pytest.mark.parametrize(("field", "mode"), [("fallback_writes", MIGRATE_SYNC), ("fallback_gives_up", MIGRATE_ASYNC)])
def test_what_eras_do_differently_shows(field: str, mode: int) -> None:
    def left(era: Era) -> list[int]:
        _, inode = file_on(Plain if field == "fallback_writes" else Lazy, era)
        if field == "fallback_gives_up":
            for page in inode.mapping.i_pages.values():
                page._flags &= ~(1 << 4)
                attach_page_private(page, "mine")
        kinds: list[int] = []
        inode.user.vm.observe(lambda event: kinds.append(event.args["nr_pass"]) if event.kind == "migrate_pass" else None)
        return [move(inode, mode), *kinds]

    era = ERAS["6.1"]
    change: dict[str, Any] = {field: not getattr(era, field)}
    assert left(era) != left(replace(era, **change))


def test_a_disk_that_fails_is_told_of_once() -> None:
    task, inode = file_on(Blockfs)
    disk = inode.user.vm.disks[0]
    disk.fails = True
    assert fsync(inode) == -EIO
    assert fsync(inode) == 0, "the pages are clean: it was told"
    forget(inode)
    assert file_read(task, inode, 0, 1) == -EIO
    do_mmap(task, START, 4096, VM_READ | VM_SHARED, inode)
    with pytest.raises(Signal, match="SIGBUS"):
        task.read(START, 1)
    disk.fails = False
    assert file_read(task, inode, 0, 3) == b"\0\0\0", "nothing had reached it"
    validate_vm(inode.user.vm)


def test_a_full_disk_refuses_a_write() -> None:
    vm = VM(256 << 12)
    task = userspace(vm).spawn("demo")
    sb: SuperBlock = registry.load(vm, Blockfs, blocks=6)
    inode = sb.create("/file")
    assert file_write(task, inode, 0, bytes(3 * 4096)) == 4096
    assert file_write(task, inode, 4096, b"x") == -ENOSPC
    do_mmap(task, START, 3 * 4096, VM_READ | VM_WRITE | VM_SHARED, inode)
    with pytest.raises(Signal, match="SIGBUS"):
        task.write(START + 4096, b"x")
    validate_vm(vm)


def test_soft_offline_takes_pages_of_files() -> None:
    task, inode = file_on(Blockfs)
    pfn = inode.mapping.i_pages[0].pfn
    assert soft_offline_page(inode.user.vm, pfn) == 0
    assert inode.mapping.i_pages[0].pfn != pfn
    assert file_read(task, inode, 0, 1 << 20) == DATA


@pytest.mark.parametrize("era", ERAS)
def test_soft_offline_drops_what_can_be_read_again(era: str) -> None:
    """A clean page that nobody maps; a mapped, pinned or dirty one is no such page."""
    task, inode = file_on(Blockfs, era)
    vm, pages = inode.user.vm, inode.mapping.i_pages
    assert fsync(inode) == 0
    lru_add_drain_all(task.user)
    do_mmap(task, START, 4096, VM_READ | VM_SHARED, inode)
    task.read(START, 1)
    assert file_write(task, inode, 4096, DATA[4096:8192]) == 4096
    assert [soft_offline_page(vm, pages[index].pfn) for index in range(PAGES)] == [0, 0, 0]
    assert sorted(pages) == [0, 1]
    assert vm.vmstat["pgmigrate_success"] == 2
    validate_vm(vm)
    assert sum(page._flags >> PG_hwpoison & 1 for page in vm.pages.values()) == 3
    assert file_read(task, inode, 0, 1 << 20) == DATA
    assert fsync(inode) == 0
    get_page(page := pages[2])
    assert soft_offline_page(vm, page.pfn) < 0
    assert pages[2] is page
    put_page(page)
    assert soft_offline_page(vm, page.pfn) == 0
    assert 2 not in pages
    validate_vm(vm)


def test_it_is_mounted_by_name() -> None:
    sb = registry.load(VM(256 << 12), "blockfs")
    assert isinstance(sb, SuperBlock)
    assert isinstance(sb.fs, Blockfs)
    with pytest.raises(UsageError, match="exists"):
        (sb.create("/a"), sb.create("/a"))


@pytest.mark.parametrize(("members", "problem"), [
    ({"readpage": 5}, "not a function"),
    ({"readpage": lambda self, file, page: 0, "migrate_folio": lambda self: 0}, "calls it migratepage"),
    ({"readpage": lambda self, a, b, c: 0}, "takes \\(a, b, c\\); it gets \\(inode, page\\)"),
])  # fmt: skip
def test_what_cannot_be_a_file_system_is_refused(members: dict[str, object], problem: str) -> None:
    with pytest.raises(UsageError, match=problem):
        registry.load(VM(), type("Odd", (), members))
