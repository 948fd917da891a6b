"""The host's gain, measured: the resident memory of this very process falls when the balloon inflates."""

from __future__ import annotations

import gc
import resource
from pathlib import Path

import pytest

from movable import PAGE_SIZE, VM, Page, put_page
from movable_balloon import Balloon

FRAMES = 8192
BALLOON = 6000
STATM = Path("/proc/self/statm")

pytestmark = pytest.mark.skipif(not STATM.exists(), reason="needs /proc/self/statm, as Linux has it")


def resident() -> int:
    """Resident memory in bytes."""
    gc.collect()
    return int(STATM.read_text().split()[1]) * resource.getpagesize()


def used_machine(page_poisoning: bool = True, pageblock_order: int = 9) -> VM:
    """A machine that has written to nearly all of its memory, and freed it."""
    vm = VM(FRAMES * PAGE_SIZE, page_poisoning=page_poisoning, pageblock_order=pageblock_order)
    for page in touch(vm):
        put_page(page)
    return vm


def touch(vm: VM) -> list[Page]:
    pages = []
    while (page := vm.alloc_page()) is not None:
        page.data[0] = 1
        pages.append(page)
    return pages


def test_inflating_gives_memory_back_and_deflating_takes_none_until_it_is_used() -> None:
    vm = used_machine()
    balloon = Balloon(vm)
    before = resident()
    balloon.set_target(BALLOON)
    vm.run_work()
    assert balloon.num_pages == BALLOON
    inflated = resident()
    assert before - inflated > 0.9 * BALLOON * PAGE_SIZE
    # Only the frames that nobody touched hold nothing; the poison that a freed page gets is what brings it back.
    balloon.set_target(0)
    vm.run_work()
    pages = touch(vm)
    assert resident() - inflated > 0.9 * BALLOON * PAGE_SIZE
    del pages, balloon


def test_moving_a_page_gives_back_the_new_frame_too() -> None:
    from movable import MIGRATE_SYNC, MR_COMPACTION, ListHead, isolate_movable_page, list_add, migrate_pages

    vm = used_machine()
    balloon = Balloon(vm, target=2000)
    vm.run_work()
    targets = [page for page in (vm.alloc_page() for _ in range(2000)) if page is not None]
    for page in targets:
        page.data[:] = b"t" * PAGE_SIZE
    before = resident()
    pages = ListHead("isolated")
    for page in list(balloon.vb_dev_info.pages):
        assert isolate_movable_page(page, 0) == 0
        list_add(page.lru, pages)
    assert migrate_pages(pages, lambda page, private: targets.pop(), None, None, MIGRATE_SYNC, MR_COMPACTION) == 0
    # The targets' memory is gone; the old frames come back as poisoned free pages only where they had been mapped.
    assert all(balloon.host.owns(page.pfn) for page in balloon.vb_dev_info.pages)
    assert resident() - before < 0.1 * 2000 * PAGE_SIZE


def test_reporting_gives_free_memory_back() -> None:
    vm = used_machine(page_poisoning=False, pageblock_order=2)
    before = resident()
    balloon = Balloon(vm, reporting=True)
    vm.run_work()
    # The last of the eight large blocks must stay: taking it would go below the watermark.
    assert before - resident() > 0.8 * FRAMES * PAGE_SIZE
    balloon.remove()


def test_reporting_leaves_the_poison_of_a_guest_that_wants_it() -> None:
    vm = used_machine(pageblock_order=2)
    before = resident()
    balloon = Balloon(vm, reporting=True)
    vm.run_work()
    assert balloon.host.requests["reporting"]
    assert abs(before - resident()) < 0.1 * FRAMES * PAGE_SIZE
