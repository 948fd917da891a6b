"""Pages of processes against a bare floor: one that moves between nodes, one that is faulted in; and recorded programs a second.

The floor for one page is what no model can do without: one copy of 4 KiB, from memory to memory, and three empty Python calls.
"""

from __future__ import annotations

import gc
import mmap
import time
from pathlib import Path

import pytest

from movable import VM
from movable.mm.mempolicy_calls import UserMask, sys_migrate_pages
from movable.mm.mm_types import VM_READ, VM_WRITE
from movable.mm.mmap import do_mmap
from movable.mm.process import Process
from movable.mm.userspace import userspace
from movable.numa.program import read_programs
from movable.numa.replay import replay
from tests.benchmarks.test_migration_bench import PAGES, build, migrate_all

pytestmark = pytest.mark.benchmark

DATA = Path(__file__).parent.parent / "data" / "numa" / "programs.jsonl.gz"
START = 0x10000000
MOVE_GOAL, FAULT_GOAL, FLAT_GOAL, PROGRAMS_GOAL = 25.0, 20.0, 1.3, 20.0
ALONE_GOAL = 1.05
MACHINE = 16 << 20


def nothing() -> None:
    """An empty call."""


class Moving:
    """A process with some MiB resident, moved to and fro between two nodes."""

    def __init__(self, mib: int) -> None:
        self.pages = mib * 256
        self.vm = VM(4 * mib << 20, nodes=2, era="6.1")
        self.task: Process = userspace(self.vm).spawn("bench")
        do_mmap(self.task, START, self.pages << 12, VM_READ | VM_WRITE)
        began = time.process_time()
        for vpn in range(START >> 12, (START >> 12) + self.pages):
            self.task.touch(vpn, True)
        self.fault = (time.process_time() - began) / self.pages
        for vpn in range(START >> 12, (START >> 12) + self.pages):
            self.task.write(vpn << 12, b"x")
        self.nodes = [1, 2]
        self.move()
        self.move()
        memory = memoryview(mmap.mmap(-1, self.pages << 12))
        memory[:] = bytes(len(memory))
        self.targets = [memory[n << 12 : (n + 1) << 12] for n in range(self.pages)]
        self.sources = [page.data for page in self.vm.pages.values() if page._mapcount >= 0]

    def move(self) -> float:
        """Seconds for one page."""
        source, target = self.nodes
        began = time.process_time()
        assert sys_migrate_pages(self.task, 0, 64, UserMask(source), UserMask(target)) == 0
        self.nodes.reverse()
        return (time.process_time() - began) / self.pages

    def floor(self) -> float:
        """Seconds for one page of the floor."""
        began = time.process_time()
        for target, source in zip(self.targets, self.sources, strict=True):
            target[:] = source
            nothing()
            nothing()
            nothing()
        return (time.process_time() - began) / self.pages

    def ratios(self, rounds: int) -> tuple[float, float, float]:
        """(move in floors, fault in floors, processor seconds of a move), the best of some rounds taken in turns."""
        gc.collect()
        gc.disable()
        try:
            pairs = [(self.floor(), self.move()) for _ in range(rounds)]
        finally:
            gc.enable()
        floor = min(pair[0] for pair in pairs)
        move = min(pair[1] for pair in pairs)
        return move / floor, self.fault / floor, move


def test_a_page_moves_and_is_faulted_in_within_the_goals() -> None:
    move, fault, _ = Moving(64).ratios(5)
    print(f"\none page moves in {move:.1f} floors, a fault takes {fault:.1f}")
    assert move <= MOVE_GOAL
    assert fault <= FAULT_GOAL


def test_the_cost_of_a_page_does_not_grow_with_the_process() -> None:
    small, large = Moving(16).ratios(5), Moving(1024).ratios(3)
    for size, (floors, _, took) in (("16 MiB", small), ("1 GiB", large)):
        print(f"\n{size}: {took * 1e6:.2f} us a page, {floors:.1f} floors")
    assert large[2] <= small[2] * FLAT_GOAL


def driver_page(vm: VM) -> float:
    """Processor seconds for one page of the leanest driver that moves."""
    _, pages, targets = build(vm)
    began = time.process_time()
    migrate_all(pages, targets)
    return (time.process_time() - began) / PAGES


def beside_a_process() -> VM:
    """A machine of the same size with a process that has memory."""
    vm = VM(MACHINE)
    task = userspace(vm).spawn("bench")
    do_mmap(task, START, 64 << 12, VM_READ | VM_WRITE)
    task.write(START, bytes(64 << 12))
    return vm


def test_who_has_no_process_pays_for_none() -> None:
    """A driver's page on a machine without processes against one beside a process: the first is not the slower one."""
    gc.collect()
    gc.disable()
    try:
        pairs = [(driver_page(VM(MACHINE)), driver_page(beside_a_process())) for _ in range(15)]
    finally:
        gc.enable()
    without, beside = (min(times) for times in zip(*pairs, strict=True))
    print(f"\na driver's page moves in {without * 1e6:.1f} us, beside a process in {beside * 1e6:.1f} us")
    assert without <= beside * ALONE_GOAL


def test_recorded_programs_by_the_second() -> None:
    programs = [program for program, _ in zip(read_programs(str(DATA)), range(100), strict=False)]
    began = time.process_time()
    assert not any(replay(program, "6.1") for program in programs)
    rate = len(programs) / (time.process_time() - began)
    print(f"\n{rate:.0f} programs a second")
    assert rate >= PROGRAMS_GOAL
