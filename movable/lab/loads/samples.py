"""What is measured after each step of a workload."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from movable.lab.options import PAGEBLOCK_ORDER
from movable.mm.vmstat import fragmentation_index, unusable_index

if TYPE_CHECKING:
    from movable.mm.vm import VM


class Sample(NamedTuple):
    """The machine after one step. Sizes are in pages, indices in thousandths; what is counted counts from the beginning.

    ``huge_blocks`` is how many blocks of order 9 could be had at once. ``asked`` and ``got`` are the requests of the workload: huge
    pages, buffers, memory blocks to take offline. The indices are the worst of any zone's for order 9.
    """

    step: int
    phase: str
    free: int
    huge_blocks: int
    fragmentation_index: int
    unusable_index: int
    asked: int
    got: int
    migrated: int
    failed: int
    scanned: int
    stalls: int


def sample(vm: VM, step: int, phase: str, asked: int, got: int) -> Sample:
    """The numbers of a machine now."""
    zones = [zone for zone in vm.zones if zone.present_pages]
    order = min(PAGEBLOCK_ORDER, vm.pageblock_order)
    blocks = sum(area.nr_free << area.order - order for zone in zones for area in zone.free_area[order:])
    count = vm.vmstat
    return Sample(
        step, phase, sum(zone.nr_free for zone in zones), blocks, max(fragmentation_index(zone, order) for zone in zones),
        max(unusable_index(zone, order) for zone in zones), asked, got, count["pgmigrate_success"], count["pgmigrate_fail"],
        count["compact_migrate_scanned"], count["compact_stall"],
    )  # fmt: skip
