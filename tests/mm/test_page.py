"""struct page: references, content, and the assertions that guard them."""

from __future__ import annotations

import sys

import movable
from movable import GFP_HIGHUSER_MOVABLE, GFP_KERNEL, VM, Page, get_page, get_page_unless_zero, page_count, put_page
from movable.mm.page import FIELD_POISON, PAGE_POISON
from tests.mm.bugs import bug


def test_allocation_gives_one_reference_and_fresh_fields(page: Page) -> None:
    assert (page_count(page), page.flags, page.mapping, page.private, page.index) == (1, 0, 0, 0, 0)
    assert page.lru.list is None


def test_the_last_reference_frees_and_poisons(vm: VM, page: Page) -> None:
    page.data[:] = b"x" * len(page.data)
    get_page(page)
    put_page(page)
    assert page_count(page) == 1
    free_before = vm.zones[0].nr_free
    put_page(page)
    assert vm.zones[0].nr_free == free_before + 1
    assert page.data == PAGE_POISON
    assert page.private == FIELD_POISON


def test_references_cannot_be_taken_or_dropped_on_a_free_page(page: Page) -> None:
    put_page(page)
    assert not get_page_unless_zero(page)
    with bug("V6"):
        get_page(page)
    with bug("D18"):
        put_page(page)


def test_a_freed_frame_can_be_given_back_to_the_host(vm: VM) -> None:
    page = vm.alloc_page(GFP_HIGHUSER_MOVABLE)
    assert page is not None
    page.data[:] = b"x" * len(page.data)
    vm.host_discard(page)
    assert page.data == bytes(4096)


def test_a_kept_page_is_small() -> None:
    """A view of the content is made when it is asked for: kept, it would be larger than the page."""
    page = VM().alloc_page()
    assert page is not None and page._data is None
    page.data[:3] = b"abc"
    assert page._data is not None and page.data is not page.data and bytes(page.data[:3]) == b"abc"
    assert sys.getsizeof(page) + sys.getsizeof(page.lru) < 230


def test_a_copy_of_what_was_never_written_is_of_zeros() -> None:
    vm = VM()
    pages = [vm.alloc_page(GFP_KERNEL) for _ in range(4)]
    fresh, used, other, last = (page for page in pages if page is not None)
    used.data[:] = b"u" * 4096
    movable.copy_highpage(other, used)
    assert bytes(other.data) == b"u" * 4096
    movable.copy_highpage(used, fresh)
    assert bytes(used.data) == bytes(4096)
    movable.copy_highpage(last, fresh)
    assert bytes(last.data) == bytes(4096)
