"""struct page: one page frame, its references and its content (include/linux/mm_types.h, include/linux/mm.h).

Core code uses the underscored slots (``page._flags``); drivers use the plain names (``page.private``), which are the same
storage, so that a watched page can tell the two apart. A function asks ``page.seam`` first: None means nobody watches.
Flags and marks are in page_flags.py, the page lock is in filemap.py, copies of the content are in highmem.py.

Reference ledger: an owner holds one reference, an isolation holds one, whoever looks holds one while looking. At zero the
page goes back to the buddy allocator.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from movable.errors import VMBug
from movable.mm.list import ListHead
from movable.mm.page_flags import PG_NAMES

if TYPE_CHECKING:
    from movable.mm.mmzone import Zone
    from movable.mm.seam import Seam
    from movable.mm.vm import VM

PAGE_SHIFT = 12
PAGE_SIZE = 1 << PAGE_SHIFT

PAGE_POISON = b"\xaa" * PAGE_SIZE
"""What a freed page holds (include/linux/poison.h, PAGE_POISON)."""
FIELD_POISON = "poison of a freed page"
"""What ``private`` and ``index`` of a freed page hold, so that using them is seen."""

MAPPED, FROZEN = 1, 2
"""Bits of the model's own word of a page: its content was mapped once; its reference count is set aside (page_ref_freeze)."""

SLOTS = (
    *("pfn", "zone", "vm", "seam", "order"),
    *("_flags", "_refcount", "_mapcount", "_mapping", "_index", "_private", "_lru", "_state"),
)


class Page:
    """One page frame.

    ``pfn`` is its number, ``zone`` where it lies, ``flags`` the flags word, ``mapping`` the tagged word (never read it in a
    driver: use ``page_mapping``), ``private`` and ``index`` belong to the owner, ``lru`` is the list node, ``data`` a writable
    view of its 4096 bytes, ``order`` the order of the block it heads. Mirrors struct page, include/linux/mm_types.h.
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
        self._state = 0
        self.order = 0

    @property
    def data(self) -> memoryview:
        """The page's 4096 bytes, as a writable view of the machine's memory. A view is made each time: a kept one would cost more
        than the rest of the page."""
        return self.vm.map_page(self)

    @property
    def _data(self) -> memoryview | None:
        """The same for a page whose content somebody has looked at, None for one that nobody has."""
        return self.vm.map_page(self) if self._state & MAPPED else None

    @property
    def node(self) -> int:
        """The number of the NUMA node that the page lies on (page_to_nid)."""
        return self.zone.node.nid

    @property
    def lock_owner(self) -> str:
        """The task that holds the page lock, "" for nobody; known only while somebody watches."""
        return "" if self.seam is None else self.seam.lock_owners.get(self.pfn, "")

    @lock_owner.setter
    def lock_owner(self, task: str) -> None:
        if self.seam is not None:
            if task:
                self.seam.lock_owners[self.pfn] = task
            else:
                self.seam.lock_owners.pop(self.pfn, None)

    def __repr__(self) -> str:
        names = "|".join(name for bit, name in enumerate(PG_NAMES) if self._flags >> bit & 1) or "-"
        return f"page {self.pfn} ({names}, {self._refcount} refs)"


for _name in ("flags", "mapping", "private", "index", "lru"):
    setattr(Page, _name, Page.__dict__["_" + _name])  # the same slot under both names: no cost in a plain run


# --- references (include/linux/mm.h, include/linux/page_ref.h) ---


def page_count(page: Page) -> int:
    """The reference count, 0 while it is frozen; a hint unless the caller can rule out others."""
    if page.seam is not None:
        page.seam.peek(page, "refs")
    return 0 if page._state & FROZEN else page._refcount


def get_page(page: Page) -> None:
    """Take a reference. The caller must hold one already: raises VMBug on a free page."""
    if page.seam is not None:
        page.seam.get_page(page)
    if page._refcount <= 0 or page._state & FROZEN:
        found = "a page whose count is frozen" if page._state & FROZEN else "a page without references"
        raise VMBug("V6", f"get_page of {found}", "a page that somebody holds", page)
    page._refcount += 1


def get_page_unless_zero(page: Page) -> bool:
    """Take a reference unless there are none; the only safe way from a page frame number."""
    if page.seam is not None:
        page.seam.get_page_unless_zero(page)
    if not page._refcount or page._state & FROZEN:
        return False
    page._refcount += 1
    return True


def put_page(page: Page) -> None:
    """Drop a reference; the last one frees the page. Raises VMBug when there is none to drop."""
    if page.seam is not None:
        page.seam.put_page(page)
    refs = page._refcount - 1
    if refs < 0:
        raise VMBug("D18", "put_page of a page without references", "one drop for every reference taken", page)
    if page._state & FROZEN:
        raise VMBug("D47", "put_page of a page whose count is frozen", "a count that whoever froze it has given back", page)
    page._refcount = refs
    if not refs:
        page.vm.free_pages_ok(page)


def page_ref_freeze(page: Page, count: int) -> bool:
    """Set the reference count aside if it is exactly ``count``, so that nobody can take a reference meanwhile; else False.

    Whoever has frozen it must unfreeze it. Until then the page counts as one without references to everybody who asks.
    """
    if page.seam is not None:
        page.seam.change(page, "refs")
    if page._state & FROZEN or page._refcount != count or not count:
        return False
    page._state |= FROZEN
    return True


def page_ref_unfreeze(page: Page, count: int) -> None:
    """Give the reference count back, as ``count`` of at least one: less than was frozen where references were dropped meanwhile.

    Raises VMBug when the count is not frozen.
    """
    if page.seam is not None:
        page.seam.change(page, "refs")
    if not page._state & FROZEN or count < 1:
        raise VMBug("D18", f"page_ref_unfreeze to {count} references", "a frozen page, and a count of at least one", page)
    page._state &= ~FROZEN
    for _ in range(count - page._refcount):
        get_page(page)
    for _ in range(page._refcount - count):
        put_page(page)
