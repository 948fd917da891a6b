"""struct page: references, the lock, the movable mark, and the assertions that guard them."""

from __future__ import annotations

import sys

import pytest

import movable
from movable import (
    GFP_HIGHUSER_MOVABLE,
    GFP_KERNEL,
    VM,
    ClearPageMovable,
    DeadlockError,
    Page,
    PageIsolated,
    PageLocked,
    PageMovable,
    PageMovableHint,
    PG_owner_priv_1,
    SetPageIsolated,
    SetPageMovable,
    VMBug,
    get_page,
    get_page_unless_zero,
    lock_page,
    page_count,
    page_mapping,
    put_page,
    set_page_flag,
    trylock_page,
    unlock_page,
)
from movable.mm.page import FIELD_POISON, PAGE_POISON
from movable.mm.page_flags import (
    PAGE_MAPPING_ANON,
    PAGE_MAPPING_KSM,
    PG_slab,
    PG_swapbacked,
)
from tests.drivers_for_tests.ring import Ring


@pytest.fixture
def vm() -> VM:
    return VM()


@pytest.fixture
def page(vm: VM) -> Page:
    page = vm.alloc_page(GFP_KERNEL)
    assert page is not None
    return page


def bug(rule: str) -> pytest.RaisesExc[VMBug]:
    return pytest.RaisesExc(VMBug, check=lambda error: error.rule == rule)


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


def test_the_page_lock(page: Page) -> None:
    assert trylock_page(page)
    assert PageLocked(page)
    assert not trylock_page(page)
    with pytest.raises(DeadlockError, match="waits for the lock of page"):
        lock_page(page)
    unlock_page(page)
    with bug("D29"):
        unlock_page(page)


def test_marking_needs_the_lock(vm: VM, page: Page) -> None:
    mapping = Ring(vm).mapping
    with bug("D2"):
        SetPageMovable(page, mapping)
    lock_page(page)
    SetPageMovable(page, mapping)
    assert page.mapping == mapping.addr + 2
    assert PageMovable(page)
    assert page_mapping(page) is mapping
    unlock_page(page)
    with bug("V23"):
        PageMovable(page)
    with bug("D21"):
        ClearPageMovable(page)


def test_a_mark_needs_an_address_with_both_low_bits_clear(vm: VM, page: Page) -> None:
    mapping = Ring(vm).mapping
    mapping.addr |= 1
    lock_page(page)
    with bug("D4"):
        SetPageMovable(page, mapping)


def test_only_single_pages_can_be_marked(vm: VM) -> None:
    block = vm.alloc_pages(GFP_KERNEL, 2)
    assert block is not None
    lock_page(block)
    with bug("D42"):
        SetPageMovable(block, Ring(vm).mapping)


def test_clearing_keeps_the_tag_and_cannot_be_done_twice(vm: VM, page: Page) -> None:
    lock_page(page)
    SetPageMovable(page, Ring(vm).mapping)
    ClearPageMovable(page)
    assert page.mapping == 2
    assert PageMovableHint(page)
    assert not PageMovable(page)
    assert page_mapping(page) is None
    with bug("D19"):
        ClearPageMovable(page)
    unlock_page(page)
    put_page(page)
    assert page.mapping == 0


@pytest.mark.parametrize("tag", [0, PAGE_MAPPING_ANON, PAGE_MAPPING_KSM])
def test_the_hint_wants_both_bits_to_match(page: Page, tag: int) -> None:
    page.mapping = 0x1000 | tag
    assert not PageMovableHint(page)


def test_the_hint_can_be_wrong(page: Page) -> None:
    page.mapping = 0x122  # a list poison has the tag's bit too
    assert PageMovableHint(page)


def test_flags_that_mislead_page_mapping(vm: VM, page: Page) -> None:
    lock_page(page)
    SetPageMovable(page, Ring(vm).mapping)
    set_page_flag(page, PG_slab)
    assert page_mapping(page) is None
    with bug("D7"):
        PageMovable(page)
    page.flags &= ~(1 << PG_slab)
    set_page_flag(page, PG_owner_priv_1)
    assert page_mapping(page) is not None  # one of the two bits alone is the owner's to use
    set_page_flag(page, PG_swapbacked)
    assert page_mapping(page) is None
    with bug("D7"):
        PageMovable(page)


def test_a_mark_whose_owner_is_gone_is_a_bug(vm: VM, page: Page) -> None:
    ring = Ring(vm)
    lock_page(page)
    SetPageMovable(page, ring.mapping)
    vm.free_address_space(ring.mapping)
    with bug("D41"):
        PageMovable(page)
    with bug("D41"):
        vm.free_address_space(ring.mapping)


def test_isolated_is_the_reclaim_bit(page: Page) -> None:
    SetPageIsolated(page)
    assert PageIsolated(page)
    assert page.flags == 1 << 17
    put_page(page)
    assert not PageIsolated(page)


def test_names_with_two_underscores_exist_under_both_spellings() -> None:
    assert getattr(movable, "__SetPageMovable") is SetPageMovable
    assert getattr(movable, "__ClearPageMovable") is ClearPageMovable
    assert getattr(movable, "__PageMovable") is PageMovableHint


def test_an_error_names_the_page_the_rule_and_the_remedy(page: Page) -> None:
    with pytest.raises(VMBug) as caught:
        unlock_page(page)
    assert str(caught.value) == (
        f"D29: page {page.pfn} (-, 1 refs): unlock_page of an unlocked page; expected the page lock to be held"
    )


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
