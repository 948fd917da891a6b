"""What a test bench uses: a machine, drivers loaded into it, the customers of page migration, and who judges.

A driver itself needs only ``movable``. Everything here stands for what a kernel or an operator does to it.
"""

from __future__ import annotations

from movable.contract import certify, check
from movable.mm.compaction import compact_memory
from movable.mm.memory_failure import soft_offline_page
from movable.mm.memory_hotplug import offline_pages, online_pages
from movable.mm.page_alloc_contig import alloc_contig_range, free_contig_range
from movable.mm.validate import validate_vm
from movable.mm.vm import VM
from movable.registry import load

__all__ = [
    "VM", "alloc_contig_range", "certify", "check", "compact_memory", "free_contig_range", "load", "offline_pages",
    "online_pages", "soft_offline_page", "validate_vm",
]  # fmt: skip
