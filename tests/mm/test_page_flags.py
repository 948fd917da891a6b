"""Flags of a page: the movable mark, the isolated bit, and the assertions that guard them."""

from __future__ import annotations

import pytest

import movable
from movable import (
    GFP_KERNEL,
    VM,
    ClearPageMovable,
    Page,
    PageIsolated,
    PageMovable,
    PageMovableHint,
    PG_owner_priv_1,
    SetPageIsolated,
    SetPageMovable,
    lock_page,
    page_mapping,
    put_page,
    set_page_flag,
    unlock_page,
)
from movable.mm.page_flags import PAGE_MAPPING_ANON, PAGE_MAPPING_KSM, PG_slab, PG_swapbacked
from tests.drivers_for_tests.ring import Ring
from tests.mm.bugs import bug


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
