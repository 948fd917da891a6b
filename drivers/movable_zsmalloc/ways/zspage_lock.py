"""A lock in each zspage that readers hold, over sleeps too, and writers only try (mm/zsmalloc.c of 6.17 and 7.3).

Lock order: page lock, pool's migrate lock, class lock, zspage lock. Marks stay, so what says that a page is the pool's is its
back pointer ``private``: isolation asks nothing else, and migration of a page without one succeeds without doing anything.
Isolation delays nothing: a zspage that runs empty goes while its pages are isolated.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from movable import PAGE_SIZE, mod_zone_page_state, put_page, unlock_page
from movable_zsmalloc.handles import ZS_HANDLE_SIZE
from movable_zsmalloc.obj import (
    heads_in_page,
    kmap,
    obj_free,
    obj_malloc,
    read_object,
    write_object,
)
from movable_zsmalloc.ways.pool_lock import end_move, move_page
from movable_zsmalloc.zspage import ZS_EMPTY, SizeClass, Zspage, get_zspage
from movable_zsmalloc.zspage_alloc import free_zspage, kick_deferred_free, reset_page, trylock_zspage

if TYPE_CHECKING:
    from movable import Page
    from movable_zsmalloc.handles import Handle
    from movable_zsmalloc.pool import Pool


class ZspageLock:
    """The way of 6.17 and 7.3; what differs between them is asked of the era."""

    one_lock = False
    marks_huge = False
    counts_isolated = False
    unlists_isolated = False
    waits_for_isolated = False

    def free(self, pool: Pool, cell: Handle) -> None:
        """6.17 keeps migrations out of the pool; 7.3 finds the class in the handle, and the page under the class lock."""
        if pool.vm.era.zs_free_takes_pool_lock:
            pool.migrate_lock.read_lock()
            size_class = get_zspage(pool.vm.page(cell.location[0])).size_class
            with size_class.lock:
                pool.migrate_lock.read_unlock()
                self._free_object(pool, size_class, cell)
            pool.handles.free(cell)
            return
        size_class = pool.size_class(cell.form.class_of(cell.word))
        with size_class.lock:
            empty = self._free_object(pool, size_class, cell)
        if empty is not None:
            free_pages(pool, size_class, empty)
        pool.handles.free(cell)

    def _free_object(self, pool: Pool, size_class: SizeClass, cell: Handle) -> list[Page] | None:
        """Under the class lock. Returns the locked pages of a zspage that is to be freed after it, None where there are none."""
        pfn, obj = cell.location
        page = pool.vm.page(pfn)
        zspage = get_zspage(page)
        obj_free(size_class, zspage, page, obj)
        if size_class.fix_fullness_group(zspage) != ZS_EMPTY:
            return None
        if not pool.vm.era.zs_frees_outside_lock:
            free_zspage(pool, size_class, zspage)
            return None
        if not trylock_zspage(zspage):
            kick_deferred_free(pool)
            return None
        size_class.remove_zspage(zspage)
        size_class.objs_allocated -= size_class.objs
        pages = list(zspage.pages())
        zspage.first_page = None
        return pages

    def find(self, pool: Pool, cell: Handle) -> tuple[Zspage, Page, int]:
        """Zspage, page and number of an object, with the zspage read-locked."""
        pool.migrate_lock.read_lock()
        pfn, obj = cell.location
        page = pool.vm.page(pfn)
        zspage = get_zspage(page)
        zspage.lock.read_lock()
        pool.migrate_lock.read_unlock()
        return zspage, page, obj

    def read(self, pool: Pool, handle: int, length: int) -> bytes:
        """zs_obj_read_begin and _end in one: a copy of the first bytes, whose pages are found under the zspage lock."""
        zspage, page, obj = self.find(pool, pool.handles[handle])
        size_class = zspage.size_class
        skip = 0 if size_class.huge else ZS_HANDLE_SIZE
        start = obj * size_class.size % PAGE_SIZE + skip
        if start + length <= PAGE_SIZE:  # by the length asked for, and not by the size of the class
            data = bytes(kmap(page)[start : start + length])
        else:
            data = bytes(read_object(size_class, page, obj)[skip : skip + length])
        zspage.lock.read_unlock()
        return data

    def write(self, pool: Pool, handle: int, data: bytes, fresh: bool) -> None:
        """zs_obj_write."""
        zspage, page, obj = self.find(pool, pool.handles[handle])
        size_class = zspage.size_class
        skip = 0 if size_class.huge else ZS_HANDLE_SIZE
        start = obj * size_class.size % PAGE_SIZE + skip
        if start + len(data) <= PAGE_SIZE:
            kmap(page)[start : start + len(data)] = data
        else:
            content = bytearray(read_object(size_class, page, obj))
            content[skip : skip + len(data)] = data
            write_object(size_class, page, obj, content, skip)
        zspage.lock.read_unlock()

    def isolate(self, pool: Pool, page: Page, mode: int) -> bool:
        """Whether the page still is a pool's. The core has its lock, and so has who releases it."""
        return bool(page.private)

    def migrate(self, pool: Pool, newpage: Page, page: Page, mode: int) -> int:
        """0 for a released page, without touching either; an error of the era while somebody uses the zspage."""
        if not page.private:
            return 0
        pool.migrate_lock.write_lock()
        zspage = get_zspage(page)
        with zspage.size_class.lock:
            if not zspage.lock.write_trylock():
                pool.migrate_lock.write_unlock()
                return pool.vm.era.zs_busy_error
            move_page(pool, zspage, newpage, page)
            zspage.lock.write_unlock()
        pool.migrate_lock.write_unlock()
        end_move(newpage, page)
        return 0

    def putback(self, pool: Pool, page: Page) -> None:
        """Nothing was changed by the isolation, so there is nothing to undo; the page may be released by now."""

    def free_zspage(self, pool: Pool, size_class: SizeClass, zspage: Zspage) -> None:
        """See ``zspage_alloc.free_zspage``."""
        free_zspage(pool, size_class, zspage)

    def compact_class(self, pool: Pool, size_class: SizeClass) -> int:
        """The emptiest zspage gives to the fullest, until nothing is left to gain; the receiver is kept across givers."""
        freed = 0
        groups = range(1, len(size_class.lists) - 1)
        pool.migrate_lock.write_lock()
        with size_class.lock:
            receiver: Zspage | None = None
            rounds = 1 + size_class.objs_allocated // size_class.objs
            while rounds and size_class.zs_can_compact():
                rounds -= 1
                receiver = receiver or size_class.take(tuple(reversed(groups)))
                giver = None if receiver is None else size_class.take(tuple(groups))
                if receiver is None or giver is None:
                    break
                if not giver.lock.write_trylock():
                    size_class.insert_zspage(giver)
                    break
                move_objects(pool, size_class, giver, receiver)
                giver.lock.write_unlock()
                if size_class.insert_zspage(giver) == ZS_EMPTY:
                    free_zspage(pool, size_class, giver)
                    freed += size_class.pages
                if receiver.inuse == size_class.objs:
                    size_class.insert_zspage(receiver)
                    receiver = None
            if receiver is not None:
                size_class.insert_zspage(receiver)
        pool.migrate_lock.write_unlock()
        return freed


def move_objects(pool: Pool, size_class: SizeClass, giver: Zspage, receiver: Zspage) -> None:
    """Object after object, until the giver is empty or the receiver full."""
    for number, page in enumerate(giver.pages()):
        for obj, handle in heads_in_page(size_class, page, number):
            if receiver.inuse == size_class.objs:
                return
            cell = pool.handles[handle]
            word = obj_malloc(size_class, receiver, handle)
            pfn, slot = size_class.form.decode(word)
            write_object(size_class, pool.vm.page(pfn), slot, read_object(size_class, page, obj), 0)
            cell.word = word
            obj_free(size_class, giver, page, obj)


def free_pages(pool: Pool, size_class: SizeClass, pages: list[Page]) -> None:
    """The locked pages of a zspage that is on no list any more, without the class lock; the pool's count falls last."""
    for page in pages:
        reset_page(page)
        unlock_page(page)
        mod_zone_page_state(page.zone, "nr_zspages", -1)
        put_page(page)
    pool.pages_allocated.add(-size_class.pages)
