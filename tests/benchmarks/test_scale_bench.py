"""Large machines: importing a snapshot, compacting it, what a page costs in time at any size and in memory, and ``movable run``."""

from __future__ import annotations

import gc
import random
import sys
import time
import tracemalloc
from array import array

import pytest

from movable import GFP_HIGHUSER_MOVABLE, VM
from movable.frames.imported import compact_quietly
from movable.frames.machine import machine_of
from movable.frames.snapshot import Snapshot, Span
from movable.mm.proc_page import KPF_ANON, KPF_BUDDY, KPF_LRU
from tests.processes import seconds_of

pytestmark = pytest.mark.benchmark

GIB = 1 << 30
FREE, ANON = 1 << KPF_BUDDY, 1 << KPF_ANON | 1 << KPF_LRU
BLOCK = 512
RUNS = {"256M": 1 << 16, "1G": 1 << 18, "4G": 1 << 20}
"""Frames of machines for ``movable run``."""


def snapshot(size: int, mixed: float) -> Snapshot:
    """A machine of ``size`` bytes in which a share of the pageblocks is half free, and the others are free."""
    chance, words = random.Random(1), array("Q")
    broken = [array("Q", chance.choices((FREE, ANON), k=BLOCK)) for _ in range(64)]
    whole = array("Q", [FREE]) * BLOCK
    for _ in range(size >> 21):
        words += chance.choice(broken) if chance.random() < mixed else whole
    return Snapshot("made", memoryview(words), [Span(0, "Normal", 0, len(words))])


def cost(size: int, mixed: float) -> tuple[float, float, int]:
    """(seconds of import, microseconds of compaction for each page that moved, pages)."""
    taken = snapshot(size, mixed)
    gc.collect()
    started = time.process_time()
    vm = machine_of(taken)
    imported = time.process_time() - started
    started = time.process_time()
    compact_quietly(vm)
    took = time.process_time() - started
    moved = vm.vmstat["pgmigrate_success"]
    assert moved > 0.2 * mixed * vm.nr_frames / 2
    return imported, took / moved * 1e6, moved


def test_a_snapshot_of_16_gib(capsys: pytest.CaptureFixture[str]) -> None:
    imported, each, moved = cost(16 * GIB, 0.8)
    with capsys.disabled():
        print(f"\n16 GiB: import {imported:.1f} s; compaction {each * moved / 1e6:.1f} s, {moved} pages, {each:.1f} us a page")
    assert imported < 5 and each * moved < 60e6


def test_a_page_costs_the_same_from_256_mib_to_64_gib(capsys: pytest.CaptureFixture[str]) -> None:
    """The larger the machine, the smaller the share that is broken up: the same work lies among ever more memory."""
    sizes = {256 << 20: 0.8, 4 * GIB: 0.8, 64 * GIB: 0.05}
    costs = {size: min(cost(size, mixed)[1] for _ in range(5 if size < GIB else 1)) for size, mixed in sizes.items()}
    with capsys.disabled():
        print("\ncompaction, a page: " + ", ".join(f"{each:.1f} us in {size / GIB:g} GiB" for size, each in costs.items()))
    assert max(costs.values()) < 1.3 * costs[256 << 20]


def test_a_page_that_was_touched_takes_300_bytes_beside_its_content(capsys: pytest.CaptureFixture[str]) -> None:
    found = {}
    for mebibytes in (64, 256, 1024):
        vm = VM(mebibytes << 20)
        count = vm.nr_frames * 9 // 10
        tracemalloc.start()
        before = tracemalloc.get_traced_memory()[0]
        for _ in range(count):
            page = vm.alloc_page(GFP_HIGHUSER_MOVABLE)
            assert page is not None
            page.data[0] = 1
        found[mebibytes] = (tracemalloc.get_traced_memory()[0] - before) / count
        tracemalloc.stop()
    with capsys.disabled():
        print("\nmemory of a page: " + ", ".join(f"{each:.0f} bytes in {size} MiB" for size, each in found.items()))
    assert max(found.values()) <= 300


def test_movable_run_on_machines_of_three_sizes(capsys: pytest.CaptureFixture[str]) -> None:
    """By the processor's time of a process each: the larger the machine, the smaller the share of what is read and imported."""
    took = {memory: seconds_of([sys.executable, "-m", "movable", "run", "--memory", memory]) for memory in RUNS}
    each = {memory: took[memory] / frames * 1e6 for memory, frames in RUNS.items()}
    with capsys.disabled():
        print("\n" + ", ".join(f"{memory}: {took[memory]:.1f} s, {each[memory]:.0f} us a frame" for memory in RUNS))
    assert each["4G"] <= 1.3 * each["1G"]
    assert took["4G"] <= 30
