"""Memory pressure: pages of processes go to the swap device and come back, byte for byte; pages of files go to their disk."""

from __future__ import annotations

import random
from errno import EBUSY

import pytest

from movable import VM
from movable.eras import ERAS
from movable.filesystem import Disk, mount
from movable.mm.filemap_cache import file_read, file_write, fsync
from movable.mm.madvise import madvise_dontneed
from movable.mm.mlock_calls import do_mlock
from movable.mm.mm_types import VM_READ, VM_SHARED, VM_WRITE
from movable.mm.mmap import do_mmap
from movable.mm.move_pages import UserArray, sys_move_pages
from movable.mm.page import PAGE_SIZE, get_page
from movable.mm.page_alloc_contig import alloc_contig_range, free_contig_range
from movable.mm.page_flags import ACTIVE, LRU, REFERENCED
from movable.mm.process import Process
from movable.mm.swap import lru_add_drain_all, lru_cache_add, lruvec, mark_page_accessed
from movable.mm.swapfile import swapoff, swapon
from movable.mm.userspace import userspace
from movable.mm.validate import validate_vm
from movable.mm.vmscan_isolate import isolate_lru_page
from movable.mm.vmscan_lru import shrink_node, too_many_isolated
from movable.numa.why import why
from movable_filesystems import Blockfs
from tests.mm.files import file_on

START = 0x100000
FILE = 0x900000
FRAMES = 256


def machine(slots: int = 512, nodes: int = 1, era: str = "6.1", frames: int = FRAMES) -> tuple[VM, Process]:
    vm = VM(frames * nodes * PAGE_SIZE, nodes=nodes, era=era)
    task = userspace(vm).spawn("big")
    if slots:
        swapon(task.user, Disk(vm, slots * 4), slots)
    return vm, task


def content(n: int) -> bytes:
    return n.to_bytes(8, "little") * (PAGE_SIZE // 8)


def fill(task: Process, pages: int) -> None:
    do_mmap(task, START, pages * PAGE_SIZE, VM_READ | VM_WRITE)
    for n in range(pages):
        task.write(START + n * PAGE_SIZE, content(n))


def compare(task: Process, pages: int) -> None:
    for n in range(pages):
        assert task.read(START + n * PAGE_SIZE, PAGE_SIZE) == content(n), n


@pytest.mark.parametrize("era", ["4.19", "7.3"])
def test_a_process_may_be_larger_than_memory(era: str) -> None:
    vm, task = machine(era=era)
    fill(task, 400)
    space = task.user.swap
    assert space is not None
    assert space.used >= 400 - FRAMES
    validate_vm(vm)
    compare(task, 400)
    validate_vm(vm)
    assert vm.vmstat["pswpin"] >= 400 - FRAMES
    task.exit()
    lru_add_drain_all(task.user)
    validate_vm(vm)
    assert not space.used
    swapoff(task.user)


def test_used_pages_get_a_second_chance_and_locked_ones_stay() -> None:
    vm, task = machine()
    fill(task, 64)
    assert do_mlock(task, START, 8 * PAGE_SIZE) == 0
    lru_add_drain_all(task.user)
    for _ in range(3):  # whatever was used at first
        shrink_node(task.user, vm.nodes[0], 0)
        for n in range(8, 16):
            task.read(START + n * PAGE_SIZE, 1)
    assert task.mm is not None
    there = {n for n in range(64) if task.mm.pgtable[(START >> 12) + n] & 1}
    assert there >= set(range(16))
    assert len(there) < 40
    compare(task, 64)


def test_clean_and_dirty_pages_of_files_give_way() -> None:
    vm = VM(FRAMES * PAGE_SIZE, era="6.1")
    task = userspace(vm).spawn("reader")
    file = mount(vm, Blockfs).create("/large", 200)
    for n in range(200):
        assert file_write(task, file, n * PAGE_SIZE, content(n)) == PAGE_SIZE
    do_mmap(task, START, 200 * PAGE_SIZE, VM_READ | VM_WRITE)
    for n in range(200):
        task.write(START + n * PAGE_SIZE, content(n))
    validate_vm(vm)
    assert len(file.mapping.i_pages) < 200
    for n in range(200):
        assert file_read(task, file, n * PAGE_SIZE, PAGE_SIZE) == content(n)
    validate_vm(vm)
    assert fsync(file) == 0


def test_too_many_isolated_ends_a_scan() -> None:
    vm, task = machine()
    fill(task, 30)
    lru_add_drain_all(task.user)
    vec = lruvec(vm.nodes[0])
    vec.nr_isolated[0] = 31
    assert too_many_isolated(vm.nodes[0], 0)
    assert shrink_node(task.user, vm.nodes[0], 0) == 0
    vec.nr_isolated[0] = 0
    assert not too_many_isolated(vm.nodes[0], 0)


@pytest.mark.parametrize("seed", range(3))
def test_random_use_under_pressure(seed: int) -> None:
    chance = random.Random(seed)
    vm, task = machine(slots=2000, nodes=2, frames=128)
    do_mmap(task, START, 900 * PAGE_SIZE, VM_READ | VM_WRITE)
    tasks = {task: {}}  # type: dict[Process, dict[int, bytes]]
    for _ in range(1500):
        who = chance.choice(list(tasks))
        n = chance.randrange(900)
        what = chance.random()
        if what < 0.6:
            tasks[who][n] = content(chance.randrange(1 << 30))
            who.write(START + n * PAGE_SIZE, tasks[who][n])
        elif what < 0.95:
            assert who.read(START + n * PAGE_SIZE, PAGE_SIZE) == tasks[who].get(n, bytes(PAGE_SIZE))
        elif what < 0.97:
            assert madvise_dontneed(who, START + n * PAGE_SIZE, PAGE_SIZE) == 0
            tasks[who].pop(n, None)
        elif what < 0.98 and len(tasks) < 3:
            tasks[who.fork("child")] = dict(tasks[who])
        elif what < 0.985 and len(tasks) > 1:
            who.exit()
            del tasks[who]
        else:
            status = UserArray([0] * 4)
            at = UserArray([START + (n + i) % 900 * PAGE_SIZE for i in range(4)])
            sys_move_pages(who, 0, 4, at, UserArray([chance.randrange(2)] * 4), status, 2)
    validate_vm(vm)
    assert vm.vmstat["pswpout"] > 100
    for who, pages in tasks.items():
        for n, wanted in pages.items():
            assert who.read(START + n * PAGE_SIZE, PAGE_SIZE) == wanted
    for who in list(tasks):
        who.exit()
    lru_add_drain_all(task.user)
    validate_vm(vm)
    assert task.user.swap is not None
    assert not task.user.swap.used


@pytest.mark.parametrize("era", ERAS)
def test_a_contiguous_range_drops_clean_pages_of_files(era: str) -> None:
    """Mapped ones too; dirty, locked and anonymous pages move."""
    vm, task = machine(slots=0, era=era)
    inode = mount(vm, Blockfs).create("/file")
    assert file_write(task, inode, 0, b"".join(map(content, range(4)))) == 4 * PAGE_SIZE
    assert fsync(inode) == 0
    do_mmap(task, FILE, 2 * PAGE_SIZE, VM_READ | VM_SHARED, inode)
    task.read(FILE, 1)
    assert do_mlock(task, FILE + PAGE_SIZE, PAGE_SIZE) == 0
    assert file_write(task, inode, 2 * PAGE_SIZE, content(2)) == PAGE_SIZE
    fill(task, 2)
    lru_add_drain_all(task.user)
    start = min(page.pfn for page in inode.mapping.i_pages.values()) & -16
    assert alloc_contig_range(vm, start, start + 16) == 0
    free_contig_range(vm, start, 16)
    validate_vm(vm)
    assert sorted(inode.mapping.i_pages) == [1, 2]
    assert vm.vmstat["pgmigrate_success"] == 4
    compare(task, 2)
    assert file_read(task, inode, 0, 1 << 20) == b"".join(map(content, range(4)))


def test_a_clean_page_that_a_range_cannot_drop_counts_as_used_no_more() -> None:
    task, inode = file_on(Blockfs)
    assert fsync(inode) == 0
    page = inode.mapping.i_pages[0]
    get_page(page)
    mark_page_accessed(page)
    assert page._flags & ACTIVE
    assert alloc_contig_range(task.user.vm, page.pfn, page.pfn + 1) == -EBUSY
    assert inode.mapping.i_pages[0] is page and not page._flags & ACTIVE


def test_a_page_on_the_way_to_a_list_becomes_active_in_the_batch_of_this_cpu_only() -> None:
    """Who puts it on a list has chosen which one."""
    task, inode = file_on(Blockfs)
    page, user = inode.mapping.i_pages[0], task.user
    lru_add_drain_all(user)
    assert isolate_lru_page(page) == 0 and not page._flags & ACTIVE
    page._flags |= REFERENCED
    mark_page_accessed(page)
    assert not page._flags & (ACTIVE | REFERENCED)
    lru_cache_add(user, page, user.cpu)
    page._flags |= REFERENCED
    mark_page_accessed(page)
    assert page._flags & ACTIVE and not page._flags & LRU


@pytest.mark.parametrize("shared", [0, VM_SHARED])
def test_why_knows_what_is_swapped_out_and_what_holds_a_page_in_the_swap_cache(shared: int) -> None:
    vm, task = machine(slots=64)
    do_mmap(task, START, PAGE_SIZE, VM_READ | VM_WRITE | shared)
    task.write(START, b"x")
    task.fork("child")
    for _ in range(4):
        shrink_node(task.user, vm.nodes[0], 0)
    assert vm.vmstat["pswpout"] == 1
    assert why(task, task, START)[0].startswith("The page is swapped out")
    task.read(START, 1)
    lru_add_drain_all(task.user)
    text = " ".join(why(task, task, START))
    assert "on node 0" in text
    assert "more references" not in text


def test_why_knows_buffers() -> None:
    vm, task = machine(slots=0)
    inode = mount(vm, Blockfs).create("/file")
    assert file_write(task, inode, 0, content(1)) == PAGE_SIZE
    do_mmap(task, FILE, PAGE_SIZE, VM_READ | VM_SHARED, inode)
    task.read(FILE, 1)
    lru_add_drain_all(task.user)
    assert why(task, task, FILE)[-1].startswith("Nothing keeps it")
