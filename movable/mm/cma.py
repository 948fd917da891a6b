"""Contiguous memory areas: frames kept for whoever needs a run of them, and lent to movable pages meanwhile (mm/cma.c).

An area's pageblocks are MIGRATE_CMA. Its bitmap says what its users have; pages that were lent do not show there, and move away
when a run is wanted. An attempt that meets a page that does not go tries the next place.
"""

from __future__ import annotations

from collections.abc import Iterator
from errno import EBUSY, ENOMEM
from typing import TYPE_CHECKING

from movable.errors import UsageError
from movable.mm.gfp import MAX_ORDER, MIGRATE_CMA
from movable.mm.obstacles import note_failure
from movable.mm.page_alloc_contig import alloc_contig_range, free_contig_range

if TYPE_CHECKING:
    from movable.mm.page import Page
    from movable.mm.vm import VM


class Cma:
    """One area (struct cma).

    ``base_pfn`` and ``count`` are its frames, ``order_per_bit`` says how many one bit of the bitmap stands for. ``log`` has what
    the kernel would have written of failures.
    """

    def __init__(self, vm: VM, base_pfn: int, count: int, order_per_bit: int, name: str) -> None:
        self.vm = vm
        self.base_pfn = base_pfn
        self.count = count
        self.order_per_bit = order_per_bit
        self.name = name
        self.bitmap = bytearray(count >> order_per_bit)
        self.log: list[str] = []

    def __repr__(self) -> str:
        return f"<cma {self.name} of {self.count} frames from {self.base_pfn}>"

    def free_runs(self) -> Iterator[tuple[int, int]]:
        """(length, first) of each run of free bits."""
        start = 0
        for bit, used in enumerate((*self.bitmap, 1)):
            if used:
                if bit > start:
                    yield bit - start, start
                start = bit + 1


def cma_init_reserved_mem(vm: VM, base_pfn: int, count: int, order_per_bit: int = 0, name: str = "reserved") -> Cma:
    """Make an area of ``count`` frames from ``base_pfn``: whole blocks of the largest order in one zone, all free.

    A free block of the largest order has one migratetype, so that an area that shared one with others would lend or lose frames.
    Raises UsageError for frames that are no whole blocks, lie outside one zone or are in use. Mirrors mm/cma.c,
    cma_init_reserved_mem and cma_activate_area.
    """
    zone = vm.zone_of(base_pfn)
    size = 1 << max(zone.pageblock_order, MAX_ORDER - 1)
    if base_pfn % size or count <= 0 or count % size or base_pfn + count > zone.end_pfn:
        raise UsageError(f"an area of {count} frames from {base_pfn} is no whole blocks of {size} frames in one zone; align it")
    if not 0 <= order_per_bit <= zone.pageblock_order:
        raise UsageError(f"order_per_bit {order_per_bit} is no order from 0 to {zone.pageblock_order}")
    rc = alloc_contig_range(vm, base_pfn, base_pfn + count)
    if rc:
        raise UsageError(f"frames {base_pfn} to {base_pfn + count - 1} are in use; make the area before anything is allocated")
    for pfn in range(base_pfn, base_pfn + count, 1 << zone.pageblock_order):
        zone.set_pageblock_migratetype(pfn, MIGRATE_CMA)
    free_contig_range(vm, base_pfn, count)
    return Cma(vm, base_pfn, count, order_per_bit, name)


def cma_alloc(area: Cma, count: int, align: int = 0) -> Page | None:
    """A run of ``count`` frames, aligned to ``1 << align`` of them, each with one reference; None when there is none.

    Pages that were lent move away. Where one does not, the next aligned place is tried; any other error ends the attempt.
    ``area.log`` has the kernel's words of a failure, ``vm.obstacles`` the frames. Mirrors mm/cma.c, cma_alloc.
    """
    vm = area.vm
    if count <= 0 or count > area.count:
        return None
    bits = -(-count >> area.order_per_bit)
    mask = (1 << max(align - area.order_per_bit, 0)) - 1
    offset = (area.base_pfn & (1 << align) - 1) >> area.order_per_bit
    start, ret, tried = 0, -ENOMEM, (area.base_pfn, area.base_pfn)
    while (bit := _find_zero_area(area.bitmap, start, bits, mask, offset)) >= 0:
        area.bitmap[bit : bit + bits] = b"\1" * bits
        pfn = area.base_pfn + (bit << area.order_per_bit)
        ret = alloc_contig_range(vm, pfn, pfn + count, MIGRATE_CMA)
        if not ret:
            return vm.page(pfn)
        area.bitmap[bit : bit + bits] = bytes(bits)
        tried = pfn, pfn + count
        if ret != -EBUSY:
            break
        area.log.append(f"alloc_contig_range: [{pfn:x}, {pfn + count:x}) PFNs busy")
        start = bit + mask + 1
    area.log.append(f"cma: cma_alloc: {area.name}: alloc failed, req-size: {count} pages, ret: {ret}")
    area.log.append(f"cma: number of available pages: {cma_debug_list(area)}")
    note_failure(vm, f"area {area.name}", *tried, ret)
    return None


def _find_zero_area(bitmap: bytearray, start: int, bits: int, mask: int, offset: int) -> int:
    """The first run of ``bits`` zeros from ``start`` on whose place plus ``offset`` is aligned; -1 when there is none."""
    bit = start
    while True:
        bit = ((bit + offset + mask) & ~mask) - offset
        if bit + bits > len(bitmap):
            return -1
        used = bitmap.rfind(b"\1", bit, bit + bits)
        if used < 0:
            return bit
        bit = used + 1


def cma_release(area: Cma, page: Page | None, count: int) -> bool:
    """Give a run back; False when it is not of this area (mm/cma.c, cma_release)."""
    if page is None or not area.base_pfn <= page.pfn <= page.pfn + count <= area.base_pfn + area.count:
        return False
    free_contig_range(area.vm, page.pfn, count)
    bit = (page.pfn - area.base_pfn) >> area.order_per_bit
    bits = -(-count >> area.order_per_bit)
    area.bitmap[bit : bit + bits] = bytes(bits)
    return True


def cma_debug_list(area: Cma) -> str:
    """The free runs as the kernel lists them: ``4@572+7@585=> 11 free of 4096 total pages`` (cma_debug_show_areas)."""
    runs = list(area.free_runs())
    free = sum(length for length, _ in runs) << area.order_per_bit
    listed = "+".join(f"{length << area.order_per_bit}@{first}" for length, first in runs)
    return f"{listed}=> {free} free of {area.count} total pages"


__all__ = ["Cma", "cma_alloc", "cma_debug_list", "cma_init_reserved_mem", "cma_release"]
