"""A fault that finds no memory leaves every page as it was: unlocked, and held by nobody else."""

from __future__ import annotations

import pytest

from movable import VM
from movable.eras import ERAS
from movable.filesystem import mount
from movable.mm.filemap_cache import file_read, file_write
from movable.mm.fs import Inode
from movable.mm.memory import OutOfMemory
from movable.mm.mm_types import VM_READ, VM_WRITE
from movable.mm.mmap import do_mmap, do_munmap
from movable.mm.process import Process
from movable.mm.swap import lru_add_drain_all
from movable.mm.userspace import userspace
from movable.mm.validate import validate_vm
from movable_filesystems import Blockfs, Ramfs

START, FILL = 0x100000, 0x1000000
FRAMES = 64


def a_process(era: str) -> Process:
    return userspace(VM(FRAMES << 12, era=era)).spawn("demo")


def fill(task: Process, count: int = FRAMES) -> int:
    """Write to pages until there is none left; how many there were."""
    do_mmap(task, FILL, count << 12, VM_READ | VM_WRITE)
    for number in range(count):
        try:
            task.write(FILL + number * 4096, b"%d" % number)
        except OutOfMemory:
            return number
    return count


def given_back(task: Process) -> None:
    vm = task.user.vm
    task.exit()
    lru_add_drain_all(task.user)
    validate_vm(vm)


@pytest.mark.parametrize("era", ERAS)
@pytest.mark.parametrize("kind", [Ramfs, Blockfs, None])
def test_a_private_copy_of_a_page_of_a_file(kind: type | None, era: str) -> None:
    task = a_process(era)
    if kind is None:
        file = Inode(task.user, "/shm", 1)
        do_mmap(task, START << 1, 4096, VM_READ, file)
        task.read(START << 1, 1)
    else:
        file = mount(task.user.vm, kind).create("/file")
        assert file_write(task, file, 0, b"file") == 4
    do_mmap(task, START, 4096, VM_READ | VM_WRITE, file)
    fill(task)
    with pytest.raises(OutOfMemory):
        task.write(START, b"mine")
    lru_add_drain_all(task.user)
    validate_vm(task.user.vm)
    do_munmap(task, FILL, FRAMES << 12)
    task.write(START, b"mine")
    if kind is not None:
        assert file_read(task, file, 0, 4) == b"file"
    given_back(task)
