"""Pages of a process, got at from the kernel's side."""

from __future__ import annotations

import pytest

from movable.mm.fs import Inode
from movable.mm.gup import get_user_pages
from movable.mm.memory import OutOfMemory
from movable.mm.mm_types import VM_READ
from movable.mm.mmap import do_mmap
from movable.mm.page import put_page
from movable.mm.validate import validate_vm
from tests.mm.test_memory import START, a_process, fill


def test_pins_end_before_the_page_that_cannot_be_had() -> None:
    task = a_process("6.1")
    do_mmap(task, START, 3 << 12, VM_READ, Inode(task.user, "/shm", 3))
    task.read(START, 2 << 12)
    fill(task)
    pinned = get_user_pages(task, START, 3)
    assert isinstance(pinned, list)
    assert len(pinned) == 2
    with pytest.raises(OutOfMemory):
        get_user_pages(task, START + (2 << 12), 1)
    for page in pinned:
        put_page(page)
    validate_vm(task.user.vm)
