"""Who is in the way of a request that failed: named for each customer, and only those that are."""

from __future__ import annotations

from errno import EAGAIN, EBUSY, EINTR

import pytest

import movable
from movable.bench import VM, alloc_contig_range, load, offline_pages, online_pages
from movable.mm.address_space import AddressSpace
from movable.mm.obstacles import MAX_OBSTACLES, obstacle_of
from movable.mm.page import Page
from movable.mm.page_flags import PG_hwpoison, PG_writeback
from tests.drivers_for_tests.ring import Ring


def filled(vm: VM, *, keep: set[int], gfp: int = movable.GFP_HIGHUSER_MOVABLE) -> dict[int, Page]:
    """All frames are taken and given back but those in ``keep``."""
    held = []
    while (page := vm.alloc_page(gfp)) is not None:
        held.append(page)
    for page in held:
        if page.pfn not in keep:
            movable.put_page(page)
    return {page.pfn: page for page in held if page.pfn in keep}


def test_nothing_failed() -> None:
    assert VM(4 << 20).obstacles == []


def test_a_page_that_nobody_marked_is_named() -> None:
    vm = VM(4 << 20)
    filled(vm, keep={300})
    assert alloc_contig_range(vm, 256, 512) == -EBUSY
    [found] = vm.obstacles
    assert (found.pfn, found.kind, found.expected, found.certain) == (300, "unmarked", None, True)
    assert "nobody marked it" in str(found) and found.message() == "page dumped because: unmovable page (pfn:0x12c)"
    assert alloc_contig_range(vm, 512, 768) == 0


def test_offlining_names_the_frame_too() -> None:
    vm = VM(4 << 20)
    filled(vm, keep={300})
    assert offline_pages(vm, 256, 256) == -EBUSY
    assert [one.pfn for one in vm.obstacles] == [300]


def test_frames_of_offline_blocks_are_in_nobody_s_way() -> None:
    vm = VM(4 << 20)
    assert offline_pages(vm, 0, 256) == 0
    filled(vm, keep={300})
    assert alloc_contig_range(vm, 0, 512) == -EBUSY
    assert [one.pfn for one in vm.obstacles] == [300]
    online_pages(vm, 0, 256)


class Careful(Ring):
    """Leaves a page alone that somebody else uses too."""

    def migratepage(self, mapping: AddressSpace, newpage: Page, page: Page, mode: int) -> int:
        return -EAGAIN if movable.page_count(page) > 2 else super().migratepage(mapping, newpage, page, mode)


def test_a_page_that_was_moved_away_but_is_still_held() -> None:
    vm = VM(4 << 20)
    page = load(vm, Ring).add()
    movable.get_page(page)
    assert offline_pages(vm, page.pfn & ~255, 256) == -EINTR
    [found] = vm.obstacles
    assert (found.pfn, found.kind, found.refs, found.expected) == (page.pfn, "page that its owner gave up", 1, 0)


@pytest.mark.parametrize("extra", [1, 3])
def test_a_page_of_a_driver_with_more_references(extra: int) -> None:
    vm = VM(4 << 20)
    ring = load(vm, Careful)
    page = ring.add()
    for _ in range(extra):
        movable.get_page(page)
    block = page.pfn & ~255
    assert offline_pages(vm, block, 256) == -EINTR
    [found] = vm.obstacles
    assert (found.pfn, found.kind, found.refs, found.expected) == (page.pfn, "page of a driver", 1 + extra, 1)
    assert found.owner and found.remedy == "owner" and f"somebody holds {extra} reference" in found.reason
    assert "migration failure" in found.message()


def test_a_locked_page_and_one_that_is_written_out() -> None:
    vm = VM(4 << 20)
    page = load(vm, Ring).add()
    assert not obstacle_of(page).certain
    movable.lock_page(page)
    assert obstacle_of(page).remedy == "retry"
    movable.unlock_page(page)
    page._flags |= 1 << PG_writeback
    assert obstacle_of(page).remedy == "wait"
    page._flags = 1 << PG_hwpoison
    assert obstacle_of(page).remedy == "none"


def test_a_driver_that_refuses_is_named_when_nobody_else_is_there() -> None:
    class Refuses(Ring):
        def isolate_page(self, page: Page, mode: int) -> bool:
            return False

    vm = VM(4 << 20)
    page = load(vm, Refuses).add()
    assert offline_pages(vm, page.pfn & ~255, 256) == -EINTR
    [found] = vm.obstacles
    assert (found.pfn, found.certain) == (page.pfn, False) and "its owner refused" in found.reason


def test_a_huge_page_names_the_cheapest_block() -> None:
    vm = VM(8 << 20)
    filled(vm, keep={*range(0, 2048, 64)} - {1100, 1088, 1152, 1216})
    assert vm.alloc_pages(movable.GFP_TRANSHUGE, 8) is None
    assert [one.pfn for one in vm.obstacles] == [1024]


def test_the_list_is_bounded() -> None:
    vm = VM(8 << 20)
    filled(vm, keep=set(range(2048)))
    assert alloc_contig_range(vm, 0, 2048) == -EBUSY
    assert len(vm.obstacles) == MAX_OBSTACLES
