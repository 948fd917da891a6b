"""Cutting a file off."""

from __future__ import annotations

import pytest

from movable.eras import ERAS
from movable.mm.filemap_cache import file_read, file_write, fsync
from movable.mm.mm_types import VM_READ, VM_SHARED
from movable.mm.mmap import do_mmap
from movable.mm.swap import lru_add_drain_all
from movable.mm.truncate import invalidate_inode_pages2, invalidate_mapping_pages, truncate
from movable.mm.validate import validate_vm
from movable_filesystems import Blockfs, Ramfs
from tests.mm.files import DATA, PAGES, START, Checked, file_on


def test_pages_that_a_process_maps_stay_where_the_others_are_dropped() -> None:
    task, inode = file_on(Blockfs)
    assert fsync(inode) == 0
    do_mmap(task, START, PAGES << 12, VM_READ | VM_SHARED, inode)
    task.read(START, 4096)
    lru_add_drain_all(task.user)
    assert invalidate_mapping_pages(inode) == inode.size - 1 and list(inode.mapping.i_pages) == [0]
    assert invalidate_inode_pages2(inode) == 1 and not inode.mapping.i_pages
    assert task.read(START, PAGES << 12) == DATA
    validate_vm(task.user.vm)


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
