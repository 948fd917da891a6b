"""struct pglist_data: a NUMA node, its zones, and the order in which an allocation tries zones
(include/linux/mmzone.h)."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from movable.mm.gfp import GFP_THISNODE, gfp_migratetype, gfp_zone

if TYPE_CHECKING:
    from movable.mm.vm import VM
    from movable.mm.zone import Zone


class Node:
    """A node.

    ``nid`` is its number, ``zones`` its zones, ``vmstat`` its own counters (pgdat's vm_stat). ``contexts`` remembers
    for every gfp what an allocation with it means here; ``build_all_zonelists`` empties it.
    """

    __slots__ = ("contexts", "nid", "vm", "vmstat", "zones")

    def __init__(self, vm: VM, nid: int) -> None:
        self.vm = vm
        self.nid = nid
        self.zones: list[Zone] = []
        self.vmstat: defaultdict[str, int] = defaultdict(int)
        self.contexts: dict[int, tuple[tuple[Zone, ...], int, int]] = {}

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

    def context(self, gfp: int) -> tuple[tuple[Zone, ...], int, int]:
        """(zonelist, migratetype, highest zone number) of an allocation with ``gfp`` here (struct alloc_context)."""
        found = self.contexts.get(gfp)
        if found is None:
            found = self.contexts[gfp] = (self.zonelist(gfp), gfp_migratetype(gfp), gfp_zone(gfp))
        return found

    def __repr__(self) -> str:
        return f"<node {self.nid}>"
