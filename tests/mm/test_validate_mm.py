"""The census of processes' memory: a machine in use adds up, and every kind of damage is found."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from movable import VM
from movable.errors import InvalidState
from movable.mm.fs import FileMapping
from movable.mm.mlock_calls import do_mlock
from movable.mm.mm_types import VM_READ, VM_SHARED, VM_WRITE
from movable.mm.mmap import do_mmap
from movable.mm.page import Page, get_page
from movable.mm.page_flags import UNEVICTABLE, PG_lru
from movable.mm.pgtable import PTE_MIGRATION, PTE_SHIFT
from movable.mm.process import Process
from movable.mm.rmap import EXCLUSIVE
from movable.mm.swap import lru_add_drain_all, lruvec
from movable.mm.userspace import userspace
from movable.mm.validate import validate_vm
from movable.mm.vmscan_isolate import count_isolated

RW = VM_READ | VM_WRITE
ANON, SHARED, LOCKED = 0x100, 0x200, 0x300


def machine() -> Process:
    vm = VM(256 << 12, nodes=2, era="6.1")
    task = userspace(vm).spawn("demo")
    do_mmap(task, ANON << 12, 4 << 12, RW)
    do_mmap(task, SHARED << 12, 4 << 12, RW | VM_SHARED)
    do_mmap(task, LOCKED << 12, 4 << 12, RW)
    for start in (ANON, SHARED, LOCKED):
        task.write(start << 12, b"x" * 0x4000)
    do_mlock(task, LOCKED << 12, 1 << 14)
    task.fork("child")
    lru_add_drain_all(task.user)
    return task


def page(task: Process, vpn: int) -> Page:
    assert task.mm is not None
    return task.user.vm.pages[task.mm.pgtable[vpn] >> PTE_SHIFT]


def drop_entry(task: Process) -> None:
    assert task.mm is not None
    del task.mm.pgtable[ANON]


def entry_nowhere(task: Process) -> None:
    assert task.mm is not None
    task.mm.pgtable[0x999] = task.mm.pgtable[ANON]


def left_behind(task: Process) -> None:
    assert task.mm is not None
    task.mm.pgtable[ANON] = task.mm.pgtable[ANON] & -4096 | PTE_MIGRATION


def extra_reference(task: Process) -> None:
    get_page(page(task, ANON))


def wrong_flag(task: Process) -> None:
    page(task, ANON)._flags &= ~(1 << PG_lru)


def writable(task: Process) -> None:
    assert task.mm is not None
    task.mm.pgtable[ANON] |= 2


def exclusive(task: Process) -> None:
    page(task, ANON)._flags |= EXCLUSIVE


def evictable(task: Process) -> None:
    page(task, LOCKED)._flags &= ~UNEVICTABLE


def lock_count(task: Process) -> None:
    task.user.mlock_count.clear()


def slot(task: Process) -> None:
    mapping = next(each for each in task.user.vm.address_spaces.values() if each.name.startswith("/dev/zero"))
    assert isinstance(mapping, FileMapping)
    pages = mapping.i_pages
    pages[0], pages[1] = pages[1], pages[0]


def size(task: Process) -> None:
    lruvec(task.user.vm.nodes[0]).size[0] += 1


def isolated(task: Process) -> None:
    count_isolated(page(task, ANON), 1)


def overlap(task: Process) -> None:
    assert task.mm is not None
    task.mm.vmas[0].end += 0x200


def unknown_area(task: Process) -> None:
    assert task.mm is not None
    vma = task.mm.vmas[0]
    assert vma.anon_vma is not None
    vma.anon_vma.vmas.remove(vma)


def unlocked_area(task: Process) -> None:
    assert task.mm is not None
    task.mm.locked_vm = 0


DAMAGE = [
    drop_entry,
    entry_nowhere,
    left_behind,
    extra_reference,
    wrong_flag,
    writable,
    exclusive,
    evictable,
    lock_count,
    slot,
    size,
    isolated,
    overlap,
    unknown_area,
    unlocked_area,
]


def test_a_machine_in_use_adds_up() -> None:
    task = machine()
    validate_vm(task.user.vm)
    for each in list(task.user.tasks.values()):
        if each.mm is not None:
            each.exit()
    validate_vm(task.user.vm)
    assert len([page for page in task.user.vm.pages.values() if page._refcount]) == 1  # the zero page


@pytest.mark.parametrize("damage", DAMAGE, ids=lambda damage: damage.__name__)
def test_damage_is_found(damage: Callable[[Process], None]) -> None:
    task = machine()
    damage(task)
    with pytest.raises(InvalidState):
        validate_vm(task.user.vm)
