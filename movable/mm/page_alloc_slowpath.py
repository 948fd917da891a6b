"""What an allocation does when no zone has enough: compaction, reclaim, the last resort (mm/page_alloc.c,
mm/oom_kill.c).

Every loop has the kernel's limit.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from movable.errors import DeadlockError
from movable.mm.compaction import compaction_defer_reset
from movable.mm.compaction_control import (
    COMPACT_COMPLETE,
    COMPACT_CONTENDED,
    COMPACT_DEFERRED,
    COMPACT_PARTIAL_SKIPPED,
    COMPACT_PRIO_ASYNC,
    COMPACT_PRIO_SYNC_FULL,
    COMPACT_PRIO_SYNC_LIGHT,
    COMPACT_SKIPPED,
)
from movable.mm.gfp import (
    __GFP_ATOMIC,
    GFP_DIRECT_RECLAIM,
    GFP_HIGH,
    GFP_MEMALLOC,
    GFP_NOFAIL,
    GFP_NOMEMALLOC,
    GFP_NORETRY,
    GFP_RETRY_MAYFAIL,
    GFP_THISNODE,
    MIGRATE_MOVABLE,
    PAGE_ALLOC_COSTLY_ORDER,
    ZONE_NAMES,
    ZONE_NORMAL,
    gfp_migratetype,
    gfp_names,
)
from movable.mm.mmzone import (
    ALLOC_HARDER,
    ALLOC_HIGH,
    ALLOC_NO_WATERMARKS,
    WMARK_HIGH,
    WMARK_MIN,
)
from movable.mm.page_alloc import get_page_from_freelist, prep_new_page, unreserve_highatomic_pageblock
from movable.mm.vmscan import try_to_free_pages

if TYPE_CHECKING:
    from movable.mm.mmzone import Node
    from movable.mm.page import Page
    from movable.mm.vm import VM

WITHDRAWN = (COMPACT_SKIPPED, COMPACT_DEFERRED, COMPACT_CONTENDED, COMPACT_PARTIAL_SKIPPED)
"""Results of compaction that gave up early (compaction_withdrawn)."""
MAX_COMPACT_RETRIES = 16
MAX_RECLAIM_RETRIES = 16
MAX_OOM_ROUNDS = 64


def gfp_to_alloc_flags(gfp: int) -> int:
    """How far below the min watermark a request may go."""
    flags = ALLOC_HIGH if gfp & GFP_HIGH else 0
    if gfp & __GFP_ATOMIC and not gfp & GFP_NOMEMALLOC:
        flags |= ALLOC_HARDER
    return flags


def pfmemalloc_allowed(vm: VM, gfp: int) -> bool:
    """Whether the request may ignore the watermarks: it is what frees memory (gfp_pfmemalloc_allowed)."""
    return not gfp & GFP_NOMEMALLOC and bool(gfp & GFP_MEMALLOC or vm.current.memalloc)


class SlowPath:
    """One allocation that the fast path could not serve (__alloc_pages_slowpath)."""

    def __init__(self, vm: VM, node: Node, gfp: int, order: int) -> None:
        self.vm = vm
        self.node = node
        self.gfp = gfp
        self.order = order
        self.costly = order > PAGE_ALLOC_COSTLY_ORDER
        self.flags = gfp_to_alloc_flags(gfp)
        self.priority = COMPACT_PRIO_SYNC_LIGHT
        self.compact_retries = 0
        self.compact_result = COMPACT_SKIPPED
        self.no_progress = 0

    def get_page(self) -> Page | None:
        """One try with the min watermark."""
        return get_page_from_freelist(self.vm, self.node, self.gfp, self.order, WMARK_MIN, self.flags)

    def run(self) -> Page | None:
        """All that the request allows, in the kernel's order."""
        page = self.get_page()
        if page is not None:
            return page
        can_reclaim = bool(self.gfp & GFP_DIRECT_RECLAIM)
        compacts = self.costly or (self.order and gfp_migratetype(self.gfp) != MIGRATE_MOVABLE)
        if can_reclaim and compacts and not pfmemalloc_allowed(self.vm, self.gfp):
            page = self.direct_compact(COMPACT_PRIO_ASYNC)
            if page is not None:
                return page
            if self.costly and self.gfp & GFP_NORETRY:
                if self.compact_result == COMPACT_DEFERRED:
                    return None
                self.priority = COMPACT_PRIO_ASYNC
        if pfmemalloc_allowed(self.vm, self.gfp):
            self.flags |= ALLOC_NO_WATERMARKS
            page = self.get_page()
        if page is not None or not can_reclaim or self.vm.current.memalloc:
            return page
        return self.retry()

    def retry(self) -> Page | None:
        """Reclaim and compact until neither gets anywhere, then the last resort."""
        for _ in range(MAX_OOM_ROUNDS):
            progress = 0
            page = self.get_page()
            if page is None:
                page, progress = self.direct_reclaim()
            if page is None:
                page = self.direct_compact(self.priority)
            if page is not None:
                return page
            if self.gfp & GFP_NORETRY or (self.costly and not self.gfp & GFP_RETRY_MAYFAIL):
                return None
            if self.should_reclaim_retry(progress) or self.should_compact_retry(progress):
                continue
            page, progress = self.out_of_memory()
            if page is not None or not progress:
                return page
            self.no_progress = 0
        return None

    # steps

    def direct_compact(self, priority: int) -> Page | None:
        """Compact, then try again (__alloc_pages_direct_compact)."""
        if not self.order:
            return None
        vm = self.vm
        captured: list[int] = []
        with memalloc(vm):
            self.compact_result = vm.direct_compact(self.order, self.gfp, priority, self.node.nid, captured)
        if self.compact_result <= COMPACT_DEFERRED:
            return None
        vm.vmstat["compact_stall"] += 1
        page = vm.page(captured[0]) if captured else None
        if page is not None:
            prep_new_page(page, self.order, self.gfp)
        else:
            page = self.get_page()
        if page is None:
            vm.vmstat["compact_fail"] += 1
            return None
        page.zone.compact_blockskip_flush = False
        compaction_defer_reset(page.zone, self.order, True)
        vm.vmstat["compact_success"] += 1
        return page

    def direct_reclaim(self) -> tuple[Page | None, int]:
        """Ask the shrinkers, then try again, if need be with a reserved pageblock (__alloc_pages_direct_reclaim)."""
        name = ZONE_NAMES[self.node.context(self.gfp).classzone].lower()
        self.vm.vmstat[f"allocstall_{name}"] += 1
        with memalloc(self.vm):
            progress = try_to_free_pages(self.vm)
        if not progress:
            return None, 0
        page = self.get_page()
        if page is None and unreserve_highatomic_pageblock(self.node, self.gfp, False):
            page = self.get_page()
        return page, progress

    def should_reclaim_retry(self, progress: int) -> bool:
        """Whether another round of reclaim can help; counts rounds without progress.

        With no LRU lists to wait for, a round in which no shrinker freed anything is the last.
        """
        self.no_progress = 0 if progress and not self.costly else self.no_progress + 1
        if not progress or self.no_progress > MAX_RECLAIM_RETRIES:
            return unreserve_highatomic_pageblock(self.node, self.gfp, True)
        return True

    def should_compact_retry(self, progress: int) -> bool:
        """Whether another round of compaction, perhaps a harder one, can help.

        A harder one is tried even without progress in reclaim: a kernel, with page cache to drop, nearly always has
        some.
        """
        if not self.order:
            return False
        if progress and self.compact_result != COMPACT_COMPLETE:
            if self.compact_result in WITHDRAWN:
                return self.compaction_zonelist_suitable()
            self.compact_retries += 1
            if self.compact_retries <= MAX_COMPACT_RETRIES // (4 if self.costly else 1):
                return True
        if self.priority <= (COMPACT_PRIO_SYNC_LIGHT if self.costly else COMPACT_PRIO_SYNC_FULL):
            return False
        self.priority -= 1
        self.compact_retries = 0
        return True

    def compaction_zonelist_suitable(self) -> bool:
        """Whether some zone has enough free frames for compaction to work with."""
        from movable.mm.compaction import compaction_suitable

        context = self.node.context(self.gfp)
        suitable = (compaction_suitable(zone, self.order, context.classzone) for zone in context.zones)
        return any(result != COMPACT_SKIPPED for result in suitable)

    def out_of_memory(self) -> tuple[Page | None, int]:
        """The last resort: (a page, pages that the notifiers say they freed). Nobody is killed here (mm/oom_kill.c).

        Raises DeadlockError where __GFP_NOFAIL would make the kernel try for ever.
        """
        page = get_page_from_freelist(self.vm, self.node, self.gfp, self.order, WMARK_HIGH, 0)
        if page is not None:
            return page, 0
        freed = 0
        low_zone = self.node.context(self.gfp).classzone < ZONE_NORMAL
        if not self.costly and not self.gfp & (GFP_RETRY_MAYFAIL | GFP_THISNODE) and not low_zone:
            freed = sum(notifier() for notifier in list(self.vm.oom_notifiers))
        if not freed and self.gfp & GFP_NOFAIL:
            self.flags |= ALLOC_NO_WATERMARKS
            page = self.get_page()
            if page is None:
                raise DeadlockError(f"an allocation of order {self.order} with {gfp_names(self.gfp)} never succeeds")
        return page, freed


def alloc_pages_slowpath(vm: VM, node: Node, gfp: int, order: int) -> Page | None:
    """The whole of what an allocation may do when the fast path fails; see SlowPath.

    Raises DeadlockError where __GFP_NOFAIL would make the kernel try for ever.
    """
    return SlowPath(vm, node, gfp, order).run()


@contextmanager
def memalloc(vm: VM) -> Iterator[None]:
    """PF_MEMALLOC for the running task: what it does now frees memory, and must not wait for memory."""
    task = vm.current
    before = task.memalloc
    task.memalloc = True
    try:
        yield
    finally:
        task.memalloc = before
