"""The page cache: what is written is found again, and what a disk cannot do is said."""

from __future__ import annotations

from errno import EIO, ENOSPC

import pytest

from movable import VM, registry
from movable.filesystem import SuperBlock
from movable.mm.filemap_cache import _add_to_page_cache, file_read, file_write, fsync
from movable.mm.mm_types import VM_READ, VM_SHARED, VM_WRITE
from movable.mm.mmap import do_mmap
from movable.mm.process import Signal
from movable.mm.swap import lru_add_drain_all
from movable.mm.truncate import invalidate_mapping_pages, truncate
from movable.mm.userspace import userspace
from movable.mm.validate import validate_vm
from movable_filesystems import Blockfs
from tests.mm.files import PAGES, START, file_on, forget


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
