"""The pages that a balloon holds, and how they move (mm/balloon_compaction.c, include/linux/balloon_compaction.h).

Lock order: page lock, then ``pages_lock``; inside ``pages_lock`` a page lock is only tried. Fields in use:
``page.private`` leads to the device, ``page.lru`` is on its list unless the page is isolated. Ballooned pages = pages
on the list + ``isolated_pages``. An isolated page is on no list of ours, so nobody can deflate it meanwhile.
"""

from __future__ import annotations

from collections.abc import Callable
from errno import EAGAIN, EINVAL

from movable import (
    GFP_HIGHUSER_MOVABLE,
    GFP_NOMEMALLOC,
    GFP_NORETRY,
    MIGRATE_SYNC_NO_COPY,
    VM,
    AddressSpace,
    ClearPageBalloon,
    ClearPageMovable,
    ListHead,
    Page,
    PageIsolated,
    PageLocked,
    SetPageBalloon,
    SetPageMovable,
    VMBug,
    count_vm_event,
    list_add,
    list_del,
    list_empty,
    trylock_page,
    unlock_page,
)

BALLOON_GFP = GFP_HIGHUSER_MOVABLE | GFP_NOMEMALLOC | GFP_NORETRY
"""How a balloon page is asked for: movable, without the emergency reserve, and without pressing others hard."""

MigrateHook = Callable[["BalloonDevInfo", Page, Page, int], int]


class BalloonDevInfo:
    """What the balloon layer knows of one device (struct balloon_dev_info).

    ``pages`` is the list of the pages that can be deflated, ``pages_lock`` protects it and ``isolated_pages``, the
    number of pages in the core's hands. ``mapping`` marks the pages, None for a balloon whose pages cannot move;
    ``migratepage`` is the device's part of a migration.
    """

    def __init__(self, vm: VM, mapping: AddressSpace | None = None, migratepage: MigrateHook | None = None) -> None:
        self.vm = vm
        self.pages = ListHead("balloon pages")
        self.pages_lock = vm.spinlock("balloon pages_lock")
        self.isolated_pages = 0
        self.mapping = mapping
        self.migratepage = migratepage

    def has_pages(self) -> bool:
        """Whether a page can be deflated."""
        with self.pages_lock:
            return not list_empty(self.pages)

    def ballooned(self) -> int:
        """How many pages the balloon holds, isolated ones included (walks the list; for tests and reports)."""
        return len(self.pages) + self.isolated_pages


def balloon_page_alloc(vm: VM) -> Page | None:
    """A page that can go into a balloon, or None. Mirrors mm/balloon_compaction.c, balloon_page_alloc."""
    return vm.alloc_page(BALLOON_GFP)


def balloon_page_push(pages: ListHead, page: Page) -> None:
    """Put a page on a private list of the caller."""
    list_add(page.lru, pages)


def balloon_page_pop(pages: ListHead) -> Page | None:
    """Take the first page off a private list of the caller; None when it is empty."""
    page = pages.next.owner
    if page is not None:
        list_del(page.lru)
    return page


def balloon_page_device(page: Page) -> BalloonDevInfo:
    """The device that holds ``page``, which the caller has locked. Raises VMBug for a page of nobody."""
    dev_info = page.private
    if not isinstance(dev_info, BalloonDevInfo):
        raise VMBug("D3", f"private holds {dev_info!r}", "the balloon device of the page", page)
    return dev_info


def balloon_page_insert(dev_info: BalloonDevInfo, page: Page) -> None:
    """Make ``page`` a page of the balloon. The caller holds the page lock and ``pages_lock``.

    The mark comes last, when whoever follows it finds the page complete.
    """
    SetPageBalloon(page)
    page.private = dev_info
    list_add(page.lru, dev_info.pages)
    if dev_info.mapping is not None:
        SetPageMovable(page, dev_info.mapping)


def balloon_page_delete(page: Page) -> None:
    """Make ``page`` a plain page again. The caller holds the page lock and ``pages_lock``.

    The list node of an isolated page belongs to the core and is left alone. Where marks stay, the back pointer is all that goes.
    """
    dev_info = balloon_page_device(page)
    if not dev_info.vm.era.sticky_mark:
        ClearPageBalloon(page)
        if dev_info.mapping is not None:
            ClearPageMovable(page)
    page.private = 0
    if not PageIsolated(page):
        list_del(page.lru)


def balloon_page_enqueue(dev_info: BalloonDevInfo, page: Page) -> None:
    """Put one page, fresh from ``balloon_page_alloc``, into the balloon. Raises VMBug when somebody has it locked."""
    with dev_info.pages_lock:
        _enqueue_one(dev_info, page)


def balloon_page_list_enqueue(dev_info: BalloonDevInfo, pages: ListHead) -> int:
    """Move every page of a private list into the balloon; returns how many."""
    count = 0
    with dev_info.pages_lock:
        for page in pages:
            list_del(page.lru)
            _enqueue_one(dev_info, page)
            count += 1
    return count


def _enqueue_one(dev_info: BalloonDevInfo, page: Page) -> None:
    # Nobody else can know a fresh page. If it is locked, somebody holds a stale pointer to it.
    if not trylock_page(page):
        raise VMBug("D2", "a page on its way into the balloon is locked", "a page that only the balloon knows", page)
    balloon_page_insert(dev_info, page)
    unlock_page(page)
    count_vm_event(dev_info.vm, "balloon_inflate")


def balloon_page_list_dequeue(dev_info: BalloonDevInfo, pages: ListHead, n_req_pages: int) -> int:
    """Move up to ``n_req_pages`` pages from the balloon to a private list; returns how many.

    Pages that somebody has locked, or that are isolated, stay.
    """
    count = 0
    with dev_info.pages_lock:
        for page in dev_info.pages:
            if count >= n_req_pages:
                break
            if not trylock_page(page):
                continue
            if PageIsolated(page):
                unlock_page(page)
                continue
            balloon_page_delete(page)
            count_vm_event(dev_info.vm, "balloon_deflate")
            list_add(page.lru, pages)
            unlock_page(page)
            count += 1
    return count


def balloon_page_dequeue(dev_info: BalloonDevInfo) -> Page | None:
    """Take one page out of the balloon; None when every page is locked or isolated.

    Raises VMBug when there is no page and none is isolated either: the caller believes in pages that are lost.
    """
    pages = ListHead("balloon dequeue")
    if balloon_page_list_dequeue(dev_info, pages, 1):
        return balloon_page_pop(pages)
    with dev_info.pages_lock:
        if list_empty(dev_info.pages) and not dev_info.isolated_pages:
            raise VMBug("D44", "dequeue from a balloon that holds no page", "a page on the list, or an isolated one")
    return None


def balloon_page_isolate(page: Page, mode: int) -> bool:
    """Let the core have ``page``, which the caller has locked; a page that left the balloon and kept its mark is refused."""
    if page.vm.era.sticky_mark and not page.private:
        return False
    dev_info = balloon_page_device(page)
    with dev_info.pages_lock:
        list_del(page.lru)
        dev_info.isolated_pages += 1
    return True


def balloon_page_putback(page: Page) -> None:
    """Take back an isolated page that could not be moved."""
    dev_info = balloon_page_device(page)
    with dev_info.pages_lock:
        list_add(page.lru, dev_info.pages)
        dev_info.isolated_pages -= 1


def balloon_page_migrate(mapping: AddressSpace | None, newpage: Page, page: Page, mode: int) -> int:
    """Let ``newpage`` take the place of ``page``; both are locked. Content is not preserved, a balloon page has none.

    Returns 0, -EAGAIN when the device is busy, -EINVAL for a caller that would copy by itself (MIGRATE_SYNC_NO_COPY).
    """
    if mode == MIGRATE_SYNC_NO_COPY:
        return -EINVAL
    if not PageLocked(page) or not PageLocked(newpage):
        raise VMBug("V7", "the migrate callback was called with an unlocked page", "both pages to be locked", page)
    dev_info = balloon_page_device(page)
    if dev_info.migratepage is None:
        return -EAGAIN
    return dev_info.migratepage(dev_info, newpage, page, mode)


def balloon_page_replace(dev_info: BalloonDevInfo, newpage: Page) -> None:
    """The first half of a migration: ``newpage`` goes into the balloon for an isolated page. It is locked."""
    with dev_info.pages_lock:
        balloon_page_insert(dev_info, newpage)
        dev_info.isolated_pages -= 1
        count_vm_event(dev_info.vm, "balloon_migrate")


def balloon_page_finalize(dev_info: BalloonDevInfo, page: Page) -> None:
    """The second half of a migration: the isolated page leaves the balloon. It is locked."""
    with dev_info.pages_lock:
        balloon_page_delete(page)
