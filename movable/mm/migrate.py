"""Page migration (mm/migrate.c): taking a movable page out of its owner's hands, up to ten passes over a list of such pages, and
giving back what did not move.

Fields in use: ``page.lru`` links an isolated page to the caller's list. Lock order: old page (waits only when forced), new page
(try only), then the driver's locks. Who holds what while a page is on the list: its owner one reference, the isolation one.
Between isolation and its outcome the page is *unlocked*: its owner may release it, which shows as a cleared mark.
After success the owner holds one reference on the new page and nobody holds the old one, which is freed. After -EAGAIN nothing
about the old page has changed, and its target is gone. Every isolation ends exactly once: migrated, put back, or released.
"""

from __future__ import annotations

from collections.abc import Callable
from errno import EAGAIN, EBUSY, ENOMEM
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn

from movable.errors import DriverError, UsageError, VMBug, by_hand
from movable.introspection import kit_raised, raised_at
from movable.mm.filemap import lock_page, trylock_page, unlock_page, wait_on_page_writeback
from movable.mm.list import ListHead, list_del
from movable.mm.page import get_page_unless_zero, put_page
from movable.mm.page_flags import (
    ISOLATED,
    ClearPageIsolated,
    PageMovable,
    PageMovableHint,
    PG_writeback,
    SetPageIsolated,
)
from movable.mm.swap import add_moved_page
from movable.mm.vmscan_isolate import (
    ISOLATE_ASYNC_MIGRATE,
    ISOLATE_UNEVICTABLE,
    end_lru_isolation,
    is_lru_page,
    move_lru_page,
    putback_lru_page,
    release_isolated_lru_page,
)
from movable.shown import first_line, literal, shown

if TYPE_CHECKING:
    from movable.eras import Era
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

ISOLATE_UNMAPPED = 0x2
CAUGHT = (Exception, SystemExit, KeyboardInterrupt)
"""What comes out of a driver's callback and is the driver's."""


class Step(NamedTuple):
    """A numbered step: what happens in it, and the function of movable/mm that does it."""

    what: str
    where: str


STEPS = {
    1: Step("the old page is locked", "migrate._lock_and_move_lru"),
    2: Step("writeback of the old page is waited for", "migrate._lock_and_move_lru"),
    3: Step("the new page is locked", "migrate._lock_and_move_lru"),
    4: Step("every mapping becomes a migration entry", "migrate_lru.unmap_and_move_lru"),
    5: Step("the tree of the page's mapping is locked", "migrate_lru.may_move_mapping"),
    6: Step("the references must be those that are expected", "migrate_lru.may_move_mapping"),
    7: Step("the slot of the tree must still hold the old page", "migrate_lru.may_move_mapping"),
    8: Step("the new page learns its place", "migrate_lru.migrate_page_move_mapping"),
    9: Step("the slot leads to the new page", "migrate_lru.replace_in_tree"),
    10: Step("the tree's reference goes to the new page", "migrate_lru.replace_in_tree"),
    11: Step("the tree is unlocked", "migrate_lru.replace_in_tree"),
    12: Step("the content is copied", "migrate_lru.copy_content"),
    13: Step("the other flags are copied", "migrate_lru.migrate_page_states"),
    14: Step("the flags of the old page are cleared", "migrate_lru.migrate_page_states"),
    15: Step("writeback of the new page ends, if there is any", "migrate_lru.migrate_page_states"),
    16: Step("migration entries become mappings", "migrate_lru.unmap_and_move_lru"),
    19: Step("both pages are unlocked", "migrate._lock_and_move_lru"),
    20: Step("the new page goes to the LRU lists", "swap.add_moved_page"),
}
"""What happens to a page of the LRU lists that moves, by the numbers of the kernel's document, which has no 17 and no 18.

Each is an event ``migration_step`` when it begins. A page without a tree (anonymous, not in the swap cache) has no 5, 7 and 9 to
11, one that nobody maps no 4 and 16. A failure of a step goes on at 16, with the old page, and the page is put back or tried again.
"""


def step_order(era: Era) -> tuple[int, ...]:
    """The steps in the order in which kernels of an era do them.

    From 6.0 on the new page is on its list before its mappings come back; from 6.12 on the content is copied before the place is
    handed over, once the references have been looked at, which are looked at again.
    """
    first = (1, 2, 3, 4)
    place = (5, 6, 7, 8, 9, 10, 11)
    middle = (6, 12, *place) if era.copies_first else (*place, 12)
    last = (20, 16, 19) if era.lru_add_first else (16, 19, 20)
    return (*first, *middle, 13, 14, 15, *last)


GetNewPage = Callable[["Page", Any], "Page | None"]
PutNewPage = Callable[["Page", Any], None]


# --- isolation: a page leaves its owner's hands, or goes back into them ---


def isolate_movable_page(page: Page, mode: int) -> int:
    """Ask the owner of ``page`` to let go of it; never waits and never allocates.

    ``mode`` is a set of ISOLATE_* bits that the driver gets unchanged. Returns 0, and the caller owns one reference to the
    isolated page, or -EBUSY, and nothing has changed. Raises DriverError when the driver answers with anything but a bool.
    Mirrors mm/migrate.c, isolate_movable_page.
    """
    if page.seam is None:
        return _isolate(page, mode)
    page.seam.event("isolate_movable_page", page, mode=mode)
    ret = _isolate(page, mode)
    page.seam.event("isolate_movable_page_ret", page, ret=ret)
    return ret


def _isolate(page: Page, mode: int) -> int:
    if not get_page_unless_zero(page):
        return -EBUSY
    # The tag comes before the lock bit: the owner of a fresh page sets its flags without atomic operations.
    if not PageMovableHint(page) or not trylock_page(page):
        put_page(page)
        return -EBUSY
    isolated = False
    mapping = page.vm.owner_of(page)
    if mapping is not None:
        if page.seam is not None:
            page.seam.peek(page, "flags")
        if not page._flags & ISOLATED:
            isolated = _call_isolate_page(mapping, page, mode)
    if isolated:
        if page._flags & ISOLATED:
            page.vm.warn("D30", page, "the driver set PG_isolated")
        SetPageIsolated(page)
        page.vm.vmstat["movable_isolated"] += 1
        unlock_page(page)
        return 0
    unlock_page(page)
    put_page(page)
    return -EBUSY


def _call_isolate_page(mapping: AddressSpace, page: Page, mode: int) -> bool:
    """As ``call_driver``; where nobody watches the call is made here, for it is made for each page."""
    if page.seam is None:
        try:
            isolated = mapping.a_ops.isolate_page(page, mode)  # type: ignore[misc]
        except CAUGHT as error:
            raise callback_failed(mapping, "isolate_page", "D8", error) from error
    else:
        isolated = call_driver(mapping, "isolate_page", "D8", page, (page, mode), None, mode)
    if isolated is not True and isolated is not False:
        raise DriverError(mapping.name, "isolate_page", "D8", f"returned {literal(isolated)}; it must return True or False")
    return isolated


def callback_failed(mapping: AddressSpace, callback: str, rule: str, error: BaseException) -> BaseException:
    """What to raise for an exception out of a callback: the model's own errors and the user's interruption as they are, others as
    a DriverError.

    Its message is one line, however many the exception's has, and ends with the place.
    """
    if kit_raised(error) or by_hand(error):
        return error
    text = first_line(error)
    words = f"raised {shown(type(error).__name__)}{': ' if text else ''}{shown(text, 1000)} at {raised_at(error)}"
    return DriverError(mapping.name, callback, rule, words)


def call_driver(
    mapping: AddressSpace,
    name: str,
    rule: str,
    page: Page,
    args: tuple[Any, ...],
    newpage: Page | None = None,
    mode: int | None = None,
) -> Any:
    """Call the callback ``name`` of a driver with ``args``; what it answers is for the caller to judge.

    Raises what `callback_failed` makes, by ``rule``, of whatever comes out of it.
    """
    function = getattr(mapping.a_ops, name)  # may be nothing that can be called, which is seen as a call too
    if function is None:
        function = partial(_jump_to_null, mapping, name)
    try:
        if page.seam is not None:
            return page.seam.callback(name, lambda: an_int(function(*args)), mapping, page, newpage, mode)
        return an_int(function(*args))
    except CAUGHT as error:
        raise callback_failed(mapping, name, rule, error) from error


def an_int(answer: Any) -> Any:
    """The answer of a callback, for which C has 32 bits. Raises OverflowError for a number that needs more."""
    if type(answer) is int and not -0x8000_0000 <= answer <= 0x7FFF_FFFF:
        raise OverflowError(f"the answer is a number of {answer.bit_length()} bits, and an int has 32")
    return answer


def _jump_to_null(mapping: AddressSpace, name: str, *args: Any) -> NoReturn:
    raise VMBug("D52", f"{mapping.name} has no {name}, and the core calls it: a jump to address 0", "all three callbacks")


def putback_movable_page(page: Page) -> None:
    """Give one isolated page back to its owner. The caller holds the page lock, and unlocks and drops its reference.

    Mirrors mm/migrate.c, putback_movable_page: the callback comes first, with PG_isolated still set. Raises VMBug for a page
    that is not locked, not isolated, or not movable any more.
    """
    mapping = page.vm.owner_of(page)
    if mapping is None or not page._flags & ISOLATED:
        raise VMBug("V13", "putback of a page that is not movable and isolated", "both", page)
    _putback(mapping, page)


def _putback(mapping: AddressSpace, page: Page) -> None:
    call_driver(mapping, "putback_page", "D32", page, (page,))
    ClearPageIsolated(page)
    page.vm.vmstat["movable_putback"] += 1
    if page.seam is not None:
        page.seam.event("putback_page_done", page)


def end_isolation(page: Page) -> None:
    """Put back, or only clear PG_isolated where the owner released the page meanwhile; then drop the isolation reference.

    The page is unlinked already. Waits for the page lock.
    """
    lock_page(page)
    mapping = page.vm.owner_of(page)
    if mapping is None:
        finish_released(page)
    else:
        _putback(mapping, page)
    unlock_page(page)
    put_page(page)


def finish_released(page: Page) -> None:
    """The owner released the page while it was isolated: only the flag goes, and no callback is made."""
    ClearPageIsolated(page)
    page.vm.vmstat["movable_released_isolated"] += 1
    if page.seam is not None:
        page.seam.event("released_isolated", page)


def putback_movable_pages(pages: ListHead) -> None:
    """Give back every page of a list of isolated pages, or what ``migrate_pages`` left of it.

    Mirrors mm/migrate.c, putback_movable_pages. Raises VMBug for a page that is not isolated.
    """
    first = pages.next.owner
    if first is not None and first.seam is not None:
        first.seam.event("putback_movable_pages", nr=len(pages))
    for page in pages:
        list_del(page._lru)
        if page._flags & ISOLATED:
            end_isolation(page)
        elif is_lru_page(page):
            end_lru_isolation(page)
        else:
            raise VMBug("V19", "a page on the list to put back is not isolated", "PG_isolated", page)


# --- the loop ---


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
    the caller must put back what is left on the list. Mirrors mm/migrate.c, migrate_pages.
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
    for nr_pass in range(vm.era.passes):
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
        page.seam.get_new_page(page, newpage)
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
    if not is_movable:
        return _lock_and_move_lru(page, newpage, force, mode)
    if not trylock_page(page) and not wait_for_lock(page, force, mode):
        return -EAGAIN
    rc = _await_writeback(page, force, mode) if page._flags >> PG_writeback & 1 else 0
    if rc == 0:
        if trylock_page(newpage):
            rc = move_to_new_page(newpage, page, mode)
            unlock_page(newpage)
        else:
            rc = -EAGAIN
    unlock_page(page)
    if rc == 0:
        if PageMovableHint(newpage) or not page.vm.era.target_lru_detour:
            put_page(newpage)
        else:
            putback_lru_page(newpage)
    return rc


def _lock_and_move_lru(page: Page, newpage: Page, force: bool, mode: int) -> int:
    """The same for a page of the LRU lists: steps 1 to 3, 19 and 20."""
    seam = page.seam
    if seam is not None:
        seam.migration_step(1, page, newpage)
    if not trylock_page(page) and not wait_for_lock(page, force, mode):
        return -EAGAIN
    if seam is not None:
        seam.migration_step(2, page, newpage, "writeback")
    rc = _await_writeback(page, force, mode) if page._flags >> PG_writeback & 1 else 0
    if rc == 0:
        if seam is not None:
            seam.migration_step(3, page, newpage)
        rc = -EAGAIN
        if trylock_page(newpage):
            rc = move_lru_page(newpage, page, mode)  # 4 to 16
            if rc == 0 and seam is not None:
                seam.migration_step(19, page, newpage)
            unlock_page(newpage)
    unlock_page(page)
    if rc == 0:
        if not page.vm.era.lru_add_first:
            add_moved_page(newpage, page)
        put_page(newpage)
    return rc


def wait_for_lock(page: Page, force: bool, mode: int) -> bool:
    """Whether the caller may wait for the lock of the old page, which somebody else has; then it has it."""
    # A task that reclaims memory must not wait: the holder may be waiting for that memory.
    if not force or mode == MIGRATE_ASYNC or page.vm.current.memalloc:
        return False
    lock_page(page)
    return True


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
        seam.moved_to_new_page(page, newpage, rc, by_driver=mapping is not None)
    return rc


def _call_migratepage(mapping: AddressSpace, newpage: Page, page: Page, mode: int) -> int:
    """As ``_call_isolate_page``. A call through a pointer to nothing is for ``call_driver`` too."""
    function = mapping.a_ops.migratepage
    if page.seam is None and function is not None:
        try:
            rc = an_int(function(mapping, newpage, page, mode))
        except CAUGHT as error:
            raise callback_failed(mapping, "migratepage", "D23", error) from error
    else:
        rc = call_driver(mapping, "migratepage", "D23", page, (mapping, newpage, page, mode), newpage, mode)
    if type(rc) is not int:
        raise DriverError(mapping.name, "migratepage", "D23", f"returned {literal(rc)}; it must return 0 or a negative errno")
    if rc > 0:  # which the kernel takes for an error, too
        page.vm.warn("D23", page, f"migratepage returned {rc}; it must return 0 or a negative errno")
    return rc


__all__ = [
    "ISOLATE_ASYNC_MIGRATE",
    "ISOLATE_UNEVICTABLE",
    "ISOLATE_UNMAPPED",
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
    "STEPS",
    "callback_failed",
    "end_isolation",
    "finish_released",
    "isolate_movable_page",
    "migrate_pages",
    "putback_movable_page",
    "putback_movable_pages",
    "step_order",
    "wait_for_lock",
]
