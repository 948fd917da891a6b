"""Pins: a bit in each handle keeps its object in place (mm/zsmalloc.c up to 5.16).

Lock order: page lock, zspage lock, class lock, pin bits (tried only, inside a class lock). Freeing and mapping begin with the pin,
which they wait for while they hold nothing else. A zspage with an isolated page is on no list: nothing is allocated from it, and
when it runs empty the one who ends the isolation sees to its pages.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from movable import bit_spin_lock, bit_spin_unlock
from movable_zsmalloc import compact, mapping, migrate
from movable_zsmalloc.handles import HANDLE_PIN_BIT
from movable_zsmalloc.obj import obj_free
from movable_zsmalloc.zspage import ZS_EMPTY, get_zspage
from movable_zsmalloc.zspage_alloc import free_zspage

if TYPE_CHECKING:
    from movable import Page
    from movable_zsmalloc.handles import Handle
    from movable_zsmalloc.pool import Pool
    from movable_zsmalloc.zspage import SizeClass, Zspage


class Pins:
    """The way of 4.19, with the repairs of 5.4."""

    one_lock = False
    marks_huge = True
    counts_isolated = True
    unlists_isolated = True
    waits_for_isolated = True

    def free(self, pool: Pool, cell: Handle) -> None:
        """Pinned, with the zspage read-locked; an EMPTY zspage goes unless a page of it is isolated."""
        bit_spin_lock(HANDLE_PIN_BIT, cell)
        pfn, obj = cell.location
        page = pool.vm.page(pfn)
        zspage = get_zspage(page)
        zspage.lock.read_lock()
        size_class = zspage.size_class
        with size_class.lock:
            obj_free(size_class, zspage, page, obj)
            empty = size_class.fix_fullness_group(zspage) == ZS_EMPTY
            isolated = zspage.isolated
            zspage.lock.read_unlock()
            if empty and not isolated:
                free_zspage(pool, size_class, zspage)
        pool.handles.free(cell)
        bit_spin_unlock(HANDLE_PIN_BIT, cell)

    def read(self, pool: Pool, handle: int, length: int) -> bytes:
        """Mapped for reading."""
        data = bytes(mapping.zs_map_object(pool, handle, mapping.ZS_MM_RO)[:length])
        mapping.zs_unmap_object(pool, handle)
        return data

    def write(self, pool: Pool, handle: int, data: bytes, fresh: bool) -> None:
        """Mapped for writing."""
        mapping.zs_map_object(pool, handle, mapping.ZS_MM_WO if fresh else mapping.ZS_MM_RW)[: len(data)] = data
        mapping.zs_unmap_object(pool, handle)

    def isolate(self, pool: Pool, page: Page, mode: int) -> bool:
        """See ``migrate.zs_page_isolate``."""
        return migrate.zs_page_isolate(pool, page, mode)

    def migrate(self, pool: Pool, newpage: Page, page: Page, mode: int) -> int:
        """See ``migrate.zs_page_migrate``."""
        return migrate.zs_page_migrate(pool, newpage, page, mode)

    def putback(self, pool: Pool, page: Page) -> None:
        """See ``migrate.zs_page_putback``."""
        migrate.zs_page_putback(pool, page)

    def compact_class(self, pool: Pool, size_class: SizeClass) -> int:
        """See ``compact.compact_class``."""
        return compact.compact_class(pool, size_class, compact.unpinned)

    def free_zspage(self, pool: Pool, size_class: SizeClass, zspage: Zspage) -> None:
        """See ``zspage_alloc.free_zspage``."""
        free_zspage(pool, size_class, zspage)
