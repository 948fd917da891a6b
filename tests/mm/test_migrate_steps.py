"""The numbered steps of the kernel's document: each is an event of one page's life, in the order of the era."""

from __future__ import annotations

import importlib
import inspect

import pytest

from movable import VM, registry
from movable.eras import ERAS
from movable.mm.filemap import lock_page, unlock_page
from movable.mm.filemap_cache import file_write
from movable.mm.gup import get_user_pages
from movable.mm.migrate import STEPS, step_order
from movable.mm.mm_types import VM_READ, VM_SHARED, VM_WRITE
from movable.mm.mmap import do_mmap
from movable.mm.move_pages import UserArray, sys_move_pages
from movable.mm.pgtable import PTE_SHIFT
from movable.mm.process import Process
from movable.mm.swap import lru_add_drain_all
from movable.mm.swapfile import add_to_swap, swapon
from movable.mm.userspace import userspace
from movable.mm.validate import validate_vm

START = 0x100000
TREE = {5, 7, 9, 10, 11}
"""Steps that only a page in a tree has."""


def written(era: str, flags: int = 0, filesystem: str = "") -> Process:
    """A process that has written to one page."""
    vm = VM(4 << 20, nodes=2, era=era)
    task = userspace(vm).spawn("demo")
    file = registry.load(vm, filesystem).create("/file") if filesystem else None
    if file is not None:
        file_write(task, file, 0, b"room")
    do_mmap(task, START, 4096, VM_READ | VM_WRITE | flags, file)
    task.write(START, b"here")
    lru_add_drain_all(task.user)
    return task


def steps_of_a_move(task: Process) -> tuple[list[int], list[int]]:
    """Move the page to the other node: the steps that were seen, and the status."""
    seen: list[int] = []
    vm = task.user.vm
    vm.observe(lambda event: seen.append(event.args["step"]) if event.kind == "migration_step" else None)
    status = UserArray([0])
    sys_move_pages(task, 0, 1, UserArray([START]), UserArray([1]), status, 2)
    vm.install(None)
    validate_vm(vm)
    return seen, list(status)


@pytest.mark.parametrize("era", ERAS)
def test_a_page_of_a_file_has_all_of_them_in_their_order(era: str) -> None:
    assert steps_of_a_move(written(era, VM_SHARED)) == (list(step_order(ERAS[era])), [1])


def test_the_document_has_the_order_of_4_19() -> None:
    assert step_order(ERAS["4.19"]) == tuple(sorted(STEPS)) == (*range(1, 17), 19, 20)
    assert all(set(step_order(era)) == set(STEPS) for era in ERAS.values())


@pytest.mark.parametrize("era", ERAS)
def test_an_anonymous_page_has_those_without_a_tree(era: str) -> None:
    assert steps_of_a_move(written(era)) == ([step for step in step_order(ERAS[era]) if step not in TREE], [1])


@pytest.mark.parametrize("era", ERAS)
def test_a_page_in_the_swap_cache_has_all(era: str) -> None:
    task = written(era)
    pool = registry.load(task.user.vm, "zsmalloc")
    swapon(task.user, pool.open_store(64), 64)
    assert task.mm is not None and task.user.swap is not None
    page = task.user.vm.pages[task.mm.pgtable[START >> 12] >> PTE_SHIFT]
    lock_page(page)
    assert add_to_swap(task.user.swap, page)
    unlock_page(page)
    assert steps_of_a_move(task) == (list(step_order(ERAS[era])), [1])


@pytest.mark.parametrize("era", ERAS)
def test_a_page_with_buffers_has_all(era: str) -> None:
    seen, status = steps_of_a_move(written(era, VM_SHARED, "blockfs"))
    assert status == [1] and seen == list(step_order(ERAS[era]))


@pytest.mark.parametrize("era", ERAS)
def test_a_step_that_fails_is_the_last_before_the_mappings_come_back(era: str) -> None:
    task = written(era, VM_SHARED)
    task.pins = get_user_pages(task, START, 1)  # type: ignore[assignment]
    seen, _ = steps_of_a_move(task)
    assert seen[-1] == 16 and set(seen) == {1, 2, 3, 4, 16} | ({6} if ERAS[era].copies_first else {5, 6})
    assert seen[-2] == 6


@pytest.mark.parametrize("number", STEPS)
def test_the_table_leads_to_the_code(number: int) -> None:
    module, name = STEPS[number].where.split(".")
    code = inspect.getsource(getattr(importlib.import_module(f"movable.mm.{module}"), name))
    assert f"migration_step({number}, " in code or (number == 12 and "seam.copy_lru_page(" in code)
