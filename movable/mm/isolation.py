"""Taking a movable page out of its owner's hands, and giving it back (mm/migrate.c).

Lock order: page lock, then the driver's locks. The isolation reference belongs to the list that the page is put on. Between
isolation and its outcome the page is *unlocked*: its owner may release it, which shows as a cleared mark.
"""

from __future__ import annotations

from errno import EBUSY
from pathlib import PurePath
from typing import TYPE_CHECKING, Any

from movable.errors import DriverError, MovableError, VMBug
from movable.mm.list import ListHead, list_del, list_name
from movable.mm.page import (
    ISOLATED,
    ClearPageIsolated,
    PageMovableHint,
    SetPageIsolated,
    get_page_unless_zero,
    lock_page,
    put_page,
    trylock_page,
    unlock_page,
)
from movable.mm.swap import ISOLATE_ASYNC_MIGRATE, ISOLATE_UNEVICTABLE, end_lru_isolation, is_lru_page
from movable.shown import said, shown

if TYPE_CHECKING:
    from movable.mm.address_space import AddressSpace
    from movable.mm.page import Page

ISOLATE_UNMAPPED = 0x2


def isolate_movable_page(page: Page, mode: int) -> int:
    """Ask the owner of ``page`` to let go of it; never waits and never allocates.

    ``mode`` is a set of ISOLATE_* bits that the driver gets unchanged. Returns 0, and the caller owns one reference to the
    isolated page, or -EBUSY, and nothing has changed. Raises DriverError when the driver answers with anything but a bool.
    mirrors mm/migrate.c, isolate_movable_page.
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
            page.seam.point("ar", ("page", page.pfn, "flags"))
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


def callback_failed(mapping: AddressSpace, callback: str, rule: str, error: Exception | SystemExit) -> Exception:
    """What to raise for an exception out of a callback: the model's own errors as they are, others as a DriverError.

    Its message is one line, however many the exception's has, and ends with the place.
    """
    if isinstance(error, MovableError):
        return error
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    place = "" if trace is None else f" at {PurePath(trace.tb_frame.f_code.co_filename).name}:{trace.tb_lineno}"
    text = next(iter(said(error).splitlines()), "")
    words = f"raised {shown(type(error).__name__)}{': ' if text else ''}{shown(text, 1000)}{place}"
    return DriverError(mapping.name, callback, rule, words)


def _call_isolate_page(mapping: AddressSpace, page: Page, mode: int) -> bool:
    try:
        if page.seam is None:
            answer = mapping.a_ops.isolate_page(page, mode)  # type: ignore[misc]
        else:
            answer = _watch_isolate_page(mapping, page, mode)
    except (Exception, SystemExit) as error:
        raise callback_failed(mapping, "isolate_page", "D8", error) from error
    if answer is True or answer is False:
        return answer
    raise DriverError(mapping.name, "isolate_page", "D8", f"returned {answer!r}; it must return True or False")


def _watch_isolate_page(mapping: AddressSpace, page: Page, mode: int) -> Any:
    """The call between its two events."""
    seam: Any = page.seam
    seam.event("isolate_page", page, mode=mode, driver=mapping.name, list=list_name(page._lru))
    seam.task.callbacks.append((mapping.name, "isolate_page", page))
    try:
        answer = mapping.a_ops.isolate_page(page, mode)  # type: ignore[misc]
    finally:
        seam.task.callbacks.pop()
    seam.event("isolate_page_ret", page, ret=answer, driver=mapping.name, list=list_name(page._lru))
    return answer


def putback_movable_page(page: Page) -> None:
    """Give one isolated page back to its owner. The caller holds the page lock, and unlocks and drops its reference.

    mirrors mm/migrate.c, putback_movable_page: the callback comes first, with PG_isolated still set. Raises VMBug for a page
    that is not locked, not isolated, or not movable any more.
    """
    mapping = page.vm.owner_of(page)
    if mapping is None or not page._flags & ISOLATED:
        raise VMBug("V13", "putback of a page that is not movable and isolated", "both", page)
    _putback(mapping, page)


def _putback(mapping: AddressSpace, page: Page) -> None:
    _call_putback_page(mapping, page)
    ClearPageIsolated(page)
    page.vm.vmstat["movable_putback"] += 1
    if page.seam is not None:
        page.seam.event("putback_page_done", page)


def _call_putback_page(mapping: AddressSpace, page: Page) -> None:
    seam = page.seam
    if seam is not None:
        seam.event("putback_page", page, driver=mapping.name, list=list_name(page._lru))
        seam.task.callbacks.append((mapping.name, "putback_page", page))
    try:
        mapping.a_ops.putback_page(page)  # type: ignore[misc]
    except (Exception, SystemExit) as error:
        raise callback_failed(mapping, "putback_page", "D32", error) from error
    finally:
        if seam is not None:
            seam.task.callbacks.pop()
    if seam is not None:
        seam.event("putback_page_ret", page, driver=mapping.name, list=list_name(page._lru))


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

    mirrors mm/migrate.c, putback_movable_pages. Raises VMBug for a page that is not isolated.
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


__all__ = [
    "ISOLATE_ASYNC_MIGRATE",
    "ISOLATE_UNEVICTABLE",
    "ISOLATE_UNMAPPED",
    "callback_failed",
    "end_isolation",
    "finish_released",
    "isolate_movable_page",
    "putback_movable_page",
    "putback_movable_pages",
]
