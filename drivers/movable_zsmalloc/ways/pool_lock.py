"""One lock for the pool, and a lock in each zspage for who has an object of it mapped (mm/zsmalloc.c of 6.1, stable).

Lock order: page lock, pool lock, zspage lock. The pool lock guards handles, lists and counts, so no pins are needed. Isolation is
only counted: an isolated page's zspage is allocated from and freed as any other, and an owner that frees it un-marks its pages,
which is how the core knows.
"""

from __future__ import annotations

from errno import EAGAIN, EINVAL
from typing import TYPE_CHECKING

from movable import (
    MIGRATE_SYNC_NO_COPY,
    copy_highpage,
    get_page,
    mod_zone_page_state,
    put_page,
)
from movable_zsmalloc import compact
from movable_zsmalloc.handles import ZS_HANDLE_SIZE
from movable_zsmalloc.mapping import ZS_MM_RO, ZS_MM_RW, ZS_MM_WO, begin_mapping, end_mapping, to_be_mapped
from movable_zsmalloc.obj import heads_in_page, obj_free, write_object
from movable_zsmalloc.zspage import ZS_EMPTY, get_zspage
from movable_zsmalloc.zspage_alloc import free_zspage, replace_sub_page, reset_page

if TYPE_CHECKING:
    from movable import Page
    from movable_zsmalloc.handles import Handle
    from movable_zsmalloc.pool import Pool
    from movable_zsmalloc.zspage import SizeClass, Zspage


class PoolLock:
    """The way of 6.1."""

    one_lock = True
    marks_huge = False
    counts_isolated = True
    unlists_isolated = False
    waits_for_isolated = False

    def free(self, pool: Pool, cell: Handle) -> None:
        """All under the pool lock; isolation does not delay it."""
        with pool.lock:
            pfn, obj = cell.location
            page = pool.vm.page(pfn)
            zspage = get_zspage(page)
            size_class = zspage.size_class
            obj_free(size_class, zspage, page, obj)
            if size_class.fix_fullness_group(zspage) == ZS_EMPTY:
                free_zspage(pool, size_class, zspage)
        pool.handles.free(cell)

    def map_object(self, pool: Pool, handle: int, mode: int) -> memoryview:
        """zs_map_object: the pool lock only until the zspage is read-locked."""
        cell = to_be_mapped(pool, handle, mode)
        with pool.lock:
            pfn, obj = cell.location
            page = pool.vm.page(pfn)
            zspage = get_zspage(page)
            zspage.lock.read_lock()
        return begin_mapping(pool, cell, mode, page, zspage, obj)

    def unmap_object(self, pool: Pool, handle: int) -> None:
        """zs_unmap_object."""
        area = end_mapping(pool, handle)
        if area.buffer is not None and area.mode != ZS_MM_RO:
            write_object(area.zspage.size_class, area.page, area.obj, area.buffer, ZS_HANDLE_SIZE)
        area.zspage.lock.read_unlock()

    def read(self, pool: Pool, handle: int, length: int) -> bytes:
        """Mapped for reading."""
        data = bytes(self.map_object(pool, handle, ZS_MM_RO)[:length])
        self.unmap_object(pool, handle)
        return data

    def write(self, pool: Pool, handle: int, data: bytes, fresh: bool) -> None:
        """Mapped for writing."""
        self.map_object(pool, handle, ZS_MM_WO if fresh else ZS_MM_RW)[: len(data)] = data
        self.unmap_object(pool, handle)

    def isolate(self, pool: Pool, page: Page, mode: int) -> bool:
        """Count it; always possible, since the core has asked whether the page still is the pool's."""
        zspage = get_zspage(page)
        with pool.lock:
            zspage.isolated += 1
        return True

    def migrate(self, pool: Pool, newpage: Page, page: Page, mode: int) -> int:
        """Copy the page and lead handles, chain and counts to the copy. Waits for who has an object mapped, where others run."""
        if mode == MIGRATE_SYNC_NO_COPY:
            return -EINVAL
        zspage = get_zspage(page)
        with pool.lock:
            if not zspage.lock.write_trylock():
                return -EAGAIN  # the kernel spins here: its users cannot be pre-empted while they have an object mapped
            move_page(pool, zspage, newpage, page)
            zspage.isolated -= 1
            zspage.lock.write_unlock()
        end_move(newpage, page)
        return 0

    def putback(self, pool: Pool, page: Page) -> None:
        """One isolated page less."""
        zspage = get_zspage(page)
        with pool.lock:
            zspage.isolated -= 1

    def compact_class(self, pool: Pool, size_class: SizeClass) -> int:
        """See ``compact.compact_class``."""
        return compact.compact_class(pool, size_class, compact.every_object)

    def free_zspage(self, pool: Pool, size_class: SizeClass, zspage: Zspage) -> None:
        """See ``zspage_alloc.free_zspage``."""
        free_zspage(pool, size_class, zspage)


def move_page(pool: Pool, zspage: Zspage, newpage: Page, page: Page) -> None:
    """Content, handles and chain go from ``page`` to ``newpage``; everything is locked."""
    size_class = zspage.size_class
    copy_highpage(newpage, page)
    for obj, handle in heads_in_page(size_class, page, zspage.number_of(page)):
        pool.handles[handle].word = size_class.form.encode(newpage.pfn, obj, size_class.index)
    replace_sub_page(pool, zspage, newpage, page)


def end_move(newpage: Page, page: Page) -> None:
    """References and zone counters follow; the old page is the pool's no more."""
    get_page(newpage)
    if newpage.zone is not page.zone:
        mod_zone_page_state(page.zone, "nr_zspages", -1)
        mod_zone_page_state(newpage.zone, "nr_zspages", 1)
    reset_page(page)
    put_page(page)
