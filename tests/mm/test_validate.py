"""validate_vm sees each thing that can disagree, and nothing in a machine that is right."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from movable import GFP_HIGHUSER_MOVABLE, GFP_KERNEL, VM, InvalidState, Page, isolate_movable_page, lock_page, put_page
from movable.mm.validate import validate_vm
from tests.ring import Ring


def page_of(vm: VM) -> Page:
    page = vm.alloc_page(GFP_KERNEL)
    assert page is not None
    return page


def negative_count(vm: VM, ring: Ring) -> None:
    page_of(vm)._refcount = -1


def lost_frame(vm: VM, ring: Ring) -> None:
    page_of(vm)._refcount = 0


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


DAMAGE: dict[str, tuple[Callable[[VM, Ring], None], str]] = {
    "negative count": (negative_count, "negative reference count"),
    "lost frame": (lost_frame, "is nowhere"),
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
