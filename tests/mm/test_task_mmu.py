"""numa_maps: the text is that of a real kernel, before migratepages, after it, and after the way back."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from movable import VM
from movable.mm.fs import Inode
from movable.mm.mempolicy import MPOL_BIND
from movable.mm.mempolicy_calls import UserMask, sys_migrate_pages, sys_set_mempolicy
from movable.mm.mm_types import VM_READ, VM_SHARED, VM_WRITE
from movable.mm.mmap import do_mmap
from movable.mm.page_flags import PG_dirty
from movable.mm.pgtable import PTE_SHIFT
from movable.mm.process import Process
from movable.mm.swap import lru_add_drain_all, mark_page_accessed
from movable.mm.task_mmu import numa_maps
from movable.mm.userspace import userspace

MAPS = Path(__file__).parent.parent / "data" / "numa" / "maps"


def recorded(name: str) -> str:
    return (MAPS / f"numa_maps.{name}").read_text()


def process_like(text: str) -> Process:
    """A process on node 0 whose areas have the pages that the lines of a recording count."""
    vm = VM(64 << 20, nodes=2, era="6.1")
    user = userspace(vm)
    task, other = user.spawn("file"), user.spawn("file")
    assert sys_set_mempolicy(task, MPOL_BIND, UserMask(1), 64) == 0
    for line in text.splitlines():
        start = int(line.split()[0], 16)
        counts = {key: int(value) for key, value in re.findall(r" (\w+)=(\d+)", line)}
        pages = counts.get("N0", 1)
        path = re.search(r"file=(\S+)", line)
        inode = None if path is None else Inode(user, path[1], pages)
        shared = inode is not None and "anon" not in counts and "mapmax" not in counts
        flags = VM_READ | VM_WRITE | (VM_SHARED if shared else 0)
        assert do_mmap(task, start, pages << 12, flags, inode) == 0
        if "N0" in counts:
            populate(task, other, start >> 12, pages, counts, inode)
        if counts.get("mapmax") == 2 and inode is not None:
            assert do_mmap(other, start, pages << 12, VM_READ, inode) == 0
            for vpn in range(start >> 12, (start >> 12) + pages):
                other.touch(vpn, False)
        assert task.mm is not None
        vma = task.mm.vma_lookup(start >> 12)
        assert vma is not None
        vma.name = "heap" if " heap" in line else "stack" if " stack" in line else ""
    lru_add_drain_all(user)
    return task


def populate(task: Process, other: Process, first: int, pages: int, counts: dict[str, int], inode: Inode | None) -> None:
    """Anonymous pages by writing; file pages by reading, dirty as a file that was written; some of them used twice."""
    written = counts.get("anon", 0 if inode is None or "mapmax" in counts else pages)
    assert task.mm is not None
    for number, vpn in enumerate(range(first, first + pages)):
        task.touch(vpn, False)
        if number < written:
            task.touch(vpn, True)
        page = task.user.vm.pages[task.mm.pgtable[vpn] >> PTE_SHIFT]
        page._flags |= 1 << PG_dirty
        if number < counts.get("active", pages):
            mark_page_accessed(page)
            mark_page_accessed(page)


@pytest.mark.parametrize("kind", ["disk", "tmpfs"])
def test_the_text_is_that_of_a_real_kernel(kind: str) -> None:
    task = process_like(recorded(f"{kind}.before"))
    assert numa_maps(task) == recorded(f"{kind}.before")
    assert sys_migrate_pages(task, 0, 64, UserMask(1), UserMask(2)) == 0
    assert numa_maps(task) == recorded(f"{kind}.after")
    if kind == "disk":
        assert sys_migrate_pages(task, 0, 64, UserMask(2), UserMask(1)) == 0
        assert numa_maps(task) == recorded("disk.back")
