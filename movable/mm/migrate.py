"""The migration loop (mm/migrate.c): up to ten passes over a list of isolated pages.

Fields in use: ``page.lru`` links an isolated page to the caller's list. Lock order: old page (waits only when forced), new page
(try only), then the driver's locks. Who holds what while a page is on the list: its owner one reference, the isolation one.
After success the owner holds one reference on the new page and nobody holds the old one, which is freed. After -EAGAIN nothing
about the old page has changed, and its target is gone. Every isolation ends exactly once: migrated, put back, or released.
"""

from __future__ import annotations

from collections.abc import Callable
from errno import EAGAIN, EBUSY, ENOMEM
from typing import TYPE_CHECKING, Any

from movable.errors import DriverError, UsageError, VMBug
from movable.mm.isolation import callback_failed, end_isolation, finish_released
from movable.mm.list import ListHead, list_del, list_name
from movable.mm.page import (
    ISOLATED,
    ClearPageIsolated,
    PageMovable,
    PageMovableHint,
    PG_writeback,
    lock_page,
    put_page,
    trylock_page,
    unlock_page,
)
from movable.mm.swap import (
    end_lru_isolation,
    is_lru_page,
    putback_lru_page,
    release_isolated_lru_page,
    unmap_and_move_lru,
    wait_on_page_writeback,
)

if TYPE_CHECKING:
    from movable.mm.address_space import AddressSpace
    from movable.mm.page import Page
    from movable.mm.seam import Seam
    from movable.mm.vm import VM

MIGRATE_ASYNC = 0
MIGRATE_SYNC_LIGHT = 1
MIGRATE_SYNC = 2
MIGRATE_SYNC_NO_COPY = 3
MIGRATE_MODES = ("ASYNC", "SYNC_LIGHT", "SYNC", "SYNC_NO_COPY")

(
    MR_COMPACTION,
    MR_MEMORY_FAILURE,
    MR_MEMORY_HOTPLUG,
    MR_SYSCALL,
    MR_MEMPOLICY_MBIND,
    MR_NUMA_MISPLACED,
    MR_CONTIG_RANGE,
) = range(7)
MIGRATE_REASONS = (
    "compaction memory_failure memory_hotplug syscall_or_cpuset mempolicy_mbind numa_misplaced contig_range".split()
)

PASSES = 10
"""How often one call tries a page that answers -EAGAIN."""

GetNewPage = Callable[["Page", Any], "Page | None"]
PutNewPage = Callable[["Page", Any], None]


def migrate_pages(
    pages: ListHead,
    get_new_page: GetNewPage,
    put_new_page: PutNewPage | None,
    private: Any,
    mode: int,
    reason: int,
) -> int:
    """Move every page of a list of isolated pages to a target from ``get_new_page(page, private)``.

    ``put_new_page(newpage, private)`` takes an unused target back; None means it is freed. ``mode`` is one of MIGRATE_*, ``reason``
    one of MR_*. Returns how many pages were not moved, or -ENOMEM when a target or a driver ran out of memory. When it is not 0
    the caller must put back what is left on the list. mirrors mm/migrate.c, migrate_pages.
    """
    first = pages.next.owner
    if first is None:
        return 0
    vm, seam = first.vm, first.seam
    if seam is not None:
        seam.event("migrate_pages", nr=len(pages), mode=mode, reason=reason)
    if mode == MIGRATE_SYNC_NO_COPY and not vm.era.no_copy_mode:
        raise UsageError(f"a kernel of era {vm.era.name} has no MIGRATE_SYNC_NO_COPY")
    if reason >= len(vm.era.migrate_reasons):
        known = ", ".join(vm.era.migrate_reasons)
        raise UsageError(f"a kernel of era {vm.era.name} has no reason {reason} to migrate; known are {known}")
    return vm.migrate_loop(vm, pages, get_new_page, put_new_page, private, mode, reason)


def migrate_by_passes(
    vm: VM,
    pages: ListHead,
    get_new_page: GetNewPage,
    put_new_page: PutNewPage | None,
    private: Any,
    mode: int,
    reason: int,
) -> int:
    """The loop of kernels up to 5.10: the whole list, pass after pass; migrate_batch.py has those of later kernels."""
    seam, force_after, enomem_aborts = vm.seam, vm.era.force_after, vm.era.enomem_aborts
    succeeded = failed = 0
    retry = 1
    for nr_pass in range(PASSES):
        if not retry:
            break
        retry = 0
        if seam is not None:
            seam.event("migrate_pass", nr_pass=nr_pass)
        for page in pages:
            rc = _unmap_and_move(page, get_new_page, put_new_page, private, nr_pass > force_after, mode)
            if rc == 0:
                succeeded += 1
            elif rc == -EAGAIN:
                retry += 1
            elif rc == -ENOMEM and enomem_aborts:
                return finish_run(vm, seam, succeeded, failed + 1, rc, pages)
            else:
                failed += 1
        vm.vmstat["migrate_retries"] += retry
    failed += retry
    return finish_run(vm, seam, succeeded, failed, failed, pages)


def finish_run(vm: VM, seam: Seam | None, succeeded: int, failed: int, ret: int, pages: ListHead) -> int:
    """Count what a run came to, and return ``ret``."""
    vmstat = vm.vmstat
    vmstat["pgmigrate_success"] += succeeded
    vmstat["pgmigrate_fail"] += failed
    if seam is not None:
        seam.event("migrate_pages_ret", ret=ret, nr_succeeded=succeeded, nr_failed=failed, nr_left=len(pages))
    return ret


def _unmap_and_move(
    page: Page, get_new_page: GetNewPage, put_new_page: PutNewPage | None, private: Any, force: bool, mode: int
) -> int:
    """One attempt for one page; mirrors mm/migrate.c, unmap_and_move."""
    newpage = get_new_page(page, private)
    if page.seam is not None:
        seam = page.seam
        seam.event("get_new_page", page, newpage=newpage.pfn if newpage is not None else -1)
        seam.point("ar", ("page", page.pfn, "refs"))
    if newpage is None:
        return -ENOMEM
    if page._refcount == 1:  # only our reference is left: the owner released the page
        if PageMovableHint(page):
            _complete_released(page)
        elif is_lru_page(page):
            release_isolated_lru_page(page)
        return_target(page, newpage, put_new_page, private)
        list_del(page._lru)
        put_page(page)
        return 0
    is_movable = PageMovableHint(page)  # asked once: the owner may clear the mark at any time
    rc = lock_and_move(page, newpage, is_movable, force, mode)
    if rc == 0:
        list_del(page._lru)
        put_page(page)
        return 0
    if rc != -EAGAIN:
        list_del(page._lru)
        if is_movable:
            end_isolation(page)
        elif is_lru_page(page):
            end_lru_isolation(page)
        else:
            put_page(page)
    return_target(page, newpage, put_new_page, private)
    return rc


def return_target(page: Page, newpage: Page, put_new_page: PutNewPage | None, private: Any) -> None:
    """Give an unused target back to the caller, or drop it."""
    if page.seam is not None:
        page.seam.event("put_new_page", page, newpage=newpage.pfn)
    if put_new_page is None:
        put_page(newpage)
    else:
        put_new_page(newpage, private)


def _complete_released(page: Page) -> None:
    lock_page(page)
    if PageMovable(page):
        # The owner dropped its reference and left its mark; the allocator wipes both bits.
        page.vm.vmstat["movable_released_isolated"] += 1
        if page.seam is not None:
            page.seam.event("released_isolated", page)
    else:
        finish_released(page)
    unlock_page(page)


def lock_and_move(page: Page, newpage: Page, is_movable: bool, force: bool, mode: int) -> int:
    """Both page locks around the move; mirrors mm/migrate.c, __unmap_and_move."""
    if not trylock_page(page):
        # A task that reclaims memory must not wait: the holder may be waiting for that memory.
        if not force or mode == MIGRATE_ASYNC or page.vm.current.memalloc:
            return -EAGAIN
        lock_page(page)
    rc = 0
    if page._flags >> PG_writeback & 1:
        rc = _await_writeback(page, force, mode)
    if rc == 0:
        if trylock_page(newpage):
            rc = move_to_new_page(newpage, page, mode) if is_movable else unmap_and_move_lru(newpage, page, mode)
            unlock_page(newpage)
        else:
            rc = -EAGAIN
    unlock_page(page)
    if rc == 0:
        if is_movable and page.vm.era.target_lru_detour and not PageMovableHint(newpage):
            putback_lru_page(newpage)
        else:
            put_page(newpage)
    return rc


def _await_writeback(page: Page, force: bool, mode: int) -> int:
    if mode not in (MIGRATE_SYNC, MIGRATE_SYNC_NO_COPY):
        return -EBUSY
    if not force:
        return -EAGAIN
    wait_on_page_writeback(page)
    return 0


def move_to_new_page(newpage: Page, page: Page, mode: int) -> int:
    """Call the driver with both pages locked; mirrors the non-LRU half of mm/migrate.c, move_to_new_page."""
    seam = page.seam
    if seam is not None:
        seam.event("move_to_new_page", page, newpage=newpage.pfn, mode=mode)
    if not page._flags & ISOLATED:
        raise VMBug("V7", "a page on the way to its driver is not isolated", "PG_isolated", page)
    mapping = page.vm.owner_of(page)
    if mapping is None:
        finish_released(page)
        rc = 0
    else:
        rc = _call_migratepage(mapping, newpage, page, mode)
        if rc == 0:
            if not page._flags & ISOLATED:
                page.vm.warn("D30", page, "the driver cleared PG_isolated")
            ClearPageIsolated(page)
            page.vm.vmstat["movable_migrated"] += 1
    if seam is not None:
        if rc == 0 and mapping is not None:
            seam.event("migrated", page, newpage=newpage.pfn)
        seam.event("move_to_new_page_ret", page, newpage=newpage.pfn, ret=rc)
    return rc


def _call_migratepage(mapping: AddressSpace, newpage: Page, page: Page, mode: int) -> int:
    try:
        if page.seam is None:
            rc = mapping.a_ops.migratepage(mapping, newpage, page, mode)  # type: ignore[misc]
        else:
            rc = _watch_migratepage(mapping, newpage, page, mode)
    except (Exception, SystemExit) as error:
        raise callback_failed(mapping, "migratepage", "D23", error) from error
    if type(rc) is not int:
        raise DriverError(mapping.name, "migratepage", "D23", f"returned {rc!r}; it must return 0 or a negative errno")
    if rc > 0:  # which the kernel takes for an error, too
        page.vm.warn("D23", page, f"migratepage returned {rc}; it must return 0 or a negative errno")
    return rc


def _watch_migratepage(mapping: AddressSpace, newpage: Page, page: Page, mode: int) -> Any:
    """The call between its two events."""
    seam: Any = page.seam
    _migrate_event(seam, "migratepage", page, newpage, mapping.name, mode=mode)
    seam.task.callbacks.append((mapping.name, "migratepage", page))
    try:
        rc = mapping.a_ops.migratepage(mapping, newpage, page, mode)  # type: ignore[misc]
    finally:
        seam.task.callbacks.pop()
    _migrate_event(seam, "migratepage_ret", page, newpage, mapping.name, ret=rc)
    return rc


def _migrate_event(seam: Any, kind: str, page: Page, newpage: Page, driver: str, **more: Any) -> None:
    """A migrate event shows both pages."""
    private = newpage._private
    seam.event(
        kind,
        page,
        newpage=newpage.pfn,
        driver=driver,
        list=list_name(page._lru),
        new_flags=newpage._flags,
        new_mapping=newpage._mapping,
        new_refs=newpage._refcount,
        new_list=list_name(newpage._lru),
        new_private=type(private) is not int or private != 0,
        **more,
    )


__all__ = [
    "MIGRATE_ASYNC",
    "MIGRATE_MODES",
    "MIGRATE_REASONS",
    "MIGRATE_SYNC",
    "MIGRATE_SYNC_LIGHT",
    "MIGRATE_SYNC_NO_COPY",
    "MR_COMPACTION",
    "MR_CONTIG_RANGE",
    "MR_MEMORY_FAILURE",
    "MR_MEMORY_HOTPLUG",
    "MR_MEMPOLICY_MBIND",
    "MR_NUMA_MISPLACED",
    "MR_SYSCALL",
    "PASSES",
    "migrate_pages",
]
