"""The flags word of a page: its bits, the mark that makes the page movable, PG_isolated, and page types
(include/linux/page-flags.h, mm/compaction.c).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from movable.errors import VMBug

if TYPE_CHECKING:
    from movable.mm.address_space import AddressSpace
    from movable.mm.page import Page

# Bit numbers of a 4.19 kernel. Only the aliases are contract.
PG_locked, PG_error, PG_referenced, PG_uptodate, PG_dirty, PG_lru, PG_active, PG_waiters = range(8)
PG_slab, PG_owner_priv_1, PG_arch_1, PG_reserved, PG_private, PG_private_2, PG_writeback, PG_head = range(8, 16)
PG_mappedtodisk, PG_reclaim, PG_swapbacked, PG_unevictable, PG_mlocked, PG_hwpoison = range(16, 22)
PG_isolated = PG_reclaim
PG_swapcache = PG_owner_priv_1

PG_NAMES = (
    "locked error referenced uptodate dirty lru active waiters slab owner_priv_1 arch_1 reserved private private_2 writeback "
    "head mappedtodisk reclaim swapbacked unevictable mlocked hwpoison"
).split()
"""Names of the flag bits, by bit number."""

# The same as masks of the flags word.
LOCKED, ERROR, REFERENCED, UPTODATE, DIRTY, LRU, ACTIVE, WAITERS = (1 << bit for bit in range(8))
RESERVED, PRIVATE, WRITEBACK, HEAD = 1 << PG_reserved, 1 << PG_private, 1 << PG_writeback, 1 << PG_head
SWAPBACKED, SWAPCACHE, UNEVICTABLE = 1 << PG_swapbacked, 1 << PG_swapcache, 1 << PG_unevictable
MLOCKED, HWPOISON = 1 << PG_mlocked, 1 << PG_hwpoison
IN_SWAP_CACHE = SWAPCACHE | SWAPBACKED  # without the latter the bit is the owner's
ISOLATED = 1 << PG_isolated
MOVABLE_OPS = UPTODATE  # where marks stay
MISLEADING = 1 << PG_slab | SWAPBACKED  # with these, page_mapping may not follow the mapping (util.py)

PAGE_MAPPING_ANON = 0x1
PAGE_MAPPING_MOVABLE = 0x2
PAGE_MAPPING_KSM = 0x3
PAGE_MAPPING_FLAGS = 0x3

# Page types overlay the map count: a type is set by clearing its bit below this base.
PAGE_TYPE_BASE = -0x10000000
PG_buddy = 0x80
PG_balloon = 0x100


# --- single bits ---


def set_page_flag(page: Page, bit: int) -> None:
    """Set one of the flag bits atomically; ``bit`` is a number such as PG_private."""
    if page.seam is not None:
        page.seam.change_flag(page, bit, True)
    page._flags |= 1 << bit


def clear_page_flag(page: Page, bit: int) -> None:
    """Clear one of the flag bits atomically."""
    if page.seam is not None:
        page.seam.change_flag(page, bit, False)
    page._flags &= ~(1 << bit)


def change_flags(page: Page, on: int, off: int, what: str = "flags") -> None:
    """Set and clear flags of a page in one step, on the location ``what``."""
    if page.seam is not None:
        page.seam.change(page, what)
    page._flags = (page._flags | on) & ~off


def test_page_flag(page: Page, bit: int) -> bool:
    """Whether a flag bit is set."""
    if page.seam is not None:
        page.seam.peek(page, "flags")
    return bool(page._flags >> bit & 1)


def PageLocked(page: Page) -> bool:
    """Whether somebody holds the page lock."""
    if page.seam is not None:
        page.seam.peek(page, "lock")
    return bool(page._flags & LOCKED)


# --- the movable mark (include/linux/page-flags.h, mm/compaction.c) ---


def __PageMovable(page: Page) -> bool:
    """Whether the tag says movable. A hint without the page lock, and true after the mark was cleared."""
    if page.seam is not None:
        page.seam.peek(page, "mapping")
    return page._mapping & PAGE_MAPPING_FLAGS == PAGE_MAPPING_MOVABLE


def PageMovable(page: Page) -> bool:
    """Whether the page has an owner that can move it. Raises VMBug without the page lock."""
    return movable_owner(page) is not None


def movable_owner(page: Page) -> AddressSpace | None:
    """Who can move the page: what PageMovable and page_mapping say together. Raises VMBug without the page lock.

    An owner that went away while its mark stayed breaks D41; flags that make page_mapping look elsewhere break D7.
    """
    if page.seam is not None:
        page.seam.peek(page, "mapping")
    flags = page._flags
    if not flags & LOCKED:
        raise VMBug("V23", "PageMovable without the page lock", "the page lock to be held", page)
    word = page._mapping
    if word & PAGE_MAPPING_FLAGS != PAGE_MAPPING_MOVABLE or word == PAGE_MAPPING_MOVABLE:
        return None
    if page.seam is not None:
        page.seam.owners()
    mapping = page.vm.address_spaces.get(word - PAGE_MAPPING_MOVABLE)
    if mapping is None:
        if flags >> PG_slab & 1:
            return None  # the word is the slab allocator's, and only looks like a mark
        raise VMBug("D41", "its mapping leads to operations that are gone", "the owner to outlive its pages", page)
    if mapping.a_ops.isolate_page is None:
        return None
    if flags & MISLEADING and (flags >> PG_slab & 1 or flags & IN_SWAP_CACHE == IN_SWAP_CACHE):
        raise VMBug("D7", "its flags make page_mapping lead elsewhere", "flags that leave the mapping readable", page)
    return mapping


def __SetPageMovable(page: Page, mapping: AddressSpace) -> None:
    """Mark a page movable by the owner of ``mapping``. The caller holds the page lock; the page is fully set up.

    Raises VMBug for an unlocked page (D2), a mapping with low bits set (D4) and a page of higher order (D42).
    """
    if page.seam is not None:
        page.seam.set_page_movable(page, mapping)
    if not page._flags & LOCKED:
        raise VMBug("D2", "__SetPageMovable without the page lock", "the page lock to be held", page)
    if mapping.addr & PAGE_MAPPING_FLAGS:
        raise VMBug("D4", f"mapping at {mapping.addr:#x} has low bits set", "an address with both low bits clear", page)
    if page.order:
        raise VMBug("D42", f"__SetPageMovable of a block of order {page.order}", "a single page", page)
    page._mapping = mapping.addr | PAGE_MAPPING_MOVABLE
    if mapping.page_type:  # marks stay: the type, and the flag
        if page._mapcount == -1:
            page._mapcount = mapping.page_type
            page._flags |= MOVABLE_OPS
        else:
            page.vm.stick(page, mapping)


def __ClearPageMovable(page: Page) -> None:
    """Take the mark back: the pointer goes, the tag stays until the page is freed.

    The caller holds the page lock. Raises VMBug for an unlocked page (D21) and for a page that is not marked (D19).
    """
    if page.seam is not None:
        page.seam.clear_page_movable(page)
    if not page._flags & LOCKED:
        raise VMBug("D21", "__ClearPageMovable without the page lock", "the page lock to be held", page)
    word = page._mapping
    if word & PAGE_MAPPING_FLAGS != PAGE_MAPPING_MOVABLE or word == PAGE_MAPPING_MOVABLE:
        raise VMBug("D19", "__ClearPageMovable of a page that is not marked", "one clear for every mark", page)
    page._mapping = PAGE_MAPPING_MOVABLE


# --- PG_isolated (include/linux/page-flags.h) ---


def PageIsolated(page: Page) -> bool:
    """Whether the core holds an isolation of the page."""
    if page.seam is not None:
        page.seam.peek(page, "flags")
    return bool(page._flags & ISOLATED)


def __SetPageIsolated(page: Page) -> None:
    """Set PG_isolated. For the core only; a driver that calls it breaks D30."""
    if page.seam is not None:
        page.seam.change_isolated(page, True)
        return
    page._flags |= ISOLATED


def __ClearPageIsolated(page: Page) -> None:
    """Clear PG_isolated. For the core only; a driver that calls it breaks D30."""
    if page.seam is not None:
        page.seam.change_isolated(page, False)
        return
    page._flags &= ~ISOLATED


# Inside a class body Python would rewrite a name that begins with two underscores, so each has a second name.
SetPageMovable = __SetPageMovable
ClearPageMovable = __ClearPageMovable
PageMovableHint = __PageMovable
SetPageIsolated = __SetPageIsolated
ClearPageIsolated = __ClearPageIsolated


# --- page types (include/linux/page-flags.h) ---


def _has_type(page: Page, name: str) -> bool:
    if page.seam is not None:
        page.seam.peek(page, "type")
    return page._mapcount == page.vm.era.page_types[name]


def _set_type(page: Page, name: str, call: str, *, movable: bool) -> None:
    """``movable`` says whether a page that is marked movable may have the type."""
    if page.seam is not None:
        page.seam.change(page, "type")
    if not movable and page._mapping & PAGE_MAPPING_MOVABLE and page._mapping & ~PAGE_MAPPING_FLAGS:
        raise VMBug("D7", f"{call} of a page that is marked movable", "a page that no owner is asked to move", page)
    if page._mapcount != -1:
        raise VMBug("D3", f"{call} of a page that is mapped or typed", "no type and no mapping", page)
    page._mapcount = page.vm.era.page_types[name]


def _clear_type(page: Page, name: str, wrong: str, wanted: str) -> None:
    if page.seam is not None:
        page.seam.change(page, "type")
    if page._mapcount != page.vm.era.page_types[name]:
        raise VMBug("D20", wrong, wanted, page)
    if page.vm.types_stay and page._flags & MOVABLE_OPS:
        raise VMBug("D19b", "the type of a page that is marked movable is taken back", "both to stay until it is free", page)
    page._mapcount = -1


def PageBalloon(page: Page) -> bool:
    """Whether the page's type says that a balloon holds it."""
    return _has_type(page, "balloon")


def __SetPageBalloon(page: Page) -> None:
    """Give an untyped, unmapped page the balloon type. Raises VMBug when the word it lies in is in use."""
    _set_type(page, "balloon", "__SetPageBalloon", movable=True)


def __ClearPageBalloon(page: Page) -> None:
    """Take the balloon type back, as must be done before the page is freed. Raises VMBug when it has none."""
    _clear_type(page, "balloon", "__ClearPageBalloon of a page that is no balloon page", "the balloon type")


def PageTable(page: Page) -> bool:
    """Whether the page's type says that it holds a page table."""
    return _has_type(page, "table")


def __SetPageTable(page: Page) -> None:
    """Give an untyped, unmapped page the type of page tables. Raises VMBug for a page that is still marked movable, or typed."""
    _set_type(page, "table", "__SetPageTable", movable=False)


def __ClearPageTable(page: Page) -> None:
    """Take the type of page tables back, as must be done before the page is freed. Raises VMBug when the page has another."""
    _clear_type(page, "table", "__ClearPageTable of a page that holds no page table", "the type of page tables")


SetPageTable = __SetPageTable
ClearPageTable = __ClearPageTable
SetPageBalloon = __SetPageBalloon
ClearPageBalloon = __ClearPageBalloon
