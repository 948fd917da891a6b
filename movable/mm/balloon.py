"""The balloon core of kernels from 6.18 on (mm/balloon.c): it owns lists, marks, references and counters.

One lock for all balloons, ``balloon_pages_lock``, innermost. Enqueue and dequeue take no page lock: a page is marked under the
balloon lock before anybody can know it, and what the core's callbacks trust they read under that lock. Ballooned pages = pages on
the lists + isolated pages; balloon_inflate - balloon_deflate = the same.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from errno import EAGAIN, ENOENT
from typing import TYPE_CHECKING, Any

from movable.errors import UsageError, VMBug
from movable.mm.gfp import __GFP_NOMEMALLOC, __GFP_NORETRY, GFP_HIGHUSER_MOVABLE
from movable.mm.list import ListHead, list_add, list_del, list_first
from movable.mm.movable_ops import TYPE_SHIFT, SetPageMovableOps, SetPageOffline
from movable.mm.page import get_page, put_page
from movable.mm.vmstat import adjust_managed_page_count, count_vm_event, mod_node_page_state

if TYPE_CHECKING:
    from movable.mm.page import Page
    from movable.mm.vm import VM

BALLOON_GFP = GFP_HIGHUSER_MOVABLE | __GFP_NOMEMALLOC | __GFP_NORETRY
"""How a balloon page is asked for."""

BalloonHook = Callable[["BalloonDevInfo", "Page", "Page", int], int]
"""What a device does about a move: tell its host. (dev_info, newpage, page, mode)."""


class BalloonCore:
    """The callbacks of the offline slot, and the one lock of all balloons. A machine has one, from its first balloon on."""

    def __init__(self, vm: VM) -> None:
        self.vm = vm
        self.lock = vm.spinlock("balloon_pages_lock")
        error = vm.set_movable_ops(self, "offline", "balloon")
        if error:
            taken = ", ".join(mapping.name for mapping in vm.movable_ops.values())
            raise UsageError(f"the balloon finds the slot of its page type taken ({taken}, -EBUSY)")
        self.mapping = vm.movable_ops[vm.era.page_types["offline"] >> TYPE_SHIFT]
        self.counted: Counter[str] = Counter()

    def count(self, event: str) -> None:
        """Count an event of the machine; ``counted`` keeps what this core did, for who asks whether others count them too."""
        self.counted[event] += 1
        count_vm_event(self.vm, event)

    def isolate_page(self, page: Page, mode: int) -> bool:
        """Take a page off its balloon's list; refuse one that has left its balloon. Mirrors balloon_page_isolate."""
        with self.lock:
            dev_info = page.private
            if not dev_info:
                return False
            list_del(page.lru)
            dev_info.isolated_pages += 1
        return True

    def migrate_page(self, newpage: Page, page: Page, mode: int) -> int:
        """Let the device tell its host, then put ``newpage`` in the place of ``page``. Mirrors balloon_page_migrate.

        -ENOENT from the device, and any positive number, mean that ``page`` was deflated and ``newpage`` not inflated: the balloon
        is a page smaller, and the core frees both.
        """
        dev_info: BalloonDevInfo = page.private
        if not dev_info:
            self.vm.warn("D56", page, "a balloon page without a balloon is to move")
            return -EAGAIN
        rc = self._call_hook(dev_info, newpage, page, mode)
        if rc < 0 and rc != -ENOENT:
            return rc
        with self.lock:
            if rc == 0:
                get_page(newpage)
                _insert(dev_info, newpage)
                self.count("balloon_migrate")
                if dev_info.adjust_managed_page_count and page.zone is not newpage.zone:
                    adjust_managed_page_count(page, 1)
                    adjust_managed_page_count(newpage, -1)
            else:
                self.count("balloon_deflate")
                if dev_info.adjust_managed_page_count:
                    adjust_managed_page_count(page, 1)
            _back(dev_info, page)
            page.private = 0
        put_page(page)
        dev_info.isolation_ended()
        return 0

    def _call_hook(self, dev_info: BalloonDevInfo, newpage: Page, page: Page, mode: int) -> int:
        """The device's hook, between its two events."""
        seam = page.seam
        if seam is None:
            return dev_info.migratepage(dev_info, newpage, page, mode)
        seam.event("balloon_hook", page, newpage=newpage.pfn, mode=mode)
        rc = dev_info.migratepage(dev_info, newpage, page, mode)
        seam.event("balloon_hook_ret", page, newpage=newpage.pfn, ret=rc)
        return rc

    def putback_page(self, page: Page) -> None:
        """Take a page back on its list. Mirrors balloon_page_putback."""
        dev_info: BalloonDevInfo = page.private
        if not dev_info:
            self.vm.warn("D56", page, "a balloon page without a balloon is put back")
            return
        with self.lock:
            list_add(page.lru, dev_info.pages)
            _back(dev_info, page)
        dev_info.isolation_ended()


def balloon_core(vm: VM) -> BalloonCore:
    """The balloon core of a machine. Raises UsageError in a kernel without one, and where the slot of its type is taken."""
    found: BalloonCore | None = vm.balloon
    if found is None:
        if not vm.era.balloon_core:
            raise UsageError(
                f"a kernel of era {vm.era.name} has no balloon core, so no BalloonDevInfo; a balloon there defines the callbacks "
                "itself, and has its own list and lock"
            )
        found = vm.balloon = BalloonCore(vm)
    return found


class BalloonDevInfo:
    """One device's pages (struct balloon_dev_info).

    ``pages`` are those that can be deflated, ``isolated_pages`` counts those in the hands of who migrates. ``migratepage`` is the
    device's part of a move: it tells the host, and touches neither list, mark, reference nor counter (rule D57).
    ``adjust_managed_page_count``: ballooned frames do not count as managed. ``isolation_ended`` is called when a page comes back or
    has moved, for who waits for it. ``owner`` is the driver that reports name.
    """

    def __init__(
        self,
        vm: VM,
        migratepage: BalloonHook,
        adjust_managed_page_count: bool = False,
        isolation_ended: Callable[[], object] = lambda: None,
        owner: Any = None,
    ) -> None:
        self.vm = vm
        self.core = balloon_core(vm)
        if owner is not None:
            self.core.mapping.host = owner
        self.pages = ListHead("balloon pages")
        self.isolated_pages = 0
        self.migratepage = migratepage
        self.adjust_managed_page_count = adjust_managed_page_count
        self.isolation_ended = isolation_ended

    def has_pages(self) -> bool:
        """Whether a page can be deflated."""
        with self.core.lock:
            return list_first(self.pages) is not None

    def ballooned(self) -> int:
        """How many pages the balloon holds, isolated ones included (walks the list; for tests and reports)."""
        return len(self.pages) + self.isolated_pages


def _back(dev_info: BalloonDevInfo, page: Page) -> None:
    """One page less is isolated. Raises VMBug where somebody else has counted."""
    dev_info.isolated_pages -= 1
    if dev_info.isolated_pages < 0:
        raise VMBug("D57", "a balloon has fewer than no isolated pages", "a count that the core alone changes", page)


def _insert(dev_info: BalloonDevInfo, page: Page) -> None:
    """Type, mark, back pointer, list; under the balloon lock, which is what the isolate callback takes before it trusts them."""
    SetPageOffline(page)  # does nothing to a page that comes back because its device could not deflate it
    SetPageMovableOps(page)
    page.private = dev_info
    list_add(page.lru, dev_info.pages)


def balloon_page_alloc(vm: VM) -> Page | None:
    """A page that can go into a balloon, or None (balloon_page_alloc)."""
    return vm.alloc_page(BALLOON_GFP)


def balloon_page_list_enqueue(dev_info: BalloonDevInfo, pages: ListHead) -> int:
    """Move every page of a private list into the balloon; returns how many. Raises VMBug for a page that somebody has locked."""
    count = 0
    with dev_info.core.lock:
        for page in pages:
            list_del(page.lru)
            _enqueue_one(dev_info, page)
            count += 1
    return count


def balloon_page_enqueue(dev_info: BalloonDevInfo, page: Page) -> None:
    """Put one page, fresh from ``balloon_page_alloc``, into the balloon."""
    with dev_info.core.lock:
        _enqueue_one(dev_info, page)


def _enqueue_one(dev_info: BalloonDevInfo, page: Page) -> None:
    _insert(dev_info, page)
    if dev_info.adjust_managed_page_count:
        adjust_managed_page_count(page, -1)
    dev_info.core.count("balloon_inflate")
    mod_node_page_state(page.zone.node, "nr_balloon_pages", 1)


def balloon_page_list_dequeue(dev_info: BalloonDevInfo, pages: ListHead, n_req_pages: int) -> int:
    """Move up to ``n_req_pages`` pages from the balloon to a private list; returns how many. They keep type and mark.

    The node's counter is that of the page's node, although a move to another node never told it (as the kernel has it).
    """
    count = 0
    with dev_info.core.lock:
        for page in dev_info.pages:
            if count >= n_req_pages:
                break
            list_del(page.lru)
            if dev_info.adjust_managed_page_count:
                adjust_managed_page_count(page, 1)
            page.private = 0
            dev_info.core.count("balloon_deflate")
            mod_node_page_state(page.zone.node, "nr_balloon_pages", -1)
            list_add(page.lru, pages)
            count += 1
    return count


def balloon_page_dequeue(dev_info: BalloonDevInfo) -> Page | None:
    """Take one page out of the balloon; None when every page is isolated.

    Raises VMBug when there is no page and none is isolated either: the caller believes in pages that are lost.
    """
    pages = ListHead("balloon dequeue")
    if balloon_page_list_dequeue(dev_info, pages, 1):
        page = list_first(pages)
        if page is not None:
            list_del(page.lru)
        return page
    with dev_info.core.lock:
        if not dev_info.isolated_pages and list_first(dev_info.pages) is None:
            raise VMBug("D44", "dequeue from a balloon that holds no page", "a page on the list, or an isolated one")
    return None


__all__ = [
    "BALLOON_GFP",
    "BalloonCore",
    "BalloonDevInfo",
    "BalloonHook",
    "balloon_core",
    "balloon_page_alloc",
    "balloon_page_dequeue",
    "balloon_page_enqueue",
    "balloon_page_list_dequeue",
    "balloon_page_list_enqueue",
]
