"""Contiguous memory areas: bitmap, alignment, retry from place to place, and the list of free runs."""

from __future__ import annotations

import random

import pytest

import movable
from movable.bench import VM, load, validate_vm
from movable.errors import UsageError
from movable.mm.cma import Cma, cma_alloc, cma_debug_list, cma_init_reserved_mem, cma_release
from movable.mm.gfp import MIGRATE_CMA
from tests.drivers_for_tests.ring import Ring


def machine(order_per_bit: int = 0) -> tuple[VM, Cma]:
    vm = VM(8 << 20, pageblock_order=6)
    return vm, cma_init_reserved_mem(vm, 1024, 1024, order_per_bit, "camera")


def test_an_area_is_cma_and_its_frames_are_free() -> None:
    vm, area = machine()
    assert vm.zones[0].pageblock_type(1024) == MIGRATE_CMA and vm.zones[0].nr_free_cma() == 1024
    assert cma_debug_list(area) == "1024@0=> 1024 free of 1024 total pages"
    assert vm.alloc_page(movable.GFP_KERNEL) is not None
    validate_vm(vm, quiescent=False)


@pytest.mark.parametrize(("frames", "first"), [(1024, False), (3072, True)])
def test_a_movable_page_comes_from_an_area_first_only_where_that_is_most_of_what_is_free(frames: int, first: bool) -> None:
    vm = VM(16 << 20, pageblock_order=6, era="6.1")
    cma_init_reserved_mem(vm, 1024, frames)
    page = vm.alloc_page(movable.GFP_HIGHUSER_MOVABLE)
    assert page is not None and (vm.zones[0].pageblock_type(page.pfn) == MIGRATE_CMA) is first


@pytest.mark.parametrize(("start", "count"), [(1, 1024), (512, 1024), (1024, 512), (1024, 0), (1024, 2048), (1024, -1024)])
def test_an_area_that_is_none(start: int, count: int) -> None:
    with pytest.raises(UsageError, match="align it"):
        cma_init_reserved_mem(VM(8 << 20, pageblock_order=6), start, count)


def test_an_area_in_use_is_refused() -> None:
    vm = VM(4 << 20)
    assert vm.alloc_page() is not None
    with pytest.raises(UsageError, match="in use"):
        cma_init_reserved_mem(vm, 0, 1024)


def test_runs_are_aligned_and_listed() -> None:
    vm, area = machine()
    first, second = cma_alloc(area, 3), cma_alloc(area, 8, align=3)
    assert first is not None and second is not None
    assert (first.pfn, second.pfn) == (1024, 1032)
    assert cma_debug_list(area) == "5@3+1008@16=> 1013 free of 1024 total pages"
    assert cma_release(area, first, 3) and not cma_release(area, vm.page(0), 1) and not cma_release(area, None, 1)
    assert cma_debug_list(area) == "8@0+1008@16=> 1016 free of 1024 total pages"
    assert cma_alloc(area, 0) is None and cma_alloc(area, 1025) is None


def test_what_was_lent_moves_away() -> None:
    vm, area = machine()
    ring = load(vm, Ring)
    pages = [ring.add(n % 256) for n in range(1900)]
    assert any(page.pfn >= 1024 for page in pages)
    for page in pages:
        if page.pfn < 1024:
            ring.release(page)
    got = cma_alloc(area, 64, align=6)
    assert got is not None and got.pfn == 1024 and vm.vmstat["pgmigrate_success"]


def test_a_pinned_page_makes_it_try_the_next_place() -> None:
    vm, area = machine()
    held = {page.pfn: page for page in iter(lambda: vm.alloc_page(movable.GFP_HIGHUSER_MOVABLE), None)}
    for pfn, page in held.items():
        if pfn != 1030:
            movable.put_page(page)
    got = cma_alloc(area, 64, align=6)
    assert got is not None and got.pfn == 1088 and area.log == ["alloc_contig_range: [400, 440) PFNs busy"]
    assert cma_alloc(area, 1000) is None
    assert area.log[-2:] == [
        "cma: cma_alloc: camera: alloc failed, req-size: 1000 pages, ret: -12",
        "cma: number of available pages: 64@0+896@128=> 960 free of 1024 total pages",
    ]


def test_a_failure_names_its_frame() -> None:
    vm, area = machine()
    held = {page.pfn: page for page in iter(lambda: vm.alloc_page(movable.GFP_HIGHUSER_MOVABLE), None)}
    for pfn, page in held.items():
        if pfn != 1600:
            movable.put_page(page)
    assert cma_alloc(area, 1024) is None
    assert [one.pfn for one in vm.obstacles] == [1600]


@pytest.mark.parametrize("order_per_bit", [0, 2])
def test_what_is_given_and_taken_adds_up(order_per_bit: int) -> None:
    vm, area = machine(order_per_bit)
    rng = random.Random(order_per_bit)
    got: list[tuple[int, int]] = []
    for _ in range(200):
        if got and rng.random() < 0.45:
            pfn, count = got.pop(rng.randrange(len(got)))
            assert cma_release(area, vm.page(pfn), count)
        else:
            count = rng.randint(1, 40)
            page = cma_alloc(area, count, align=rng.randint(0, 4))
            if page is not None:
                got.append((page.pfn, count))
        frames = [pfn + n for pfn, count in got for n in range(count)]
        assert len(set(frames)) == len(frames) and all(vm.page(pfn)._refcount == 1 for pfn in frames)
        assert sum(area.bitmap) << order_per_bit == sum(-(-count >> order_per_bit) << order_per_bit for _, count in got)
    for pfn, count in got:
        cma_release(area, vm.page(pfn), count)
    validate_vm(vm)
