"""Compaction before anybody asks for it (mm/compaction.c, from 5.9 on): while a node is more fragmented than it should be.

A score of 0 says that all free memory lies in blocks of the size of a huge page, one of 100 that none does. The daemon that looks
every half second is left to the caller.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from movable.errors import UsageError
from movable.mm.compaction import compact_zone
from movable.mm.compaction_control import CompactControl
from movable.mm.gfp import GFP_KERNEL
from movable.mm.migrate import MIGRATE_SYNC_LIGHT
from movable.mm.vmstat import extfrag_for_order

if TYPE_CHECKING:
    from movable.mm.mmzone import Node, Zone
    from movable.mm.vm import VM

PROACTIVENESS = 20
"""How eager a kernel is unless told otherwise (vm.compaction_proactiveness), 0 to 100."""
WIDEST_GAP = 10


def fragmentation_score_zone(zone: Zone) -> int:
    """Hundredths of a zone's free memory that no huge page can use."""
    return extfrag_for_order(zone, zone.pageblock_order)


def fragmentation_score_node(node: Node) -> int:
    """The scores of a node's zones, weighted by their size."""
    present = sum(zone.present_pages for zone in node.zones)
    return sum(zone.present_pages * fragmentation_score_zone(zone) // (present + 1) for zone in node.zones if zone.present_pages)


def fragmentation_score_wmark(vm: VM, proactiveness: int, low: bool) -> int:
    """The score down to which compaction goes (``low``), or above which it begins. Raises UsageError in an era without any."""
    era = vm.era
    if era.proactive_floor < 0:
        raise UsageError(f"a kernel of era {era.name} has no proactive compaction")
    mark = max(100 - proactiveness, era.proactive_floor)
    gap = min(WIDEST_GAP, mark // 2) if era.proactive_gap_halved else WIDEST_GAP
    return mark if low else min(mark + gap, 100)


def should_proactive_compact_node(node: Node, proactiveness: int = PROACTIVENESS) -> bool:
    """Whether a node is more fragmented than a kernel of its era puts up with."""
    wanted = fragmentation_score_wmark(node.vm, proactiveness, low=False)
    return proactiveness > 0 and fragmentation_score_node(node) > wanted


def proactive_compact_node(node: Node, proactiveness: int = PROACTIVENESS) -> int:
    """Compact the zones of a node until each scores low enough; returns the score of the node afterwards."""
    low = fragmentation_score_wmark(node.vm, proactiveness, low=True)
    for zone in node.zones:
        if zone.present_pages:
            cc = CompactControl(zone, -1, GFP_KERNEL, MIGRATE_SYNC_LIGHT, ignore_skip_hint=True, whole_zone=True)
            cc.enough = lambda zone=zone: fragmentation_score_zone(zone) <= low
            compact_zone(zone, cc)
    return fragmentation_score_node(node)


def proactive_compact(vm: VM, proactiveness: int = PROACTIVENESS) -> list[int]:
    """What a write to vm.compaction_proactiveness leads to: the nodes that need it are compacted; returns their numbers."""
    found = [node for node in vm.nodes if should_proactive_compact_node(node, proactiveness)]
    for node in found:
        proactive_compact_node(node, proactiveness)
    return [node.nid for node in found]


__all__ = [
    "PROACTIVENESS",
    "fragmentation_score_node",
    "fragmentation_score_wmark",
    "fragmentation_score_zone",
    "proactive_compact",
    "proactive_compact_node",
    "should_proactive_compact_node",
]
