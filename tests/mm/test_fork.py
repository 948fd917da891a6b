"""Copies of the memory of a process."""

from __future__ import annotations

import pytest

from movable.eras import ERAS
from movable.filesystem import mount
from movable.mm.filemap import trylock_page
from movable.mm.filemap_cache import file_write
from movable.mm.memory import OutOfMemory
from movable.mm.mlock_calls import do_mlock
from movable.mm.mm_types import VM_READ, VM_SHARED, VM_WRITE
from movable.mm.mmap import do_mmap
from movable.mm.page import PAGE_SIZE
from movable.mm.swap import lru_add_drain_all
from movable.mm.validate import validate_vm
from movable_filesystems import Blockfs
from tests.mm.test_vmscan_lru import FILE, START, content, fill, machine


def test_a_fork_shares_what_is_swapped_out() -> None:
    vm, task = machine()
    fill(task, 300)
    child = task.fork("child")
    child.write(START, b"the child's")
    task.write(START + PAGE_SIZE, b"the parent's")
    assert task.read(START, 8) == content(0)[:8]
    assert child.read(START + PAGE_SIZE, 8) == content(1)[:8]
    for n in range(2, 300):
        assert child.read(START + n * PAGE_SIZE, 8) == content(n)[:8]
    validate_vm(vm)
    task.exit()
    for n in range(2, 300):
        assert child.read(START + n * PAGE_SIZE, 8) == content(n)[:8]
    child.exit()
    lru_add_drain_all(task.user)
    validate_vm(vm)
    assert not task.user.swap.used if task.user.swap else True


@pytest.mark.parametrize("era", ERAS)
def test_a_copy_without_memory_leaves_its_source_as_it_was(era: str) -> None:
    """Neither a shared page nor a page of a file stays held, or locked, by a fault that finds no room for its copy."""
    vm, task = machine(slots=0, era=era, frames=128)
    fill(task, 70)
    inode = mount(vm, Blockfs).create("/file")
    assert file_write(task, inode, 0, content(1)) == PAGE_SIZE
    do_mmap(task, FILE, PAGE_SIZE, VM_READ | VM_SHARED, inode)
    assert do_mlock(task, FILE, PAGE_SIZE) == 0
    child = task.fork("child")
    do_mmap(child, FILE + PAGE_SIZE, PAGE_SIZE, VM_READ | VM_WRITE, inode)
    with pytest.raises(OutOfMemory):
        for n in range(70):
            child.write(START + n * PAGE_SIZE, b"y")
    with pytest.raises(OutOfMemory):
        child.write(FILE + PAGE_SIZE, b"y")
    validate_vm(vm)
    assert trylock_page(inode.mapping.i_pages[0])
