"""Compaction and its kin beside other tasks: random interleavings, and the machine adds up after each."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from movable import GFP_HIGHUSER_MOVABLE, VM, ClearPageMovable, get_page_unless_zero, put_page, trylock_page, unlock_page
from movable.explore import Scene, explore
from movable.explore.engine import Scheduler
from movable.mm.compaction import compact_memory
from movable.mm.memory_failure import soft_offline_page
from movable.mm.memory_hotplug import offline_pages, online_pages
from movable.mm.page_alloc_contig import alloc_contig_range, free_contig_range
from movable.mm.seam import Seam
from tests.drivers_for_tests.keeper import Keeper, machine, settle

FRAMES = 64
EXECUTIONS = 60
Customer = Callable[[VM, Keeper], object]


def release(vm: VM, keeper: Keeper) -> None:
    """The owner gives up pages at the lower end, isolated or not; one that moves meanwhile is let be."""
    for pfn in (1, 3, 9):
        page = vm.page(pfn)
        if get_page_unless_zero(page):
            if trylock_page(page):
                holder = keeper.pages if page in keeper.pages else keeper.isolated
                if holder.pop(page, None) is not None:
                    ClearPageMovable(page)
                    put_page(page)
                unlock_page(page)
            put_page(page)


def allocate(vm: VM, keeper: Keeper) -> None:
    for _ in range(3):
        page = vm.alloc_page(GFP_HIGHUSER_MOVABLE)
        if page is not None:
            put_page(page)


def compact(vm: VM, keeper: Keeper) -> None:
    compact_memory(vm)


def contig(vm: VM, keeper: Keeper) -> None:
    if alloc_contig_range(vm, 8, 16) == 0:
        free_contig_range(vm, 8, 8)


def offline(vm: VM, keeper: Keeper) -> None:
    if offline_pages(vm, 8, 8, max_passes=3) == 0:
        online_pages(vm, 8, 8)


def retire(vm: VM, keeper: Keeper) -> None:
    soft_offline_page(vm, 1)


PAIRS: list[tuple[Customer, Customer]] = [
    (compact, release),
    (compact, compact),
    (compact, allocate),
    (compact, contig),
    (compact, offline),
    (compact, retire),
    (contig, release),
    (contig, contig),
    (offline, release),
    (offline, contig),
    (retire, release),
    (retire, retire),
]


@pytest.mark.parametrize("pair", PAIRS, ids=lambda pair: "-".join(task.__name__ for task in pair))
def test_two_at_once(pair: tuple[Customer, Customer]) -> None:
    def program(scheduler: Scheduler) -> Scene:
        vm = machine(FRAMES, 3)
        # A 4.19 kernel sets PG_isolated without atomic operations and may lose PG_waiters: true, but not the subject here.
        vm.era = replace(vm.era, atomic_isolated_flag=True)
        keeper = settle(vm, [*range(1, 12, 2), *range(33, 64, 4)])
        vm.install(Seam(scheduler))
        tasks = [(f"{task.__name__} {number}", lambda task=task: task(vm, keeper)) for number, task in enumerate(pair)]

        def check() -> None:
            vm.install(None)
            keeper.check(content=True)

        return Scene(tasks, check)

    report = explore(program, strategy="urw", executions=EXECUTIONS, shrink=False)
    assert report.failure is None, str(report)
    assert report.executions == EXECUTIONS
