"""Soft offline of pages of files."""

from __future__ import annotations

import pytest

from movable import get_page, put_page
from movable.eras import ERAS
from movable.mm.filemap_cache import file_read, file_write, fsync
from movable.mm.memory_failure import soft_offline_page
from movable.mm.mm_types import VM_READ, VM_SHARED
from movable.mm.mmap import do_mmap
from movable.mm.page_flags import PG_hwpoison
from movable.mm.swap import lru_add_drain_all
from movable.mm.validate import validate_vm
from movable_filesystems import Blockfs
from tests.mm.files import DATA, PAGES, START, file_on


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
