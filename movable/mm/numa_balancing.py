"""NUMA balancing: a page that is used from another node moves there, if that costs nobody anything (mm/migrate.c, mm/memory.c)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from movable.mm.gfp import GFP_DIRECT_RECLAIM, GFP_HIGHUSER_MOVABLE, GFP_NOMEMALLOC, GFP_NORETRY, GFP_NOWARN, GFP_THISNODE
from movable.mm.gup import follow_page, follow_page_watched
from movable.mm.list import ListHead, list_add
from movable.mm.mempolicy import MPOL_F_NUMA_BALANCING, alloc_page_nodemask, get_vma_policy
from movable.mm.migrate import MIGRATE_ASYNC, MR_NUMA_MISPLACED, migrate_pages, putback_movable_pages
from movable.mm.mm_types import VM_ACCESS_FLAGS, VM_READ
from movable.mm.mmzone import WMARK_HIGH
from movable.mm.page_flags import PG_dirty
from movable.mm.swap import page_is_file_lru
from movable.mm.vmscan_isolate import count_isolated, isolate_lru_page

if TYPE_CHECKING:
    from movable.mm.mm_types import VMA
    from movable.mm.mmzone import Node
    from movable.mm.page import Page
    from movable.mm.process import Process

MISPLACED_GFP = (
    GFP_HIGHUSER_MOVABLE & ~GFP_DIRECT_RECLAIM | GFP_THISNODE | GFP_NOMEMALLOC | GFP_NORETRY | GFP_NOWARN
)


def do_numa_page(task: Process, vpn: int, nid: int) -> bool:
    """A hinting fault: the process used a page from node ``nid``; whether the page moved there (do_numa_page).

    There is none in areas that are not scanned, and pages that a policy has placed stay.
    """
    mm = task.mm
    assert mm is not None
    seam = task.user.vm.seam
    with mm.mmap_lock.read():
        vma = mm.vma_lookup(vpn)
        if vma is None or not _scanned(vma) or not mpol_misplaced(task, vma, vpn, nid):
            return False
        page = follow_page(vma, vpn) if seam is None else follow_page_watched(vma, vpn, seam)
    return not isinstance(page, int) and page.zone.node.nid != nid and migrate_misplaced_page(task, page, nid)


def _scanned(vma: VMA) -> bool:
    """Whether balancing looks at an area: it may be accessed, and is no file that can only be read (task_numa_work)."""
    access = vma.flags & VM_ACCESS_FLAGS
    return bool(access) and (vma.file is None or access != VM_READ)


def mpol_misplaced(task: Process, vma: VMA, vpn: int, nid: int) -> bool:
    """Whether policies let a page follow its use to a node (mpol_misplaced).

    Without any it does; one of the area, the file or the task keeps it, but for MPOL_F_NUMA_BALANCING within the policy's nodes.
    """
    policy = get_vma_policy(vma, vpn) or task.mempolicy
    return policy is None or bool(policy.flags & MPOL_F_NUMA_BALANCING and policy.nodes >> nid & 1)


def migrate_misplaced_page(task: Process, page: Page, nid: int) -> bool:
    """Move one page to a node without waiting for anything; False where it stays.

    It stays when it is a dirty page of a disk file, when the node has no room to spare, or when somebody else has it. Counts
    numa_pages_migrated. Mirrors mm/migrate.c, migrate_misplaced_page.
    """
    vm = task.user.vm
    if page_is_file_lru(page) and page._flags >> PG_dirty & 1:
        return False
    if not migrate_balanced_pgdat(vm.nodes[nid]) or isolate_lru_page(page):
        return False
    count_isolated(page, 1)
    pages = ListHead(f"page to move by {vm.current.name}")
    list_add(page._lru, pages)
    left = migrate_pages(pages, _alloc_misplaced_dst_page, None, (task, nid), MIGRATE_ASYNC, MR_NUMA_MISPLACED)
    if left:
        putback_movable_pages(pages)
        return False
    vm.vmstat["numa_pages_migrated"] += 1
    return True


def migrate_balanced_pgdat(node: Node) -> bool:
    """Whether a zone of the node keeps more than its high watermark after one page more."""
    return any(zone.nr_free > zone.watermark[WMARK_HIGH] + 1 for zone in node.zones)


def _alloc_misplaced_dst_page(page: Page, to: tuple[Process, int]) -> Page | None:
    return alloc_page_nodemask(to[0], to[1], None, MISPLACED_GFP)
