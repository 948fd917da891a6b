"""Marks that stay: a page type with a flag, and operations that belong to the type (include/linux/page-flags.h, mm/migrate.c).

Kernels from 6.17 on. Two types may move, so a machine has two slots for operations. Type and flag go only when the page reaches
the allocator; ``page.private`` is the owner's back pointer, and clearing it under the page lock is how an owner releases a page.

The model keeps the address of the slot in ``_mapping``, with the tag of older kernels, so that scanners and events need not know
the era: a driver reads 0 there. The word loses its address when somebody watches and the back pointer is cleared.
"""

from __future__ import annotations

from errno import EBUSY, EINVAL
from typing import TYPE_CHECKING, Any

from movable.errors import UsageError, VMBug
from movable.mm.page import Page
from movable.mm.page_flags import (
    ISOLATED,
    LOCKED,
    MOVABLE_OPS,
    PAGE_MAPPING_FLAGS,
    PAGE_MAPPING_MOVABLE,
    PG_uptodate,
)

if TYPE_CHECKING:
    from movable.mm.address_space import AddressSpace
    from movable.mm.vm import VM

PG_movable_ops = PG_uptodate
PG_movable_ops_isolated = ISOLATED
TYPE_SHIFT = 24


class StickyPage(Page):
    """A page of a kernel whose marks stay: its ``mapping`` plays no part, and reads as 0 while it is a driver's."""

    __slots__ = ()

    @property
    def mapping(self) -> int:
        """What a driver finds in the word: nothing, unless the page is the page cache's."""
        word = self._mapping
        return 0 if word & PAGE_MAPPING_FLAGS == PAGE_MAPPING_MOVABLE else word

    @mapping.setter
    def mapping(self, value: int) -> None:
        self._mapping = value


def _marked(vm: VM, key: int) -> int:
    """How many pages of a type carry the mark."""
    return sum(1 for page in vm.pages.values() if page._flags & MOVABLE_OPS and page._mapcount >> TYPE_SHIFT == key)


def set_movable_ops(vm: VM, driver: Any, page_type: str, name: str = "") -> int:
    """Register the callbacks of ``driver`` for every page of ``page_type``; None as ``driver`` empties the slot.

    Returns 0, -EINVAL for a type that cannot move, -EBUSY for a slot that is taken. Emptying never waits: a page that is isolated
    meanwhile crashes the next callback. Raises UsageError in an era whose marks lead to their owner by themselves. mirrors
    mm/migrate.c, set_movable_ops.
    """
    if not vm.era.sticky_mark:
        raise UsageError(f"a kernel of era {vm.era.name} has no set_movable_ops; mark pages with vm.address_space()")
    if page_type not in vm.era.movable_types:
        return -EINVAL
    key = vm.era.page_types[page_type] >> TYPE_SHIFT
    if driver is None:
        if vm.seam is not None:
            vm.seam.event("set_movable_ops", type=page_type, owner="", ret=0, pages=_marked(vm, key))
        gone = vm.movable_ops.pop(key, None)
        if gone is not None:
            vm.free_address_space(gone)
        return 0
    ret = -EBUSY if key in vm.movable_ops else 0
    if vm.seam is not None:
        vm.seam.event("set_movable_ops", type=page_type, owner=name, ret=ret, pages=0)
    if ret == 0:
        vm.movable_ops[key] = mapping = vm.new_address_space(driver, name)
        mapping.page_type = vm.era.page_types[page_type]
    return ret


def registered(vm: VM, driver: Any, name: str) -> AddressSpace:
    """What a driver that only asks for an owner of its own gets: the zsmalloc slot, else the offline one.

    Raises UsageError where both are taken.
    """
    for page_type in reversed(vm.era.movable_types):
        if set_movable_ops(vm, driver, page_type, name) == 0:
            return vm.movable_ops[vm.era.page_types[page_type] >> TYPE_SHIFT]
    taken = " and ".join(mapping.name for mapping in vm.movable_ops.values())
    raise UsageError(
        f"{name or type(driver).__name__} cannot register its callbacks: a kernel of era {vm.era.name} has "
        f"{len(vm.era.movable_types)} slots ({', '.join(vm.era.movable_types)}), and {taken} have them (-EBUSY)"
    )


def sticky_owner(page: Page) -> AddressSpace | None:
    """Whose operations the type of a movable page leads to, None where nobody registered any. The caller holds the page lock.

    Whether the owner has released the page is not asked: that is for the owner to say.
    """
    if page.seam is not None:
        page.seam.peek(page, "type")
    if not page._flags & LOCKED:
        raise VMBug("V23", "operations looked up without the page lock", "the page lock to be held", page)
    if not page._flags & MOVABLE_OPS:
        return None
    if page.seam is not None:
        page.seam.owners()
    mapping = page.vm.movable_ops.get(page._mapcount >> TYPE_SHIFT)
    if mapping is None and page._flags & ISOLATED:
        raise VMBug("D41", "the operations of its type are gone while it is isolated", "the operations to outlive it", page)
    return mapping


def stick(page: Page, mapping: AddressSpace) -> None:
    """The two parts of a mark that stays, on a page whose owner only says whose it is: the type, unless it has it, and the flag."""
    if page._mapcount == -1:
        page._mapcount = mapping.page_type
    elif page._mapcount >> TYPE_SHIFT != mapping.page_type >> TYPE_SHIFT:
        raise VMBug("D7", "marked for other operations than its type has", "the type of the registered slot", page)
    page._flags |= MOVABLE_OPS


def set_page_type(page: Page, name: str) -> None:
    """Give a page a type, unless it has it. Raises VMBug for a page of another type, and for one that is mapped.

    Raises UsageError in an era without that type.
    """
    if page.seam is not None:
        page.seam.change(page, "type")
    word = page.vm.era.page_types.get(name)
    if word is None:
        raise UsageError(f"a kernel of era {page.vm.era.name} has no page type {name}; there a mark leads to its owner by itself")
    if page._mapcount == word:
        return
    if page._mapcount != -1:
        raise VMBug("D7", f"the {name} type for a page that is mapped, or has another", "no type and no mapping", page)
    page._mapcount = word


def clear_page_type(page: Page, name: str) -> None:
    """Take a type back from a page that was never marked movable. Raises VMBug for another type (D7), and for a mark (D19b)."""
    if page.seam is not None:
        page.seam.change(page, "type")
    if page._mapcount >> TYPE_SHIFT != page.vm.era.page_types[name] >> TYPE_SHIFT:
        raise VMBug("D7", f"the {name} type is taken from a page that does not have it", f"the {name} type", page)
    if page._flags & MOVABLE_OPS:
        raise VMBug("D19b", f"the {name} type is taken from a page that is marked movable", "both to stay until it is free", page)
    page._mapcount = -1


def SetPageZsmalloc(page: Page) -> None:
    """Give a page the zsmalloc type; it stays until the page is free (__SetPageZsmalloc)."""
    set_page_type(page, "zsmalloc")


def SetPageOffline(page: Page) -> None:
    """Give a page the offline type, which balloons use; it stays until the page is free (__SetPageOffline)."""
    set_page_type(page, "offline")


def SetPageMovableOps(page: Page) -> None:
    """Mark a typed page movable, for good. The caller holds the page lock, or is the only one who knows the page.

    Raises VMBug for a page of a type that nobody moves (D7) and of higher order (D42), and UsageError in an era whose marks are
    another thing.
    """
    if not page.vm.types_stay:
        raise UsageError(f"a kernel of era {page.vm.era.name} has no SetPageMovableOps; mark pages with SetPageMovable")
    mapping = page.vm.movable_ops.get(page._mapcount >> TYPE_SHIFT)
    if page.seam is not None:
        page.seam.set_page_movable(page, mapping)
    if mapping is None:
        raise VMBug("D7", "SetPageMovableOps of a page whose type has no operations", "the offline or zsmalloc type", page)
    if page.order:
        raise VMBug("D42", f"SetPageMovableOps of a block of order {page.order}", "a single page", page)
    page._flags |= MOVABLE_OPS
    page._mapping = mapping.addr | PAGE_MAPPING_MOVABLE


def page_has_movable_ops(page: Page) -> bool:
    """Whether a page is marked. Needs no lock: true until the page reaches the allocator."""
    if page.seam is not None:
        page.seam.peek(page, "mapping")
    return page._mapping & PAGE_MAPPING_FLAGS == PAGE_MAPPING_MOVABLE


def PageMovableOpsIsolated(page: Page) -> bool:
    """Whether the core holds an isolation of the page."""
    if page.seam is not None:
        page.seam.peek(page, "flags")
    return bool(page._flags & ISOLATED)


def cleared_private(page: Page, value: Any) -> None:
    """Somebody watches, and ``private`` of a marked page changes: without a value the owner has released the page."""
    if value and page.seam is not None:
        page.seam.event("set_private", page)
    if page._mapping & PAGE_MAPPING_FLAGS != PAGE_MAPPING_MOVABLE:
        return
    if value:
        mapping = page.vm.movable_ops.get(page._mapcount >> TYPE_SHIFT)
        page._mapping = PAGE_MAPPING_MOVABLE if mapping is None else mapping.addr | PAGE_MAPPING_MOVABLE
    elif page._mapping != PAGE_MAPPING_MOVABLE:
        if page.seam is not None:
            page.seam.event("clear_private", page)
        page._mapping = PAGE_MAPPING_MOVABLE


__all__ = [
    "MOVABLE_OPS",
    "PG_movable_ops",
    "PageMovableOpsIsolated",
    "SetPageMovableOps",
    "SetPageOffline",
    "SetPageZsmalloc",
    "StickyPage",
    "page_has_movable_ops",
    "registered",
    "set_movable_ops",
    "stick",
    "sticky_owner",
]
