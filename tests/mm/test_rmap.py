"""From a page to the areas that may map it, where there are many of them."""

from __future__ import annotations

import random
from contextlib import AbstractContextManager, nullcontext

import pytest

from movable.mm.mempolicy import MPOL_BIND
from movable.mm.mempolicy_calls import UserMask, sys_mbind, sys_migrate_pages
from movable.mm.mm_types import VM_READ, VM_SHARED, VM_WRITE, VMA
from movable.mm.mmap import do_mmap, do_munmap
from movable.mm.move_pages import MPOL_MF_MOVE
from movable.mm.mprotect import do_mprotect
from movable.mm.page import Page
from movable.mm.process import Process
from movable.mm.rmap import MANY_AREAS, rmap_areas, vma_address
from movable.mm.rwsem import RWSem
from movable.mm.shmem import shmem_file
from movable.mm.userspace import Userspace, userspace
from movable.mm.validate import validate_vm
from movable.mm.vm import VM

START, PAGES = 0x1000, 64


def mapped(user: Userspace) -> list[Page]:
    return [page for page in user.vm.pages.values() if page._mapcount >= 0 and page._mapping]


def all_areas(user: Userspace, page: Page) -> list[VMA]:
    """Every area of every process that may map the page, as the lists have them."""
    anon = user.anon_vmas.get(page._mapping - 1)
    areas: list[VMA] = getattr(user.vm.address_spaces.get(page._mapping), "i_mmap", []) if anon is None else anon.vmas
    return [vma for vma in areas if vma_address(page, vma) >= 0]


def read_before(user: Userspace, page: Page) -> AbstractContextManager[None]:
    """The exclusive side of a lock, for which a reader was waited that asked where the page is mapped."""
    for _ in range(2):
        rmap_areas(user, page)
    return nullcontext()


def test_an_index_made_while_an_area_waits_for_its_lock_is_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    """The area has its first page, and takes part in the family of the one beside it."""
    user = userspace(VM(4 << 20, era="6.1"))
    task = user.spawn("work")
    do_mmap(task, START << 12, PAGES << 12, VM_READ | VM_WRITE)
    task.touch(START, True)
    do_mprotect(task, START << 12, PAGES << 12, VM_READ)
    do_mmap(task, (START + PAGES) << 12, PAGES << 12, VM_READ | VM_WRITE)
    (page,) = mapped(user)
    for _ in range(MANY_AREAS):
        task.fork("child")
    monkeypatch.setattr(RWSem, "write", lambda _: read_before(user, page))
    task.touch(START + PAGES, True)
    (late,) = (other for other in mapped(user) if other is not page)
    assert [vma for vma in rmap_areas(user, late) if vma_address(late, vma) >= 0] == all_areas(user, late) != []


def found_as_listed(user: Userspace) -> None:
    """Each page by the index, but for the first of each family and file, as the lists have it."""
    for page in mapped(user):
        assert [vma for vma in rmap_areas(user, page) if vma_address(page, vma) >= 0] == all_areas(user, page)


def unmap_first_area(task: Process) -> None:
    assert task.mm is not None
    vma = task.mm.vmas[0]
    do_munmap(task, vma.start << 12, (vma.end - vma.start) << 12)


def test_of_many_areas_those_are_found_that_hold_the_page() -> None:
    chance = random.Random(5)
    user = userspace(VM(4 << 20, nodes=2, era="6.1"))
    task = user.spawn("work")
    file = shmem_file(user, PAGES)
    for at, flags in ((START, VM_READ | VM_WRITE), (START + 0x100, VM_READ | VM_WRITE | VM_SHARED)):
        do_mmap(task, at << 12, PAGES << 12, flags, file if flags & VM_SHARED else None)
    tasks, other = [task], user.spawn("other")
    for turn in range(12):
        for at in range(START, START + PAGES, 3):
            chance.choice(tasks).touch(at + chance.choice((0, 0x100)), True)
        for _ in range(6):
            at, length = START + chance.choice((0, 0x100)) + chance.randrange(PAGES), chance.randint(1, 3)
            nodes, flags = UserMask(chance.randint(1, 3)), chance.choice((0, MPOL_MF_MOVE))
            sys_mbind(chance.choice(tasks), at << 12, length << 12, MPOL_BIND, nodes, 64, flags)
            found_as_listed(user)
        if turn in (4, 7):
            tasks.append(task.fork("child"))
        if turn == 8:
            do_mmap(other, START << 12, PAGES << 12, VM_READ | VM_SHARED, file)
        if turn == 9:
            do_munmap(task, (START + 8) << 12, 16 << 12)
        if turn == 10:
            unmap_first_area(task)
            found_as_listed(user)
            other.exit()
        sys_migrate_pages(task, task.pid, 64, UserMask(1 << turn % 2), UserMask(2 >> turn % 2))
        found_as_listed(user)
        user.lru_add_drain_all()
        validate_vm(user.vm)
    assert min(len(vma.mm.vmas) for vma in all_areas(user, mapped(user)[0])) > MANY_AREAS
    assert max(len(rmap_areas(user, page)) for page in mapped(user)) < MANY_AREAS
