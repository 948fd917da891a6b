"""Writing dirty pages: who writes after it began faults again."""

from __future__ import annotations

from movable.mm.filemap_cache import file_read, fsync
from movable.mm.mm_types import VM_READ, VM_SHARED, VM_WRITE
from movable.mm.mmap import do_mmap
from movable.mm.pgtable import PTE_DIRTY, PTE_RW
from movable_filesystems import Blockfs
from tests.mm.files import PAGES, START, file_on, forget


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
