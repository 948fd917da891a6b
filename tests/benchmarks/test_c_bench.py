"""Drivers in C beside drivers in Python: executions a second, stores through an allocator, what starting and putting back cost."""

from __future__ import annotations

import time
import timeit
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from movable.c.build.recipe import Recipe, build
from movable.c.target import find
from movable.concurrent.execution import Trial
from movable.concurrent.stage import subject
from movable.explore.schedulers.portfolio import Portfolio
from movable.explore.schedulers.shared_locations import Reduced
from movable.mm.address_space import AddressSpace
from movable.mm.filemap import lock_page, unlock_page
from movable.mm.gfp import GFP_HIGHUSER_MOVABLE
from movable.mm.highmem import copy_highpage
from movable.mm.page import (
    Page,
    get_page,
    put_page,
)
from movable.mm.page_flags import ClearPageMovable, SetPageMovable
from movable.mm.vm import VM
from movable.workload.scenario import Scenario, migrate, teardown
from movable.workload.workload import Workload, workload_for
from tests.c.building import DATA, needs_compiler, written

pytestmark = [pytest.mark.benchmark, needs_compiler]

STORES = """
static struct page *pages[32]; static int used[32];
static struct { void *at; int size; } table[1024];
int fill(int rounds)
{
	static char from[500];
	int done = 0;

	for (int r = 0; r < rounds; r++)
		for (int i = 0; i < 128; i++, done++) {
			int p = i / 8;
			if (!pages[p])
				pages[p] = alloc_page(GFP_KERNEL);
			table[i].at = (char *)page_address(pages[p]) + i % 8 * 512;
			table[i].size = 500;
			memcpy(table[i].at, from, 500);
			used[p]++;
		}
	return done;
}
"""


class Twin:
    """badmov.c in mode 0, in Python, line by line."""

    def __init__(self, vm: VM) -> None:
        self.vm = vm
        self.lock = vm.spinlock("lock")
        self.mapping = vm.address_space(self, "twin")
        self.nr_isolated = self.nr_migrated = self.nr_putback = 0
        self.slots: list[Page | None] = []
        for number in range(4):
            page = vm.alloc_pages(GFP_HIGHUSER_MOVABLE)
            assert page is not None
            page.data[0] = number
            page.private = number
            lock_page(page)
            SetPageMovable(page, self.mapping)
            unlock_page(page)
            self.slots.append(page)

    def isolate_page(self, page: Page, mode: int) -> bool:
        """bad_isolate."""
        with self.lock:
            self.nr_isolated += 1
        return True

    def migratepage(self, mapping: AddressSpace, newpage: Page, page: Page, mode: int) -> int:
        """bad_migrate."""
        number = page.private
        copy_highpage(newpage, page)
        with self.lock:
            self.slots[number] = newpage
            self.nr_isolated -= 1
            self.nr_migrated += 1
        get_page(newpage)
        newpage.private = number
        SetPageMovable(newpage, mapping)
        ClearPageMovable(page)
        page.private = 0
        put_page(page)
        return 0

    def putback_page(self, page: Page) -> None:
        """bad_putback."""
        with self.lock:
            self.nr_isolated -= 1
            self.nr_putback += 1

    def remove(self) -> None:
        """bad_exit."""
        for number in range(4):
            while True:
                with self.lock:
                    page = self.slots[number]
                    assert page is not None
                    get_page(page)
                lock_page(page)
                if self.slots[number] is page:
                    break
                unlock_page(page)
                put_page(page)
            assert page.data[0] == number
            ClearPageMovable(page)
            unlock_page(page)
            put_page(page)
            put_page(page)
        self.vm.free_address_space(self.mapping)


class TwinWorkload(Workload):
    """As the one for the C file."""

    factory = Twin


def executions(factory: Any, scenario: Scenario) -> Callable[[int], float]:
    """What runs so many executions, and returns the seconds of processor time that they took."""
    trial = Trial(subject(workload_for(factory), factory, era="6.1"), scenario)
    strategy = Portfolio(1500, 0)

    def some(number: int) -> float:
        nonlocal strategy
        began = time.process_time()
        for _ in range(number):
            run = Reduced(trial, strategy, limit=20_000, races=True, order=True, stop=True)
            assert strategy.begin(run)
            run.run()
            strategy.end(run)
            if trial.sharing.grew:
                trial.sharing.grew, strategy = False, Portfolio(1500, 0)
        return time.process_time() - began

    some(30)
    return some


def test_stores_of_500_bytes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    driver = find(written(tmp_path, STORES), "")(VM(layout=[(0, "Normal", 64)], pageblock_order=2))
    driver.call("fill", 2)
    began = time.process_time()
    done = driver.call("fill", 200)
    took = time.process_time() - began
    with capsys.disabled():
        print(f"\nstores of 500 bytes, instrumented: {done / took:.0f} a second")
    assert done / took > 30_000


def test_building_loading_and_putting_back(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = (DATA / "badmov.c").read_text()
    path = tmp_path / "driver.c"
    path.write_text(text + f"\n/* {time.time()} */\n")
    began = time.perf_counter()
    build(Recipe((path,)))
    built = time.perf_counter()
    build(Recipe((path,)))
    cached = time.perf_counter() - built
    factory = find(str(path), "np=4,spread=1")
    driver = factory(VM(layout=[(0, "Normal", 32)], pageblock_order=2, era="6.1"))
    memory = driver.c.memory
    kept = memory.keep()
    back = min(timeit.repeat(lambda: memory.put_back(kept), number=100, repeat=20)) / 100
    fresh = min(timeit.repeat(lambda: driver.c.runtime.lib.k_reset(32), number=100, repeat=20)) / 100
    with capsys.disabled():
        print(f"\nbuild {built - began:.2f} s, cached {cached * 1e3:.1f} ms")
        print(f"reset {fresh * 1e6:.1f} us, put back with 32 pages {back * 1e6:.1f} us")
    assert cached < 0.02
    assert fresh < 5e-6
    assert back < 100e-6


def test_executions_beside_python(capsys: pytest.CaptureFixture[str]) -> None:
    in_c = executions(find(str(DATA / "badmov.c"), "np=4,spread=1"), Scenario("c", ((teardown(),), (migrate(0),)), ()))
    python = executions(Twin, Scenario("python", ((teardown(),), (migrate(0),)), ()))
    rounds = [(in_c(10), python(10)) for _ in range(20)]  # in turns, so that whoever else is busy here is so for both
    c, twin = (10 * len(rounds) / sum(side) for side in zip(*rounds, strict=True))
    with capsys.disabled():
        print(f"\nexecutions a second: {c:.0f} in C, {twin:.0f} in Python: {c / twin:.0%}")
    assert c > 0.75 * twin
