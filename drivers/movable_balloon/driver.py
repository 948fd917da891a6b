"""The balloon as a driver plug-in: the device, its host, and the three callbacks that let its pages move."""

from __future__ import annotations

from movable import (
    VM,
    AddressSpace,
    DeadlockError,
    Page,
    UsageError,
    balloon,
    get_page,
    hookimpl,
    list_first,
    put_page,
    spin_on_page_locked,
)
from movable_balloon.balloon_compaction import (
    balloon_page_isolate,
    balloon_page_migrate,
    balloon_page_putback,
)
from movable_balloon.host import Host
from movable_balloon.reporting import FreePageReporting
from movable_balloon.virtio import (
    VIRTIO_BALLOON_F_DEFLATE_ON_OOM,
    VIRTIO_BALLOON_F_MUST_TELL_HOST,
    VIRTIO_BALLOON_F_PAGE_POISON,
    VIRTIO_BALLOON_F_REPORTING,
    VIRTIO_BALLOON_F_STATS_VQ,
    VirtioBalloon,
)

REMOVE_ROUNDS = 1000
"""How many rounds of a removal may find no page that can be deflated before it gives up."""


class Balloon(VirtioBalloon):
    """A virtio memory balloon on one machine.

    ``target`` is the size to begin with, in pages; it is reached when queued work runs. The next options are what the
    host offers: ``deflate_on_oom`` lets the guest take pages back when it runs out of memory (and keeps the managed
    pages as they are), ``must_tell_host``, ``stats_vq``, ``page_poison``, ``reporting`` as the virtio features of
    these names. ``oom`` is "shrinker" (4.19) or "notifier" (5.10); the era says where it is not given. ``compaction`` False builds
    a kernel whose balloon pages cannot move, ``hugetlb`` False one without huge pages. ``delayed_host`` makes the host answer from
    a work queue.

    Raises UsageError for a negative target and an unknown ``oom``.
    """

    workload = "movable_balloon.workload:BalloonWorkload"
    counters = ("balloon_inflate", "balloon_deflate", "balloon_migrate")

    def __init__(
        self,
        vm: VM,
        *,
        target: int = 0,
        deflate_on_oom: bool = True,
        must_tell_host: bool = True,
        stats_vq: bool = True,
        page_poison: bool = True,
        reporting: bool = False,
        oom: str | None = None,
        compaction: bool = True,
        hugetlb: bool = True,
        delayed_host: bool = False,
    ) -> None:
        offered = {
            VIRTIO_BALLOON_F_MUST_TELL_HOST: must_tell_host,
            VIRTIO_BALLOON_F_STATS_VQ: stats_vq,
            VIRTIO_BALLOON_F_DEFLATE_ON_OOM: deflate_on_oom,
            VIRTIO_BALLOON_F_PAGE_POISON: page_poison and vm.page_poisoning,
            # A guest that poisons what it frees, and cannot tell the host so, must not have its free pages discarded.
            VIRTIO_BALLOON_F_REPORTING: reporting and (page_poison or not vm.page_poisoning),
        }
        features = frozenset(feature for feature, wanted in offered.items() if wanted)
        host = Host(vm, delayed=delayed_host)
        super().__init__(vm, host, features, oom, hugetlb)
        host.set_target(target)
        if compaction and not self.core_owns:
            self.vb_dev_info = self.new_dev_info(self._register())
        self.reporting: FreePageReporting | None = None
        if self.virtio_has_feature(VIRTIO_BALLOON_F_REPORTING):
            self.reporting = FreePageReporting(vm, host)
        self.removed = False
        self.device_ready()

    def _register(self) -> AddressSpace:
        """What marks the pages: an owner of its own, or the operations of the offline type."""
        if not self.vm.era.sticky_mark:
            return self.vm.address_space(self, "balloon")
        error = self.vm.set_movable_ops(self, "offline", "balloon")
        mapping = self.vm.movable_ops_of("offline")
        if error or mapping is None:
            raise UsageError("the balloon finds the operations of its page type taken (-EBUSY)")
        return mapping

    def set_target(self, pages: int) -> None:
        """Let the host ask for ``pages`` pages; it gets them when queued work runs. Raises UsageError below 0."""
        self.host.set_target(pages)

    @hookimpl
    def isolate_page(self, page: Page, mode: int) -> bool:
        """Let the core have the page."""
        return balloon_page_isolate(page, mode)

    @hookimpl
    def migratepage(self, mapping: AddressSpace, newpage: Page, page: Page, mode: int) -> int:
        """Put ``newpage`` in the place of ``page``; -EAGAIN while the balloon is busy."""
        rc = balloon_page_migrate(mapping, newpage, page, mode)
        if rc == 0:
            self.isolation_ended.wake_up()
        return rc

    @hookimpl
    def migrate_page(self, newpage: Page, page: Page, mode: int) -> int:
        """The same in kernels from 6.0 on; from 6.18 on the balloon core's takes its place."""
        rc = balloon_page_migrate(None, newpage, page, mode)
        if rc == 0:
            self.isolation_ended.wake_up()
        return rc

    @hookimpl
    def putback_page(self, page: Page) -> None:
        """Take the page back."""
        balloon_page_putback(page)
        self.isolation_ended.wake_up()

    def remove(self) -> None:
        """Give every page back and go (virtballoon_remove).

        Waits while pages are isolated or locked, where the kernel tries again and again. Raises DeadlockError when nobody runs
        who could end an isolation. A second call does nothing.
        """
        if self.removed:
            return
        self.stop()
        if self.reporting is not None:
            self.reporting.unregister()
        fruitless = 0
        while left := self.size():
            if self.leak_balloon(left):
                continue
            fruitless += 1
            if fruitless > REMOVE_ROUNDS:
                raise DeadlockError(f"{left} balloon pages could not be deflated in {fruitless} rounds")
            self._wait_for_a_page()
        self.reset()
        if self.mapping is not None and not self.vm.era.sticky_mark:  # operations of a page type stay
            self.vm.free_address_space(self.mapping)
        self.removed = True

    def _wait_for_a_page(self) -> None:
        """Sleep until a page may be deflated: one that somebody has locked, else one that comes back from isolation."""
        dev_info = self.vb_dev_info
        if isinstance(dev_info, balloon.BalloonDevInfo):
            self.isolation_ended.wait_event(dev_info.has_pages)
            return
        with dev_info.pages_lock:
            page = list_first(dev_info.pages)
            if page is not None:
                get_page(page)
        if page is None:
            self.isolation_ended.wait_event(dev_info.has_pages)
            return
        spin_on_page_locked(page)  # to sleep for the page lock would be to set a flag of a page that may become isolated
        put_page(page)
