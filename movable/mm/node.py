"""struct pglist_data: a NUMA node, its zones, and the order in which they are tried (include/linux/mmzone.h)."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from movable.mm.gfp import GFP_MOVABLE, GFP_THISNODE, GFP_ZERO, gfp_migratetype, gfp_zone

if TYPE_CHECKING:
    from movable.mm.mmzone import Zone
    from movable.mm.swap import LruVec
    from movable.mm.vm import VM


class AllocContext:
    """What an allocation with some gfp means on a node (struct alloc_context, mm/internal.h).

    ``zones`` is the zonelist, ``classzone`` the number of the highest zone allowed. ``fast`` is for order 0: pairs of
    a zone and the number of free frames that must be exceeded there, the migratetype, and whether the page is to be
    cleared. A zonelist with CMA in it has no such pairs for a request that may not use CMA, because the number would
    change all the time.
    """

    __slots__ = ("classzone", "fast", "migratetype", "zones")

    def __init__(self, zones: tuple[Zone, ...], gfp: int) -> None:
        self.zones = zones
        self.migratetype = gfp_migratetype(gfp)
        self.classzone = classzone = gfp_zone(gfp)
        floors = tuple(
            (zone, zone.watermark[1] + zone.lowmem_reserve[classzone] + zone.nr_reserved_highatomic) for zone in zones
        )
        if not gfp & GFP_MOVABLE and any(zone.nr_cma_blocks for zone in zones):
            floors = ()
        self.fast = (floors, self.migratetype, bool(gfp & GFP_ZERO))


class Node:
    """A node.

    ``nid`` is its number, ``zones`` its zones, ``vmstat`` its own counters (pgdat's vm_stat). ``contexts`` remembers
    for every gfp what an allocation with it means here; ``build_all_zonelists`` empties it.
    """

    __slots__ = ("contexts", "lruvec", "nid", "vm", "vmstat", "zones")

    def __init__(self, vm: VM, nid: int) -> None:
        self.vm = vm
        self.nid = nid
        self.zones: list[Zone] = []
        self.vmstat: defaultdict[str, int] = defaultdict(int)
        self.contexts: dict[int, AllocContext] = {}
        self.lruvec: LruVec | None = None

    @property
    def fallback(self) -> tuple[int, ...]:
        """The nodes to try, this one first: upwards, then around (build_zonelists, for equal distances)."""
        count = len(self.vm.nodes)
        return tuple((self.nid + step) % count for step in range(count))

    @property
    def present_pages(self) -> int:
        """Frames of this node (node_present_pages)."""
        return sum(zone.present_pages for zone in self.zones)

    def zonelist(self, gfp: int) -> tuple[Zone, ...]:
        """The zones to try, best first: this node's from the highest allowed down, then the other nodes'.

        Other nodes follow in the order of build_zonelists for equal distances: upwards, then around. Movable zones
        serve only requests that may use high memory and are movable. Raises UsageError as ``gfp_zone`` does.
        """
        highest = gfp_zone(gfp)
        nodes = self.vm.nodes
        if gfp & GFP_THISNODE:
            order = [self]
        else:
            order = [node for node in nodes if node.nid >= self.nid] + [node for node in nodes if node.nid < self.nid]
        return tuple(
            zone
            for node in order
            for zone in sorted(node.zones, key=lambda zone: (-zone.index, zone.start_pfn))
            if zone.index <= highest
        )

    def context(self, gfp: int) -> AllocContext:
        """What an allocation with ``gfp`` means here. Raises UsageError for bits that contradict each other."""
        found = self.contexts.get(gfp)
        if found is None:
            found = self.contexts[gfp] = AllocContext(self.zonelist(gfp), gfp)
        return found

    def __repr__(self) -> str:
        return f"<node {self.nid}>"
