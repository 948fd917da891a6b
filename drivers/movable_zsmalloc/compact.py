"""Object compaction: move objects out of sparse zspages into fuller ones, and free what runs empty (mm/zsmalloc.c, zs_compact).

A zspage being worked on is on no list and not isolated, which is how the isolate callback knows to refuse its pages. The class
lock is held from taking a source to putting it back, and dropped between sources.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from movable import SHRINK_STOP, bit_spin_trylock, bit_spin_unlock
from movable_zsmalloc.handles import HANDLE_PIN_BIT, PINNED
from movable_zsmalloc.obj import heads_in_page, obj_free, obj_malloc, read_object, write_object
from movable_zsmalloc.zspage import ZS_ALMOST_EMPTY, ZS_ALMOST_FULL, ZS_EMPTY
from movable_zsmalloc.zspage_alloc import free_zspage

if TYPE_CHECKING:
    from movable import Page
    from movable_zsmalloc.handles import Handle
    from movable_zsmalloc.pool import Pool
    from movable_zsmalloc.zspage import SizeClass, Zspage

Objects = Callable[["Pool", "SizeClass", "Zspage"], "Iterator[tuple[Page, int, Handle]]"]
"""The objects of a source that can be moved now."""
SOURCES = (ZS_ALMOST_EMPTY, ZS_ALMOST_FULL)
DESTINATIONS = (ZS_ALMOST_FULL, ZS_ALMOST_EMPTY)


def zs_compact(pool: Pool) -> int:
    """Compact every class, the largest first.

    Returns the pages freed by this call, those left to the worker included, and 0 when another compaction of the pool runs.
    Mirrors mm/zsmalloc.c, zs_compact (kernels up to 5.4 return the sum over all calls, which is ``pages_compacted``).
    """
    if not pool.compacting.trylock():
        return 0
    freed = sum(pool.way.compact_class(pool, size_class) for size_class in pool.size_classes())
    pool.pages_compacted.add(freed)
    pool.compacting.unlock()
    return freed


def compact_class(pool: Pool, size_class: SizeClass, objects: Objects) -> int:
    """Empty one source after the other, until there is none or no room is left; returns the pages freed."""
    freed = 0
    with size_class.lock:
        rounds = 1 + size_class.objs_allocated // size_class.objs
    for _ in range(rounds):
        with size_class.lock:
            source = size_class.take(SOURCES)
            if source is None:
                break
            worth_it = size_class.zs_can_compact() > 0
            room = worth_it and _empty_into_others(pool, size_class, source, objects)
            if size_class.insert_zspage(source) == ZS_EMPTY:
                free_zspage(pool, size_class, source)
                freed += size_class.pages
            elif room:
                break  # objects that are pinned stay, and so would this source, for ever
            if not room:
                break
    return freed


def _empty_into_others(pool: Pool, size_class: SizeClass, source: Zspage, objects: Objects) -> bool:
    """Move what can be moved out of ``source``; False when there was no destination for the next object."""
    destination = size_class.take(DESTINATIONS)
    pinned = objects is unpinned
    for page, obj, cell in objects(pool, size_class, source):
        if destination is not None and destination.inuse == size_class.objs:
            size_class.insert_zspage(destination)
            destination = size_class.take(DESTINATIONS)
        if destination is None:
            if pinned:
                bit_spin_unlock(HANDLE_PIN_BIT, cell)
            return False
        move_object(pool, size_class, source, destination, page, obj, cell)
        if pinned:
            bit_spin_unlock(HANDLE_PIN_BIT, cell)
    if destination is None:
        return False
    size_class.insert_zspage(destination)
    return True


def every_object(pool: Pool, size_class: SizeClass, source: Zspage) -> Iterator[tuple[Page, int, Handle]]:
    """Page, number and cell of each object, in order: for who holds a lock that nobody can use objects without."""
    for number, page in enumerate(source.pages()):
        for obj, handle in heads_in_page(size_class, page, number):
            yield page, obj, pool.handles[handle]


def unpinned(pool: Pool, size_class: SizeClass, source: Zspage) -> Iterator[tuple[Page, int, Handle]]:
    """Page, number and pinned cell of each object, in order; objects in use are passed over."""
    for number, page in enumerate(source.pages()):
        for obj, handle in heads_in_page(size_class, page, number):
            cell = pool.handles[handle]
            if bit_spin_trylock(HANDLE_PIN_BIT, cell):
                yield page, obj, cell


def move_object(pool: Pool, size_class: SizeClass, source: Zspage, destination: Zspage, page: Page, obj: int, cell: Handle) -> None:
    """Copy one pinned object to a free slot of ``destination``, lead its handle there, and free the old slot."""
    word = obj_malloc(size_class, destination, cell.addr)
    content = read_object(size_class, page, obj)
    pfn, slot = size_class.form.decode(word)
    write_object(size_class, pool.vm.page(pfn), slot, content, 0)
    cell.word = word | (cell.word & PINNED)  # the pin, where there is one, shares the word and must survive
    obj_free(size_class, source, page, obj)


class ZsShrinker:
    """What reclaim asks a pool (struct shrinker)."""

    def __init__(self, pool: Pool) -> None:
        self.pool = pool

    def count_objects(self) -> int:
        """How many pages compaction could free at best (zs_shrinker_count)."""
        count = 0
        for size_class in self.pool.size_classes():
            with size_class.lock:
                count += size_class.zs_can_compact()
        return count

    def scan_objects(self, nr: int) -> int:
        """Compact; returns the pages freed, or SHRINK_STOP when there were none (zs_shrinker_scan). ``nr`` is not looked at."""
        return zs_compact(self.pool) or SHRINK_STOP
