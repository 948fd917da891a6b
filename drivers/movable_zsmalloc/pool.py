"""A pool of compressed objects: handles, and the paths that allocate and free them (mm/zsmalloc.c of 4.19, teardown of 5.4).

Lock order: page lock, zspage lock, class lock, pin bits (tried only, inside a class lock). ``zs_free`` and ``zs_map_object`` begin
with the pin, which they wait for while they hold nothing else. A zspage with an isolated page is on no list: nothing is allocated
from it, and when it runs empty the one who ends the isolation sees to its pages.
"""

from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING

from movable import (
    GFP_HIGHUSER_MOVABLE,
    AtomicLong,
    UsageError,
    Work,
    bit_spin_lock,
    bit_spin_unlock,
)
from movable_zsmalloc.geometry import (
    ZS_MAX_ALLOC_SIZE,
    size_class_index,
    size_class_table,
)
from movable_zsmalloc.handles import HANDLE_PIN_BIT, ZS_HANDLE_SIZE, HandleCache
from movable_zsmalloc.mapping import MapAreas
from movable_zsmalloc.objects import obj_free, obj_malloc
from movable_zsmalloc.pages import alloc_zspage, async_free_zspage, free_zspage, set_zspage_movable
from movable_zsmalloc.zspage import (
    ZS_ALMOST_EMPTY,
    ZS_ALMOST_FULL,
    ZS_EMPTY,
    SizeClass,
    Zspage,
    get_zspage,
    size_classes,
)

if TYPE_CHECKING:
    from movable import VM, AddressSpace


class Pool:
    """The state of a pool (struct zs_pool) with ``zs_malloc`` and ``zs_free``.

    ``handles`` holds every live cell; ``pages_allocated`` and ``isolated`` count pages, and zspages with an
    isolated page; ``pages_compacted`` counts pages that compaction freed.
    """

    mapping: AddressSpace

    def __init__(self, vm: VM, name: str, chain: int, rule: str) -> None:
        self.vm = vm
        self.name = name
        self.chain = chain
        self.rule = rule
        self.rows = size_class_table(chain, rule)
        self.size_class, self.size_classes = size_classes(vm, name, chain, rule)
        self.handles = HandleCache(vm, name)
        self.zspage_numbers = count()
        self.map_areas = MapAreas()
        self.pages_allocated = AtomicLong(vm, f"{name} pages_allocated")
        self.pages_compacted = AtomicLong(vm, f"{name} pages_compacted")
        self.isolated = AtomicLong(vm, f"{name} isolated")
        self.destroying = AtomicLong(vm, f"{name} destroying")
        self.compacting = vm.mutex(f"{name} compaction")
        self.migration_wait = vm.wait_queue(f"{name} migration")
        self.free_queue = vm.workqueue(f"{name} free")
        self.free_work = Work(lambda: async_free_zspage(self), f"{name} free")
        self.destroyed = False

    def zs_malloc(self, size: int, gfp: int = GFP_HIGHUSER_MOVABLE) -> int:
        """Room for an object of ``size`` bytes, 1 to 4096; may sleep.

        Returns its handle, or 0 for a size out of range and where ``gfp`` finds no page. mirrors mm/zsmalloc.c, zs_malloc.
        """
        if not 0 < size <= ZS_MAX_ALLOC_SIZE:
            return 0
        if self.destroying.read():
            raise UsageError(f"{self.name}: zs_malloc on a pool that is being destroyed; make a new one")
        cell = self.handles.alloc()
        size_class = self.size_class(size_class_index(size + ZS_HANDLE_SIZE))
        with size_class.lock:
            zspage = find_get_zspage(size_class)
            if zspage is not None:
                cell.word = obj_malloc(size_class, zspage, cell.addr)
                size_class.fix_fullness_group(zspage)
                return cell.addr
        zspage = alloc_zspage(self, size_class, gfp)
        if zspage is None:
            self.handles.free(cell)
            return 0
        with size_class.lock:
            cell.word = obj_malloc(size_class, zspage, cell.addr)
            size_class.insert_zspage(zspage)
            self.pages_allocated.add(size_class.pages)
            size_class.objs_allocated += size_class.objs
            set_zspage_movable(self, zspage)
        return cell.addr

    def zs_free(self, handle: int) -> None:
        """Free an object; 0 is ignored. The last object of a zspage takes its pages along, unless one of them is isolated.

        Raises UsageError for a handle that is not live. mirrors mm/zsmalloc.c, zs_free.
        """
        if not handle:
            return
        cell = self.handles[handle]
        bit_spin_lock(HANDLE_PIN_BIT, cell)
        pfn, obj = cell.location
        page = self.vm.page(pfn)
        zspage = get_zspage(page)
        zspage.lock.read_lock()
        size_class = zspage.size_class
        with size_class.lock:
            obj_free(size_class, zspage, page, obj)
            empty = size_class.fix_fullness_group(zspage) == ZS_EMPTY
            isolated = zspage.isolated
            zspage.lock.read_unlock()
            if empty and not isolated:
                free_zspage(self, size_class, zspage)
        self.handles.free(cell)
        bit_spin_unlock(HANDLE_PIN_BIT, cell)


def find_get_zspage(size_class: SizeClass) -> Zspage | None:
    """The zspage to allocate from: an almost full one first, so that the others may run empty."""
    lists = size_class.lists
    for group in (ZS_ALMOST_FULL, ZS_ALMOST_EMPTY, ZS_EMPTY):
        if lists[group]:
            return next(iter(lists[group]))
    return None
