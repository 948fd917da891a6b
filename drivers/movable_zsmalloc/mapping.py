"""Looking at an object: mapped in place where one page holds it, through a bounce buffer where two do (mm/zsmalloc.c).

From map to unmap the object is pinned and the zspage read-locked, so that it stays where it is; both are spin locks, so the
user must not sleep. A task has one area, as a CPU has in the kernel: it maps one object at a time.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from movable import PAGE_SIZE, UsageError, bit_spin_lock, bit_spin_unlock
from movable_zsmalloc.handles import HANDLE_PIN_BIT, ZS_HANDLE_SIZE
from movable_zsmalloc.obj import kmap, read_object, write_object
from movable_zsmalloc.zspage import get_zspage

if TYPE_CHECKING:
    from movable import Page
    from movable_zsmalloc.handles import Handle
    from movable_zsmalloc.pool import Pool
    from movable_zsmalloc.zspage import Zspage

ZS_MM_RW, ZS_MM_RO, ZS_MM_WO = range(3)


class MapArea:
    """What one task has mapped (struct mapping_area). ``buffer`` is the bounce buffer of a spanning object, else None."""

    __slots__ = ("buffer", "cell", "mode", "obj", "page", "view", "zspage")

    def __init__(
        self, cell: Handle, mode: int, page: Page, zspage: Zspage, buffer: bytearray | None, view: memoryview, obj: int
    ) -> None:
        self.cell = cell
        self.obj = obj
        self.mode = mode
        self.page = page
        self.zspage = zspage
        self.buffer = buffer
        self.view = view


class MapAreas:
    """One area for each task. Nobody touches another task's, so there is no lock (zs_map_area, a per-CPU variable)."""

    __slots__ = ("areas",)

    def __init__(self) -> None:
        self.areas: dict[str, MapArea] = {}


def zs_map_object(pool: Pool, handle: int, mode: int) -> memoryview:
    """The bytes of an object, without its header, up to the size of its class; ``mode`` is ZS_MM_RW, ZS_MM_RO or ZS_MM_WO.

    What is left unwritten under ZS_MM_WO may be lost. The view is dead after ``zs_unmap_object``. Raises UsageError for a handle
    that is not live, an unknown mode, and a task that has an object mapped. Mirrors mm/zsmalloc.c, zs_map_object.
    """
    cell = to_be_mapped(pool, handle, mode)
    bit_spin_lock(HANDLE_PIN_BIT, cell)
    pfn, obj = cell.location
    page = pool.vm.page(pfn)
    zspage = get_zspage(page)
    zspage.lock.read_lock()
    return begin_mapping(pool, cell, mode, page, zspage, obj)


def to_be_mapped(pool: Pool, handle: int, mode: int) -> Handle:
    """The handle's cell, where the running task may map its object; raises UsageError as `zs_map_object` says."""
    cell = pool.handles[handle]
    task = pool.vm.current.name
    if task in pool.map_areas.areas:
        raise UsageError(f"{pool.name}: task {task} has an object mapped; unmap it first, only one fits")
    if mode not in (ZS_MM_RW, ZS_MM_RO, ZS_MM_WO):
        raise UsageError(f"{pool.name}: unknown mapping mode {mode!r}; use ZS_MM_RW, ZS_MM_RO or ZS_MM_WO")
    return cell


def begin_mapping(pool: Pool, cell: Handle, mode: int, page: Page, zspage: Zspage, obj: int) -> memoryview:
    """What a user sees of an object whose zspage is read-locked; the running task's area remembers it."""
    view, buffer = _object_view(zspage, page, obj, mode)
    pool.map_areas.areas[pool.vm.current.name] = MapArea(cell, mode, page, zspage, buffer, view, obj)
    return view


def _object_view(zspage: Zspage, page: Page, obj: int, mode: int) -> tuple[memoryview, bytearray | None]:
    """The view, and the bounce buffer behind it where the object spans two pages."""
    size_class = zspage.size_class
    offset = obj * size_class.size % PAGE_SIZE
    end = offset + size_class.size
    skip = 0 if size_class.huge else ZS_HANDLE_SIZE
    buffer = None
    if end <= PAGE_SIZE:
        view = kmap(page)[offset + skip : end]
    else:
        buffer = bytearray(size_class.size if mode == ZS_MM_WO else read_object(size_class, page, obj))
        view = memoryview(buffer)[skip:]
    return (view.toreadonly() if mode == ZS_MM_RO else view), buffer


def zs_unmap_object(pool: Pool, handle: int) -> None:
    """End the mapping of an object; a bounce buffer that may have changed goes back into the two pages, without the header.

    Raises UsageError when the running task has not mapped ``handle``. Mirrors mm/zsmalloc.c, zs_unmap_object.
    """
    area = end_mapping(pool, handle)
    zspage = area.zspage
    if area.buffer is not None and area.mode != ZS_MM_RO:
        # A spanning object is never huge, so it has a header, which is not the user's.
        write_object(zspage.size_class, area.page, area.cell.location[1], area.buffer, ZS_HANDLE_SIZE)
    zspage.lock.read_unlock()
    bit_spin_unlock(HANDLE_PIN_BIT, area.cell)


def end_mapping(pool: Pool, handle: int) -> MapArea:
    """The running task's area, which is free again; its view is dead. Raises UsageError as `zs_unmap_object`."""
    task = pool.vm.current.name
    area = pool.map_areas.areas.get(task)
    if area is None or area.cell.addr != handle:
        raise UsageError(f"{pool.name}: task {task} has not mapped handle {handle:#x}; map it first")
    del pool.map_areas.areas[task]
    area.view.release()
    return area
