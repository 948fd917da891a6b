"""validate_vm sees each thing that can disagree, and nothing in a machine that is right."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from movable import GFP_HIGHUSER_MOVABLE, GFP_KERNEL, VM, InvalidState, Page, get_page, isolate_movable_page, lock_page, put_page
from movable.mm.buddy import add_to_free_list, del_from_free_list
from movable.mm.page_flags import PAGE_MAPPING_MOVABLE, PG_balloon, PG_dirty
from movable.mm.validate import validate_vm
from tests.drivers_for_tests.ring import Ring


def page_of(vm: VM) -> Page:
    page = vm.alloc_page(GFP_KERNEL)
    assert page is not None
    return page


def negative_count(vm: VM, ring: Ring) -> None:
    page_of(vm)._refcount = -1


def lost_frame(vm: VM, ring: Ring) -> None:
    page_of(vm)._refcount = 0


def lost_at_the_end(vm: VM, ring: Ring) -> None:
    pfn, code = max(vm.zones[0].buddy.items())
    del vm.zones[0].buddy[pfn], vm.zones[0].free_lists[code][pfn]


def movable_block(vm: VM, ring: Ring) -> None:
    page = vm.alloc_pages(GFP_KERNEL, 1)
    assert page is not None
    page._mapping = ring.mapping.addr | PAGE_MAPPING_MOVABLE


def free_and_used(vm: VM, ring: Ring) -> None:
    page = page_of(vm)
    put_page(page)
    page._refcount = 1


def wrong_counter(vm: VM, ring: Ring) -> None:
    vm.zones[0].nr_free += 1


def mark_of_a_dead_owner(vm: VM, ring: Ring) -> None:
    ring.add()
    vm.free_address_space(ring.mapping)


def poison_in_use(vm: VM, ring: Ring) -> None:
    from movable.mm.page import FIELD_POISON

    page_of(vm)._private = FIELD_POISON


def locked(vm: VM, ring: Ring) -> None:
    lock_page(page_of(vm))


def isolated(vm: VM, ring: Ring) -> None:
    assert isolate_movable_page(ring.add(), 0) == 0


def broken_neighbours(vm: VM, ring: Ring) -> None:
    first = ring.add()
    ring.add()
    ring.add()
    first._lru.next = ring.pages


def stranger_on_a_list(vm: VM, ring: Ring) -> None:
    ring.add()
    page_of(vm)._lru.list = ring.pages


def unaccounted_isolation(vm: VM, ring: Ring) -> None:
    vm.vmstat["movable_isolated"] += 1


def written_after_free(vm: VM, ring: Ring) -> None:
    page = page_of(vm)
    data = page.data
    put_page(page)
    data[100] = 0


def lock_held(vm: VM, ring: Ring) -> None:
    vm.mutex("forgotten").lock()


def free_block(vm: VM) -> tuple[int, int]:
    return max(vm.zones[0].buddy.items())


def off_its_list(vm: VM, ring: Ring) -> None:
    pfn, code = free_block(vm)
    del vm.zones[0].free_lists[code][pfn]


def on_the_list_of_another_type(vm: VM, ring: Ring) -> None:
    pfn, code = free_block(vm)
    off_its_list(vm, ring)
    vm.zones[0].free_lists[code ^ 1][pfn] = None


def in_use_and_on_a_list(vm: VM, ring: Ring) -> None:
    vm.zones[0].free_lists[0][page_of(vm).pfn] = None


def take_four_frames(vm: VM) -> tuple[int, int]:
    page_of(vm)
    zone = vm.zones[0]
    pfn, code = next((pfn, code) for pfn, code in zone.buddy.items() if code >> 3 == 2)
    del_from_free_list(zone, pfn)
    return pfn, code & 7


def buddies_apart(vm: VM, ring: Ring) -> None:
    pfn, migratetype = take_four_frames(vm)
    for half in (pfn, pfn + 2):
        add_to_free_list(vm.zones[0], half, 1, migratetype)


def not_aligned(vm: VM, ring: Ring) -> None:
    pfn, migratetype = take_four_frames(vm)
    for first, order in ((pfn, 0), (pfn + 1, 1), (pfn + 3, 0)):
        add_to_free_list(vm.zones[0], first, order, migratetype)


def isolated_blocks(vm: VM, ring: Ring) -> None:
    vm.zones[0].nr_isolate_pageblock += 1


def cma_blocks(vm: VM, ring: Ring) -> None:
    vm.zones[0].nr_cma_blocks += 1


def present(vm: VM, ring: Ring) -> None:
    vm.zones[0].present_pages -= 1


def flag_of_a_free_page(vm: VM, ring: Ring) -> None:
    vm.page(free_block(vm)[0])._flags = 1 << PG_dirty


def type_of_a_free_page(vm: VM, ring: Ring) -> None:
    vm.page(free_block(vm)[0])._mapcount = ~PG_balloon


def flag_inside_a_free_block(vm: VM, ring: Ring) -> None:
    pfn, code = free_block(vm)
    assert code >> 3
    vm.page(pfn + 1)._flags = 1 << PG_dirty


def lost_isolation_reference(vm: VM, ring: Ring) -> None:
    page = ring.add()
    assert isolate_movable_page(page, 0) == 0
    page._refcount -= 1


def mapping_that_leads_nowhere(vm: VM, ring: Ring) -> None:
    page_of(vm)._mapping = 0x1230


def unknown_pageblock_type(vm: VM, ring: Ring) -> None:
    vm.zones[0].pageblocks[0] = 9


def forgotten_list(vm: VM, ring: Ring) -> None:
    ring.add()
    ring.add()._lru.list = None


DAMAGE: dict[str, tuple[Callable[[VM, Ring], None], str]] = {
    "negative count": (negative_count, "negative reference count"),
    "lost frame": (lost_frame, "is nowhere"),
    "lost at the end": (lost_at_the_end, r"64 frames in the machine, \d+ accounted for"),
    "movable block": (movable_block, "is marked movable and is a block of order 1"),
    "free and used": (free_and_used, "on a free list and also allocated|heads a free block"),
    "wrong counter": (wrong_counter, r"nr_free says \d+, its lists hold \d+ frames"),
    "dead owner": (mark_of_a_dead_owner, "by an owner that is gone"),
    "poison in use": (poison_in_use, "still holds the poison"),
    "locked": (locked, "is locked and nobody is at work"),
    "isolated": (isolated, "is isolated and nobody is at work"),
    "broken neighbours": (broken_neighbours, "neighbours do not lead back|walking it finds"),
    "stranger": (stranger_on_a_list, "pages say they are on it|neighbours"),
    "isolation ledger": (unaccounted_isolation, "1 isolations, but 0 migrated"),
    "written after free": (written_after_free, "was written after it was freed, at byte 100"),
    "off its list": (off_its_list, r"the free block of order \d+ and type 1 at frame \d+ is not on its list"),
    "another type": (on_the_list_of_another_type, "type 0, but no such free block begins there"),
    "used and listed": (in_use_and_on_a_list, "on the free list of order 0 and type 0, but no such"),
    "buddies": (buddies_apart, r"order 1 at frames \d+ and \d+ are buddies and did not merge"),
    "alignment": (not_aligned, "is not aligned"),
    "isolated blocks": (isolated_blocks, "nr_isolate_pageblock says 1, 0 pageblocks are Isolate"),
    "cma blocks": (cma_blocks, "nr_cma_blocks says 1, 0 pageblocks are CMA"),
    "present": (present, r"present_pages says \d+, \d+ frames are not offline"),
    "flag of a free page": (flag_of_a_free_page, "is free but still marked, mapped, linked or flagged"),
    "type of a free page": (type_of_a_free_page, "is free but still marked, mapped, linked or flagged"),
    "flag inside a free block": (flag_inside_a_free_block, "is free but still marked, mapped, linked or flagged"),
    "isolation reference": (lost_isolation_reference, "is isolated, and nobody holds the reference of its owner"),
    "mapping": (mapping_that_leads_nowhere, "has a mapping that leads nowhere"),
    "unknown type": (unknown_pageblock_type, "a pageblock has type 9, the last one is 5"),
    "forgotten list": (forgotten_list, "list 'ring pages': 1 pages say they are on it, walking it finds 2"),
    "lock held": (lock_held, "still holds mutex 'forgotten'"),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_damage_is_seen(damage: str) -> None:
    vm = VM()
    ring = Ring(vm)
    validate_vm(vm, content=True)
    apply, message = DAMAGE[damage]
    apply(vm, ring)
    with pytest.raises(InvalidState, match=message) as caught:
        validate_vm(vm, content=True)
    assert caught.value.findings


def test_what_is_legal_in_the_middle_of_an_operation() -> None:
    vm = VM()
    ring = Ring(vm)
    assert isolate_movable_page(ring.add(), 0) == 0
    lock_page(page_of(vm))
    validate_vm(vm, quiescent=False, content=True)


def test_a_busy_machine_is_right() -> None:
    vm = VM(nodes=2, zones=("DMA32", "Normal"), memory=1 << 20)
    ring = Ring(vm)
    pages = [ring.add(fill=number) for number in range(40)]
    for page in pages[::2]:
        ring.release(page)
    block = vm.alloc_pages(GFP_HIGHUSER_MOVABLE, 3)
    assert block is not None
    validate_vm(vm, content=True)
    put_page(block)
    validate_vm(vm, content=True)


def test_how_many_references_an_owner_holds_can_be_told() -> None:
    vm = VM()
    ring = Ring(vm)
    page = ring.add()
    validate_vm(vm, owner_refs=1)
    get_page(page)
    validate_vm(vm)
    with pytest.raises(InvalidState, match="has 2 references, and its owner holds 1"):
        validate_vm(vm, owner_refs=1)
