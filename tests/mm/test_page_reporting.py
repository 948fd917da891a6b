"""Free page reporting in the allocator: what is reported, when, how much at once, and what is forgotten."""

from __future__ import annotations

from collections.abc import Sequence
from errno import EIO

import pytest

from movable import VM, Page, UsageError, put_page
from movable.mm.buddy import move_freepages_block
from movable.mm.gfp import MIGRATE_ISOLATE
from movable.mm.page_reporting import (
    PAGE_REPORTING_CAPACITY,
    PageReporting,
    page_reporting_register,
    page_reporting_unregister,
)
from movable.mm.validate import validate_vm

Block = tuple[int, int]
FRAMES = 1024


class Reporter:
    """A device that writes down what it is told, and how much is free meanwhile."""

    def __init__(self, vm: VM, err: int = 0) -> None:
        self.vm = vm
        self.err = err
        self.reports: list[tuple[Block, ...]] = []
        self.free: list[int] = []
        self.device: PageReporting = page_reporting_register(vm, self.report)

    def report(self, blocks: Sequence[Block]) -> int:
        self.reports.append(tuple(blocks))
        self.free.append(self.vm.zones[0].nr_free)
        return self.err

    def take(self) -> set[Block]:
        """Run queued work; the blocks that were reported since the last time."""
        self.vm.run_work()
        blocks = [block for report in self.reports for block in report]
        assert len(blocks) == len(set(blocks))
        self.reports.clear()
        return set(blocks)


def checkered(order: int = 3, frames: int = FRAMES) -> tuple[VM, list[Page], set[Block]]:
    """Every other block of ``order`` is free: nothing can merge. The machine, the pages in use, the free blocks."""
    vm = VM(frames << 12, pageblock_order=2)
    zone = vm.zones[0]
    watermark, zone.watermark = zone.watermark, (0, 0, 0)
    blocks = []
    while (page := vm.alloc_pages(0, order)) is not None:
        blocks.append(page)
    zone.watermark = watermark
    blocks.sort(key=lambda page: page.pfn)
    for page in blocks[::2]:
        put_page(page)
    free = {(pfn, 1 << order) for pfn in range(0, frames, 2 << order)}
    assert {(pfn, 1 << size) for pfn, size in zone.free_blocks()} == free
    return vm, blocks[1::2], free


def test_everything_large_and_free_is_reported_once() -> None:
    vm, _, free = checkered()
    reporter = Reporter(vm)
    before = vm.zones[0].nr_free
    assert reporter.take() == free
    assert reporter.take() == set()
    assert vm.zones[0].nr_free == before
    validate_vm(vm)


def test_small_blocks_are_not_reported() -> None:
    vm, _, _ = checkered(order=1)
    assert Reporter(vm).take() == set()


def test_blocks_are_off_the_free_lists_while_the_host_looks() -> None:
    vm, _, _ = checkered()
    reporter = Reporter(vm)
    before = vm.zones[0].nr_free
    reporter.device.process()
    assert reporter.free == [before - sum(size for _, size in report) for report in reporter.reports]


def test_a_block_that_was_used_is_reported_again() -> None:
    vm, _, free = checkered()
    reporter = Reporter(vm)
    reporter.take()
    page = vm.alloc_pages(0, 3)
    assert page is not None and (page.pfn, 8) in free
    put_page(page)
    assert reporter.take() == {(page.pfn, 8)}


def test_a_part_of_a_block_was_not_reported() -> None:
    vm, _, _ = checkered()
    reporter = Reporter(vm)
    reporter.take()
    page = vm.alloc_pages(0, 2)
    assert page is not None
    # The other half was split off, and is no longer the block that the host knows.
    reporter.device.request()
    assert reporter.take() == {(page.pfn ^ 4, 4)}


def test_a_merged_block_is_new() -> None:
    vm, used, _ = checkered()
    reporter = Reporter(vm)
    reporter.take()
    put_page(used[0])
    assert reporter.take() == {(used[0].pfn & ~15, 16)}


def test_small_frees_ask_for_nothing() -> None:
    vm, _, _ = checkered()
    pages = [vm.alloc_pages(0, 0), vm.alloc_pages(0, 0)]
    reporter = Reporter(vm)
    reporter.take()
    assert pages[0] is not None
    put_page(pages[0])
    assert vm.run_work() == 0
    assert reporter.device.state == "idle"


def test_a_report_holds_at_most_32_blocks() -> None:
    vm, _, free = checkered(frames=1200)
    reporter = Reporter(vm)
    vm.run_work()
    assert [len(report) for report in reporter.reports] == [32, 32, 11]
    assert {block for report in reporter.reports for block in report} == free


def test_a_pass_leaves_what_is_beyond_its_budget_to_the_next() -> None:
    vm, _, free = checkered(order=2, frames=8192)
    reporter = Reporter(vm)
    assert len(free) == 1024
    reporter.device.process()
    # One full report for every 512 blocks of the list, and one more.
    assert [len(report) for report in reporter.reports] == [32, 32, 32]
    assert reporter.device.state == "requested"
    assert reporter.take() == free
    assert reporter.device.state == "idle"
    validate_vm(vm)


def test_a_zone_that_is_short_of_memory_is_left_alone() -> None:
    vm, used, _free = checkered(frames=256)
    reporter = Reporter(vm)
    assert vm.zones[0].nr_free <= vm.zones[0].watermark[1] + (PAGE_REPORTING_CAPACITY << 2)
    assert reporter.take() == set()
    for page in used[:8]:
        put_page(page)
    assert reporter.take()


def test_a_block_that_the_watermark_needs_stays() -> None:
    vm = VM(FRAMES << 12, pageblock_order=2)
    assert vm.zones[0].buddy_order(0) == 10
    assert Reporter(vm).take() == set()


def test_what_the_host_did_not_take_is_told_again() -> None:
    vm, used, free = checkered()
    reporter = Reporter(vm, err=-EIO)
    refused = reporter.take()
    assert len(refused) == PAGE_REPORTING_CAPACITY  # the pass ended with the first refusal
    assert reporter.device.reported == 0
    reporter.err = 0
    put_page(used.pop())
    assert len(free - reporter.take()) == 1
    validate_vm(vm)


def test_blocks_return_when_the_device_fails() -> None:
    vm, _, _ = checkered()
    reporter = Reporter(vm)

    def fail(blocks: Sequence[Block]) -> int:
        raise RuntimeError("no")

    reporter.device.report = fail
    before = vm.zones[0].nr_free
    with pytest.raises(RuntimeError):
        vm.run_work()
    assert vm.zones[0].nr_free == before
    validate_vm(vm)


def test_isolated_pageblocks_are_not_reported() -> None:
    vm, _, free = checkered()
    zone = vm.zones[0]
    (gone, _) = max(free)
    for pageblock in (gone, gone + 4):
        zone.set_pageblock_migratetype(pageblock, MIGRATE_ISOLATE)
    zone.nr_free -= move_freepages_block(zone, gone, MIGRATE_ISOLATE)
    assert free - Reporter(vm).take() == {(gone, 8)}


def test_one_device_at_a_time() -> None:
    vm, _, free = checkered()
    first = Reporter(vm)
    with pytest.raises(UsageError, match="already"):
        Reporter(vm)
    page_reporting_unregister(first.device)
    assert vm.run_work() == 0 and first.reports == []
    assert free <= Reporter(vm).take()
    validate_vm(vm)
