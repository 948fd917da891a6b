"""Event and state counters by kernel name, and how broken up free memory is: the indices of mm/vmstat.c, and the debugfs files
that print them.

The indices count the free blocks of a zone: F frames in B blocks, S of them usable where a block of the wanted order is a unit.
Division is that of the kernel: unsigned where it divides, cut towards zero where it prints.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, NamedTuple

from movable.mm.gfp import MAX_ORDER

if TYPE_CHECKING:
    from movable.mm.mmzone import Node, Zone
    from movable.mm.page import Page
    from movable.mm.vm import VM

EXTFRAG_THRESHOLD = 500
"""Up to this fragmentation index a costly request is said to lack memory (the default of vm.extfrag_threshold)."""


def count_vm_event(vm: VM, name: str, delta: int = 1) -> None:
    """Count an event of the machine, such as "balloon_inflate" (count_vm_events)."""
    vm.vmstat[name] += delta


def mod_zone_page_state(zone: Zone, name: str, delta: int) -> None:
    """Change a counter of a zone, such as "nr_zspages"."""
    zone.vmstat[name] += delta


def mod_node_page_state(node: Node, name: str, delta: int) -> None:
    """Change a counter of a node, such as "nr_isolated_file"."""
    node.vmstat[name] += delta


def adjust_managed_page_count(page: Page, delta: int) -> None:
    """Change how many frames the page's zone manages, as a balloon does (mm/page_alloc.c)."""
    page.zone.managed_pages += delta


# --- fragmentation ---


class ContigPageInfo(NamedTuple):
    """Free frames, free blocks, and blocks of the wanted order that could be cut (struct contig_page_info)."""

    free_pages: int
    free_blocks_total: int
    free_blocks_suitable: int


def count_blocks(counts: Iterable[int], order: int) -> ContigPageInfo:
    """Count free blocks given by order, smallest first, as a row of /proc/buddyinfo has them, for a request of ``order``."""
    frames = blocks = suitable = 0
    for each, nr_free in enumerate(counts):
        blocks += nr_free
        frames += nr_free << each
        if each >= order:
            suitable += nr_free << each - order
    return ContigPageInfo(frames, blocks, suitable)


def fill_contig_page_info(zone: Zone, order: int) -> ContigPageInfo:
    """Count the free blocks of ``zone``, of every migratetype, as seen by a request of ``order``."""
    return count_blocks((area.nr_free for area in zone.free_area), order)


def fragmentation_index(zone: Zone, order: int) -> int:
    """Why a request of ``order`` fails: towards 0 for lack of memory, towards 1000 because it is broken up.

    -1000 when it would not fail. Values just below 0 occur: few free blocks, each almost large enough. Mirrors mm/vmstat.c,
    fragmentation_index.
    """
    return index_of(fill_contig_page_info(zone, order), order)


def index_of(info: ContigPageInfo, order: int) -> int:
    """The fragmentation index of blocks that were counted for ``order``."""
    if not info.free_blocks_total:
        return 0
    if info.free_blocks_suitable:
        return -1000
    return 1000 - (1000 + (info.free_pages * 1000 >> order)) // info.free_blocks_total


def unusable_index(zone: Zone, order: int) -> int:
    """How much of free memory a request of ``order`` cannot use, in thousandths; 1000 when nothing is free.

    Mirrors mm/vmstat.c, unusable_free_index.
    """
    return unusable_of(fill_contig_page_info(zone, order), order)


def unusable_of(info: ContigPageInfo, order: int) -> int:
    """The unusable index of blocks that were counted for ``order``."""
    if not info.free_pages:
        return 1000
    return (info.free_pages - (info.free_blocks_suitable << order)) * 1000 // info.free_pages


def extfrag_for_order(zone: Zone, order: int) -> int:
    """The same as ``unusable_index`` in hundredths, and 0 when nothing is free (mm/vmstat.c, extfrag_for_order)."""
    info = fill_contig_page_info(zone, order)
    if not info.free_pages:
        return 0
    return (info.free_pages - (info.free_blocks_suitable << order)) * 100 // info.free_pages


def extfrag_index_text(vm: VM) -> str:
    """The text of /sys/kernel/debug/extfrag/extfrag_index: the fragmentation index of every zone by order."""
    return _table(vm, fragmentation_index)


def unusable_index_text(vm: VM) -> str:
    """The text of /sys/kernel/debug/extfrag/unusable_index: the unusable index of every zone by order."""
    return _table(vm, unusable_index)


def _table(vm: VM, index: Callable[[Zone, int], int]) -> str:
    lines = []
    for node in vm.nodes:
        for zone in sorted(node.zones, key=lambda zone: zone.index):
            if zone.present_pages:
                columns = "".join(_thousandths(index(zone, order)) for order in range(MAX_ORDER))
                lines.append(f"Node {node.nid}, zone {zone.name:>8} {columns}\n")
    return "".join(lines)


def _thousandths(value: int) -> str:
    """The kernel prints quotient and remainder by themselves, so that -500 comes out as 0.-500."""
    whole = abs(value) // 1000
    rest = abs(value) % 1000
    if value < 0:
        whole, rest = -whole, -rest
    return f"{whole}.{rest:03d} "
