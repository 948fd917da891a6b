"""A pool of compressed objects: handles, and the paths that allocate and free them (mm/zsmalloc.c, teardown of 5.4).

How objects are freed, read, written and moved differs by era: ``pool.way`` knows (the folder ways has them).
"""

from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING, Any

from movable import (
    GFP_HIGHUSER_MOVABLE,
    AtomicLong,
    UsageError,
    Work,
)
from movable_zsmalloc.geometry import (
    ZS_MAX_ALLOC_SIZE,
    size_class_index,
    size_class_table,
)
from movable_zsmalloc.handles import ZS_HANDLE_SIZE, HandleCache, ObjWord
from movable_zsmalloc.mapping import MapAreas
from movable_zsmalloc.obj import obj_malloc
from movable_zsmalloc.ways import way_of
from movable_zsmalloc.zspage import SizeClass, SizeClasses, Zspage
from movable_zsmalloc.zspage_alloc import alloc_zspage, async_free_zspage, set_zspage_movable

if TYPE_CHECKING:
    from movable import VM, AddressSpace


class Pool:
    """The state of a pool (struct zs_pool) with ``zs_malloc`` and ``zs_free``.

    ``handles`` holds every live cell; ``pages_allocated`` and ``isolated`` count pages, and zspages with an
    isolated page; ``pages_compacted`` counts pages that compaction freed.
    """

    mapping: AddressSpace

    def __init__(self, vm: VM, name: str, chain: int | None, rule: str | None) -> None:
        self.vm = vm
        self.name = name
        self.way = way_of(vm)
        chain = vm.era.zs_chain if chain is None else chain
        rule = vm.era.zs_class_rule if rule is None else rule
        self.chain = chain
        self.rule = rule
        self.rows = size_class_table(chain, rule)
        form = ObjWord(vm.era.zs_obj_bits)
        self.lock = vm.spinlock(f"{name} pool")  # the only lock, where there is one for all
        self.migrate_lock = vm.rwlock(f"{name} migrate_lock")  # keeps migrations out, where classes have locks and handles no pins
        one_lock = self.lock if self.way.one_lock else None
        self.classes = SizeClasses(vm, name, chain, rule, form, one_lock)
        self.handles = HandleCache(vm, name, form)
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
        self.sharers: list[Any] = []  # pools with the same operations, where those belong to a page type

    def size_class(self, slot: int) -> SizeClass:
        """The class of a slot."""
        return self.classes.of_slot(slot)

    def size_classes(self) -> list[SizeClass]:
        """All classes that were ever needed, largest first."""
        return self.classes.all()

    def zs_malloc(self, size: int, gfp: int = GFP_HIGHUSER_MOVABLE) -> int:
        """Room for an object of ``size`` bytes, 1 to 4096; may sleep.

        Returns its handle. For a size out of range, and where ``gfp`` finds no page: 0 in 4.19, a negative errno later
        (``Era.zs_malloc_errors``). Mirrors mm/zsmalloc.c, zs_malloc.
        """
        errors = self.vm.era.zs_malloc_errors
        if size <= 0:
            return errors[0]
        if size > ZS_MAX_ALLOC_SIZE:
            return errors[1]
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
            return errors[2]
        with size_class.lock:
            cell.word = obj_malloc(size_class, zspage, cell.addr)
            size_class.insert_zspage(zspage)
            self.pages_allocated.add(size_class.pages)
            size_class.objs_allocated += size_class.objs
            set_zspage_movable(self, zspage)
        return cell.addr

    def zs_free(self, handle: int) -> None:
        """Free an object; 0 is ignored. The last object of a zspage takes its pages along, now or soon.

        Raises UsageError for a handle that is not live. Mirrors mm/zsmalloc.c, zs_free.
        """
        if handle:
            self.way.free(self, self.handles[handle])


def find_get_zspage(size_class: SizeClass) -> Zspage | None:
    """The zspage to allocate from: an almost full one first, so that the others may run empty."""
    lists = size_class.lists
    for group in range(len(lists) - 2, -1, -1):
        if lists[group]:
            return next(iter(lists[group]))
    return None
