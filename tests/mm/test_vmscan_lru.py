"""Memory pressure: pages of processes go to the swap device and come back, byte for byte; pages of files go to their disk."""

from __future__ import annotations

import random
from errno import EBUSY

import pytest

from movable import VM, UsageError
from movable.eras import ERAS
from movable.filesystem import Disk, mount
from movable.mm.compaction import compact_memory
from movable.mm.filemap import trylock_page
from movable.mm.filemap_cache import file_read, file_write, fsync
from movable.mm.madvise import madvise_dontneed
from movable.mm.memory import OutOfMemory
from movable.mm.mlock_calls import do_mlock
from movable.mm.mm_types import VM_READ, VM_SHARED, VM_WRITE
from movable.mm.mmap import do_mmap
from movable.mm.move_pages import UserArray, sys_move_pages
from movable.mm.page import PAGE_SIZE, get_page
from movable.mm.page_alloc_contig import alloc_contig_range, free_contig_range
from movable.mm.page_flags import ACTIVE
from movable.mm.process import Process, Signal
from movable.mm.swap import lru_add_drain_all, lruvec, mark_page_accessed
from movable.mm.swapfile import PageSwapCache, swapoff, swapon
from movable.mm.userspace import userspace
from movable.mm.validate import validate_vm
from movable.mm.vmscan_lru import shrink_node, too_many_isolated
from movable.numa.why import why
from movable_filesystems import Blockfs
from movable_zsmalloc import Zsmalloc
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


def unreadable_while_it_fails(vm: VM, task: Process, pages: int, rounds: int) -> None:
    """Reclaimed while the device works, pages cannot be read back while it fails, and hold what they held once it works again."""
    disk = vm.disks[0]
    disk.fails = False
    for _ in range(rounds):
        shrink_node(task.user, vm.nodes[0], 0)
    disk.fails = True
    with pytest.raises(Signal, match="SIGBUS"):
        compare(task, pages)
    disk.fails = False
    compare(task, pages)


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


@pytest.mark.parametrize("era", ["4.19", "7.3"])
def test_shared_memory_may_be_larger_than_memory(era: str) -> None:
    """What one process wrote another reads, also where the file in memory was swapped out in between."""
    vm, task = machine(era=era)
    do_mmap(task, START, 400 * PAGE_SIZE, VM_READ | VM_WRITE | VM_SHARED)
    other = task.fork("other")
    for n in range(400):
        task.write(START + n * PAGE_SIZE, content(n))
    space = task.user.swap
    assert space is not None
    assert space.used >= 400 - FRAMES
    validate_vm(vm)
    compare(other, 400)
    for n in range(0, 400, 3):
        other.write(START + n * PAGE_SIZE, b"changed!")
    compare_first = [task.read(START + n * PAGE_SIZE, 8) for n in range(400)]
    assert compare_first == [b"changed!" if n % 3 == 0 else content(n)[:8] for n in range(400)]
    validate_vm(vm)
    task.exit()
    other.exit()
    lru_add_drain_all(task.user)
    validate_vm(vm)
    assert not space.used
    swapoff(task.user)


def test_a_device_that_fails_costs_no_shared_data() -> None:
    vm, task = machine()
    disk = vm.disks[0]
    do_mmap(task, START, 300 * PAGE_SIZE, VM_READ | VM_WRITE | VM_SHARED)
    for n in range(200):
        task.write(START + n * PAGE_SIZE, content(n))
    disk.fails = True
    shrink_node(task.user, vm.nodes[0], 0)
    shrink_node(task.user, vm.nodes[0], 0)
    assert vm.vmstat["pswpout_failed"]
    compare(task, 200)
    unreadable_while_it_fails(vm, task, 200, 3)
    validate_vm(vm)


def test_without_room_a_fault_ends_as_before() -> None:
    vm, task = machine(slots=0)
    with pytest.raises(OutOfMemory):
        fill(task, 400)
    vm, task = machine(slots=32)
    with pytest.raises(OutOfMemory):
        fill(task, 400)
    validate_vm(vm)


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


def test_pages_in_the_swap_cache_move() -> None:
    vm, task = machine(nodes=2)
    fill(task, 8)
    child = task.fork("child")
    space = task.user.swap
    assert space is not None
    lru_add_drain_all(task.user)
    for _ in range(4):
        shrink_node(task.user, vm.nodes[0], 0)
    assert space.used == 8
    assert task.read(START, 8) == content(0)[:8]
    lru_add_drain_all(task.user)
    page = next(iter(space.i_pages.values()))
    assert PageSwapCache(page), "the child's entry holds the slot still"
    status = UserArray([99])
    assert sys_move_pages(task, 0, 1, UserArray([START]), UserArray([1]), status, 2) == 0
    assert list(status) == [1]
    assert next(iter(space.i_pages.values())).node == 1
    validate_vm(vm)
    compare(child, 8)
    compare(task, 8)
    validate_vm(vm)


def test_a_device_that_fails_costs_no_data() -> None:
    vm, task = machine()
    fill(task, 100)
    disk = vm.disks[0]
    disk.fails = True
    lru_add_drain_all(task.user)
    for _ in range(4):
        shrink_node(task.user, vm.nodes[0], 0)
    assert vm.vmstat["pswpout_failed"]
    compare(task, 100)
    validate_vm(vm)
    unreadable_while_it_fails(vm, task, 100, 6)


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


def test_swapping_to_a_compressed_store_in_the_same_memory() -> None:
    vm = VM(FRAMES * PAGE_SIZE, era="6.1")
    task = userspace(vm).spawn("big")
    swapon(task.user, Zsmalloc(vm).open_store(512), 512)
    fill(task, 320)
    assert vm.vmstat["pswpout"] > 60
    compact_memory(vm)
    compare(task, 320)
    validate_vm(vm)


def test_one_device_at_a_time() -> None:
    _, task = machine()
    with pytest.raises(UsageError, match="swaps already"):
        swapon(task.user, Disk(task.user.vm, 8), 2)
    fill(task, 300)
    with pytest.raises(UsageError, match="slots of the swap device are in use"):
        swapoff(task.user)


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
