"""7.3: the contract of 6.17, and the core leaves it to the driver to know a page that its owner released while it was isolated."""

from __future__ import annotations

from dataclasses import replace
from errno import EBUSY

from movable.eras.linux_6_17 import ERA as BEFORE

ERA = replace(
    BEFORE,
    name="7.3",
    kernels="6.18 to 7.3",
    # the form of a driver
    former_forms=(),
    names={**BEFORE.names, "mm/balloon_compaction.c": "mm/balloon.c"},
    # the loop
    released_by_refs=False,
    migrate_reasons=(*BEFORE.migrate_reasons, "never_migrated"),
    # callers of the loop
    compact_gap_limit=32,
    # files of /proc
    counts_free_blocks=True,
    node_meminfo=(*BEFORE.node_meminfo, "GPUActive", "GPUReclaim"),
    # zsmalloc
    zs_obj_bits=(9, 15, 0),
    zs_busy_error=-EBUSY,
    zs_free_takes_pool_lock=False,
    zs_frees_outside_lock=True,
    # the balloon
    balloon_core=True,
)
