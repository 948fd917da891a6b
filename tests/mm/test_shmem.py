"""Files in memory."""

from __future__ import annotations

import pytest

from movable import VM
from movable.mm.mm_types import VM_READ, VM_SHARED, VM_WRITE
from movable.mm.mmap import do_mmap
from movable.mm.page import PAGE_SIZE
from movable.mm.process import Process, Signal
from movable.mm.swap import lru_add_drain_all
from movable.mm.swapfile import swapoff
from movable.mm.validate import validate_vm
from movable.mm.vmscan_lru import shrink_node
from tests.mm.test_vmscan_lru import FRAMES, START, compare, content, machine


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
