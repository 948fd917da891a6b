"""Event and state counters, by kernel name (mm/vmstat.c)."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from movable.mm.mmzone import Zone
    from movable.mm.node import Node
    from movable.mm.page import Page
    from movable.mm.vm import VM


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
