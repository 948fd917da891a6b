"""Swap: its device, its cache, and what is lost with neither."""

from __future__ import annotations

import pytest

from movable import VM, UsageError
from movable.filesystem import Disk
from movable.mm.compaction import compact_memory
from movable.mm.memory import OutOfMemory
from movable.mm.move_pages import UserArray, sys_move_pages
from movable.mm.node_files import meminfo
from movable.mm.page import PAGE_SIZE
from movable.mm.swap import lru_add_drain_all
from movable.mm.swapfile import PageSwapCache, swapoff, swapon
from movable.mm.userspace import userspace
from movable.mm.validate import validate_vm
from movable.mm.vmscan_lru import shrink_node
from movable_zsmalloc import Zsmalloc
from tests.mm.test_shmem import unreadable_while_it_fails
from tests.mm.test_vmscan_lru import FRAMES, START, compare, content, fill, machine


def test_without_room_a_fault_ends_as_before() -> None:
    vm, task = machine(slots=0)
    with pytest.raises(OutOfMemory):
        fill(task, 400)
    vm, task = machine(slots=32)
    with pytest.raises(OutOfMemory):
        fill(task, 400)
    validate_vm(vm)


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
    assert "Node 1 SwapCached:            4 kB\n" in meminfo(task.user, vm.nodes[1])
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
