"""struct page: its flags, lock, references and the mark that makes it movable (include/linux/mm_types.h, page-flags.h).

Core code uses the underscored slots (``page._flags``); drivers use the plain names (``page.private``), which are the same
storage, so that a watched page can tell the two apart. A function asks ``page.seam`` first: None means nobody watches.

Reference ledger: an owner holds one reference, an isolation holds one, whoever looks holds one while looking. At zero the
page goes back to the buddy allocator.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from movable.errors import DeadlockError, VMBug
from movable.mm.list import ListHead

if TYPE_CHECKING:
    from movable.mm.address_space import AddressSpace
    from movable.mm.mmzone import Zone
    from movable.mm.seam import Seam
    from movable.mm.vm import VM

PAGE_SHIFT = 12
PAGE_SIZE = 1 << PAGE_SHIFT

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

LOCKED = 1 << PG_locked
MOVABLE_OPS = 1 << PG_uptodate  # where marks stay
WAITERS = 1 << PG_waiters
ISOLATED = 1 << PG_isolated
MISLEADING = 1 << PG_slab | 1 << PG_swapbacked  # with these, page_mapping does not follow the mapping

PAGE_MAPPING_ANON = 0x1
PAGE_MAPPING_MOVABLE = 0x2
PAGE_MAPPING_KSM = 0x3
PAGE_MAPPING_FLAGS = 0x3

# Page types overlay the map count: a type is set by clearing its bit below this base.
PAGE_TYPE_BASE = -0x10000000
PG_buddy = 0x80
PG_balloon = 0x100

PAGE_POISON = b"\xaa" * PAGE_SIZE
"""What a freed page holds (include/linux/poison.h, PAGE_POISON)."""
FIELD_POISON = "poison of a freed page"
"""What ``private`` and ``index`` of a freed page hold, so that using them is seen."""


SLOTS = (
    *("pfn", "zone", "vm", "seam", "order", "lock_owner"),
    *("_flags", "_refcount", "_mapcount", "_mapping", "_index", "_private", "_lru", "_data"),
)


class Page:
    """One page frame.

    ``pfn`` is its number, ``zone`` where it lies, ``flags`` the flags word, ``mapping`` the tagged word (never read it in a
    driver: use ``page_mapping``), ``private`` and ``index`` belong to the owner, ``lru`` is the list node, ``data`` a writable
    view of its 4096 bytes, ``order`` the order of the block it heads. mirrors struct page, include/linux/mm_types.h.
    """

    __slots__ = SLOTS

    if TYPE_CHECKING:
        flags: int
        mapping: int
        private: Any
        index: Any
        lru: ListHead

    def __init__(self, pfn: int, zone: Zone, vm: VM, seam: Seam | None) -> None:
        self.pfn = pfn
        self.zone = zone
        self.vm = vm
        self.seam = seam
        self._flags = 0
        self._refcount = 0
        self._mapcount = -1
        self._mapping = 0
        self._private: Any = 0
        self._index: Any = 0
        self._lru = ListHead("lru", self)
        self._data: memoryview | None = None
        self.lock_owner = ""
        self.order = 0

    @property
    def data(self) -> memoryview:
        """The page's 4096 bytes, as a writable view of the machine's memory."""
        data = self._data
        return self.vm.map_page(self) if data is None else data

    @property
    def node(self) -> int:
        """The number of the NUMA node that the page lies on (page_to_nid)."""
        return self.zone.node.nid

    def __repr__(self) -> str:
        names = "|".join(name for bit, name in enumerate(PG_NAMES) if self._flags >> bit & 1) or "-"
        return f"page {self.pfn} ({names}, {self._refcount} refs)"


for _name in ("flags", "mapping", "private", "index", "lru"):
    setattr(Page, _name, Page.__dict__["_" + _name])  # the same slot under both names: no cost in a plain run


# --- references (include/linux/mm.h, include/linux/page_ref.h) ---


def page_count(page: Page) -> int:
    """The reference count; a hint unless the caller can rule out others."""
    if page.seam is not None:
        page.seam.point("ar", ("page", page.pfn, "refs"))
    return page._refcount


def get_page(page: Page) -> None:
    """Take a reference. The caller must hold one already: raises VMBug on a free page."""
    if page.seam is not None:
        seam = page.seam
        seam.point("aw", ("page", page.pfn, "refs"))
        seam.event("get_page", page)
    if page._refcount <= 0:
        raise VMBug("V6", "get_page of a page without references", "a page that somebody holds", page)
    page._refcount += 1


def get_page_unless_zero(page: Page) -> bool:
    """Take a reference unless there are none; the only safe way from a page frame number."""
    if page.seam is not None:
        seam = page.seam
        seam.point("aw", ("page", page.pfn, "refs"))
        if page._refcount:
            seam.event("get_page", page)
    if not page._refcount:
        return False
    page._refcount += 1
    return True


def put_page(page: Page) -> None:
    """Drop a reference; the last one frees the page. Raises VMBug when there is none to drop."""
    if page.seam is not None:
        seam = page.seam
        seam.point("aw", ("page", page.pfn, "refs"))
        seam.event("put_page", page)
    refs = page._refcount - 1
    if refs < 0:
        raise VMBug("D18", "put_page of a page without references", "one drop for every reference taken", page)
    page._refcount = refs
    if not refs:
        page.vm.free_pages_ok(page)


# --- the page lock (include/linux/pagemap.h, mm/filemap.c) ---


def trylock_page(page: Page) -> bool:
    """Take the page lock if it is free; never waits."""
    if page.seam is not None:
        seam = page.seam
        seam.point("try", ("page", page.pfn, "lock"))
        free = not page._flags & LOCKED
        seam.event("trylock_page", page, ret=free)
        if free:
            page.lock_owner = seam.task.name
    flags = page._flags
    if flags & LOCKED:
        return False
    page._flags = flags | LOCKED
    return True


def lock_page(page: Page) -> None:
    """Take the page lock, waiting for it. Raises DeadlockError where the wait could never end."""
    if page.seam is not None:
        _lock_page_watched(page, page.seam)
        return
    if page._flags & LOCKED:
        raise DeadlockError(f"task main waits for the lock of {page!r} for ever: nobody else runs who could unlock it")
    page._flags |= LOCKED


def _lock_page_watched(page: Page, seam: Seam) -> None:
    """The slow path too: sleepers set PG_waiters, and are woken only by an unlock that sees it."""
    seam.point("lock", ("page", page.pfn, "lock"))
    while page._flags & LOCKED:
        seam.point("aw", ("page", page.pfn, "flags"))
        seam.point("ar", ("page", page.pfn, "lock"))  # the lock bit is in the same word, and unlocking looks at ours
        if page._flags & LOCKED:
            page._flags |= WAITERS
            _sleep_on_page(page, seam)
    seam.event("lock_page", page)
    page._flags |= LOCKED
    page.lock_owner = seam.task.name


def _sleep_on_page(page: Page, seam: Seam) -> None:
    wakes = page.vm.page_wakes
    before = wakes.get(page.pfn, 0)
    seam.wait(
        ("page", page.pfn, "lock"),
        lambda: wakes.get(page.pfn, 0) != before,
        f"the page lock of page {page.pfn}, held by {page.lock_owner or 'nobody'}",
        lambda: not page._flags & LOCKED,
    )


def spin_on_page_locked(page: Page) -> None:
    """Wait until the page is unlocked as a loop around ``trylock_page`` and ``cond_resched`` does: no sleeper is queued.

    For who may not touch PG_waiters, which the core loses where it sets PG_isolated without atomic operations. The caller
    holds a reference. Raises DeadlockError where the loop could never end.
    """
    page.vm.wait(("page", page.pfn, "lock"), lambda: not page._flags & LOCKED, f"page {page.pfn} to be unlocked")


def unlock_page(page: Page) -> None:
    """Release the page lock and wake who sleeps for it. Raises VMBug when it is not locked."""
    if page.seam is not None:
        seam = page.seam
        seam.point("unlock", ("page", page.pfn, "lock"))
        seam.event("unlock_page", page)
        page.lock_owner = ""
        if page._flags & WAITERS:
            page._flags &= ~WAITERS
            page.vm.page_wakes[page.pfn] = page.vm.page_wakes.get(page.pfn, 0) + 1
    if not page._flags & LOCKED:
        raise VMBug("D29", "unlock_page of an unlocked page", "the page lock to be held", page)
    page._flags &= ~LOCKED


def PageLocked(page: Page) -> bool:
    """Whether somebody holds the page lock."""
    if page.seam is not None:
        page.seam.point("ar", ("page", page.pfn, "lock"))
    return bool(page._flags & LOCKED)


# --- the movable mark (include/linux/page-flags.h, mm/compaction.c) ---


def __PageMovable(page: Page) -> bool:
    """Whether the tag says movable. A hint without the page lock, and true after the mark was cleared."""
    if page.seam is not None:
        page.seam.point("ar", ("page", page.pfn, "mapping"))
    return page._mapping & PAGE_MAPPING_FLAGS == PAGE_MAPPING_MOVABLE


def PageMovable(page: Page) -> bool:
    """Whether the page has an owner that can move it. Raises VMBug without the page lock."""
    return movable_owner(page) is not None


def movable_owner(page: Page) -> AddressSpace | None:
    """Who can move the page: what PageMovable and page_mapping say together. Raises VMBug without the page lock.

    An owner that went away while its mark stayed breaks D41; flags that make page_mapping look elsewhere break D7.
    """
    if page.seam is not None:
        page.seam.point("ar", ("page", page.pfn, "mapping"))
    flags = page._flags
    if not flags & LOCKED:
        raise VMBug("V23", "PageMovable without the page lock", "the page lock to be held", page)
    word = page._mapping
    if word & PAGE_MAPPING_FLAGS != PAGE_MAPPING_MOVABLE or word == PAGE_MAPPING_MOVABLE:
        return None
    mapping = page.vm.address_spaces.get(word - PAGE_MAPPING_MOVABLE)
    if mapping is None:
        if flags >> PG_slab & 1:
            return None  # the word is the slab allocator's, and only looks like a mark
        raise VMBug("D41", "its mapping leads to operations that are gone", "the owner to outlive its pages", page)
    if mapping.a_ops.isolate_page is None:
        return None
    if flags & MISLEADING and page_mapping(page) is not mapping:
        raise VMBug("D7", "its flags make page_mapping lead elsewhere", "flags that leave the mapping readable", page)
    return mapping


def __SetPageMovable(page: Page, mapping: AddressSpace) -> None:
    """Mark a page movable by the owner of ``mapping``. The caller holds the page lock; the page is fully set up.

    Raises VMBug for an unlocked page (D2), a mapping with low bits set (D4) and a page of higher order (D42).
    """
    if page.seam is not None:
        seam = page.seam
        seam.point("aw", ("page", page.pfn, "mapping"))
        seam.event("set_page_movable", page, ops=mapping.addr, owner=mapping.name)
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
        seam = page.seam
        seam.point("aw", ("page", page.pfn, "mapping"))
        seam.event("clear_page_movable", page)
    if not page._flags & LOCKED:
        raise VMBug("D21", "__ClearPageMovable without the page lock", "the page lock to be held", page)
    word = page._mapping
    if word & PAGE_MAPPING_FLAGS != PAGE_MAPPING_MOVABLE or word == PAGE_MAPPING_MOVABLE:
        raise VMBug("D19", "__ClearPageMovable of a page that is not marked", "one clear for every mark", page)
    page._mapping = PAGE_MAPPING_MOVABLE


def page_mapping(page: Page) -> AddressSpace | None:
    """What ``mapping`` leads to, with the tag masked off; None for slab, anonymous and unmarked pages (mm/util.c).

    Stable only under the page lock.
    """
    if page.seam is not None:
        page.seam.point("ar", ("page", page.pfn, "mapping"))
    flags = page._flags
    if flags >> PG_slab & 1:
        return None
    if flags >> PG_swapbacked & 1 and flags >> PG_swapcache & 1:
        return page.vm.swap_space
    word = page._mapping
    if word & PAGE_MAPPING_ANON:
        return None
    return page.vm.address_spaces.get(word & ~PAGE_MAPPING_FLAGS)


# --- PG_isolated (include/linux/page-flags.h) ---


def PageIsolated(page: Page) -> bool:
    """Whether the core holds an isolation of the page."""
    if page.seam is not None:
        page.seam.point("ar", ("page", page.pfn, "flags"))
    return bool(page._flags & ISOLATED)


def __SetPageIsolated(page: Page) -> None:
    """Set PG_isolated. For the core only; a driver that calls it breaks D30."""
    if page.seam is not None:
        _change_isolated(page, page.seam, True)
        return
    page._flags |= ISOLATED


def __ClearPageIsolated(page: Page) -> None:
    """Clear PG_isolated. For the core only; a driver that calls it breaks D30."""
    if page.seam is not None:
        _change_isolated(page, page.seam, False)
        return
    page._flags &= ~ISOLATED


def _change_isolated(page: Page, seam: Seam, on: bool) -> None:
    """Plain load and store in kernels before 6.0, so that a bit set in between is lost; atomic later."""
    key = ("page", page.pfn, "flags")
    callbacks = seam.task.callbacks
    if page.vm.era.atomic_isolated_flag:
        seam.point("aw", key)
        flags = page._flags
    else:
        seam.point("r", key)
        flags = page._flags
        seam.point("w", key)
    by = callbacks[-1][0] if callbacks else ""
    seam.event("set_page_isolated" if on else "clear_page_isolated", page, by=by)
    page._flags = flags | ISOLATED if on else flags & ~ISOLATED


# Inside a class body Python would rewrite a name that begins with two underscores, so each has a second name.
SetPageMovable = __SetPageMovable
ClearPageMovable = __ClearPageMovable
PageMovableHint = __PageMovable
SetPageIsolated = __SetPageIsolated
ClearPageIsolated = __ClearPageIsolated


# --- page types (include/linux/page-flags.h) ---


def PageBalloon(page: Page) -> bool:
    """Whether the page's type says that a balloon holds it."""
    if page.seam is not None:
        page.seam.point("ar", ("page", page.pfn, "type"))
    return page._mapcount == page.vm.era.page_types["balloon"]


def __SetPageBalloon(page: Page) -> None:
    """Give an untyped, unmapped page the balloon type. Raises VMBug when the word it lies in is in use."""
    if page.seam is not None:
        page.seam.point("aw", ("page", page.pfn, "type"))
    if page._mapcount != -1:
        raise VMBug("D3", "__SetPageBalloon of a page that is mapped or typed", "no type and no mapping", page)
    page._mapcount = page.vm.era.page_types["balloon"]


def __ClearPageBalloon(page: Page) -> None:
    """Take the balloon type back, as must be done before the page is freed. Raises VMBug when it has none."""
    if page.seam is not None:
        page.seam.point("aw", ("page", page.pfn, "type"))
    if page._mapcount != page.vm.era.page_types["balloon"]:
        raise VMBug("D20", "__ClearPageBalloon of a page that is no balloon page", "the balloon type", page)
    page._mapcount = -1


SetPageBalloon = __SetPageBalloon
ClearPageBalloon = __ClearPageBalloon


# --- content ---


def copy_highpage(to: Page, source: Page) -> None:
    """Copy the 4096 bytes of ``source`` into ``to`` (include/linux/highmem.h)."""
    if to.seam is not None:
        _copy_watched(to, source, to.seam)
        return
    vm = to.vm
    data = to._data
    origin = source._data
    (vm.map_page(to) if data is None else data)[:] = vm.map_page(source) if origin is None else origin


def _copy_watched(to: Page, source: Page, seam: Seam) -> None:
    """Two locations, so two steps: what is read is what was there at the first one."""
    seam.point("r", ("page", source.pfn, "data"))
    content = bytes(to.vm.map_page(source) if source._data is None else source._data)
    seam.point("w", ("page", to.pfn, "data"))
    seam.event("copy_page", to, source=source.pfn)
    (to.vm.map_page(to) if to._data is None else to._data)[:] = content


def clear_highpage(page: Page) -> None:
    """Fill the page with zeros (include/linux/highmem.h)."""
    if page.seam is not None:
        seam = page.seam
        seam.point("w", ("page", page.pfn, "data"))
        seam.event("write_data", page)
    (page.vm.map_page(page) if page._data is None else page._data)[:] = bytes(PAGE_SIZE)


# --- flag words that owners may use ---


def set_page_flag(page: Page, bit: int) -> None:
    """Set one of the flag bits atomically; ``bit`` is a number such as PG_private."""
    if page.seam is not None:
        seam = page.seam
        seam.point("aw", ("page", page.pfn, "flags"))
        seam.event("touch", page, field=f"flag {PG_NAMES[bit]}", write=True, changed=1 << bit, list="")
    page._flags |= 1 << bit


def clear_page_flag(page: Page, bit: int) -> None:
    """Clear one of the flag bits atomically."""
    if page.seam is not None:
        seam = page.seam
        seam.point("aw", ("page", page.pfn, "flags"))
        seam.event("touch", page, field=f"flag {PG_NAMES[bit]}", write=True, changed=1 << bit, list="")
    page._flags &= ~(1 << bit)


def test_page_flag(page: Page, bit: int) -> bool:
    """Whether a flag bit is set."""
    if page.seam is not None:
        page.seam.point("ar", ("page", page.pfn, "flags"))
    return bool(page._flags >> bit & 1)
