"""What compaction costs for a page, and that it does not depend on the size of the machine."""

from __future__ import annotations

import gc
import statistics
import time

import pytest

import movable
from movable import (
    GFP_HIGHUSER_MOVABLE,
    VM,
    AddressSpace,
    ClearPageMovable,
    Page,
    SetPageMovable,
    get_page,
    lock_page,
    put_page,
    unlock_page,
)
from movable.mm.compaction import compact_memory

pytestmark = pytest.mark.benchmark

MIB = 1 << 20
SMALL, LARGE = 256, 4096


class Bare:
    """The least that a driver can do: no list, no content, so that the core's own cost is measured."""

    def __init__(self, vm: VM) -> None:
        self.mapping = vm.address_space(self, "bare")

    @movable.hookimpl
    def isolate_page(self, page: Page, mode: int) -> bool:
        return True

    @movable.hookimpl
    def migratepage(self, mapping: AddressSpace, newpage: Page, page: Page, mode: int) -> int:
        get_page(newpage)
        SetPageMovable(newpage, mapping)
        ClearPageMovable(page)
        put_page(page)
        return 0

    @movable.hookimpl
    def putback_page(self, page: Page) -> None:
        pass


def half_full(mebibytes: int) -> VM:
    """A machine where every frame was in use and a random half is free again; the other half is movable."""
    vm = VM(mebibytes * MIB)
    bare = Bare(vm)
    pages = [vm.alloc_page(GFP_HIGHUSER_MOVABLE) for _ in range(vm.nr_frames - 2 * vm.zones[0].watermark[2])]
    for page in pages:
        assert page is not None
        if vm.random.random() < 0.5:
            put_page(page)
        else:
            lock_page(page)
            SetPageMovable(page, bare.mapping)
            unlock_page(page)
    return vm


def cost_per_page(mebibytes: int) -> float:
    """Microseconds of processor time for each page that compaction moved."""
    vm = half_full(mebibytes)
    gc.collect()
    started = time.process_time()
    compact_memory(vm)
    took = time.process_time() - started
    migrated = vm.vmstat["pgmigrate_success"]
    assert migrated > 0.2 * vm.nr_frames
    assert sum(area.nr_free << area.order for area in vm.zones[0].free_area[9:]) > 0.4 * vm.zones[0].nr_free
    return took / migrated * 1e6


def test_the_cost_of_a_page_is_the_same_in_256_mib_and_in_4_gib(capsys: pytest.CaptureFixture[str]) -> None:
    """Smaller machines are measured before and after the larger one, so that a busy neighbour slows both."""
    smaller = [cost_per_page(SMALL) for _ in range(5)]
    large = cost_per_page(LARGE)
    smaller += [cost_per_page(SMALL) for _ in range(5)]
    small = statistics.mean(smaller)
    with capsys.disabled():
        print(f"\ncompaction, a page: {small:.1f} us in {SMALL} MiB, {large:.1f} us in {LARGE} MiB, {large / small:.2f} times")
    assert large < 1.3 * small
